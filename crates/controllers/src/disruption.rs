//! PodDisruptionBudget: how many of its pods may go voluntarily now.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use crate::labels::Selector;
use crate::owners::{controller, name};
use crate::plan::{Plan, Write};
use crate::pods;
use crate::rounding::{Round, count, resolve};

/// How long an eviction that was granted counts, if its pod does not go.
const EVICTION_COUNTS_FOR: SignedDuration = SignedDuration::from_secs(120);

/// What the plan may look at.
pub struct Snapshot<'a> {
    pub budget: &'a Arc<PodDisruptionBudget>,
    /// The pods of the namespace.
    pub pods: &'a [Arc<Pod>],
    /// The size that the controller of a pod wants, by the controller's uid; `None` where it is not known.
    pub sizes: &'a dyn Fn(&str) -> Option<i32>,
    pub now: Timestamp,
}

/// Writes the status, if it differs.
pub fn plan(snapshot: &Snapshot<'_>) -> Plan {
    let mut plan = Plan::default();
    let budget = snapshot.budget;
    let spec = budget.spec.clone().unwrap_or_default();
    // No selector selects nothing, an empty one everything.
    let selector = spec.selector.as_ref().map(Selector::new);
    let is_mine = |pod: &&Arc<Pod>| {
        let is_selected = selector.as_ref().is_some_and(|it| it.matches_meta(&pod.metadata));
        pod.metadata.namespace == budget.metadata.namespace
            && is_selected
            && !pods::is_terminal(pod)
    };
    let mine: Vec<_> = snapshot.pods.iter().filter(is_mine).collect();
    let old = budget.status.clone().unwrap_or_default();
    let disrupted = still_disrupted(&mut plan, snapshot, &old, &mine);
    let healthy = mine.iter().filter(|pod| {
        let is_leaving = pod.metadata.deletion_timestamp.is_some()
            || disrupted.contains_key(name(&pod.metadata));
        pods::is_ready(pod) && !is_leaving
    });
    let healthy = count(healthy.count());
    let (expected, desired) = needed(snapshot, &mine);
    let allowed = if expected > 0 { (healthy - desired).max(0) } else { 0 };
    let mut status = PodDisruptionBudgetStatus {
        observed_generation: budget.metadata.generation,
        current_healthy: healthy,
        desired_healthy: desired,
        disruptions_allowed: allowed,
        expected_pods: expected,
        disrupted_pods: (!disrupted.is_empty()).then_some(disrupted),
        conditions: old.conditions.clone(),
    };
    allow(&mut status, snapshot);
    if old != status {
        let wanted =
            PodDisruptionBudget { status: Some(status), ..PodDisruptionBudget::clone(budget) };
        plan.push(Write::update_status(budget, wanted));
    }
    plan
}

/// The pods whose eviction was granted and that have not gone yet.
fn still_disrupted(
    plan: &mut Plan,
    snapshot: &Snapshot<'_>,
    old: &PodDisruptionBudgetStatus,
    mine: &[&Arc<Pod>],
) -> std::collections::BTreeMap<String, Time> {
    let mut disrupted = old.disrupted_pods.clone().unwrap_or_default();
    disrupted.retain(|pod, granted| {
        let left = EVICTION_COUNTS_FOR - snapshot.now.duration_since(granted.0);
        let is_here = mine
            .iter()
            .any(|it| name(&it.metadata) == pod && it.metadata.deletion_timestamp.is_none());
        if is_here && left.is_positive() {
            plan.look_again_in(Duration::try_from(left).unwrap_or_default());
        }
        is_here && left.is_positive()
    });
    disrupted
}

/// How many pods are expected, and how many must be healthy.
fn needed(snapshot: &Snapshot<'_>, mine: &[&Arc<Pod>]) -> (i32, i32) {
    let spec = snapshot.budget.spec.clone().unwrap_or_default();
    let present = count(mine.len());
    let is_counted = matches!(
        &spec.min_available,
        Some(k8s_openapi::apimachinery::pkg::util::intstr::IntOrString::Int(_))
    );
    let expected = if is_counted { present } else { wanted_by_controllers(snapshot, mine).max(0) };
    let desired = match (&spec.max_unavailable, &spec.min_available) {
        (Some(most), _) => (expected - resolve(most, expected, Round::Up)).max(0),
        (None, Some(least)) => resolve(least, expected, Round::Up),
        (None, None) => expected,
    };
    (expected, desired)
}

/// The sizes of the pods' controllers together; a pod without a known controller counts as itself.
fn wanted_by_controllers(snapshot: &Snapshot<'_>, mine: &[&Arc<Pod>]) -> i32 {
    let mut seen = std::collections::BTreeSet::new();
    let mut expected = 0;
    for pod in mine {
        let owner = controller(&pod.metadata).map(|it| it.uid.as_str());
        match owner.and_then(|uid| Some((uid, (snapshot.sizes)(uid)?))) {
            Some((uid, size)) if seen.insert(uid) => expected += size,
            Some(_) => {}
            None => expected += 1,
        }
    }
    expected
}

fn allow(status: &mut PodDisruptionBudgetStatus, snapshot: &Snapshot<'_>) {
    let (value, reason) = if status.disruptions_allowed > 0 {
        ("True", "SufficientPods")
    } else {
        ("False", "InsufficientPods")
    };
    let conditions = status.conditions.get_or_insert_default();
    let old = conditions.iter().find(|it| it.type_ == "DisruptionAllowed");
    let since =
        old.filter(|it| it.status == value).map_or(snapshot.now, |it| it.last_transition_time.0);
    let condition = Condition {
        type_: "DisruptionAllowed".to_owned(),
        status: value.to_owned(),
        reason: reason.to_owned(),
        message: String::new(),
        observed_generation: status.observed_generation,
        last_transition_time: Time(since),
    };
    conditions.retain(|it| it.type_ != "DisruptionAllowed");
    conditions.push(condition);
}
