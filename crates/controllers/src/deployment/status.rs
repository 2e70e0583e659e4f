//! The status of a deployment, and its conditions.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::apps::v1::{Deployment, DeploymentCondition, DeploymentStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{View, sets};
use crate::owners::name;
use crate::plan::{Action, Plan, Write};

/// Adds the write of the status, if it differs. Steps before it change what it counts, so it shows the state before
/// them; the next look shows the one after.
pub(super) fn write(plan: &mut Plan, view: &View<'_>) {
    let writes_status = |action: &Action| matches!(action, Action::Deployment(_));
    if plan.steps.iter().any(|step| writes_status(&step.action)) {
        // The object is about to change, which would fail this write's guard.
        return;
    }
    let deployment = view.snapshot.deployment;
    let old = deployment.status.clone().unwrap_or_default();
    let mut status = counts(view, &old);
    status.conditions = Some(conditions(view, &old, &status, plan));
    if old != status {
        let wanted = Deployment { status: Some(status), ..Deployment::clone(deployment) };
        plan.push(Write::update_status(deployment, wanted));
    }
}

fn counts(view: &View<'_>, old: &DeploymentStatus) -> DeploymentStatus {
    let statuses = || view.all().filter_map(|set| set.status.as_ref());
    let available: i32 = statuses().map(|it| it.available_replicas.unwrap_or(0)).sum();
    let desired: i32 = view.all().map(|set| sets::replicas(set)).sum();
    DeploymentStatus {
        observed_generation: view.snapshot.deployment.metadata.generation,
        replicas: nonzero(statuses().map(|it| it.replicas).sum()),
        updated_replicas: nonzero(view.new.as_ref().map_or(0, |new| sets::running(new))),
        ready_replicas: nonzero(statuses().map(|it| it.ready_replicas.unwrap_or(0)).sum()),
        available_replicas: nonzero(available),
        unavailable_replicas: nonzero((desired.max(view.replicas) - available).max(0)),
        collision_count: old.collision_count,
        conditions: None,
        terminating_replicas: old.terminating_replicas,
    }
}

/// Zero counts are absent, as the API has it.
fn nonzero(count: i32) -> Option<i32> {
    (count != 0).then_some(count)
}

