//! What may be done while nothing proves a quorum: processes that do not run are helped up, on the data they have.

use super::losses::lost;
use super::recover::{given_up, lack_of_all, sources};
use super::unasked::{Chosen, chosen};
use super::verdict::Verdict;
use crate::app::App;
use crate::assess::Assessed;
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
    let decision = lost(assessed).filter(|_| asks).map(|it| decision(assessed, it));
    Verdict::say(decision.into_iter().flatten().chain(waits))
}

/// A recovery that is due, or the choices of a person.
fn decision<A: App>(assessed: &Assessed<'_, A>, (left, of): (usize, usize)) -> Vec<Waiting> {
    let silent = match chosen(assessed) {
        Chosen::From(source, at) => return vec![Waiting::ForRecovery { left, of, source, at }],
        Chosen::Silent(members) => members,
        Chosen::Nobody => vec![],
    };
    let (sources, lack) = (sources(assessed), lack_of_all(assessed));
    let given_up = sources.first().and_then(|it| given_up(assessed, it));
    let consent = Waiting::ForConsent { left, of, sources, given_up, lack };
    let silent = silent.into_iter().map(|member| Waiting::ForSurvivor { member });
    [consent].into_iter().chain(silent).collect()
}

/// Members whose pod is gone and whose claim is not get another pod on it.
pub(super) fn resume<A: App>(assessed: &Assessed<'_, A>) -> Verdict {
    assessed.resume_whoever()
}

/// A pod that has ended makes room for another on the same claim.
pub(super) fn clear_ended<A: App>(assessed: &Assessed<'_, A>) -> Verdict {
    assessed.clear_ended().map_or(Verdict::Pass, Verdict::Only)
}

/// A member that crashed does not wait for the kubelet.
pub(super) fn renew_crashed<A: App>(assessed: &Assessed<'_, A>) -> Verdict {
    assessed.renew_crashed().map_or(Verdict::Pass, Verdict::Only)
}

/// The first that only needs another image, or another pod on its claim.
pub(super) fn restart_broken<A: App>(assessed: &Assessed<'_, A>) -> Verdict {
    let stopped =
        |it: &&MemberRecord| matches!(assessed.health(it), Health::Stopped(_) | Health::Failed(_));
    let members = assessed.record.members.iter().filter(stopped);
    let pods = members.filter_map(|it| assessed.snapshot.pod(&it.name));
    assessed.restart_first_outdated(pods).map_or(Verdict::Pass, Verdict::Only)
}
