//! What is spaced in time: tries that fail one after the other, actions that were refused, and changes of membership
//! after a member came back.
//!
//! All is read from the record and the snapshot, never from memory: who restarts the operator shortens no
//! wait. A corrected spec ends the waiting for the next try; nothing ends the others but time.

use jiff::{SignedDuration, Timestamp};

use super::proof::Proof;
use super::verdict::{Move, Verdict};
use crate::app::App;
use crate::assess::Assessed;
use crate::assess::learn::backoff;
use crate::limits::{STABLE_SECONDS, is_recent};
use crate::member::Cluster;
use crate::plan::Action;
use crate::reason::LeaveReason;
use crate::record::{Backoff, Record};
use crate::snapshot::{Blocked, Denial};
use crate::waiting::Waiting;

/// How long the second try waits. Each one after it waits twice as long as the one before.
const RETRY_SECONDS: i64 = 2;
/// The longest that a try waits.
const RETRY_SECONDS_MAX: i64 = 300;
/// Whether the next try may begin; otherwise when, and what became of the last.
pub(super) fn may_try<S>(record: &Record<S>, now: Timestamp) -> Result<(), Waiting> {
    let Some(backoff) = backoff(record) else { return Ok(()) };
    let at = next_attempt(backoff);
    if !is_recent(backoff.at, now, at.duration_since(backoff.at)) {
        return Ok(());
    }
    Err(Waiting::ForRetry { at, times: backoff.times, cause: backoff.cause.clone() })
}

/// Says when the next try is made, if that is not now.
pub(super) fn next_try<A: App>(assessed: &Assessed<'_, A>) -> Verdict {
    Verdict::say(may_try(&assessed.record, assessed.snapshot.now).err())
}

fn next_attempt(backoff: &Backoff) -> Timestamp {
    let factor = 2_i64.checked_pow(backoff.times.saturating_sub(1)).unwrap_or(i64::MAX);
    let seconds = RETRY_SECONDS.saturating_mul(factor).clamp(0, RETRY_SECONDS_MAX);
    backoff.at + SignedDuration::from_secs(seconds)
}

/// What is left of a move while an action in it was refused a moment ago, or its member lacks an object whose name is
/// somebody else's: whatever wakes the object in between does not make the answer another one. An action that is
/// independent holds nothing else up.
pub(super) fn hold<A: App>(assessed: &Assessed<'_, A>, wanted: Move) -> Move {
    let snapshot = assessed.snapshot;
    let starts = |it: &Action| match it {
        Action::CreatePod { .. } | Action::RestartPod { .. } => true,
        Action::DeletePod { reason, .. } => *reason == LeaveReason::Recreated,
        _ => false,
    };
    let held = |it: &Action| {
        snapshot.rests(&it.key()) || starts(it) && snapshot.is_name_taken(it.member())
    };
    if wanted.actions.iter().any(|it| held(it) && !it.is_independent()) {
        // What was to be recorded belongs to the action.
        return Move { waits: wanted.waits, ..Move::default() };
    }
    let actions = wanted.actions.into_iter().filter(|it| !held(it)).collect();
    Move { actions, ..wanted }
}

/// What was refused when it was tried last, for people.
pub(super) fn refusals<A: App>(assessed: &Assessed<'_, A>) -> Vec<Waiting> {
    let mut blocked: Vec<_> = assessed.snapshot.blocked.iter().collect();
    blocked.sort_by_key(|it| it.action.to_string());
    blocked.into_iter().map(|it| refusal(assessed, it)).collect()
}

fn refusal<A: App>(assessed: &Assessed<'_, A>, blocked: &Blocked) -> Waiting {
    let (action, denial, at) = (blocked.action.clone(), blocked.denial.clone(), blocked.again());
    match denial {
        Denial::NeedsUser { .. } => {
            let hint = assessed.app.without_user().into();
            Waiting::ForUser { action: Some(action), hint }
        }
        denial => Waiting::ForAnswer { action, denial, at },
    }
}

impl<A: App> Proof<'_, '_, A> {
    /// Whether so many voters, beside the one that this is about, have been well for a while; otherwise
    /// the wait for those who are just back. An application may check the same, but between its look and the
    /// change a member may fail, and one that failed a moment ago is the likeliest to.
    pub(super) fn settled(&self, but: &str, needed: usize) -> Result<(), Waiting> {
        settled(self.cluster, but, needed)
    }
}

fn settled(cluster: &Cluster, but: &str, needed: usize) -> Result<(), Waiting> {
    let others = || cluster.voters().filter(|it| it.name.as_str() != but);
    let well = others().filter(|it| it.health.is_healthy() && it.recovered_at.is_none()).count();
    let newest = others().filter_map(|it| Some((it.recovered_at?, &it.name))).max();
    let Some((since, member)) = newest.filter(|_| well < needed) else { return Ok(()) };
    let at = since + SignedDuration::from_secs(STABLE_SECONDS);
    Err(Waiting::ForStability { member: member.clone(), at })
}

/// How long until the last of these waits is over, if there are no others. What a person has to decide
/// does not hurry.
pub(super) fn pause(waits: &[Waiting], now: Timestamp) -> Option<SignedDuration> {
    let waits = waits.iter().filter(|it| !it.needs_user());
    let ends = waits.map(Waiting::ends).collect::<Option<Vec<_>>>()?;
    Some(ends.into_iter().max()?.duration_since(now))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reason::Cause;

    #[test]
    fn tries_are_spaced_more_and_more_and_never_without_end() {
        let at = Timestamp::UNIX_EPOCH;
        let waits = [1, 2, 3, 8, 9, 63, 64, 65, u32::MAX].map(|times| {
            next_attempt(&Backoff { times, at, cause: Cause::PodGone, members: 3 }).as_second()
        });
        assert_eq!(waits, [2, 4, 8, 256, 300, 300, 300, 300, 300]);
    }
}
