//! Pods that cannot stay: driven from their node by a taint, or of a node that is no more.
//!
//! Why a pod goes is written into its status before it does, in a plan of its own: the next look sees it, and deletes.
//! Invariant: a pod is taken for one without a node only after the node was missing for the quarantine, and the API
//! itself must agree before anything is done ([`Plan::absent_node`]).

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Node, Pod, PodCondition};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::owners::is_deleting;
use crate::plan::{Event, Plan, Step, Write};
use crate::pods::{condition, is_terminal, node_name};
use crate::taints::{Leave, OUT_OF_SERVICE, driving, leave};

/// How long a node is missing before its pods are.
pub const QUARANTINE: Duration = Duration::from_secs(40);
/// How many pods that have ended are kept.
pub const ENDED_MAX: usize = 12_500;
const DISRUPTION: &str = "DisruptionTarget";

/// What the plan may look at.
pub struct Snapshot<'a> {
    pub pod: &'a Arc<Pod>,
    pub place: Place<'a>,
    pub now: Timestamp,
}

/// Where a pod is.
#[derive(Clone, Copy)]
pub enum Place<'a> {
    Unbound,
    On(&'a Node),
    /// There has been no such node for so long.
    Missing(Duration),
}

pub fn plan(snapshot: &Snapshot<'_>) -> Plan {
    let mut plan = Plan::default();
    let pod = snapshot.pod;
    match snapshot.place {
        // Nobody runs it, so nobody confirms its end.
        Place::Unbound if is_deleting(&pod.metadata) => plan.push(Write::delete_now(pod)),
        Place::Unbound => {}
        Place::Missing(since) if since < QUARANTINE => plan.look_again_in(QUARANTINE - since),
        Place::Missing(_) => {
            plan.absent_node = node_name(pod).map(str::to_owned);
            collect(&mut plan, snapshot, "PodGC: node no longer exists");
        }
        Place::On(node) if is_deleting(&pod.metadata) => {
            let is_off = driving(node).any(|it| it.key == OUT_OF_SERVICE);
            if is_off && !crate::node::is_ready(node) {
                collect(&mut plan, snapshot, "PodGC: node is out of service");
            }
        }
        Place::On(node) => evict(&mut plan, snapshot, node),
    }
    plan
}

/// The oldest of the pods that have ended, if there are too many.
pub fn surplus(pods: &[Arc<Pod>]) -> Plan {
    let mut plan = Plan::default();
    let mut ended: Vec<_> =
        pods.iter().filter(|it| is_terminal(it) && !is_deleting(&it.metadata)).collect();
    let many = ended.len().saturating_sub(ENDED_MAX);
    ended.sort_by_key(|it| {
        let meta = &it.metadata;
        (meta.creation_timestamp.clone(), meta.namespace.clone(), meta.name.clone())
    });
    ended.into_iter().take(many).for_each(|pod| plan.push(Write::delete_now(pod)));
    plan
}

fn collect(plan: &mut Plan, snapshot: &Snapshot<'_>, message: &str) {
    if is_terminal(snapshot.pod) {
        return plan.push(Write::delete_now(snapshot.pod));
    }
    let mut wanted = disrupted(snapshot, "DeletionByPodGC", message);
    wanted.status.get_or_insert_default().phase = Some("Failed".to_owned());
    plan.push(Write::update_status(snapshot.pod, wanted));
}

fn evict(plan: &mut Plan, snapshot: &Snapshot<'_>, node: &Node) {
    let pod = snapshot.pod;
    let Leave::At(at) = leave(pod, node, snapshot.now) else { return };
    if is_terminal(pod) {
        return;
    }
    let left = at.duration_since(snapshot.now);
    if left.is_positive() {
        return plan.look_again_in(left.unsigned_abs());
    }
    if condition(pod, DISRUPTION).is_none_or(|it| it.status != "True") {
        let message = "Taint manager: deleting due to NoExecute taint";
        let wanted = disrupted(snapshot, "DeletionByTaintManager", message);
        return plan.push(Write::update_status(pod, wanted));
    }
    let meta = &pod.metadata;
    let (namespace, name) = (meta.namespace.as_deref(), crate::owners::name(meta));
    let note = format!("Marking for deletion Pod {}/{name}", namespace.unwrap_or_default());
    plan.steps.push(Step {
        action: Write::delete(pod).into(),
        done: Some(Event::normal("TaintManagerEviction", note)),
        failed: None,
    });
}

/// The pod, with why it goes.
fn disrupted(snapshot: &Snapshot<'_>, reason: &str, message: &str) -> Pod {
    let mut wanted = Pod::clone(snapshot.pod);
    let conditions = wanted.status.get_or_insert_default().conditions.get_or_insert_default();
    conditions.retain(|it| it.type_ != DISRUPTION);
    conditions.push(PodCondition {
        type_: DISRUPTION.to_owned(),
        status: "True".to_owned(),
        reason: Some(reason.to_owned()),
        message: Some(message.to_owned()),
        last_transition_time: Some(Time(snapshot.now)),
        ..PodCondition::default()
    });
    wanted
}

#[cfg(test)]
mod tests;
