//! The virtual nodes in the API: registration, leases, heartbeats.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Namespace, Node, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::{Value, json};

use crate::config::{AgentConfig, Limits, node_address, node_name};
use crate::doctor::{ENFORCED, not_enforced};
use crate::machine::Share;
use crate::network::Ipam;

const LEASE_NAMESPACE: &str = "kube-node-lease";
const LEASE_SECONDS: i32 = 40;
const RENEW_EVERY: Duration = Duration::from_secs(10);
/// Status heartbeats are rarer than leases, as the kubelet's.
const STATUS_EVERY_RENEWALS: u32 = 30;
const RETRY_AFTER: Duration = Duration::from_millis(50);

/// Registers every node, trying until the API server takes it, and removes those that an earlier start had more.
pub(crate) async fn register(client: &Client, config: &AgentConfig) {
    let facts = Facts::of_machine(config);
    for index in 0..config.nodes {
        while let Err(error) = register_one(client, index, &facts).await {
            tracing::debug!(%error, "cannot register a node yet");
            tokio::time::sleep(RETRY_AFTER).await;
        }
    }
    if let Err(error) = remove_surplus(client, config.nodes).await {
        tracing::warn!(%error, "cannot remove nodes of an earlier start");
    }
}

/// Renews leases and heartbeats until the runtime ends.
pub(crate) async fn beat(client: Client, config: AgentConfig) {
    let facts = Facts::of_machine(&config);
    for round in 1_u32.. {
        tokio::time::sleep(RENEW_EVERY).await;
        for index in 0..config.nodes {
            if let Err(error) = beat_once(&client, index, (&facts, round)).await {
                tracing::warn!(%error, node = node_name(index), "the node's heartbeat failed");
            }
        }
    }
}

async fn beat_once(
    client: &Client,
    index: u16,
    (facts, round): (&Facts, u32),
) -> Result<(), kube::Error> {
    let (nodes, name): (Api<Node>, _) = (Api::all(client.clone()), node_name(index));
    let Some(node) = nodes.get_opt(&name).await? else {
        return come_back(client, index, facts).await;
    };
    renew(client, &name).await?;
    // Whoever took the node for lost is told at once that it is there.
    if round.is_multiple_of(STATUS_EVERY_RENEWALS) || !says_ready(&node) {
        write_status(client, index, facts).await?;
    }
    Ok(())
}

fn says_ready(node: &Node) -> bool {
    let conditions = node.status.iter().flat_map(|it| it.conditions.iter().flatten());
    conditions.into_iter().any(|it| it.type_ == "Ready" && it.status == "True")
}

/// Somebody deleted the node. Its pods end with it, as on Kubernetes; then it is registered anew. (A kubelet waits for
/// its next start, which here would be that of the whole cluster.)
async fn come_back(client: &Client, index: u16, facts: &Facts) -> Result<(), kube::Error> {
    let pods: Api<Pod> = Api::all(client.clone());
    let bound = ListParams::default().fields(&format!("spec.nodeName={}", node_name(index)));
    match pods.list(&bound.limit(1)).await?.items.is_empty() {
        true => register_one(client, index, facts).await,
        false => Ok(()),
    }
}

async fn register_one(client: &Client, index: u16, facts: &Facts) -> Result<(), kube::Error> {
    let nodes: Api<Node> = Api::all(client.clone());
    let name = node_name(index);
    let node: Node = serde_json::from_value(node(index)).expect("a literal of the kind's shape");
    match nodes.create(&PostParams::default(), &node).await {
        Err(kube::Error::Api(status)) if status.code == 409 => {}
        other => {
            other?;
        }
    }
    write_status(client, index, facts).await?;
    renew(client, &name).await
}

async fn write_status(client: &Client, index: u16, facts: &Facts) -> Result<(), kube::Error> {
    let nodes: Api<Node> = Api::all(client.clone());
    let name = node_name(index);
    let present = nodes.get(&name).await?;
    let before = present.status.and_then(|status| status.conditions).unwrap_or_default();
    let transition = |kind: &str, status: &str| {
        let same = before.iter().find(|it| it.type_ == kind && it.status == status);
        same.and_then(|it| it.last_transition_time.clone()).map_or_else(now, |time| json!(time))
    };
    let status = json!({"status": facts.status(index, &transition)});
    nodes.patch_status(&name, &PatchParams::default(), &Patch::Merge(&status)).await.map(|_| ())
}

fn now() -> Value {
    json!(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(Timestamp::now()))
}

