//! A leader is chosen, where the application elects none.

use super::proof::Proof;
use super::verdict::Verdict;
use crate::app::App;
use crate::assess::Assessed;
use crate::assess::rules::is_accused;
use crate::id::MemberId;
use crate::member::Member;
use crate::plan::Action;
use crate::request::{Call, Request};
use crate::topology::Acks;
use crate::waiting::Waiting;

/// Appoints the one that has all that any other is known to have, once no other can acknowledge anything.
pub(super) fn appoint<A: App>(assessed: &Assessed<'_, A>) -> Verdict {
    let Some(leaderless) = assessed.leaderless() else { return Verdict::Pass };
    match leaderless.heir() {
        Ok(heir) => {
            let heard = leaderless.heard().map(|(it, _)| it.id.clone());
            Verdict::act(request(assessed, heir, heard))
        }
        Err(lack) => Verdict::say([Waiting::ForAppointment { lack }]),
    }
}

/// Another one that says it leads was not reached when the leader was appointed. It can acknowledge nothing, since a
/// majority follows the leader; it is told so.
pub(super) fn stop_rival<A: App>(proof: &Proof<'_, '_, A>) -> Verdict {
    let assessed = proof.assessed;
    let majority = assessed.acks() == Some(Acks::Majority);
    let Some(list) = assessed.list().filter(|_| majority) else { return Verdict::Pass };
    let leads = assessed.leads(list);
    let mut members = proof.cluster.members.iter();
    let leader = members.find(|it| leads.leader() == Some(&it.id));
    let Some(leader) = leader.filter(|it| leads.claimants().any(|other| other.id != it.id)) else {
        return Verdict::Pass;
    };
    // Nobody is made to follow one that does not say what it has, or whose data is corrupt.
    if leader.position.is_none() || is_accused(proof.cluster, leader) {
        return Verdict::Pass;
    }
    let action = request(assessed, leader, leads.followers(&leader.id).map(|it| it.id.clone()));
    // One that cannot be told holds nothing up.
    match assessed.snapshot.rests(&action.key()) {
        true => Verdict::Pass,
        false => Verdict::act(action),
    }
}

fn request<A: App>(
    assessed: &Assessed<'_, A>,
    heir: &Member,
    heard: impl Iterator<Item = MemberId>,
) -> Action {
    let (member, id) = (heir.name.clone(), heir.id.clone());
    let roster = assessed.list().map(crate::Membership::roster).unwrap_or_default();
    let request = Request::Appoint { member: member.clone(), id, heard: heard.collect() };
    Action::Call(Call { request, via: member, roster })
}
