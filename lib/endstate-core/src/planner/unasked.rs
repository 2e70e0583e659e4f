//! A recovery of which nobody is asked, by the policy of the role that votes
//! ([`Recovery::Unasked`](crate::Recovery::Unasked)).
//!
//! A person who consents may know more than can be seen; here only what is seen counts. That a majority has lost its
//! data must be certain, and have been for a while: what says nothing is not lost, and may come back with what nobody
//! else has. So each process that may be there has to say how far it is, and the source has all that any of them has,
//! or was known to have. Among equals the first by name is as good as any other. Where any of this lacks a person is
//! asked, as without the policy.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::losses::{is_unasked, lost};
use super::recover::{self, sources};
use super::verdict::Verdict;
use crate::app::App;
use crate::assess::Assessed;
use crate::assess::settle::is_begun;
use crate::id::MemberName;
use crate::limits::LOSS_SECONDS;
use crate::member::Health;
use crate::reason::LeaveReason;
use crate::record::{MemberRecord, Step};
use crate::view::Standing;

/// What a look says of it.
pub(super) enum Chosen {
    /// It begins from this member at this time, if nothing comes back until then.
    From(MemberName, Timestamp),
    /// These say nothing, and may be ahead.
    Silent(Vec<MemberName>),
    /// A person is asked.
    Nobody,
}

/// Begins a recovery when it is due, and no person named a source that can be one.
pub(super) fn begin<A: App>(assessed: &Assessed<'_, A>) -> Verdict {
    match chosen(assessed) {
        Chosen::From(source, at) if at <= assessed.snapshot.now => {
            recover::fence_first(assessed, &source, true)
        }
        _ => Verdict::Pass,
    }
}

/// From whom it would begin.
pub(super) fn chosen<A: App>(assessed: &Assessed<'_, A>) -> Chosen {
    let recovers = matches!(assessed.record.step, Some(Step::Recover { .. }));
    if !is_unasked(assessed) || recovers || lost(assessed).is_none() {
        return Chosen::Nobody;
    }
    let silent = silent(assessed);
    if !silent.is_empty() {
        return Chosen::Silent(silent);
    }
    let able = |it: &MemberName| votes(assessed, it) && is_furthest(assessed, it);
    let source = sources(assessed).into_iter().filter(able).min();
    source.zip(lasts_until(assessed)).map_or(Chosen::Nobody, |(it, at)| Chosen::From(it, at))
}

/// Until when the loss has to last.
fn lasts_until<A: App>(assessed: &Assessed<'_, A>) -> Option<Timestamp> {
    let gone = assessed.voting_members().filter(|it| assessed.has_lost_all(it));
    let latest = gone.filter_map(|it| it.lost_since).max()?;
    Some(latest + SignedDuration::from_secs(LOSS_SECONDS))
}

/// Whose process may be there, or come back, and does not say how far it is.
fn silent<A: App>(assessed: &Assessed<'_, A>) -> Vec<MemberName> {
    let quiet = |it: &MemberName| !is_heard(assessed, it) && !is_known_gone(assessed, it);
    everyone(assessed).into_iter().filter(quiet).collect()
}

/// All that may hold what a voter has: those that are recorded, those that are coming or going, those that the status
/// lists, and whoever has a pod. A recorded member that has no vote has nothing that a voter has not.
fn everyone<A: App>(assessed: &Assessed<'_, A>) -> BTreeSet<MemberName> {
    let (snapshot, record) = (assessed.snapshot, &assessed.record);
    let recorded = record.members.iter().map(|it| &it.name);
    let moving = record.joining().map(|it| &it.name).chain(record.step.iter().map(Step::member));
    let listed = snapshot.status.members.iter().map(|it| &it.name);
    let pods = snapshot.pods.iter().flatten().map(|it| &it.name);
    let all = recorded.chain(moving).chain(listed).chain(pods);
    let follows =
        |it: &MemberName| record.members.iter().any(|other| other.name == *it && !other.votes);
    // Whose data is made was never of this cluster.
    all.filter(|it| !follows(it) && !record.is_made(it)).cloned().collect()
}

/// Whether it is certain that nothing of a member comes back.
fn is_known_gone<A: App>(assessed: &Assessed<'_, A>, name: &MemberName) -> bool {
    let (snapshot, record) = (assessed.snapshot, &assessed.record);
    if let Some(member) = record.members.iter().find(|it| it.name == *name) {
        return assessed.has_lost_all(member);
    }
    let never_begun = record.find(name).is_some_and(|it| !is_begun(it));
    let kept = snapshot.is_durable(name) && !never_begun && !has_left(assessed, name);
    snapshot.pod(name).map_or(!kept, |it| it.data_lost() && !it.deleting)
}

/// Whether it was seen to be off the list. Who was given up while it joined may have got its vote all the same.
fn has_left<A: App>(assessed: &Assessed<'_, A>, name: &MemberName) -> bool {
    matches!(&assessed.record.step, Some(Step::Leave { name: leaves, reason, .. })
        if leaves == name && *reason != LeaveReason::FailedJoin)
}

/// Whether it says how far it is: it is alive, or runs and waits for a quorum.
fn is_heard<A: App>(assessed: &Assessed<'_, A>, name: &MemberName) -> bool {
    let snapshot = assessed.snapshot;
    let answers = snapshot.view.answer(name).is_some();
    let is_there = |it: &MemberRecord| match assessed.health(it) {
        Health::NotReady(_) => !answers,
        health => health.is_alive(),
    };
    let is_there = assessed.record.find(name).map_or(answers, is_there);
    is_there && snapshot.told_position(name).is_some()
}

/// Whether it says itself that it votes: its own directory knows it as a voter, or it could not go on alone. One that
/// waits for a quorum says only that it has no vote, and was listed with one before.
fn votes<A: App>(assessed: &Assessed<'_, A>, name: &MemberName) -> bool {
    let view = &assessed.snapshot.view;
    let says = match (view.answer(name), view.starting(name)) {
        (Some(answer), _) => answer.standing.votes(),
        (None, starting) => starting.is_some_and(|it| !it.non_voter),
    };
    says && is_heard(assessed, name)
}

/// Whether it has all that any says that it has, whether that votes or not, and all that any voter was known to have.
fn is_furthest<A: App>(assessed: &Assessed<'_, A>, source: &MemberName) -> bool {
    let Some(own) = assessed.snapshot.told_position(source) else { return false };
    let others = everyone(assessed);
    let others = others.iter().filter(|it| !assessed.is_accused(it));
    let told = others.filter_map(|it| assessed.snapshot.told_position(it));
    let rows = assessed.snapshot.status.members.iter();
    let rows = rows.filter(|it| it.standing.is_none_or(Standing::votes));
    let rows = rows.filter(|it| !assessed.is_accused(&it.name));
    told.chain(rows.filter_map(|it| it.position.clone())).all(|it| own.dominates(&it))
}
