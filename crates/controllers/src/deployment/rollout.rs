//! Moves replicas between the sets of a deployment.

use std::sync::Arc;

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::Pod;

use super::{DESIRED, MAX, REVISION, View, scale_to, sets};
use crate::labels::{annotate, annotation};
use crate::owners::{is_controlled_by, name, uid};
use crate::plan::{Event, Plan, Write};
use crate::pods;

/// New pods before old ones go, within surge and unavailability.
pub(super) fn rolling_update(plan: &mut Plan, view: &View<'_>) {
    let Some(new) = &view.new else { return create_new(plan, view, room_for_new(view, 0)) };
    if number_new(plan, view, new) {
        return;
    }
    let wanted = match sets::replicas(new) {
        size if size > view.replicas => view.replicas,
        size if size == view.replicas => size,
        size => size + room_for_new(view, size),
    };
    scale_to(plan, view, new, wanted);
    if plan.is_empty() {
        shrink_old(plan, view, new);
    }
}

/// Every old pod is gone before the first new one comes.
pub(super) fn recreate(plan: &mut Plan, view: &View<'_>) {
    for set in view.old.iter().filter(|set| sets::replicas(set) > 0) {
        scale_to(plan, view, set, 0);
    }
    let is_old_pod =
        |pod: &Pod| view.old.iter().any(|set| is_controlled_by(&pod.metadata, uid(&set.metadata)));
    let is_left = view.snapshot.pods.iter().any(|pod| is_old_pod(pod) && !pods::is_terminal(pod));
    if !plan.is_empty() || is_left {
        return;
    }
    match &view.new {
        None => create_new(plan, view, view.replicas),
        Some(new) if number_new(plan, view, new) => {}
        Some(new) => scale_to(plan, view, new, view.replicas),
    }
}

/// The deployment's size changed, or it is paused: keep the mix, change the amount.
pub(super) fn scale(plan: &mut Plan, view: &View<'_>) {
    let active: Vec<_> = view.all().filter(|set| sets::replicas(set) > 0).collect();
    match active.as_slice() {
        [only] => return scale_to(plan, view, only, view.replicas),
        [] => {
            // All at zero: the newest one carries the size. A paused deployment without sets waits.
            let newest = view.new.as_ref().or(view.old.last());
            return newest.into_iter().for_each(|set| scale_to(plan, view, set, view.replicas));
        }
        _ => {}
    }
    let is_saturated = view.new.as_ref().is_some_and(|new| {
        sets::replicas(new) == view.replicas
            && sets::number(new, DESIRED) == Some(view.replicas)
            && sets::available(new) == view.replicas
    });
    if is_saturated {
        return view
            .old
            .iter()
            .filter(|set| sets::replicas(set) > 0)
            .for_each(|set| scale_to(plan, view, set, 0));
    }
    if !view.recreates {
        proportionally(plan, view, active);
    }
}

fn proportionally(plan: &mut Plan, view: &View<'_>, mut active: Vec<&Arc<ReplicaSet>>) {
    let total: i32 = active.iter().map(|set| sets::replicas(set)).sum();
    let change = view.total_max() - total;
    // The biggest takes first; among equals the newest grows and the oldest shrinks.
    active.sort_by_key(|set| set.metadata.creation_timestamp.as_ref().map(|it| it.0));
    if change > 0 {
        active.reverse();
    }
    active.sort_by_key(|set| std::cmp::Reverse(sets::replicas(set)));
    let mut left = change;
    let mut sizes: Vec<i32> = vec![];
    for set in &active {
        let share = share(view, set);
        let share = if change > 0 { share.clamp(0, left) } else { share.clamp(left, 0) };
        sizes.push(sets::replicas(set) + share);
        left -= share;
    }
    if let Some(first) = sizes.first_mut() {
        *first = (*first + left).max(0);
    }
    for (set, size) in active.into_iter().zip(sizes) {
        scale_to(plan, view, set, size);
    }
}

