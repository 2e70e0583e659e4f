//! Corrupt data: told, led away from, and replaced by the ordinary move of a member.
//!
//! The application's own alarm is the accusation, nothing here compares data. The order is what keeps
//! good data: a corrupt member does not lead while another copies the data, its successor joins before it
//! leaves, and nobody is replaced unless those with good data are a majority.

use super::proof::Proof;
use super::verdict::Verdict;
use crate::app::App;
use crate::assess::rules::{corrupt_leader, is_in_doubt};
use crate::member::Health;
use crate::reason::{Cause, LeaveReason};
use crate::record::Step;
use crate::view::Corruption;
use crate::waiting::Waiting;

/// Says what of corrupt data only a person can lead on.
pub(super) fn report<A: App>(proof: &Proof<'_, '_, A>) -> Verdict {
    let cluster = proof.cluster;
    let corrupt = cluster.voters().filter(|it| it.health == Health::Corrupt).count();
    let (good, of) = (cluster.healthy_voters(), cluster.voters().count());
    let few_good = corrupt > 0 && !cluster.has_good_majority();
    let few_good = few_good.then_some(Waiting::ForGoodData { corrupt, good, of });
    // Then any of them may hold the only good data.
    let unnamed = cluster.corruption.contains(&Corruption::Undetermined);
    let left = |it: &Corruption| match it {
        Corruption::Of(id) => !cluster.members.iter().any(|it| it.id == *id),
        Corruption::Undetermined => false,
    };
    let alarm = match unnamed {
        true => Some(Waiting::ForCulprit),
        false if corrupt == 0 && cluster.corruption.iter().any(left) => Some(Waiting::ForAllClear),
        false => None,
    };
    Verdict::say(few_good.into_iter().chain(alarm))
}

/// Who joined now might copy what is corrupt, and who left might take what is good along.
pub(super) fn stop<A: App>(proof: &Proof<'_, '_, A>) -> Verdict {
    match is_in_doubt(proof.cluster, proof.target) {
        true => Verdict::Only(proof.restart_broken().unwrap_or_default()),
        false => Verdict::Pass,
    }
}

/// Moves the lead away from a corrupt member: who joins copies from who leads. One that cannot hand over leaves before
/// its successor comes, and so does who has begun to copy from it.
pub(super) fn leave_corrupt_leader<A: App>(proof: &Proof<'_, '_, A>) -> Verdict {
    let Some(leader) = corrupt_leader(proof.cluster, proof.target) else { return Verdict::Pass };
    if let Some(transfer) = proof.transfer(leader) {
        return Verdict::act(transfer);
    }
    match &proof.assessed.record.step {
        None => proof.leave(leader, LeaveReason::Corrupt),
        Some(Step::Join { member }) => {
            proof.abandon(member, LeaveReason::FailedJoin, Cause::Corrupt)
        }
        Some(_) => Verdict::Pass,
    }
}
