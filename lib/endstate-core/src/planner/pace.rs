//! What is spaced in time: tries that fail one after the other, and changes of membership after a member
//! came back.
//!
//! Both are read from the record and the pods, never from memory: who restarts the operator shortens no
//! wait. A corrected spec ends the waiting for the next try; nothing ends the other one but time.

use jiff::{SignedDuration, Timestamp};

use super::Draft;
use crate::{
    app::App,
    cluster::{Cluster, STABLE_SECONDS},
    exit::Words,
    id::MemberName,
    record::Setback,
    snapshot::Pod,
    waiting::Waiting,
};

/// How long the second try waits. Each one after it waits twice as long as the one before.
const RETRY_SECONDS: i64 = 2;
/// The longest that a try waits.
const RETRY_SECONDS_MAX: i64 = 300;

impl<A: App> Draft<'_, A> {
    /// Notes that a try came to nothing.
    pub(super) fn set_back(&mut self, why: String) {
        let times = self.setback().map_or(0, |it| it.times).saturating_add(1);
        let members = self.record.members.len();
        self.record.setback = Some(Setback { times, at: self.snapshot.now, why, members });
    }

    /// The tries in a row that failed at what is tried now: with fewer members than then it is a repair,
    /// which does not wait for the growth, or the move, that failed before.
    fn setback(&self) -> Option<&Setback> {
        let has = self.record.members.len();
        self.record.setback.as_ref().filter(|it| it.members <= has)
    }

    /// Whether the next try may begin; otherwise says when, and what became of the last.
    pub(super) fn may_try(&mut self) -> bool {
        let Some(setback) = self.setback() else { return true };
        let next = next_try(setback);
        if self.snapshot.now >= next {
            return true;
        }
        let (times, why) = (setback.times, setback.why.clone());
        self.wait(Waiting::ForRetry { at: next, times, why });
        false
    }

    /// Pods that the API refused to make were never there, so their names can be asked for again.
    pub(super) fn note_refusals(&mut self) -> bool {
        let Some(blocked) = &self.snapshot.blocked else { return false };
        let refused = &blocked.not_created;
        let mut found = false;
        for member in self.record.everyone_mut().filter(|it| refused.contains(&it.name)) {
            found |= member.asked.is_some() && member.pod.is_none();
            member.asked = None;
        }
        if found {
            self.set_back(format!("{}: {}", blocked.action, blocked.why));
            self.may_try();
        }
        found
    }

    /// Remembers what containers said when they ended. A launcher that refuses to start on an empty
    /// directory says so in place of what went wrong before.
    pub(super) fn note_last_words(&mut self, pods: &[Pod<A::Spec>]) {
        for member in self.record.everyone_mut() {
            let pod = pods.iter().find(|it| it.name == member.name);
            if let Some(words) = pod.and_then(last_words) {
                member.said = Some(words);
            }
        }
    }

    /// Whether so many voters, beside the one that this is about, have been well for a while; otherwise
    /// waits for those who are just back. etcd's own check asks the same, but between its look and the
    /// change a member may fail, and one that failed a moment ago is the likeliest to.
    pub(super) fn is_settled(
        &mut self,
        cluster: &Cluster,
        but: &MemberName,
        needed: usize,
    ) -> bool {
        let others = || cluster.voters().filter(|it| it.name != *but);
        let settled = others().filter(|it| it.health.is_healthy() && it.back.is_none()).count();
        let newest = others().filter_map(|it| Some((it.back?, &it.name))).max();
        let Some((since, member)) = newest.filter(|_| settled < needed) else { return true };
        let at = since + SignedDuration::from_secs(STABLE_SECONDS);
        self.wait(Waiting::ForStability { member: member.clone(), at });
        false
    }

    /// How long until the last of these waits is over, if there are no others. What a person has to decide
    /// does not hurry.
    pub(super) fn pause(&self) -> Option<SignedDuration> {
        let waits = self.waits.iter().filter(|it| !it.needs_user());
        let ends = waits.map(Waiting::ends).collect::<Option<Vec<_>>>()?;
        Some(ends.into_iter().max()?.duration_since(self.snapshot.now))
    }
}

fn next_try(setback: &Setback) -> Timestamp {
    let factor = 2_i64.checked_pow(setback.times.saturating_sub(1)).unwrap_or(i64::MAX);
    let seconds = RETRY_SECONDS.saturating_mul(factor).clamp(0, RETRY_SECONDS_MAX);
    setback.at + SignedDuration::from_secs(seconds)
}

/// What was said at the last end that says what went wrong.
fn last_words<S>(pod: &Pod<S>) -> Option<Words> {
    let ends = [&pod.exit, &pod.exit_before].into_iter().flatten();
    let mut own = ends.filter(|it| it.evidence.is_none() && !it.words.is_empty());
    own.next().map(|it| it.words.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_are_spaced_more_and_more_and_never_without_end() {
        let at = Timestamp::UNIX_EPOCH;
        let waits = [1, 2, 3, 8, 9, 63, 64, 65, u32::MAX].map(|times| {
            next_try(&Setback { times, at, why: String::new(), members: 3 }).as_second()
        });
        assert_eq!(waits, [2, 4, 8, 256, 300, 300, 300, 300, 300]);
    }
}