/// What a set gains or loses if it keeps its part of the whole.
fn share(view: &View<'_>, set: &ReplicaSet) -> i32 {
    let size = sets::replicas(set);
    if view.replicas == 0 {
        return -size;
    }
    let status = view.snapshot.deployment.status.as_ref();
    let before = sets::number(set, MAX)
        .or(status.and_then(|it| it.replicas))
        .filter(|it| *it > 0)
        .unwrap_or(1);
    let (size, before, after) = (i64::from(size), i64::from(before), i64::from(view.total_max()));
    let scaled = (2 * size * after + before) / (2 * before);
    i32::try_from(scaled - size).unwrap_or(0)
}

/// How many pods the new set may gain.
fn room_for_new(view: &View<'_>, size: i32) -> i32 {
    let total: i32 = view.all().map(|set| sets::replicas(set)).sum();
    (view.replicas + view.surge - total).clamp(0, view.replicas - size)
}

fn create_new(plan: &mut Plan, view: &View<'_>, replicas: i32) {
    let deployment = view.snapshot.deployment;
    let mut set = sets::make(deployment, next_revision(view));
    if view.snapshot.sets.iter().any(|other| other.metadata.name == set.metadata.name) {
        // The name is taken by a set of another template: another hash, by way of the status.
        let mut wanted = Deployment::clone(deployment);
        let collisions = &mut wanted.status.get_or_insert_default().collision_count;
        *collisions = Some(collisions.unwrap_or(0) + 1);
        return plan.push(Write::update_status(deployment, wanted));
    }
    set.spec.get_or_insert_default().replicas = Some(replicas);
    let set = sets::annotated(&Arc::new(set), view.replicas, view.replicas + view.surge);
    let note = format!("Scaled up replica set {} from 0 to {replicas}", name(&set.metadata));
    plan.announce(
        Write::create(set),
        Event::normal("ScalingReplicaSet", note),
        "ReplicaSetCreateError",
    );
}

fn next_revision(view: &View<'_>) -> i64 {
    let revisions =
        view.old.iter().filter_map(|set| annotation(&set.metadata, REVISION)?.parse::<i64>().ok());
    revisions.max().unwrap_or(0) + 1
}

/// Makes sure that the new set carries the highest revision, and the deployment the same. Whether something is written.
fn number_new(plan: &mut Plan, view: &View<'_>, new: &Arc<ReplicaSet>) -> bool {
    let current =
        annotation(&new.metadata, REVISION).and_then(|it| it.parse::<i64>().ok()).unwrap_or(0);
    let revision = current.max(next_revision(view));
    if revision != current {
        let mut wanted = ReplicaSet::clone(new);
        annotate(&mut wanted.metadata, REVISION, revision.to_string());
        plan.push(Write::update(new, wanted));
    }
    let deployment = view.snapshot.deployment;
    if annotation(&deployment.metadata, REVISION) != Some(&revision.to_string()) {
        let mut wanted = Deployment::clone(deployment);
        annotate(&mut wanted.metadata, REVISION, revision.to_string());
        plan.push(Write::update(deployment, wanted));
    }
    !plan.is_empty()
}

/// Takes replicas from old sets: first those that do not run anyway, then as many as availability allows.
fn shrink_old(plan: &mut Plan, view: &View<'_>, new: &Arc<ReplicaSet>) {
    let total: i32 = view.all().map(|set| sets::replicas(set)).sum();
    let floor = view.replicas - view.unavailable;
    let new_unavailable = (sets::replicas(new) - sets::available(new)).max(0);
    let removable = total - floor - new_unavailable;
    if removable <= 0 {
        return;
    }
    let mut sizes: Vec<i32> = view.old.iter().map(|set| sets::replicas(set)).collect();
    let mut left = removable;
    for (set, size) in view.old.iter().zip(&mut sizes) {
        let broken = (*size - sets::available(set)).clamp(0, left);
        *size -= broken;
        left -= broken;
    }
    let available: i32 = view.all().map(|set| sets::available(set)).sum();
    let mut spare = (available - floor).max(0).min(left);
    for size in &mut sizes {
        let gone = spare.min(*size);
        *size -= gone;
        spare -= gone;
    }
    for (set, size) in view.old.iter().zip(sizes) {
        if sets::replicas(set) != size {
            scale_to(plan, view, set, size);
        }
    }
}
