//! The next step for a set's members: fill the numbers, then remove what is beyond, then renew.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;

use super::{Member, View, identity, revisions};
use crate::owners::{is_deleting, name};
use crate::plan::{Event, Plan, Write};
use crate::pods::{self, Availability};

/// Adds the next step, if nothing must be waited for. With `Parallel`, the steps of all numbers.
pub(super) fn step(plan: &mut Plan, view: &View<'_>) {
    for member in &view.members {
        if !fill(plan, view, member) && !view.is_parallel() {
            return;
        }
    }
    for member in &view.condemned {
        if !remove(plan, view, member) && !view.is_parallel() {
            return;
        }
    }
    if plan.is_empty() {
        renew(plan, view);
    }
}

/// Whether the number has a pod that needs nothing, so that the next one may have its turn.
fn fill(plan: &mut Plan, view: &View<'_>, member: &Member) -> bool {
    let Some(pod) = &member.pod else {
        create(plan, view, member.ordinal);
        return false;
    };
    if is_deleting(&pod.metadata) {
        return false;
    }
    if pods::is_terminal(pod) {
        // It comes back under the same name once this one is gone.
        delete(plan, pod, "RecreatingTerminatedPod");
        return false;
    }
    keep_claims(plan, view, pod, false);
    is_available(plan, view, pod)
}

fn create(plan: &mut Plan, view: &View<'_>, ordinal: i32) {
    let set = &**view.snapshot.set;
    let revision = revision_for(view, ordinal);
    let Some(template) = revisions::template(revision) else { return };
    let pod = identity::pod(set, &template, ordinal, name(&revision.metadata));
    let leaving = view.snapshot.claims.iter().filter(|it| is_deleting(&it.metadata));
    let leaving: Vec<_> = leaving.map(|it| &it.metadata.name).collect();
    if let Some(claim) =
        identity::claims(set, ordinal).find(|it| leaving.contains(&&it.metadata.name))
    {
        // A pod that names it would get no volume. When it is gone another is made.
        let (pod, claim) = (name(&pod.metadata), name(&claim.metadata));
        let note = format!(
            "create Pod {pod} in StatefulSet {} failed error: pvc {claim} is being deleted",
            view.name()
        );
        return plan.notices.push(Event::warning("FailedCreate", note));
    }
    for mut claim in identity::claims(set, ordinal) {
        if view.snapshot.claims.iter().any(|it| it.metadata.name == claim.metadata.name) {
            continue;
        }
        let owners = identity::claim_owners(set, &pod, false);
        claim.metadata.owner_references = (!owners.is_empty()).then_some(owners);
        let note = format!(
            "create Claim {} Pod {} in StatefulSet {} success",
            name(&claim.metadata),
            name(&pod.metadata),
            view.name()
        );
        plan.announce(
            Write::create(claim),
            Event::normal("SuccessfulCreate", note),
            "FailedCreate",
        );
    }
    let note =
        format!("create Pod {} in StatefulSet {} successful", name(&pod.metadata), view.name());
    plan.announce(Write::create(pod), Event::normal("SuccessfulCreate", note), "FailedCreate");
}

/// The revision that a new pod of a number is made of.
fn revision_for<'a>(
    view: &'a View<'_>,
    ordinal: i32,
) -> &'a k8s_openapi::api::apps::v1::ControllerRevision {
    let is_held_back = view.partition().is_some_and(|it| ordinal < it);
    if is_held_back { &view.revisions.current } else { &view.revisions.update }
}

/// Whether a pod beyond the wanted numbers is gone; one goes at a time, and only if nothing else is unwell.
fn remove(plan: &mut Plan, view: &View<'_>, member: &Member) -> bool {
    let Some(pod) = &member.pod else { return true };
    if is_deleting(&pod.metadata) {
        return false;
    }
    let before = plan.steps.len();
    keep_claims(plan, view, pod, true);
    if plan.steps.len() > before {
        // The claims must name the pod before it goes, or they would outlive it.
        return false;
    }
    delete(plan, pod, "ScalingDown");
    false
}

/// Replaces the highest pod of an older revision, once every pod above it is available.
fn renew(plan: &mut Plan, view: &View<'_>) {
    let Some(partition) = view.partition() else { return };
    let update = name(&view.revisions.update.metadata);
    for member in view.members.iter().rev().filter(|it| it.ordinal >= partition) {
        let Some(pod) = &member.pod else { return };
        if revisions::of_pod(&pod.metadata) != Some(update) && !is_deleting(&pod.metadata) {
            return delete(plan, pod, "RollingUpdate");
        }
        if is_deleting(&pod.metadata) || !is_available(plan, view, pod) {
            return;
        }
    }
}

fn delete(plan: &mut Plan, pod: &Arc<Pod>, why: &'static str) {
    let note = format!("delete Pod {} successful ({why})", name(&pod.metadata));
    plan.announce(Write::delete(pod), Event::normal("SuccessfulDelete", note), "FailedDelete");
}

fn is_available(plan: &mut Plan, view: &View<'_>, pod: &Pod) -> bool {
    let min_ready = view.spec.min_ready_seconds.unwrap_or(0);
    match pods::availability(pod, min_ready, view.snapshot.now) {
        Availability::Available => true,
        Availability::Unavailable => false,
        Availability::In(delay) => {
            plan.look_again_in(Duration::try_from(delay).unwrap_or_default());
            false
        }
    }
}

/// Makes the claims of a pod go with whom the retention policy says. Owners that are not the set's business stay.
fn keep_claims(plan: &mut Plan, view: &View<'_>, pod: &Arc<Pod>, is_condemned: bool) {
    let set = &**view.snapshot.set;
    let Some(ordinal) = identity::ordinal(set, pod) else { return };
    let wanted = identity::claim_owners(set, pod, is_condemned);
    let is_ours = |uid: &str| {
        Some(uid) == set.metadata.uid.as_deref() || Some(uid) == pod.metadata.uid.as_deref()
    };
    for name in identity::claims(set, ordinal).map(|it| it.metadata.name) {
        let Some(claim) = view.snapshot.claims.iter().find(|it| it.metadata.name == name) else {
            continue;
        };
        let present = claim.metadata.owner_references.clone().unwrap_or_default();
        let mut owners: Vec<_> = present.iter().filter(|it| !is_ours(&it.uid)).cloned().collect();
        owners.extend(wanted.iter().cloned());
        let uids = |owners: &[k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference]| {
            owners.iter().map(|it| it.uid.clone()).collect::<std::collections::BTreeSet<_>>()
        };
        if uids(&present) != uids(&owners) {
            let mut changed = (**claim).clone();
            changed.metadata.owner_references = (!owners.is_empty()).then_some(owners);
            plan.push(Write::update(claim, changed));
        }
    }
}
