//! ReplicaSet: a number of pods from one template.
//!
//! Pods are created and deleted first; the status is written once the number is right (or a failure is to be shown),
//! so a scale costs one status write, not two.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{ReplicaSet, ReplicaSetCondition, ReplicaSetStatus};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::labels::{Selector, annotation};
use crate::owners::{claim, controller, controller_reference, is_deleting, name};
use crate::plan::{Event, Plan, Write};
use crate::pods::{self, Availability};
use crate::rounding::count;

/// How many pods one plan creates or deletes at most.
pub const BURST_MAX: usize = 500;

const DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";

/// What the plan may look at.
pub struct Snapshot<'a> {
    pub set: &'a Arc<ReplicaSet>,
    /// The pods of the namespace that are selected by the set or controlled by it; others do no harm.
    pub pods: &'a [Arc<Pod>],
    /// Why the last plan for the set failed, if it did.
    pub last_failure: Option<&'a str>,
    pub now: Timestamp,
}

/// Brings the number of pods, and then the status, to what the set asks for.
pub fn plan(snapshot: &Snapshot<'_>) -> Plan {
    let set = &**snapshot.set;
    let Some(spec) = &set.spec else { return Plan::default() };
    let claims = claim(set, &Selector::new(&spec.selector), snapshot.pods);
    let mut plan = Plan { check_owner: !claims.adopt.is_empty(), ..Plan::default() };
    for write in claims.adopt.into_iter().chain(claims.release) {
        plan.push(write);
    }
    if !plan.is_empty() {
        return plan;
    }
    let active: Vec<_> = claims.mine.iter().filter(|pod| pods::is_active(pod)).cloned().collect();
    let wanted = usize::try_from(spec.replicas.unwrap_or(1)).unwrap_or(0);
    if !is_deleting(&set.metadata) {
        if active.len() < wanted {
            create(&mut plan, snapshot.set, (wanted - active.len()).min(BURST_MAX));
        } else {
            delete(&mut plan, snapshot, &active, (active.len() - wanted).min(BURST_MAX));
        }
    }
    if plan.is_empty() || snapshot.last_failure.is_some() {
        let creates_fail = active.len() < wanted;
        write_status(&mut plan, snapshot, &active, creates_fail);
    }
    plan
}

fn create(plan: &mut Plan, set: &Arc<ReplicaSet>, missing: usize) {
    let Some(template) = set.spec.as_ref().and_then(|it| it.template.as_ref()) else { return };
    let mut pod = pods::from_template(
        template,
        set.metadata.namespace.as_deref(),
        controller_reference(&**set),
    );
    pod.metadata.generate_name = Some(pods::generate_name(name(&set.metadata)));
    for _ in 0..missing {
        let done = Event::normal("SuccessfulCreate", "Created pod: {name}");
        plan.announce(Write::create(pod.clone()), done, "FailedCreate");
    }
}

fn delete(plan: &mut Plan, snapshot: &Snapshot<'_>, active: &[Arc<Pod>], surplus: usize) {
    let siblings = siblings_per_node(snapshot, active);
    let mut ranked: Vec<_> = active.iter().collect();
    ranked.sort_by_key(|pod| rank(pod, &siblings));
    for pod in ranked.into_iter().take(surplus) {
        let done =
            Event::normal("SuccessfulDelete", format!("Deleted pod: {}", name(&pod.metadata)));
        plan.announce(Write::delete(pod), done, "FailedDelete");
    }
}

/// How many pods of the set (and of its sibling sets, where the snapshot shows them) each node runs.
fn siblings_per_node<'a>(
    snapshot: &'a Snapshot<'_>,
    active: &'a [Arc<Pod>],
) -> HashMap<&'a str, usize> {
    let owner = controller(&snapshot.set.metadata).map(|it| it.uid.as_str());
    let is_sibling = |pod: &&'a Arc<Pod>| {
        owner.is_some()
            && pods::is_active(pod)
            && !active.iter().any(|it| it.metadata.uid == pod.metadata.uid)
    };
    let mut nodes = HashMap::new();
    for pod in active.iter().chain(snapshot.pods.iter().filter(is_sibling)) {
        if let Some(node) = pods::node_name(pod) {
            *nodes.entry(node).or_default() += 1;
        }
    }
    nodes
}

