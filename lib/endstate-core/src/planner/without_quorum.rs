//! What may be done while nothing proves a quorum: processes that do not run are helped up, on the data they have.

use super::{recover::sources, verdict::Verdict};
use crate::{
    app::App, assess::Assessed, limits::quorum, member::Health, record::MemberRecord,
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
    let consent = lost(assessed).map(|(left, of)| {
        let sources = sources(assessed);
        Waiting::ForConsent { left, of, sources }
    });
    Verdict::say(consent.into_iter().chain(waits))
}

/// Voters whose data may still be there, and voters there were, if those who are left are no quorum.
pub(super) fn lost<A: App>(assessed: &Assessed<'_, A>) -> Option<(usize, usize)> {
    let of = assessed.voting_members().count();
    let left = assessed.voting_members().filter(|it| !assessed.health(it).is_lost()).count();
    (left < quorum(of)).then_some((left, of))
}

/// Members whose pod is gone and whose claim is not get another pod on it.
pub(super) fn resume<A: App>(assessed: &Assessed<'_, A>) -> Verdict {
    assessed.resume_whoever().map_or(Verdict::Pass, Verdict::Only)
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
