//! What `endstate status etcd` shows: cluster → members → pods → volumes, as data and as text.
//!
//! The tree is made from API objects alone, so it is as true as the operator's last look; each figure of a member is from when the
//! status was written. Building and rendering are pure; [`fetch`] does the I/O.

mod render;
mod watch;

use endstate_core::{LABEL_CLUSTER, MemberRow, Role, Truth};
use k8s_openapi::api::core::v1::{Pod, Volume};
use kube::api::{DynamicObject, ListParams};
use kube::{Api, Client, Resource, ResourceExt};
use serde::Serialize;
use serde_json::Value;

use crate::crd::{self, EtcdClusterStatus};
use crate::objects::pod::{CONTAINER, LAUNCHER_VOLUME};
pub use render::{Style, render};
pub use watch::watch;

/// A cluster and everything below it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Tree {
    /// The API version of the object that declares it.
    pub api_version: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// One word about it.
    pub phase: String,
    /// Voting members that are asked for.
    pub size: i64,
    /// Voting members that work.
    pub ready: u32,
    /// The version that is asked for.
    pub version: String,
    /// etcd's id of the cluster.
    pub cluster_id: Option<String>,
    /// Where clients reach it.
    pub endpoint: Option<String>,
    /// Whether the operator has looked at the spec as it is now.
    pub is_current: bool,
    /// Its conditions.
    pub conditions: Vec<Condition>,
    /// What is unfinished: "waiting for X because Y".
    pub waiting: Vec<String>,
    /// Its members, by name.
    pub members: Vec<Member>,
}

/// A condition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// What it is about.
    #[serde(rename = "type")]
    pub kind: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// Whether that is as it should be.
    pub is_good: bool,
    /// One word why.
    pub reason: String,
    /// A sentence why.
    pub message: String,
}

/// A member.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    /// Its name.
    pub name: String,
    /// `leader`, `voter`, `learner`, `joining` before etcd knows it, or `leaving` when it no longer does.
    pub role: String,
    /// Whether it works.
    pub healthy: bool,
    /// Why not.
    pub trouble: Option<String>,
    /// etcd's id of it.
    pub id: Option<String>,
    /// The version it runs.
    pub version: Option<String>,
    /// The raft index of its log.
    pub raft_index: Option<u64>,
    /// How far it is behind.
    pub lag: Option<u64>,
    /// The size of its database in bytes.
    pub db_size: Option<u64>,
    /// Its pod, if there is one.
    pub pod: Option<PodNode>,
}

/// A member's pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PodNode {
    /// Its phase, or what holds it up.
    pub state: String,
    /// Whether it is ready.
    pub ready: bool,
    /// How often etcd was restarted in it.
    pub restarts: i32,
    /// Where it runs.
    pub node: Option<String>,
    /// Its address.
    pub address: Option<String>,
    /// Its volumes that etcd sees.
    pub volumes: Vec<VolumeNode>,
}

/// A volume of a pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VolumeNode {
    /// Its name in the pod.
    pub name: String,
    /// `emptyDir`, or `claim NAME`.
    pub kind: String,
    /// Where etcd sees it.
    pub path: String,
}

/// Why there is no tree.
#[derive(Debug, thiserror::Error)]
pub enum StatusError {
    /// The API failed.
    #[error("cannot read {what}")]
    Api {
        /// What was to be read.
        what: String,
        /// Why it could not.
        #[source]
        source: Box<kube::Error>,
    },
    /// There is no such cluster.
    #[error(
        "no EtcdCluster {namespace}/{name}; `endstate get etcdclusters -A` lists those that there are"
    )]
    NotFound {
        /// Where it was looked for.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// Its status was written by something else.
    #[error(
        "the status of {name} cannot be read; was it written by another version of the operator?"
    )]
    Unreadable {
        /// Whose.
        name: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
}

