//! How a job stands.

use jiff::SignedDuration;
use k8s_openapi::api::batch::v1::JobSpec;

use super::Snapshot;
use super::tally::Tally;
use crate::pods;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// There is work left.
    Working,
    /// It rests; its pods go.
    Suspended,
    /// Enough of it is done; pods that still run go.
    Complete,
    /// It is given up; pods that still run go.
    Failed { reason: &'static str, message: String },
}

impl Verdict {
    pub(super) fn new(snapshot: &Snapshot<'_>, spec: &JobSpec, tally: &Tally) -> Self {
        let limit = spec.backoff_limit.unwrap_or(6);
        let restarts_in_place =
            spec.template.spec.as_ref().and_then(|it| it.restart_policy.as_deref())
                == Some("OnFailure");
        if tally.total.failed > limit || (restarts_in_place && tally.restarts() > limit) {
            let message = "Job has reached the specified backoff limit".to_owned();
            return Self::Failed { reason: "BackoffLimitExceeded", message };
        }
        if time_left(snapshot, spec).is_some_and(|it| !it.is_positive()) {
            let message = "Job was active longer than specified deadline".to_owned();
            return Self::Failed { reason: "DeadlineExceeded", message };
        }
        if is_done(spec, tally) {
            return Self::Complete;
        }
        if spec.suspend == Some(true) { Self::Suspended } else { Self::Working }
    }

    pub(super) fn ends(&self) -> bool {
        matches!(self, Self::Complete | Self::Failed { .. })
    }
}

/// How long the job may still take; `None` if as long as it likes, or while it rests.
pub(super) fn time_left(snapshot: &Snapshot<'_>, spec: &JobSpec) -> Option<SignedDuration> {
    let limit = spec.active_deadline_seconds.filter(|_| spec.suspend != Some(true))?;
    let start = snapshot.job.status.as_ref()?.start_time.as_ref()?.0;
    Some(SignedDuration::from_secs(limit) - snapshot.now.duration_since(start))
}

/// Without a number of completions, one success means that the queue is empty; the others finish what they have.
fn is_done(spec: &JobSpec, tally: &Tally) -> bool {
    match spec.completions {
        Some(wanted) => tally.total.succeeded >= wanted,
        None => tally.total.succeeded > 0 && tally.active.iter().all(|it| pods::is_terminal(it)),
    }
}