fn node(index: u16) -> Value {
    let name = node_name(index);
    json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {
                "kubernetes.io/hostname": name,
                "kubernetes.io/os": "linux",
                "kubernetes.io/arch": architecture(),
                "beta.kubernetes.io/os": "linux",
                "beta.kubernetes.io/arch": architecture(),
            },
        },
        "spec": {"podCIDR": Ipam::cidr(index), "podCIDRs": [Ipam::cidr(index)],
            "providerID": format!("endstate://{name}")},
    })
}

fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// The machine, as each node shows its share of it.
struct Facts {
    share: Share,
    limits: Limits,
    kernel: String,
    version: String,
    boot_id: String,
}

impl Facts {
    fn of_machine(config: &AgentConfig) -> Self {
        let read = |path: &str| {
            std::fs::read_to_string(path).map(|text| text.trim().to_owned()).unwrap_or_default()
        };
        Self {
            share: config.share(),
            limits: config.limits.clone(),
            kernel: read("/proc/sys/kernel/osrelease"),
            version: format!("v1.33.0-endstate-{}", config.version),
            boot_id: read("/proc/sys/kernel/random/boot_id"),
        }
    }

    fn status(&self, index: u16, transition: &dyn Fn(&str, &str) -> Value) -> Value {
        let (enforced, why, text) = match &self.limits {
            Limits::Enforced(_) => ("True", "ControlGroups", ENFORCED.to_owned()),
            Limits::NotEnforced { why } => ("False", "NoControlGroups", not_enforced(why)),
        };
        let condition = |kind: &str, status: &str, reason: &str, message: &str| {
            json!({"type": kind, "status": status, "reason": reason, "message": message,
                "lastHeartbeatTime": now(), "lastTransitionTime": transition(kind, status)})
        };
        json!({
            "capacity": self.share.capacity.quantities(),
            "allocatable": self.share.allocatable.quantities(),
            "addresses": [
                {"type": "InternalIP", "address": node_address(index).to_string()},
                {"type": "Hostname", "address": node_name(index)},
            ],
            "conditions": [
                condition("MemoryPressure", "False", "KubeletHasSufficientMemory",
                    "kubelet has sufficient memory available"),
                condition("DiskPressure", "False", "KubeletHasNoDiskPressure",
                    "kubelet has no disk pressure"),
                condition("PIDPressure", "False", "KubeletHasSufficientPID",
                    "kubelet has sufficient PID available"),
                condition("LimitsEnforced", enforced, why, &text),
                condition("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
            ],
            "nodeInfo": {
                "architecture": architecture(), "operatingSystem": "linux", "osImage": "Endstate",
                "kernelVersion": self.kernel, "kubeletVersion": self.version,
                "kubeProxyVersion": self.version, "containerRuntimeVersion": "runc://1",
                "machineID": "", "systemUUID": "", "bootID": self.boot_id,
            },
        })
    }
}

async fn renew(client: &Client, node: &str) -> Result<(), kube::Error> {
    let leases: Api<Lease> = Api::namespaced(client.clone(), LEASE_NAMESPACE);
    let time = MicroTime(Timestamp::now());
    let spec =
        json!({"holderIdentity": node, "leaseDurationSeconds": LEASE_SECONDS, "renewTime": time});
    let patch = json!({"spec": spec});
    match leases.patch(node, &PatchParams::default(), &Patch::Merge(&patch)).await {
        Err(kube::Error::Api(status)) if status.code == 404 => {}
        other => return other.map(|_| ()),
    }
    let lease = json!({"metadata": {"name": node, "namespace": LEASE_NAMESPACE}, "spec": spec});
    let lease: Lease = serde_json::from_value(lease).expect("a literal of the kind's shape");
    match leases.create(&PostParams::default(), &lease).await {
        Err(kube::Error::Api(status)) if status.code == 404 => {
            let namespaces: Api<Namespace> = Api::all(client.clone());
            let namespace = json!({"metadata": {"name": LEASE_NAMESPACE}});
            let namespace = serde_json::from_value(namespace).expect("a literal");
            namespaces.create(&PostParams::default(), &namespace).await?;
            leases.create(&PostParams::default(), &lease).await.map(|_| ())
        }
        other => other.map(|_| ()),
    }
}

async fn remove_surplus(client: &Client, count: u16) -> Result<(), kube::Error> {
    let nodes: Api<Node> = Api::all(client.clone());
    for node in nodes.list(&ListParams::default()).await? {
        let name = node.metadata.name.unwrap_or_default();
        if index_of(&name).is_some_and(|index| index >= count) {
            nodes.delete(&name, &DeleteParams::default()).await?;
        }
    }
    Ok(())
}

/// The number of one of our nodes.
pub(crate) fn index_of(name: &str) -> Option<u16> {
    name.strip_prefix("endstate-")?.parse().ok()
}
