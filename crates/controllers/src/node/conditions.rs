//! Conditions of nodes and pods as a node's silence leaves them.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Node, NodeCondition, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// What an agent tells of its node.
const TOLD: [&str; 4] = ["Ready", "MemoryPressure", "DiskPressure", "PIDPressure"];

pub(super) fn condition<'a>(node: &'a Node, kind: &str) -> Option<&'a NodeCondition> {
    node.status.as_ref()?.conditions.as_ref()?.iter().find(|it| it.type_ == kind)
}

pub fn is_ready(node: &Node) -> bool {
    condition(node, "Ready").is_some_and(|it| it.status == "True")
}

/// The node with all that its agent tells unknown; `None` if it is so.
pub(super) fn silenced(node: &Node, now: Timestamp) -> Option<Node> {
    let is_known = |kind: &&str| condition(node, kind).is_none_or(|it| it.status != "Unknown");
    let known: Vec<_> = TOLD.into_iter().filter(is_known).collect();
    if known.is_empty() {
        return None;
    }
    let mut wanted = node.clone();
    let conditions = wanted.status.get_or_insert_default().conditions.get_or_insert_default();
    for kind in known {
        match conditions.iter_mut().find(|it| it.type_ == kind) {
            Some(condition) => {
                condition.status = "Unknown".to_owned();
                condition.reason = Some("NodeStatusUnknown".to_owned());
                condition.message = Some("Kubelet stopped posting node status.".to_owned());
                condition.last_transition_time = Some(Time(now));
            }
            None => conditions.push(NodeCondition {
                type_: kind.to_owned(),
                status: "Unknown".to_owned(),
                reason: Some("NodeStatusNeverUpdated".to_owned()),
                message: Some("Kubelet never posted node status.".to_owned()),
                last_heartbeat_time: node.metadata.creation_timestamp.clone(),
                last_transition_time: Some(Time(now)),
            }),
        }
    }
    Some(wanted)
}

/// The pod, not ready since its node is not.
pub(super) fn unready(pod: &Pod, now: Timestamp) -> Pod {
    let mut wanted = pod.clone();
    let conditions = wanted.status.get_or_insert_default().conditions.iter_mut().flatten();
    for condition in conditions.filter(|it| it.type_ == "Ready") {
        condition.status = "False".to_owned();
        condition.reason = Some("NodeNotReady".to_owned());
        condition.last_transition_time = Some(Time(now));
    }
    wanted
}
