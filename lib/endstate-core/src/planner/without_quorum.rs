//! What may be done while nothing proves a quorum: processes that do not run are helped up, on the data they have.

use super::{recover::sources, verdict::Verdict};
use crate::{
    app::App,
    assess::Assessed,
    limits::quorum,
    member::Health,
    record::{MemberRecord, Step},
    waiting::Waiting,
};

/// Says what of every member is known. If so much data is lost that no quorum can come back, only that counts.
pub(super) fn report<A: App>(assessed: &Assessed<'_, A>) -> Verdict {
    let members = assessed.record.members.iter();
    // Who is alive lacks nothing but the others.
    let waits = members.filter_map(|it| {
        let health = assessed.health(it);
        let cause = health.cause().filter(|_| !health.is_alive())?;
        Some(Waiting::ForMember { member: it.name.clone(), cause })
    });
    let asks = !matches!(assessed.record.step, Some(Step::Recover { .. }));
    let consent = lost(assessed).filter(|_| asks).map(|(left, of)| {
        let sources = sources(assessed);
        Waiting::ForConsent { left, of, sources }
    });
    Verdict::say(consent.into_iter().chain(waits))
}

/// Voters whose data may still be there, and voters there were, if those who are left are no quorum.
pub(super) fn lost<A: App>(assessed: &Assessed<'_, A>) -> Option<(usize, usize)> {
    let of = assessed.voting_members().count();
    let left = assessed.voting_members().filter(|it| !is_lost(assessed, it)).count();
    (left < quorum(of)).then_some((left, of))
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
