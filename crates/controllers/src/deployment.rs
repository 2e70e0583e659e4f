//! Deployment: ReplicaSets, one per template, and the way from one to the next.
//!
//! In reading order: [`plan`] finds the set of the current template ([`sets`]), makes or numbers it, moves replicas
//! ([`rollout`]), forgets old sets, and writes the status ([`status`]).

mod rollout;
mod sets;
mod status;

use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::labels::Selector;
use crate::owners::{claim, is_deleting, name};
use crate::plan::{Event, Plan, Write};
use crate::rounding::{Round, resolve};
pub use sets::{HASH_LABEL, hash_of_text};

/// The number of a template in the deployment's history.
pub const REVISION: &str = "deployment.kubernetes.io/revision";
/// The deployment's replicas when the set was last scaled.
pub const DESIRED: &str = "deployment.kubernetes.io/desired-replicas";
/// The deployment's replicas and surge when the set was last scaled.
pub const MAX: &str = "deployment.kubernetes.io/max-replicas";

/// What the plan may look at.
pub struct Snapshot<'a> {
    pub deployment: &'a Arc<Deployment>,
    /// The sets of the namespace that are selected or controlled by the deployment; others do no harm.
    pub sets: &'a [Arc<ReplicaSet>],
    /// The pods that those sets control.
    pub pods: &'a [Arc<Pod>],
    pub now: Timestamp,
}

/// The deployment's sets, sorted out.
struct View<'a> {
    snapshot: &'a Snapshot<'a>,
    /// The set of the current template.
    new: Option<Arc<ReplicaSet>>,
    /// The others, oldest first.
    old: Vec<Arc<ReplicaSet>>,
    replicas: i32,
    surge: i32,
    unavailable: i32,
    recreates: bool,
    paused: bool,
}

/// Brings the sets, and then the status, to what the deployment asks for.
pub fn plan(snapshot: &Snapshot<'_>) -> Plan {
    let deployment = &**snapshot.deployment;
    let Some(spec) = &deployment.spec else { return Plan::default() };
    let claims = claim(deployment, &Selector::new(&spec.selector), snapshot.sets);
    let mut plan = Plan { check_owner: !claims.adopt.is_empty(), ..Plan::default() };
    for write in claims.adopt.into_iter().chain(claims.release) {
        plan.push(write);
    }
    if !plan.is_empty() {
        return plan;
    }
    let view = View::new(snapshot, claims.mine);
    if !is_deleting(&deployment.metadata) {
        roll(&mut plan, &view);
    }
    status::write(&mut plan, &view);
    plan
}

fn roll(plan: &mut Plan, view: &View<'_>) {
    let is_scaling = view.all().any(|set| {
        sets::replicas(set) > 0 && sets::number(set, DESIRED).is_some_and(|it| it != view.replicas)
    });
    if view.paused || is_scaling {
        rollout::scale(plan, view);
    } else if view.recreates {
        rollout::recreate(plan, view);
    } else {
        rollout::rolling_update(plan, view);
    }
    if plan.is_empty() && !view.paused {
        forget_old(plan, view);
    }
}

/// Deletes the oldest empty sets beyond the history limit, once the rollout is complete.
fn forget_old(plan: &mut Plan, view: &View<'_>) {
    let spec = view.snapshot.deployment.spec.as_ref();
    let limit = spec.and_then(|it| it.revision_history_limit).unwrap_or(10);
    if !view.is_complete() {
        return;
    }
    let excess = view.old.len().saturating_sub(usize::try_from(limit).unwrap_or(0));
    let mut oldest: Vec<_> = view.old.iter().collect();
    oldest.sort_by_key(|set| (sets::number(set, REVISION), name(&set.metadata).to_owned()));
    for set in oldest.into_iter().take(excess) {
        let status = set.status.clone().unwrap_or_default();
        let is_seen = status.observed_generation == set.metadata.generation;
        if sets::replicas(set) == 0
            && status.replicas == 0
            && is_seen
            && !is_deleting(&set.metadata)
        {
            plan.push(Write::delete(set));
        }
    }
}

impl<'a> View<'a> {
    fn new(snapshot: &'a Snapshot<'a>, mut mine: Vec<Arc<ReplicaSet>>) -> Self {
        let spec = snapshot.deployment.spec.clone().unwrap_or_default();
        mine.sort_by_key(|set| {
            (
                set.metadata.creation_timestamp.as_ref().map(|it| it.0),
                name(&set.metadata).to_owned(),
            )
        });
        let new = mine
            .iter()
            .position(|set| sets::has_template(set, &spec.template))
            .map(|at| mine.remove(at));
        let strategy = spec.strategy.unwrap_or_default();
        let recreates = strategy.type_.as_deref() == Some("Recreate");
        let rolling = strategy.rolling_update.unwrap_or_default();
        let replicas = spec.replicas.unwrap_or(1).max(0);
        let quarter = IntOrString::String("25%".to_owned());
        let mut surge =
            resolve(rolling.max_surge.as_ref().unwrap_or(&quarter), replicas, Round::Up);
        let mut unavailable =
            resolve(rolling.max_unavailable.as_ref().unwrap_or(&quarter), replicas, Round::Down);
        if surge == 0 && unavailable == 0 {
            // Nothing could ever move.
            unavailable = 1;
        }
        if recreates {
            (surge, unavailable) = (0, 0);
        }
        let unavailable = unavailable.min(replicas);
        let paused = spec.paused.unwrap_or(false);
        View { snapshot, new, old: mine, replicas, surge, unavailable, recreates, paused }
    }

    fn all(&self) -> impl Iterator<Item = &Arc<ReplicaSet>> {
        self.new.iter().chain(&self.old)
    }

    /// The most pods there may be during a rollout.
    fn total_max(&self) -> i32 {
        if self.replicas == 0 { 0 } else { self.replicas + self.surge }
    }

    /// Whether every replica is of the new set and available, and nothing else is left.
    fn is_complete(&self) -> bool {
        let Some(new) = &self.new else { return false };
        let status = new.status.clone().unwrap_or_default();
        sets::replicas(new) == self.replicas
            && status.replicas == self.replicas
            && sets::available(new) == self.replicas
            && status.observed_generation == new.metadata.generation
            && self.old.iter().all(|set| sets::replicas(set) == 0 && sets::running(set) == 0)
    }

    fn name(&self) -> &str {
        name(&self.snapshot.deployment.metadata)
    }
}

/// Adds the write that gives a set a number of replicas, if it differs.
fn scale_to(plan: &mut Plan, view: &View<'_>, set: &Arc<ReplicaSet>, replicas: i32) {
    let mut wanted = sets::annotated(set, view.replicas, view.replicas + view.surge);
    wanted.spec.get_or_insert_default().replicas = Some(replicas);
    if wanted == **set {
        return;
    }
    let before = sets::replicas(set);
    if before == replicas {
        plan.push(Write::update(set, wanted));
        return;
    }
    let way = if before < replicas { "up" } else { "down" };
    let note =
        format!("Scaled {way} replica set {} from {before} to {replicas}", name(&set.metadata));
    plan.announce(
        Write::update(set, wanted),
        Event::normal("ScalingReplicaSet", note),
        "FailedScale",
    );
}

#[cfg(test)]
mod tests;