/// Reads a cluster of either kind, and its pods, from the API.
pub async fn fetch(client: &Client, namespace: &str, name: &str) -> Result<Tree, StatusError> {
    let api = |what: &str| {
        let what = what.to_owned();
        move |source| StatusError::Api { what, source: Box::new(source) }
    };
    let object = match read::<crd::EtcdCluster>(client, namespace, name).await {
        Ok(None) => read::<crd::historical::EtcdCluster>(client, namespace, name).await,
        found => found,
    };
    let object = object.map_err(api("the EtcdCluster"))?.ok_or_else(|| StatusError::NotFound {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    })?;
    let selector = format!("{LABEL_CLUSTER}={name}");
    let pods = Api::<Pod>::namespaced(client.clone(), namespace)
        .list(&ListParams::default().labels(&selector))
        .await
        .map_err(api("the pods of the cluster"))?;
    tree(&object, &pods.items)
}

/// One object of a kind that may not be installed.
async fn read<K: Resource<DynamicType = ()>>(
    client: &Client,
    namespace: &str,
    name: &str,
) -> Result<Option<DynamicObject>, kube::Error> {
    let kind = kube::api::ApiResource::erase::<K>(&());
    let api = Api::<DynamicObject>::namespaced_with(client.clone(), namespace, &kind);
    match api.get_opt(name).await {
        // A path that is not served is no status of the API's, only a text.
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
        found => found,
    }
}

/// Makes the tree from a cluster object of either kind, and the pods of its namespace.
pub fn tree(object: &DynamicObject, pods: &[Pod]) -> Result<Tree, StatusError> {
    let status = own_status(object)?;
    let spec = &object.data["spec"];
    let uid = object.uid().unwrap_or_default();
    let namespace = object.namespace().unwrap_or_default();
    let service = etcd_plan::client_service(&object.name_any());
    let endpoint =
        format!("http://{service}.{namespace}.svc:{port}", port = etcd_plan::CLIENT_PORT);
    let pods: Vec<&Pod> = pods
        .iter()
        .filter(|it| it.owner_references().iter().any(|owner| owner.uid == uid))
        .collect();
    let text = |value: &Value| value.as_str().map(str::to_owned);
    Ok(Tree {
        api_version: object.types.as_ref().map(|it| it.api_version.clone()).unwrap_or_default(),
        name: object.name_any(),
        phase: status.phase.to_string(),
        size: spec["size"].as_i64().unwrap_or(0),
        ready: status.ready,
        version: text(&spec["version"])
            .unwrap_or_else(|| crd::historical::DEFAULT_VERSION.to_owned()),
        cluster_id: status.record.cluster_id.map(|it| it.to_string()),
        endpoint: status.record.cluster_id.map(|_| endpoint),
        is_current: status.observed_generation == object.metadata.generation,
        conditions: status.conditions.iter().map(condition).collect(),
        waiting: status.waiting.iter().map(ToString::to_string).collect(),
        members: members(&status, &pods),
        namespace,
    })
}

fn own_status(object: &DynamicObject) -> Result<EtcdClusterStatus, StatusError> {
    let status = &object.data["status"];
    let group = object.types.as_ref().map(|it| it.api_version.as_str()).unwrap_or_default();
    let status = match group.starts_with("etcd.database.coreos.com/") {
        true => &status["endstate"],
        false => status,
    };
    if status.is_null() {
        return Ok(EtcdClusterStatus::default());
    }
    serde_json::from_value(status.clone())
        .map_err(|source| StatusError::Unreadable { name: object.name_any(), source })
}

fn condition(it: &endstate_core::Condition) -> Condition {
    use endstate_core::ConditionType::{
        Available, Degraded, Progressing, QuorumLost, SpecAccepted,
    };
    let status = match it.status {
        Truth::True => "True",
        Truth::False => "False",
        Truth::Unknown => "Unknown",
    };
    let is_good = match it.kind {
        Available | SpecAccepted => it.status == Truth::True,
        Degraded | QuorumLost => it.status == Truth::False,
        Progressing => true,
    };
    Condition {
        kind: it.kind.to_string(),
        status: status.to_owned(),
        is_good,
        reason: it.reason.clone(),
        message: it.message.clone(),
    }
}

