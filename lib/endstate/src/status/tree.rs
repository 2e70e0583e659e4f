//! The tree, made from objects. Pure.

use std::collections::BTreeMap;

use endstate_core::{ConditionType, MemberRow, Standing, Trouble, Truth};
use k8s_openapi::api::core::v1::{Container, PersistentVolumeClaim, Pod, Volume};
use kube::ResourceExt;
use kube::api::DynamicObject;
use serde_json::Value;

use super::{Member, PodNode, StatusError, Tree, VolumeNode};
use crate::launcher;
use crate::operator::member_pod;
use crate::package::Package;
use crate::template::SCRATCH;
use crate::template::main_container;

/// A status whose recorded spec nobody reads.
type Status = endstate_core::Status<Value>;

/// The objects that a tree is made from. More than the cluster's do no harm.
///
/// ```
/// # use endstate::{package::Package, status::{Seen, Tree, tree}};
/// # use kube::api::DynamicObject;
/// fn bare(package: &dyn Package, object: &DynamicObject) -> Option<Tree> {
///     tree(package, &Seen { object, pods: &[], claims: &[] }).ok()
/// }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// The object that declares the cluster.
    pub object: &'a DynamicObject,
    /// The pods of its namespace.
    pub pods: &'a [Pod],
    /// The claims of its namespace.
    pub claims: &'a [PersistentVolumeClaim],
}

/// Makes the tree of a cluster.
///
/// ```
/// # use endstate::{package::Package, status::{Seen, Style, render, tree}};
/// fn text(package: &dyn Package, seen: &Seen<'_>) -> String {
///     tree(package, seen).map_or_else(|error| error.to_string(), |it| render(&it, Style::Plain))
/// }
/// ```
pub fn tree(package: &dyn Package, seen: &Seen<'_>) -> Result<Tree, StatusError> {
    let object = seen.object;
    let summary = package.summary(object);
    let status = status(object, summary.status)?;
    let lost = status.condition(ConditionType::QuorumLost);
    let lost = lost.is_some_and(|it| it.status == Truth::True && it.reason == "DataLost");
    Ok(Tree {
        application: package.name().to_owned(),
        api_version: object.types.as_ref().map(|it| it.api_version.clone()).unwrap_or_default(),
        namespace: object.namespace().unwrap_or_default(),
        name: object.name_any(),
        phase: status.phase.to_string(),
        size: summary.size,
        ready: status.ready,
        version: summary.version,
        cluster_id: status.record.cluster_id.as_ref().map(ToString::to_string),
        endpoint: summary.endpoint.filter(|_| status.record.cluster_id.is_some()),
        is_current: status.observed_generation == object.metadata.generation,
        waiting: status.waiting.iter().map(ToString::to_string).collect(),
        rescue: lost.then(|| package.rescue().to_owned()),
        members: members(package.name(), &status, seen),
        conditions: status.conditions,
    })
}

fn status(object: &DynamicObject, status: Value) -> Result<Status, StatusError> {
    if status.is_null() {
        return Ok(Status::default());
    }
    serde_json::from_value(status)
        .map_err(|source| StatusError::Unreadable { name: object.name_any(), source })
}

/// The members that the status lists, and pods that it does not list yet.
fn members(application: &str, status: &Status, seen: &Seen<'_>) -> Vec<Member> {
    let sizes = claim_sizes(seen.claims);
    let pods = own_pods(status, seen);
    let pod =
        |name: &str| pods.iter().find(|it| it.name_any() == name).map(|it| pod_node(it, &sizes));
    let listed = status.members.iter().map(|it| member(it, pod(&it.name)));
    let unlisted = pods
        .iter()
        .filter(|pod| !status.members.iter().any(|it| it.name.as_str() == pod.name_any()))
        .map(|it| unlisted_member(application, it, pod_node(it, &sizes)));
    listed.chain(unlisted).collect()
}

/// The pods that the cluster's object owns, by uid, and those of its members that lost their owner: a member's name is
/// used once, so it is enough. Labels say nothing, because anybody may change them.
fn own_pods<'a>(status: &Status, seen: &Seen<'a>) -> Vec<&'a Pod> {
    let uid = seen.object.uid().unwrap_or_default();
    let is_own = |pod: &&Pod| {
        let mut controllers =
            pod.owner_references().iter().filter(|it| it.controller == Some(true)).peekable();
        match controllers.peek() {
            Some(owner) => owner.uid == uid,
            None => status.members.iter().any(|it| it.name.as_str() == pod.name_any()),
        }
    };
    seen.pods.iter().filter(is_own).collect()
}