/// Pods with a smaller rank are deleted first: unscheduled, pending, not ready, cheap, doubled up on a node, ready for
/// a shorter time, restarted more often, younger.
fn rank(pod: &Pod, siblings: &HashMap<&str, usize>) -> impl Ord + use<> {
    let phase = match pods::phase(pod) {
        "Pending" => 0,
        "Unknown" => 1,
        _ => 2,
    };
    let cost: i64 =
        annotation(&pod.metadata, DELETION_COST).and_then(|it| it.parse().ok()).unwrap_or(0);
    let crowd = pods::node_name(pod).and_then(|node| siblings.get(node)).copied().unwrap_or(0);
    let restarts: i32 = pod
        .status
        .iter()
        .flat_map(|it| it.container_statuses.iter().flatten())
        .map(|it| it.restart_count)
        .max()
        .unwrap_or(0);
    let age = pod.metadata.creation_timestamp.as_ref().map(|it| it.0);
    (
        (pods::node_name(pod).is_some(), phase, pods::is_ready(pod), cost),
        std::cmp::Reverse(crowd),
        std::cmp::Reverse(pods::ready_since(pod)),
        (std::cmp::Reverse(restarts), std::cmp::Reverse(age), pod.metadata.name.clone()),
    )
}

fn write_status(plan: &mut Plan, snapshot: &Snapshot<'_>, active: &[Arc<Pod>], creates_fail: bool) {
    let set = snapshot.set;
    let min_ready = set.spec.as_ref().and_then(|it| it.min_ready_seconds).unwrap_or(0);
    let states: Vec<_> =
        active.iter().map(|pod| pods::availability(pod, min_ready, snapshot.now)).collect();
    for state in &states {
        if let Availability::In(delay) = state {
            plan.look_again_in(Duration::try_from(*delay).unwrap_or_default());
        }
    }
    let labels =
        set.spec.as_ref().and_then(|it| it.template.as_ref()).and_then(|it| it.metadata.as_ref());
    let labels = labels.and_then(|it| it.labels.clone()).unwrap_or_default();
    let is_fully_labelled = |pod: &&Arc<Pod>| {
        let present = pod.metadata.labels.as_ref();
        labels.iter().all(|(key, value)| present.and_then(|it| it.get(key)) == Some(value))
    };
    let old = set.status.clone().unwrap_or_default();
    let status = ReplicaSetStatus {
        replicas: count(active.len()),
        fully_labeled_replicas: Some(count(active.iter().filter(is_fully_labelled).count())),
        ready_replicas: Some(count(
            states.iter().filter(|it| **it != Availability::Unavailable).count(),
        )),
        available_replicas: Some(count(
            states.iter().filter(|it| **it == Availability::Available).count(),
        )),
        observed_generation: set.metadata.generation,
        conditions: conditions(snapshot, &old, creates_fail),
        terminating_replicas: old.terminating_replicas,
    };
    if !same(&old, &status) {
        let wanted = ReplicaSet { status: Some(status), ..ReplicaSet::clone(set) };
        plan.push(Write::update_status(set, wanted));
    }
}

/// The only condition is `ReplicaFailure`: there while pods cannot be created or deleted.
fn conditions(
    snapshot: &Snapshot<'_>,
    old: &ReplicaSetStatus,
    creates_fail: bool,
) -> Option<Vec<ReplicaSetCondition>> {
    let mut conditions = old.conditions.clone().unwrap_or_default();
    conditions.retain(|it| it.type_ != "ReplicaFailure");
    if let Some(message) = snapshot.last_failure {
        let before = old.conditions.iter().flatten().find(|it| it.type_ == "ReplicaFailure");
        let since =
            before.and_then(|it| it.last_transition_time.clone()).unwrap_or(Time(snapshot.now));
        conditions.push(ReplicaSetCondition {
            type_: "ReplicaFailure".to_owned(),
            status: "True".to_owned(),
            reason: Some(if creates_fail { "FailedCreate" } else { "FailedDelete" }.to_owned()),
            message: Some(message.to_owned()),
            last_transition_time: Some(since),
        });
    }
    (!conditions.is_empty()).then_some(conditions)
}

/// Counts that were never written are zero: no write just to say so.
fn same(old: &ReplicaSetStatus, new: &ReplicaSetStatus) -> bool {
    let counts = |it: &ReplicaSetStatus| {
        [it.fully_labeled_replicas, it.ready_replicas, it.available_replicas]
            .map(|it| it.unwrap_or(0))
    };
    old.replicas == new.replicas
        && counts(old) == counts(new)
        && old.observed_generation == new.observed_generation
        && old.conditions.as_deref().unwrap_or_default()
            == new.conditions.as_deref().unwrap_or_default()
}

#[cfg(test)]
mod tests;
