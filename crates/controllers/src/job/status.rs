//! The status of a job. Its end is written once everything that ended is counted.

use jiff::Timestamp;
use k8s_openapi::api::batch::v1::{Job, JobCondition, JobStatus, UncountedTerminatedPods};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::verdict::Verdict;
use super::{View, indexes};
use crate::plan::{Event, Plan, Write};
use crate::rounding::count;

/// When the job ended, if it has.
pub(super) fn ended_at(job: &Job) -> Option<Timestamp> {
    let conditions = job.status.as_ref()?.conditions.as_ref()?;
    let end = conditions
        .iter()
        .find(|it| matches!(&*it.type_, "Complete" | "Failed") && it.status == "True")?;
    end.last_transition_time.as_ref().map(|it| it.0)
}

/// Adds the write of the status, if it differs. Pods that a plan makes or ends are counted by the next one.
pub(super) fn write(plan: &mut Plan, view: &View<'_>) {
    let job = view.snapshot.job;
    let old = job.status.clone().unwrap_or_default();
    let (status, notice) = status(view, &old);
    if old == status {
        return;
    }
    plan.notices.extend(notice);
    let wanted = Job { status: Some(status), ..Job::clone(job) };
    plan.push(Write::update_status(job, wanted));
}

fn status(view: &View<'_>, old: &JobStatus) -> (JobStatus, Option<Event>) {
    let (tally, now) = (&view.tally, view.snapshot.now);
    let is_indexed = view.spec.completion_mode.as_deref() == Some("Indexed");
    let completed = indexes::render(&tally.total.indexes);
    let mut status = JobStatus {
        active: nonzero(count(tally.active.len())),
        ready: Some(tally.ready()),
        terminating: Some(count(tally.leaving)),
        succeeded: nonzero(tally.counted.succeeded),
        failed: nonzero(tally.counted.failed),
        completed_indexes: (is_indexed && !completed.is_empty()).then_some(completed),
        uncounted_terminated_pods: Some(sorted(tally.uncounted.clone())),
        start_time: old.start_time.clone().or(Some(Time(now))),
        ..old.clone()
    };
    let mut conditions = old.conditions.clone().unwrap_or_default();
    let notice = suspend(view, &mut status, &mut conditions);
    let end = judge(view, &mut status, &mut conditions);
    status.conditions = (!conditions.is_empty()).then_some(conditions);
    (status, end.or(notice))
}

fn suspend(
    view: &View<'_>,
    status: &mut JobStatus,
    conditions: &mut Vec<JobCondition>,
) -> Option<Event> {
    let was = conditions.iter().any(|it| it.type_ == "Suspended" && it.status == "True");
    let is = view.verdict == Verdict::Suspended;
    if is {
        status.start_time = None;
    }
    match (was, is) {
        (false, true) => {
            put(view, conditions, "Suspended", "True", ("JobSuspended", "Job suspended"));
            Some(Event::normal("Suspended", "Job suspended"))
        }
        (true, false) => {
            status.start_time = Some(Time(view.snapshot.now));
            put(view, conditions, "Suspended", "False", ("JobResumed", "Job resumed"));
            Some(Event::normal("Resumed", "Job resumed"))
        }
        _ => None,
    }
}

/// Says first that the end is decided, and that it has come once nothing runs and all is counted.
fn judge(
    view: &View<'_>,
    status: &mut JobStatus,
    conditions: &mut Vec<JobCondition>,
) -> Option<Event> {
    if !view.verdict.ends() {
        return None;
    }
    let has_ended = view.tally.active.is_empty() && view.tally.is_settled();
    match &view.verdict {
        Verdict::Complete => {
            let why = ("CompletionsReached", "Reached expected number of succeeded pods");
            put(view, conditions, "SuccessCriteriaMet", "True", why);
            if !has_ended {
                return None;
            }
            put(view, conditions, "Complete", "True", why);
            status.completion_time = Some(Time(view.snapshot.now));
            Some(Event::normal("Completed", "Job completed"))
        }
        Verdict::Failed { reason, message } => {
            put(view, conditions, "FailureTarget", "True", (reason, message));
            if !has_ended {
                return None;
            }
            put(view, conditions, "Failed", "True", (reason, message));
            Some(Event::warning(*reason, message.clone()))
        }
        Verdict::Working | Verdict::Suspended => None,
    }
}

fn put(
    view: &View<'_>,
    conditions: &mut Vec<JobCondition>,
    kind: &str,
    status: &str,
    why: (&str, &str),
) {
    if conditions.iter().any(|it| it.type_ == kind && it.status == status) {
        return;
    }
    conditions.retain(|it| it.type_ != kind);
    conditions.push(JobCondition {
        type_: kind.to_owned(),
        status: status.to_owned(),
        reason: Some(why.0.to_owned()),
        message: Some(why.1.to_owned()),
        last_probe_time: Some(Time(view.snapshot.now)),
        last_transition_time: Some(Time(view.snapshot.now)),
    });
}

fn sorted(mut pods: UncountedTerminatedPods) -> UncountedTerminatedPods {
    for list in [&mut pods.succeeded, &mut pods.failed] {
        list.iter_mut().for_each(|it| it.sort());
    }
    pods
}

fn nonzero(number: i32) -> Option<i32> {
    (number != 0).then_some(number)
}