/// The members that the status lists, and pods that it does not list yet.
fn members(status: &EtcdClusterStatus, pods: &[&Pod]) -> Vec<Member> {
    let pod = |name: &str| pods.iter().find(|it| it.name_any() == name).map(|it| pod_node(it));
    let listed = status.members.iter().map(|it| member(it, pod(&it.name)));
    let unlisted = pods
        .iter()
        .filter(|pod| !status.members.iter().any(|it| it.name.as_str() == pod.name_any()))
        .map(|it| unlisted_member(it));
    listed.chain(unlisted).collect()
}

fn unlisted_member(pod: &Pod) -> Member {
    let (role, trouble) = match pod.metadata.deletion_timestamp {
        Some(_) => ("leaving", "its pod is being deleted"),
        None => ("joining", "etcd does not list it"),
    };
    let row = member(&MemberRow::new(pod.name_any()), Some(pod_node(pod)));
    Member { role: role.to_owned(), trouble: Some(trouble.to_owned()), ..row }
}

fn member(row: &MemberRow, pod: Option<PodNode>) -> Member {
    let role = match row.role {
        Some(Role::Leader) => "leader",
        Some(Role::Voter) => "voter",
        Some(Role::Learner) => "learner",
        None => "joining",
    };
    Member {
        name: row.name.to_string(),
        role: role.to_owned(),
        healthy: row.healthy,
        trouble: row.trouble.clone(),
        id: row.id.map(|it| it.to_string()),
        version: row.version.clone(),
        raft_index: row.position,
        lag: row.lag,
        db_size: row.db_size,
        pod,
    }
}

fn pod_node(pod: &Pod) -> PodNode {
    let seen = endstate::operator::member_pod::<Value>(pod, CONTAINER, false);
    let status = pod.status.as_ref();
    let state = match &seen.trouble {
        _ if seen.deleting => "Terminating".to_owned(),
        Some(trouble) => trouble_word(trouble),
        None => format!("{:?}", seen.phase),
    };
    PodNode {
        state,
        ready: seen.ready,
        restarts: i32::try_from(seen.restarts).unwrap_or(i32::MAX),
        node: seen.node,
        address: status.and_then(|it| it.pod_ip.clone()),
        volumes: volumes(pod),
    }
}

fn trouble_word(trouble: &endstate_core::Trouble) -> String {
    use endstate_core::Trouble::{CrashLoop, Image, Starting, Unschedulable};
    match trouble {
        Unschedulable { .. } => "Unschedulable".to_owned(),
        Image { .. } => "ImagePullBackOff".to_owned(),
        CrashLoop { .. } => "CrashLoopBackOff".to_owned(),
        Starting { reason, .. } => reason.clone(),
    }
}

fn volumes(pod: &Pod) -> Vec<VolumeNode> {
    let Some(spec) = &pod.spec else { return Vec::new() };
    let etcd = spec.containers.iter().find(|it| it.name == CONTAINER);
    let path = |name: &str| {
        let mounts = etcd?.volume_mounts.iter().flatten();
        mounts.into_iter().find(|it| it.name == name).map(|it| it.mount_path.clone())
    };
    let node = |it: &Volume| {
        // The launcher's is ours and holds no data.
        if it.name == LAUNCHER_VOLUME {
            return None;
        }
        Some(VolumeNode { name: it.name.clone(), kind: volume_kind(it), path: path(&it.name)? })
    };
    spec.volumes.iter().flatten().filter_map(node).collect()
}

fn volume_kind(volume: &Volume) -> String {
    if let Some(claim) = &volume.persistent_volume_claim {
        return format!("claim {}", claim.claim_name);
    }
    match volume.empty_dir.as_ref().and_then(|it| it.medium.as_deref()) {
        Some("Memory") => "emptyDir in memory".to_owned(),
        _ if volume.empty_dir.is_some() => "emptyDir".to_owned(),
        _ => "volume".to_owned(),
    }
}

#[cfg(test)]
mod tests;
