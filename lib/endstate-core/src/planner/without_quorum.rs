//! What may be done while nothing proves a quorum: processes that do not run are helped up, on the data they have.

use super::recover::{lack_of_all, sources};
use super::verdict::Verdict;
use crate::app::App;
use crate::assess::Assessed;
use crate::limits::quorum;
use crate::member::Health;
use crate::record::{MemberRecord, RecoverStage, Step};
use crate::waiting::Waiting;

/// Says what of every member is known. If so much data is lost that no quorum can come back, only that counts.
pub(super) fn report<A: App>(assessed: &Assessed<'_, A>) -> Verdict {
    let members = assessed.record.members.iter();
    // Who is alive lacks nothing but the others.
    let waits = members.filter_map(|it| {
        let health = assessed.health(it);
        let cause = health.cause().filter(|_| !health.is_alive())?;
        Some(Waiting::ForMember { member: it.name.clone(), cause })
    });
    let asks = match &assessed.record.step {
        Some(Step::Recover { source, stage: RecoverStage::Alone {}, .. }) => {
            assessed.record.find(source).is_some_and(|it| assessed.health(it).is_lost())
        }
        Some(Step::Recover { .. }) => false,
        _ => true,
    };
    let consent = lost(assessed).filter(|_| asks).map(|(left, of)| {
        let (sources, lack) = (sources(assessed), lack_of_all(assessed));
        Waiting::ForConsent { left, of, sources, lack }
    });
    Verdict::say(consent.into_iter().chain(waits))
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

/// Members whose pod is gone and whose claim is not get another pod on it.
pub(super) fn resume<A: App>(assessed: &Assessed<'_, A>) -> Verdict {
    assessed.resume_whoever()
}

/// A pod that has ended makes room for another on the same claim.
pub(super) fn clear_ended<A: App>(assessed: &Assessed<'_, A>) -> Verdict {
    assessed.clear_ended().map_or(Verdict::Pass, Verdict::Only)
}

/// The first that only needs another image, or another pod on its claim.
pub(super) fn restart_broken<A: App>(assessed: &Assessed<'_, A>) -> Verdict {
    let stopped =
        |it: &&MemberRecord| matches!(assessed.health(it), Health::Stopped(_) | Health::Failed(_));
    let members = assessed.record.members.iter().filter(stopped);
    let pods = members.filter_map(|it| assessed.snapshot.pod(&it.name));
    assessed.restart_first_outdated(pods).map_or(Verdict::Pass, Verdict::Only)
}
