//! Job: pods that run to their end, a number of times.
//!
//! In reading order: [`plan`] counts what has ended ([`tally`]), decides how it stands ([`verdict`]), makes or ends
//! pods ([`work`]), and writes the status ([`status`]).
//!
//! Every pod carries a finalizer until it has been counted: its uid is first written into the status, then the
//! finalizer goes, and only then it becomes part of a number. So nothing is lost or counted twice, wherever this stops.
//!
//! Not served: `podFailurePolicy`, `successPolicy` and limits per index.

mod indexes;
mod status;
mod tally;
mod verdict;
mod work;

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::batch::v1::{Job, JobSpec};
use k8s_openapi::api::core::v1::Pod;

use crate::labels::Selector;
use crate::owners::{claim, controller, is_deleting, name};
use crate::plan::{Plan, Propagation, Write};
use tally::Tally;
use verdict::Verdict;

/// Holds a pod until it has been counted.
pub const TRACKING: &str = "batch.kubernetes.io/job-tracking";
/// Which part of the work a pod does, as a label and an annotation.
pub const INDEX: &str = "batch.kubernetes.io/job-completion-index";

/// What the plan may look at; pods of the namespace that are not the job's do no harm.
pub struct Snapshot<'a> {
    pub job: &'a Arc<Job>,
    pub pods: &'a [Arc<Pod>],
    pub now: Timestamp,
}

/// The job's world, sorted out.
struct View<'a> {
    snapshot: &'a Snapshot<'a>,
    spec: &'a JobSpec,
    tally: Tally,
    verdict: Verdict,
}

/// Plans the next step of the work, and what the status says about it.
pub fn plan(snapshot: &Snapshot<'_>) -> Plan {
    let job = &**snapshot.job;
    let Some(spec) = &job.spec else { return Plan::default() };
    let is_ours = spec.managed_by.as_deref().is_none_or(|it| it == "kubernetes.io/job-controller");
    let Some(selector) = spec.selector.as_ref().filter(|_| is_ours) else { return Plan::default() };
    let orphans = release_orphans(name(&job.metadata), Some(job), snapshot.pods);
    if !orphans.is_empty() {
        return orphans;
    }
    let claims = claim(job, &Selector::new(selector), snapshot.pods);
    let mut plan = Plan { check_owner: !claims.adopt.is_empty(), ..Plan::default() };
    claims.adopt.into_iter().chain(claims.release).for_each(|it| plan.push(it));
    if !plan.is_empty() {
        return plan;
    }
    let tally = Tally::new(snapshot, &claims.mine);
    let verdict = Verdict::new(snapshot, spec, &tally);
    let view = View { snapshot, spec, tally, verdict };
    if is_deleting(&job.metadata) {
        // Its pods go with it: nothing is counted any more.
        view.tally.release_all(&mut plan);
        return plan;
    }
    if let Some(ended) = status::ended_at(job) {
        view.tally.release_all(&mut plan);
        expire(&mut plan, &view, ended);
        return plan;
    }
    view.tally.release_recorded(&mut plan);
    work::step(&mut plan, &view);
    status::write(&mut plan, &view);
    plan
}

/// Lets go of the pods of a job that is gone: nobody will count them. `job` is the one that has its name now, if any;
/// the plan holds only if the API agrees.
pub fn release_orphans(job_name: &str, job: Option<&Job>, pods: &[Arc<Pod>]) -> Plan {
    let mut plan = Plan { check_owner: true, ..Plan::default() };
    for pod in pods.iter().filter(|it| tally::has_finalizer(it)) {
        let owner = controller(&pod.metadata).filter(|it| it.kind == "Job" && it.name == job_name);
        let is_here = |uid: &str| job.is_some_and(|it| crate::owners::uid(&it.metadata) == uid);
        if owner.is_some_and(|it| !is_here(&it.uid)) {
            tally::release(&mut plan, pod);
        }
    }
    plan
}

/// Deletes a job that ended long enough ago.
fn expire(plan: &mut Plan, view: &View<'_>, ended: Timestamp) {
    let Some(seconds) = view.spec.ttl_seconds_after_finished.filter(|_| plan.is_empty()) else {
        return;
    };
    let left =
        SignedDuration::from_secs(i64::from(seconds)) - view.snapshot.now.duration_since(ended);
    if left.is_positive() {
        return plan.look_again_in(Duration::try_from(left).unwrap_or_default());
    }
    plan.push(Write::Delete {
        observed: view.snapshot.job.clone(),
        propagation: Propagation::Foreground,
    });
}

#[cfg(test)]
mod tests;