fn unlisted_member(application: &str, pod: &Pod, node: PodNode) -> Member {
    let (role, trouble) = match pod.metadata.deletion_timestamp {
        Some(_) => ("leaving", "its pod is being deleted".to_owned()),
        None => ("joining", format!("{application} does not list it")),
    };
    let row = member(&MemberRow::new(pod.name_any(), ""), Some(node));
    Member { role: role.to_owned(), trouble: Some(trouble), ..row }
}

fn member(row: &MemberRow, pod: Option<PodNode>) -> Member {
    let standing = match row.standing {
        Some(Standing::Leader) => "leader",
        Some(Standing::Voter) => "voter",
        Some(Standing::NonVoter) => "non-voter",
        None => "joining",
    };
    Member {
        name: row.name.to_string(),
        role: standing.to_owned(),
        healthy: row.healthy,
        trouble: row.trouble.clone(),
        id: row.id.as_ref().map(ToString::to_string),
        version: row.version.clone(),
        position: row.position.as_ref().map(ToString::to_string),
        lag: row.lag,
        data_size: row.data_size,
        pod,
    }
}

fn pod_node(pod: &Pod, sizes: &BTreeMap<String, String>) -> PodNode {
    let container = main_container(pod);
    let name = container.map(|it| it.name.as_str()).unwrap_or_default();
    let seen = member_pod::<Value>(pod, name, None);
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
        address: pod.status.as_ref().and_then(|it| it.pod_ip.clone()),
        volumes: volumes(pod, container, sizes),
    }
}

fn trouble_word(trouble: &Trouble) -> String {
    match trouble {
        Trouble::Unschedulable { .. } => "Unschedulable".to_owned(),
        Trouble::Image { .. } => "ImagePullBackOff".to_owned(),
        Trouble::CrashLoop { .. } => "CrashLoopBackOff".to_owned(),
        Trouble::Starting { reason, .. } => reason.clone(),
    }
}

fn volumes(
    pod: &Pod,
    container: Option<&Container>,
    sizes: &BTreeMap<String, String>,
) -> Vec<VolumeNode> {
    let path = |name: &str| {
        let mounts = container?.volume_mounts.iter().flatten();
        mounts.into_iter().find(|it| it.name == name).map(|it| it.mount_path.clone())
    };
    let node = |it: &Volume| {
        // These are ours and hold no data.
        if [launcher::VOLUME, SCRATCH].contains(&it.name.as_str()) {
            return None;
        }
        let claim = it.persistent_volume_claim.as_ref().map(|it| &it.claim_name);
        Some(VolumeNode {
            name: it.name.clone(),
            kind: volume_kind(it),
            size: claim.and_then(|it| sizes.get(it).cloned()),
            path: path(&it.name)?,
        })
    };
    pod.spec.iter().flat_map(|it| it.volumes.iter().flatten()).filter_map(node).collect()
}

fn volume_kind(volume: &Volume) -> String {
    if let Some(claim) = &volume.persistent_volume_claim {
        return format!("claim {}", claim.claim_name);
    }
    match volume.empty_dir.as_ref().and_then(|it| it.medium.as_deref()) {
        Some("Memory") => "emptyDir in memory".to_owned(),
        _ if volume.empty_dir.is_some() => "emptyDir".to_owned(),
        _ if volume.config_map.is_some() => "configMap".to_owned(),
        _ if volume.secret.is_some() => "secret".to_owned(),
        _ => "volume".to_owned(),
    }
}

/// How large each claim's volume is, or is to be.
fn claim_sizes(claims: &[PersistentVolumeClaim]) -> BTreeMap<String, String> {
    let size = |it: &PersistentVolumeClaim| {
        let has = it.status.as_ref().and_then(|it| it.capacity.as_ref()?.get("storage"));
        let asks = || {
            let resources = it.spec.as_ref()?.resources.as_ref()?;
            resources.requests.as_ref()?.get("storage")
        };
        Some((it.name_any(), has.or_else(asks)?.0.clone()))
    };
    claims.iter().filter_map(size).collect()
}
