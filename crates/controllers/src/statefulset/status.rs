//! The status of a set.

use k8s_openapi::api::apps::v1::{StatefulSet, StatefulSetStatus};
use k8s_openapi::api::core::v1::Pod;

use super::{View, revisions};
use crate::owners::{is_deleting, name};
use crate::plan::{Plan, Write};
use crate::pods::{self, Availability};
use crate::rounding::count;

/// Adds the write of the status, if it differs.
pub(super) fn write(plan: &mut Plan, view: &View<'_>) {
    let set = view.snapshot.set;
    let old = set.status.clone().unwrap_or_default();
    let status = status(view, &old);
    if old != status {
        let wanted = StatefulSet { status: Some(status), ..StatefulSet::clone(set) };
        plan.push(Write::update_status(set, wanted));
    }
}

fn status(view: &View<'_>, old: &StatefulSetStatus) -> StatefulSetStatus {
    let (current, update) =
        (name(&view.revisions.current.metadata), name(&view.revisions.update.metadata));
    let min_ready = view.spec.min_ready_seconds.unwrap_or(0);
    let number =
        |matches: &dyn Fn(&Pod) -> bool| count(view.pods().filter(|pod| matches(pod)).count());
    let of = |revision: &str| {
        number(&|pod| {
            !is_deleting(&pod.metadata) && revisions::of_pod(&pod.metadata) == Some(revision)
        })
    };
    let mut status = StatefulSetStatus {
        replicas: number(&|_| true),
        ready_replicas: Some(number(&|pod| pods::is_ready(pod) && !pods::is_terminal(pod))),
        available_replicas: Some(number(&|pod| {
            pods::availability(pod, min_ready, view.snapshot.now) == Availability::Available
        })),
        current_replicas: Some(of(current)),
        updated_replicas: Some(of(update)),
        current_revision: Some(current.to_owned()),
        update_revision: Some(update.to_owned()),
        observed_generation: view.snapshot.set.metadata.generation,
        collision_count: Some(old.collision_count.unwrap_or(0)),
        conditions: old.conditions.clone(),
    };
    if view.revisions.is_rolling() && is_rolled(view, &status) {
        status.current_revision.clone_from(&status.update_revision);
        status.current_replicas = status.updated_replicas;
    }
    status
}

/// Whether every member is of the new revision, and well: from now on it is the current one.
fn is_rolled(view: &View<'_>, status: &StatefulSetStatus) -> bool {
    let wanted = Some(view.spec.replicas.unwrap_or(1));
    status.updated_replicas == wanted
        && status.ready_replicas == wanted
        && Some(status.replicas) == wanted
        && view.partition().is_some()
}
