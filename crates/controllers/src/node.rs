//! The life of nodes: one that is silent is not ready; what is wrong with a node is said in taints for whoever looks at
//! taints, and in the readiness of its pods.
//!
//! Times and reasons are those of Kubernetes' node lifecycle controller. As there, no pod is driven away while no node
//! at all is ready: then it is more likely us who hear nothing.

mod conditions;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Node, Pod, Taint};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::owners::{is_deleting, name};
use crate::plan::{Action, Event, Plan, Step, Write};
use crate::taints::{NO_EXECUTE, NO_SCHEDULE, NOT_READY, UNREACHABLE, UNSCHEDULABLE, taints};
pub use conditions::is_ready;
use conditions::{condition, silenced, unready};

/// How long a node may be silent.
pub const GRACE: Duration = Duration::from_secs(50);
/// The same for one that has never said that it is ready.
pub const STARTUP_GRACE: Duration = Duration::from_secs(60);

/// Condition, its bad status, the taint.
const PRESSURES: [(&str, &str); 4] = [
    ("MemoryPressure", "node.kubernetes.io/memory-pressure"),
    ("DiskPressure", "node.kubernetes.io/disk-pressure"),
    ("PIDPressure", "node.kubernetes.io/pid-pressure"),
    ("NetworkUnavailable", "node.kubernetes.io/network-unavailable"),
];

/// What the plan may look at.
pub struct Snapshot<'a> {
    pub node: &'a Arc<Node>,
    /// How long its agent was not heard of.
    pub silent: Duration,
    /// Whether any node is ready.
    pub is_any_ready: bool,
    /// The pods bound to it; of one that is ready nobody asks.
    pub pods: &'a [Arc<Pod>],
    pub now: Timestamp,
}

/// Says what a node's silence, conditions and cordon mean.
pub fn plan(snapshot: &Snapshot<'_>) -> Plan {
    let mut plan = Plan::default();
    if is_deleting(&snapshot.node.metadata) {
        return plan;
    }
    listen(&mut plan, snapshot);
    if plan.is_empty() {
        // All else follows from the conditions.
        taint(&mut plan, snapshot);
        disqualify_pods(&mut plan, snapshot);
    }
    plan
}

fn listen(plan: &mut Plan, snapshot: &Snapshot<'_>) {
    let node = snapshot.node;
    let grace = if condition(node, "Ready").is_some() { GRACE } else { STARTUP_GRACE };
    if let Some(left) = grace.checked_sub(snapshot.silent).filter(|it| !it.is_zero()) {
        return plan.look_again_in(left);
    }
    let Some(wanted) = silenced(node, snapshot.now) else { return };
    let was_ready = is_ready(node);
    let note = format!("Node {} status is now: NodeNotReady", name(&node.metadata));
    plan.steps.push(Step {
        action: Action::from(Write::update_status(node, wanted)),
        done: was_ready.then(|| Event::normal("NodeNotReady", note)),
        failed: None,
    });
}

fn taint(plan: &mut Plan, snapshot: &Snapshot<'_>) {
    let node = snapshot.node;
    let wanted = wanted_taints(snapshot);
    if wanted != taints(node) {
        let mut node_wanted = Node::clone(node);
        node_wanted.spec.get_or_insert_default().taints = Some(wanted);
        plan.push(Write::update(node, node_wanted));
    }
}

/// The taints of others, and ours as they should be; what stays keeps its place.
fn wanted_taints(snapshot: &Snapshot<'_>) -> Vec<Taint> {
    let mut missing = meant(snapshot);
    let mut wanted = Vec::new();
    for taint in taints(snapshot.node) {
        let place = missing.iter().position(|(key, effect)| is_it(taint, key, effect));
        if place.map(|it| missing.remove(it)).is_some() || !is_ours(taint) {
            wanted.push(dated(taint.clone(), snapshot.now));
        }
    }
    let new = missing.into_iter().map(|(key, effect)| Taint {
        key: key.to_owned(),
        effect: effect.to_owned(),
        time_added: Some(Time(snapshot.now)),
        value: None,
    });
    wanted.extend(new);
    wanted
}

/// Tolerations with a limit count from when a taint was added, which who adds one by hand does not say.
fn dated(mut taint: Taint, now: Timestamp) -> Taint {
    if taint.effect == NO_EXECUTE && taint.time_added.is_none() {
        taint.time_added = Some(Time(now));
    }
    taint
}

/// What the node's state means, as keys and effects of taints.
fn meant(snapshot: &Snapshot<'_>) -> Vec<(&'static str, &'static str)> {
    let node = snapshot.node;
    let status = |kind: &str| condition(node, kind).map(|it| it.status.as_str());
    let mut meant = Vec::new();
    let unready = match status("Ready") {
        Some("False") => Some(NOT_READY),
        Some("Unknown") => Some(UNREACHABLE),
        _ => None,
    };
    if let Some(key) = unready {
        meant.push((key, NO_SCHEDULE));
        meant.extend(snapshot.is_any_ready.then_some((key, NO_EXECUTE)));
    }
    let pressing = PRESSURES.iter().filter(|(kind, _)| status(kind) == Some("True"));
    meant.extend(pressing.map(|(_, key)| (*key, NO_SCHEDULE)));
    if node.spec.as_ref().and_then(|it| it.unschedulable) == Some(true) {
        meant.push((UNSCHEDULABLE, NO_SCHEDULE));
    }
    meant
}

fn is_it(taint: &Taint, key: &str, effect: &str) -> bool {
    taint.key == key && taint.effect == effect
}

fn is_ours(taint: &Taint) -> bool {
    let of_readiness = [NOT_READY, UNREACHABLE].contains(&taint.key.as_str());
    let of_pressure = || PRESSURES.iter().any(|(_, key)| *key == taint.key);
    match taint.effect.as_str() {
        NO_EXECUTE => of_readiness,
        NO_SCHEDULE => of_readiness || of_pressure() || taint.key == UNSCHEDULABLE,
        _ => false,
    }
}

/// Nothing on a node that is not ready is: it takes no traffic.
fn disqualify_pods(plan: &mut Plan, snapshot: &Snapshot<'_>) {
    let is_known = condition(snapshot.node, "Ready").is_some();
    if !is_known || is_ready(snapshot.node) {
        return;
    }
    for pod in snapshot.pods.iter().filter(|it| crate::pods::is_ready(it)) {
        plan.push(Write::update_status(pod, unready(pod, snapshot.now)));
    }
}

#[cfg(test)]
mod tests;
