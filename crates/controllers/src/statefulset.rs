//! StatefulSet: pods with numbers, that keep their names and their claims.
//!
//! In reading order: [`plan`] finds the revisions of the template ([`revisions`]), then the first thing to do about the
//! members, by number ([`members`], which makes them of [`identity`]), and then the status ([`status`]).
//!
//! As upstream has it, a rollout whose pods never become ready waits for someone to delete them.

mod identity;
mod members;
mod revisions;
mod status;

use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{ControllerRevision, StatefulSet, StatefulSetSpec};
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};

use crate::labels::Selector;
use crate::owners::{claim, is_deleting, name};
use crate::plan::Plan;
pub use identity::is_claim_of;
use revisions::Revisions;

/// The revision that a pod was made of.
pub const REVISION: &str = "controller-revision-hash";

/// What the plan may look at; objects of the namespace that are not the set's do no harm.
pub struct Snapshot<'a> {
    pub set: &'a Arc<StatefulSet>,
    pub pods: &'a [Arc<Pod>],
    pub claims: &'a [Arc<PersistentVolumeClaim>],
    pub revisions: &'a [Arc<ControllerRevision>],
    pub now: Timestamp,
}

/// The set's world, sorted out.
struct View<'a> {
    snapshot: &'a Snapshot<'a>,
    spec: &'a StatefulSetSpec,
    revisions: Revisions,
    /// The pods whose numbers are wanted, by number.
    members: Vec<Member>,
    /// The others, the highest number first.
    condemned: Vec<Member>,
}

/// A number, and its pod if there is one.
struct Member {
    ordinal: i32,
    pod: Option<Arc<Pod>>,
}

/// Plans the next step for the members, and the status once there is none.
pub fn plan(snapshot: &Snapshot<'_>) -> Plan {
    let set = &**snapshot.set;
    let Some(spec) = &set.spec else { return Plan::default() };
    let selector = Selector::new(&spec.selector);
    let named: Vec<_> =
        snapshot.pods.iter().filter(|pod| identity::ordinal(set, pod).is_some()).cloned().collect();
    let pods = claim(set, &selector, &named);
    let claimed_revisions = claim(set, &selector, snapshot.revisions);
    let is_adopting = !pods.adopt.is_empty() || !claimed_revisions.adopt.is_empty();
    let mut plan = Plan { check_owner: is_adopting, ..Plan::default() };
    pods.adopt.into_iter().chain(pods.release).for_each(|it| plan.push(it));
    claimed_revisions
        .adopt
        .into_iter()
        .chain(claimed_revisions.release)
        .for_each(|it| plan.push(it));
    if !plan.is_empty() {
        return plan;
    }
    let Some(revisions) = revisions::settle(&mut plan, snapshot, &claimed_revisions.mine) else {
        return plan;
    };
    let view = View::new(snapshot, spec, revisions, &pods.mine);
    if !is_deleting(&set.metadata) {
        members::step(&mut plan, &view);
    }
    if plan.is_empty() {
        status::write(&mut plan, &view);
    }
    if plan.is_empty() {
        revisions::forget_old(&mut plan, &view, &claimed_revisions.mine);
    }
    plan
}

impl<'a> View<'a> {
    fn new(
        snapshot: &'a Snapshot<'a>,
        spec: &'a StatefulSetSpec,
        revisions: Revisions,
        pods: &[Arc<Pod>],
    ) -> Self {
        let first = spec.ordinals.as_ref().and_then(|it| it.start).unwrap_or(0);
        let wanted = first..first + spec.replicas.unwrap_or(1).max(0);
        let ordinal = |pod: &Pod| identity::ordinal(snapshot.set, pod).unwrap_or(-1);
        let find = |number: i32| pods.iter().find(|pod| ordinal(pod) == number).cloned();
        let members =
            wanted.clone().map(|number| Member { ordinal: number, pod: find(number) }).collect();
        let outside = pods.iter().filter(|pod| !wanted.contains(&ordinal(pod)));
        let mut condemned: Vec<_> =
            outside.map(|pod| Member { ordinal: ordinal(pod), pod: Some(pod.clone()) }).collect();
        condemned.sort_by_key(|it| std::cmp::Reverse(it.ordinal));
        View { snapshot, spec, revisions, members, condemned }
    }

    fn pods(&self) -> impl Iterator<Item = &Arc<Pod>> {
        self.members.iter().chain(&self.condemned).filter_map(|it| it.pod.as_ref())
    }

    fn is_parallel(&self) -> bool {
        self.spec.pod_management_policy.as_deref() == Some("Parallel")
    }

    /// Members below this number keep the current template. `None` if pods are replaced by hand only.
    fn partition(&self) -> Option<i32> {
        let strategy = self.spec.update_strategy.as_ref();
        if strategy.and_then(|it| it.type_.as_deref()) == Some("OnDelete") {
            return None;
        }
        let rolling = strategy.and_then(|it| it.rolling_update.as_ref());
        let first = self.spec.ordinals.as_ref().and_then(|it| it.start).unwrap_or(0);
        Some(first + rolling.and_then(|it| it.partition).unwrap_or(0))
    }

    fn name(&self) -> &str {
        name(&self.snapshot.set.metadata)
    }
}

#[cfg(test)]
mod tests;
