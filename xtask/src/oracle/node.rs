//! A node: containerd and kubelet with an address, a network and a folder of their own. All are in one network
//! namespace, so one kube-proxy serves them, and pods of one reach those of the other by the routes of the namespace.

use std::fs;
use std::path::Path;

use anyhow::Result;

use super::components::{Component, ROOT};
use super::files::{ADDRESS, INSIDE};
use super::programs::PAUSE;

pub(super) fn name(node: u8) -> String {
    format!("node-{node}")
}

pub(super) fn address(node: u8) -> String {
    format!("172.31.0.{}", node + 2)
}

/// Where its containerd listens.
pub(super) fn socket(node: u8) -> String {
    format!("/run/{}/containerd.sock", name(node))
}

/// Its folder as the inside has it.
fn home(node: u8) -> String {
    format!("{INSIDE}/{}", name(node))
}

/// Writes what its programs read.
pub(super) fn write(folder: &Path, node: u8, cgroup: &str) -> Result<()> {
    let folder = folder.join(name(node));
    fs::create_dir_all(folder.join("cni"))?;
    fs::write(folder.join("cni/pods.conflist"), network(node))?;
    fs::write(folder.join("containerd.toml"), containerd(node))?;
    Ok(fs::write(folder.join("kubelet.yaml"), kubelet(node, cgroup))?)
}

/// Every pod has a link of its own, and all is routed: no bridge, which would keep replies from kube-proxy's rules.
fn network(node: u8) -> String {
    let ranges = serde_json::json!([[{"subnet": format!("10.244.{node}.0/24")}]]);
    let (data, routes) =
        (format!("/run/{}/ipam", name(node)), [serde_json::json!({"dst": "0.0.0.0/0"})]);
    let ipam = serde_json::json!({"type": "host-local", "dataDir": data, "ranges": ranges, "routes": routes});
    let plugin = serde_json::json!({"type": "ptp", "ipam": ipam});
    serde_json::json!({"cniVersion": "1.0.0", "name": "pods", "plugins": [plugin]}).to_string()
}

/// `restrict_oom_score_adj`: where a score cannot be lowered a sandbox would not start.
fn containerd(node: u8) -> String {
    let (name, home, cri) = (name(node), home(node), "plugins.\"io.containerd.grpc.v1.cri\"");
    format!(
        "version = 2\nroot = \"{home}/containerd\"\nstate = \"/run/{name}/containerd\"\n\
         [grpc]\naddress = \"{}\"\n\
         [{cri}]\nrestrict_oom_score_adj = true\nsandbox_image = \"{PAUSE}\"\nstream_server_port = \"0\"\n\
         [{cri}.cni]\nbin_dir = \"{ROOT}/usr/lib/cni\"\nconf_dir = \"{home}/cni\"\n\
         [{cri}.containerd]\ndefault_runtime_name = \"runc\"\n\
         [{cri}.containerd.runtimes.runc]\nruntime_type = \"io.containerd.runc.v2\"\n\
         [{cri}.containerd.runtimes.runc.options]\nBinaryName = \"{ROOT}/usr/sbin/runc\"\n",
        socket(node)
    )
}

/// Without cgroups by quality of service, which not every host's hierarchies let it make, and content with a disk that
/// is almost full.
fn kubelet(node: u8, cgroup: &str) -> String {
    let full = serde_json::json!({"nodefs.available": "1%", "imagefs.available": "1%", "nodefs.inodesFree": "1%"});
    let x509 = serde_json::json!({"clientCAFile": format!("{INSIDE}/pki/ca.crt")});
    serde_json::json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": address(node),
        "authentication": {"anonymous": {"enabled": false}, "webhook": {"enabled": true}, "x509": x509},
        "authorization": {"mode": "Webhook"},
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": format!("/{cgroup}"),
        "cgroupsPerQOS": false,
        "clusterDNS": [ADDRESS],
        "clusterDomain": "cluster.local",
        "containerRuntimeEndpoint": format!("unix://{}", socket(node)),
        "enforceNodeAllocatable": [],
        "evictionHard": full,
        "failCgroupV1": false,
        "failSwapOn": false,
        "healthzPort": 0,
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "oomScoreAdj": 0,
        "podLogsDir": format!("{}/pods", home(node)),
        "resolvConf": format!("{INSIDE}/resolv.conf"),
    })
    .to_string()
}

/// Its container runtime.
pub(super) fn runtime(node: u8) -> Component {
    let config = format!("{}/containerd.toml", home(node));
    Component::new("containerd", format!("{ROOT}/usr/bin/containerd"), &["-c", &config]).of(node)
}

/// Its kubelet.
pub(super) fn agent(node: u8) -> Component {
    let (name, home) = (name(node), home(node));
    let args = [
        format!("--config={home}/kubelet.yaml"),
        format!("--kubeconfig={INSIDE}/{name}.kubeconfig"),
        format!("--root-dir={home}/kubelet"),
        format!("--cert-dir={home}/pki"),
        format!("--hostname-override={name}"),
        format!("--node-ip={}", address(node)),
        "--runtime-cgroups=/".to_owned(),
        "--kubelet-cgroups=/".to_owned(),
    ];
    Component::kubernetes("kubelet", &args.each_ref().map(String::as_str)).of(node)
}
