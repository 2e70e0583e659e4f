//! The programs of the control plane, as command lines.

use std::fs::File;
use std::process::{Child, Stdio};

use anyhow::{Context, Result};

use super::files::INSIDE;
use super::node;

/// Where the inside has the unpacked packages.
pub(super) const ROOT: &str = "/mnt/tools/oracle/debian";

/// The user of members and operators, see [`manager`].
const NOBODY: u32 = 65532;

/// A program that is to run.
pub(super) struct Component {
    pub(super) name: String,
    program: String,
    args: Vec<String>,
    /// As another than root.
    user: Option<u32>,
}

impl Component {
    pub(super) fn new(name: &str, program: String, args: &[&str]) -> Self {
        let args = args.iter().map(|it| (*it).to_owned()).collect();
        Self { name: name.to_owned(), program, args, user: None }
    }

    /// One of Kubernetes' own.
    pub(super) fn kubernetes(name: &str, args: &[&str]) -> Self {
        Self::new(name, format!("/mnt/tools/oracle/kubernetes/{name}"), args)
    }

    /// One of a node.
    pub(super) fn of(mut self, node: u8) -> Self {
        self.name = format!("{}-{}", self.name, node::name(node));
        self
    }

    /// Its file of output.
    pub(super) fn log(&self) -> String {
        format!("{INSIDE}/log/{}", self.name)
    }

    pub(super) fn start(&self) -> Result<Child> {
        let log = File::create(self.log())?;
        let mut command = match self.user {
            Some(user) => {
                let mut command = super::inside::command("setpriv");
                command.arg(format!("--reuid={user}")).arg(format!("--regid={user}"));
                command.arg("--clear-groups").arg(&self.program);
                command
            }
            None => super::inside::command(&self.program),
        };
        command.args(&self.args).current_dir(INSIDE);
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        command.spawn().with_context(|| format!("cannot start {}", self.program))
    }
}

/// Where everything is kept. What a power cut would lose is removed with it.
pub(super) fn etcd() -> Component {
    let args = ["--data-dir=etcd", "--unsafe-no-fsync", "--listen-peer-urls=http://127.0.0.1:2380"];
    Component::new("etcd", "/mnt/images/etcd/v3.6.16/etcd".to_owned(), &args)
}

/// With the evictions that operators respond to, which are off by default.
pub(super) fn api_server() -> Component {
    let args = [
        "--feature-gates=EvictionRequestAPI=true",
        "--runtime-config=lifecycle.k8s.io/v1alpha1=true",
        "--etcd-servers=http://127.0.0.1:2379",
        "--advertise-address=172.31.0.1",
        "--secure-port=6443",
        "--service-cluster-ip-range=10.96.0.0/16",
        "--tls-cert-file=pki/server.crt",
        "--tls-private-key-file=pki/server.key",
        "--client-ca-file=pki/ca.crt",
        "--token-auth-file=tokens.csv",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--service-account-issuer=https://kubernetes.default.svc",
        "--service-account-key-file=pki/accounts.pub",
        "--service-account-signing-key-file=pki/accounts.key",
        "--kubelet-client-certificate=pki/client.crt",
        "--kubelet-client-key=pki/client.key",
        "--kubelet-preferred-address-types=InternalIP",
    ];
    Component::kubernetes("kube-apiserver", &args)
}

/// It also makes the folders of volumes, which are then its user's alone: the user of our pods.
pub(super) fn manager() -> Component {
    let args = [
        "--kubeconfig=manager.kubeconfig",
        "--service-account-private-key-file=pki/accounts.key",
        "--root-ca-file=pki/ca.crt",
        "--use-service-account-credentials",
        "--enable-hostpath-provisioner",
        "--leader-elect=false",
    ];
    let manager = Component::kubernetes("kube-controller-manager", &args);
    Component { user: Some(NOBODY), ..manager }
}

pub(super) fn scheduler() -> Component {
    Component::kubernetes(
        "kube-scheduler",
        &["--kubeconfig=scheduler.kubeconfig", "--leader-elect=false"],
    )
}

/// It leaves the host's limits of connections alone.
pub(super) fn proxy() -> Component {
    let args = [
        "--kubeconfig=proxy.kubeconfig",
        "--proxy-mode=nftables",
        "--conntrack-max-per-core=0",
        "--conntrack-tcp-timeout-established=0",
        "--conntrack-tcp-timeout-close-wait=0",
        "--hostname-override=node-0",
        "--cluster-cidr=10.244.0.0/16",
    ];
    Component::kubernetes("kube-proxy", &args)
}

pub(super) fn dns() -> Component {
    Component::new(
        "coredns",
        "/mnt/tools/oracle/coredns/coredns".to_owned(),
        &["-conf", "Corefile"],
    )
}