fn conditions(
    view: &View<'_>,
    old: &DeploymentStatus,
    new: &DeploymentStatus,
    plan: &mut Plan,
) -> Vec<DeploymentCondition> {
    let now = view.snapshot.now;
    let mut conditions = old.conditions.clone().unwrap_or_default();
    let available = new.available_replicas.unwrap_or(0) >= view.replicas - view.unavailable;
    let (reason, message) = if available {
        ("MinimumReplicasAvailable", "Deployment has minimum availability.")
    } else {
        ("MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
    };
    set(&mut conditions, condition("Available", available, reason, message.to_owned()), now);
    if let Some(progress) = progress(view, old, new, plan) {
        set(&mut conditions, progress, now);
    }
    conditions.retain(|it| it.type_ != "ReplicaFailure");
    let failure = view
        .all()
        .flat_map(|it| it.status.iter().flat_map(|it| it.conditions.iter().flatten()))
        .find(|it| it.type_ == "ReplicaFailure" && it.status == "True");
    if let Some(failure) = failure {
        conditions.push(DeploymentCondition {
            type_: "ReplicaFailure".to_owned(),
            status: "True".to_owned(),
            reason: failure.reason.clone(),
            message: failure.message.clone(),
            last_transition_time: failure.last_transition_time.clone(),
            last_update_time: failure.last_transition_time.clone(),
        });
    }
    conditions
}

/// The `Progressing` condition; `None` keeps the one there is.
fn progress(
    view: &View<'_>,
    old: &DeploymentStatus,
    new: &DeploymentStatus,
    plan: &mut Plan,
) -> Option<DeploymentCondition> {
    let spec = view.snapshot.deployment.spec.as_ref()?;
    // The API's default; the greatest number means: no deadline, no condition.
    let deadline = spec.progress_deadline_seconds.unwrap_or(600);
    if deadline == i32::MAX {
        return None;
    }
    let current = old.conditions.iter().flatten().find(|it| it.type_ == "Progressing");
    let reason = current.and_then(|it| it.reason.as_deref()).unwrap_or_default();
    if view.paused {
        return Some(unknown("DeploymentPaused", "Deployment is paused"));
    }
    if reason == "DeploymentPaused" {
        return Some(unknown("DeploymentResumed", "Deployment is resumed"));
    }
    let set = view
        .new
        .as_ref()
        .map_or_else(|| view.name().to_owned(), |it| name(&it.metadata).to_owned());
    let progressing = |reason, message| Some(condition("Progressing", true, reason, message));
    if view.is_complete() {
        return progressing(
            "NewReplicaSetAvailable",
            format!("ReplicaSet \"{set}\" has successfully progressed."),
        );
    }
    let Some(current) = current else {
        let note =
            if view.new.is_none() { "Created new replica set" } else { "Found new replica set" };
        let reason = if view.new.is_none() { "NewReplicaSetCreated" } else { "FoundNewReplicaSet" };
        return progressing(reason, format!("{note} for \"{set}\""));
    };
    let has_restarted = reason == "NewReplicaSetAvailable";
    if has_moved(old, new) || has_restarted {
        return progressing("ReplicaSetUpdated", format!("ReplicaSet \"{set}\" is progressing."));
    }
    if reason == "ProgressDeadlineExceeded" {
        return None;
    }
    let since = current.last_update_time.as_ref().map_or(view.snapshot.now, |it| it.0);
    let left =
        SignedDuration::from_secs(i64::from(deadline)) - view.snapshot.now.duration_since(since);
    if left.is_positive() {
        plan.look_again_in(Duration::try_from(left).unwrap_or_default());
        return None;
    }
    let message = format!("ReplicaSet \"{set}\" has timed out progressing.");
    Some(condition("Progressing", false, "ProgressDeadlineExceeded", message))
}

fn has_moved(old: &DeploymentStatus, new: &DeploymentStatus) -> bool {
    let count = |it: Option<i32>| it.unwrap_or(0);
    let stale = |it: &DeploymentStatus| count(it.replicas) - count(it.updated_replicas);
    count(new.updated_replicas) > count(old.updated_replicas)
        || stale(new) < stale(old)
        || count(new.ready_replicas) > count(old.ready_replicas)
        || count(new.available_replicas) > count(old.available_replicas)
}

fn condition(kind: &str, holds: bool, reason: &str, message: String) -> DeploymentCondition {
    DeploymentCondition {
        type_: kind.to_owned(),
        status: if holds { "True" } else { "False" }.to_owned(),
        reason: Some(reason.to_owned()),
        message: Some(message),
        last_transition_time: None,
        last_update_time: None,
    }
}

fn unknown(reason: &str, message: &str) -> DeploymentCondition {
    DeploymentCondition {
        status: "Unknown".to_owned(),
        ..condition("Progressing", false, reason, message.to_owned())
    }
}

/// Puts a condition in, keeping its times unless something changed. Progress that goes on renews the update time, from
/// which the deadline counts.
fn set(conditions: &mut Vec<DeploymentCondition>, mut wanted: DeploymentCondition, now: Timestamp) {
    let Some(current) = conditions.iter_mut().find(|it| it.type_ == wanted.type_) else {
        wanted.last_transition_time = Some(Time(now));
        wanted.last_update_time = Some(Time(now));
        return conditions.push(wanted);
    };
    let is_same = current.status == wanted.status && current.reason == wanted.reason;
    let renews = wanted.reason.as_deref() == Some("ReplicaSetUpdated");
    if is_same && !renews {
        return;
    }
    wanted.last_update_time = Some(Time(now));
    wanted.last_transition_time = if current.status == wanted.status {
        current.last_transition_time.clone()
    } else {
        Some(Time(now))
    };
    *current = wanted;
}
