//! Whether so much data is lost that no quorum can come back.

use crate::app::App;
use crate::assess::Assessed;
use crate::limits::quorum;
use crate::record::{MemberRecord, Step};
use crate::topology::{Recovery, Topology};

/// Whether the policy lets nobody be asked.
pub(super) fn is_unasked<A: App>(assessed: &Assessed<'_, A>) -> bool {
    let voting = assessed.target.as_ref().and_then(Topology::voting);
    voting.is_some_and(|it| it.recovery == Recovery::Unasked)
}

/// Voters whose data may still be there, and voters there were, if those who are left are no quorum.
pub(super) fn lost<A: App>(assessed: &Assessed<'_, A>) -> Option<(usize, usize)> {
    let of = assessed.voting_members().count();
    let left = assessed.voting_members().filter(|it| !is_lost(assessed, it)).count();
    is_no_quorum(assessed, left, of).then_some((left, of))
}

/// Whether the voters that are left are no quorum, however far the step under way has come: who joins may vote already,
/// who leaves may not vote any more.
pub(super) fn is_no_quorum<A: App>(assessed: &Assessed<'_, A>, left: usize, of: usize) -> bool {
    let coming = usize::from(is_voter_coming(assessed));
    let leaving = leaving_voter(assessed);
    let leaves = usize::from(leaving.is_some());
    let stays = usize::from(leaving.is_some_and(|it| !is_lost(assessed, it)));
    left < quorum(of)
        && left + coming < quorum(of + coming)
        && left.saturating_sub(stays) < quorum(of - leaves)
}

/// Whether who joins says that it votes already.
fn is_voter_coming<A: App>(assessed: &Assessed<'_, A>) -> bool {
    let Some(Step::Join { member }) = &assessed.record.step else { return false };
    let answer = assessed.snapshot.view.answer(&member.name);
    answer.is_some_and(|it| it.standing.votes()) && assessed.health(member).is_alive()
}

fn leaving_voter<'s, A: App>(assessed: &'s Assessed<'_, A>) -> Option<&'s MemberRecord> {
    let Some(Step::Leave { name, .. }) = &assessed.record.step else { return None };
    assessed.voting_members().find(|it| it.name == *name)
}

/// Whether a member's data is lost. That it was is no less so when a recovery has taken its pod.
pub(super) fn is_lost<A: App>(assessed: &Assessed<'_, A>, member: &MemberRecord) -> bool {
    let fenced = || assessed.snapshot.pod(&member.name).is_none_or(|it| it.deleting);
    let before = match &assessed.record.step {
        Some(Step::Recover { lost, .. }) => lost.contains(&member.name),
        _ => false,
    };
    assessed.health(member).is_lost() || before && fenced()
}
