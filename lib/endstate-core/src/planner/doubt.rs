//! Corrupt data: told, led away from, taken off the list, and replaced.
//!
//! The application's own alarm is the accusation, or that a member's data is another than that of a majority
//! ([`Comparison`](crate::Comparison)). The order is what keeps good data: a corrupt member leaves before its successor
//! joins, which copies from who leads, and nobody is replaced unless those with good data are a majority. An alarm is
//! withdrawn when the data of all was compared again and is the same.

use super::proof::Proof;
use super::verdict::Verdict;
use crate::app::App;
use crate::assess::rules::{is_in_doubt, lacks_good_data, leaves_first};
use crate::comparison::Corruption;
use crate::member::Health;
use crate::reason::{Cause, LeaveReason};
use crate::record::Step;
use crate::request::Request;
use crate::waiting::Waiting;

/// Says what of corrupt data only a person can lead on.
pub(super) fn report<A: App>(proof: &Proof<'_, '_, A>) -> Verdict {
    let cluster = proof.cluster;
    let corrupt = cluster.voters().filter(|it| it.health == Health::Corrupt).count();
    let (good, of) = (cluster.healthy_voters(), cluster.voters().count());
    let few_good = lacks_good_data(cluster, proof.target);
    let few_good = few_good.then_some(Waiting::ForGoodData { corrupt, good, of });
    // Then any of them may hold the only good data.
    let unnamed = cluster.corruption.contains(&Corruption::Undetermined);
    let left = |it: &Corruption| match it {
        Corruption::Of(id) => !cluster.members.iter().any(|it| it.id == *id),
        Corruption::Undetermined => false,
    };
    let alarm = match unnamed {
        true => Some(Waiting::ForCulprit),
        false if corrupt == 0 && cluster.corruption.iter().any(left) => {
            Some(Waiting::ForAllClear { person: !proof.assessed.app.withdraws_alarms() })
        }
        false => None,
    };
    Verdict::say(few_good.into_iter().chain(alarm))
}

/// Withdraws an alarm about who is not listed any more, or about nobody, when all have the same data.
pub(super) fn clear<A: App>(proof: &Proof<'_, '_, A>) -> Verdict {
    let view = &proof.assessed.snapshot.view;
    let Some(list) = proof.assessed.list().filter(|it| view.is_same(it)) else {
        return Verdict::Pass;
    };
    let listed = |it: &Corruption| matches!(it, Corruption::Of(id) if list.members.iter().any(|it| it.id == *id));
    let alarm = view.alarms(list).into_iter().find(|it| !listed(it));
    let leader = proof.cluster.leader().filter(|_| proof.assessed.app.withdraws_alarms());
    let Some((alarm, leader)) = alarm.zip(leader) else { return Verdict::Pass };
    proof.call(Request::AllClear { member: leader.name.clone(), alarm })
}

/// Who joined now might copy what is corrupt, and who left might take what is good along.
pub(super) fn stop<A: App>(proof: &Proof<'_, '_, A>) -> Verdict {
    match is_in_doubt(proof.cluster, proof.target) {
        true => Verdict::Only(proof.restart_broken().unwrap_or_default()),
        false => Verdict::Pass,
    }
}

/// Takes corrupt members off the list, after the lead has moved away from them. Who is joining may have copied what is
/// corrupt, whoever leads by now, so it is given up before.
pub(super) fn remove_corrupt<A: App>(proof: &Proof<'_, '_, A>) -> Verdict {
    let Some(corrupt) = leaves_first(proof.cluster, proof.target) else { return Verdict::Pass };
    if let Some(transfer) = corrupt.leads.then(|| proof.transfer(corrupt)).flatten() {
        return Verdict::act(transfer);
    }
    match &proof.assessed.record.step {
        None => proof.leave(corrupt, LeaveReason::Corrupt),
        Some(Step::Join { member }) => {
            proof.abandon(member, LeaveReason::FailedJoin, Cause::Corrupt)
        }
        Some(_) => Verdict::Pass,
    }
}
