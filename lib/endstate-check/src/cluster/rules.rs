//! What no call of the operator may do, and no start, whatever the application is.

use endstate_core::quorum;

use super::aim::Aim;
use super::bits::*;
use super::plan::Verb;
use super::property::Property;
use super::request::Request;
use super::script::Ran;
use super::slot::{Slot, StartKind};
use super::state::State;
use super::task::OPERATION;

/// S2.
pub(crate) fn may_stop(state: &State, aim: Aim) -> Result<(), Property> {
    let runs = state.slots[aim.index].runs();
    // With a recovery on its way nobody serves.
    let serves = !state.slots.iter().any(Slot::recovers) || state.keeps_quorum();
    let serves = serves && !state.hibernates();
    let second = runs && serves && state.is_formed() && another_is_stopped(state, aim);
    if second { Err(Property::OneDisruption) } else { Ok(()) }
}

/// S4.
pub(crate) fn may_delete(slot: &Slot) -> Result<(), Property> {
    // Of one whose data was lost before a recovery began there is nothing left to lose.
    let lost = slot.reason & NOTED != 0 && !slot.recovers() && !slot.has_data();
    if slot.votes() && !slot.is_durable() && !lost { Err(Property::KeepsData) } else { Ok(()) }
}

/// S4 and S9.
pub(crate) fn may_delete_claim(slot: &Slot, kept: bool) -> Result<(), Property> {
    if slot.votes() || kept { Err(Property::KeepsData) } else { Ok(()) }
}

/// A request that the application has carried out.
pub(crate) fn answered(
    before: &State,
    after: &State,
    request: Request,
    aim: Aim,
) -> Result<(), Property> {
    if request == Request::Leave {
        took_no_copy(before, after, aim.index)?;
    }
    match request {
        Request::Transfer | Request::Appoint => return Ok(()),
        Request::Drain | Request::CancelDrain | Request::CancelOwn(_) => return Ok(()),
        Request::Own(_) | Request::Operate => return may_begin(before, after, aim),
        Request::Join if after.has(LED) => return Ok(()),
        Request::Join => {
            let role = after.slots[aim.index].role();
            let half = |it: &&Slot| it.is_non_voter() && it.role() == role;
            let joins = role == usize::from(aim.voting_role);
            let second =
                joins && after.slots.iter().filter(half).count() > usize::from(aim.at_once);
            return if second { Err(Property::OneJoin) } else { Ok(()) };
        }
        Request::JoinVoting | Request::Promote => {}
        Request::Leave => may_remove(before, aim)?,
    }
    took_no_good_data(before.has_good_majority(), after)?;
    took_no_quorum(before.keeps_quorum(), after)
}

/// S2 and S1: a dangerous step may stop its member at any moment from now on.
fn may_begin(before: &State, after: &State, aim: Aim) -> Result<(), Property> {
    if !aim.is_dangerous() {
        return Ok(());
    }
    if another_is_stopped(before, aim) {
        return Err(Property::OneDisruption);
    }
    let mut stopped = *after;
    stopped.slots[aim.index].process |= VOLUNTARY;
    took_no_quorum(before.keeps_quorum(), &stopped)
}

/// S1 and S4: whom an operation asks next for its step, as far as could be seen. Who leads comes last, unless it may be
/// at work already.
pub(crate) fn may_operate(state: &State, index: usize, harmless: bool) -> Result<(), Property> {
    let slot = &state.slots[index];
    let begun = slot.task & (BEGUN | AT_WORK) != 0 || slot.step() == FIRST_OWN + OPERATION;
    let left = |it: &Slot| it.votes() && it.works() && it.task & (DONE | HAS_ANSWER) == 0;
    let mut others = state.slots.iter().filter(|it| it.tag != slot.tag);
    if !harmless {
        Err(Property::NoneBehind)
    } else if slot.leads() && !begun && others.any(left) {
        Err(Property::LeaderLast)
    } else {
        Ok(())
    }
}

/// S4: whether a call is what ends the data of a member.
pub(crate) fn gives_up_data(slot: &Slot, verb: Verb) -> bool {
    match verb {
        Verb::Delete => !slot.is_durable(),
        Verb::DeleteClaim | Verb::Ask(Request::Leave) => true,
        _ => false,
    }
}

/// S2, S9 and S4.
fn may_remove(state: &State, aim: Aim) -> Result<(), Property> {
    let slot = &state.slots[aim.index];
    if !state.counts(slot) {
        return Ok(());
    }
    // Who had failed is removed while another may be at work, and nothing tells the application to keep it if it is
    // back meanwhile.
    let back = !aim.pod_as_seen && !another_is_down(state, aim);
    if slot.runs() && another_is_stopped(state, aim) && !back {
        return Err(Property::OneDisruption);
    }
    let counted = match state.has(LED) {
        true => state.slots.iter().filter(|it| it.is_listed() && it.is_beside(slot)).count(),
        false => state.voters().count(),
    };
    let below = counted - 1 < usize::from(state.spec.sizes[slot.role()]);
    // The successor of one that leads, or comes to lead, would copy what is corrupt.
    let misleads = slot.is_corrupt() && (slot.leads() || !state.has(LED));
    let known = state.object_as_seen && aim.pod_as_seen && !state.fault_since && !misleads;
    let healthy = slot.runs() && slot.pod & (DELETING | EXISTS) == EXISTS;
    if healthy && below && known {
        return Err(Property::KeepsSize);
    }
    // A volume may be out of reach for as long as its node is.
    if slot.is_viable() && slot.pod & (CRASH | NODE_LOST) == 0 && below && known {
        return Err(Property::KeepsWhole);
    }
    Ok(())
}

/// Whether the operator has stopped another that counts and is not back yet, or asked for something dangerous about
/// another that is not over.
fn another_is_stopped(state: &State, aim: Aim) -> bool {
    another_is_down(state, aim) || others(state, aim).any(Slot::is_at_work)
}

/// The same without what an operation asked for, of which only the member knows whether it is over.
fn another_is_down(state: &State, aim: Aim) -> bool {
    let stopped = |it: &Slot| state.counts(it) && it.process & VOLUNTARY != 0;
    let risks = |it: &Slot| it.own_step().is_some_and(|it| aim.risks & 1 << it != 0);
    others(state, aim).any(|it| stopped(it) || risks(it))
}

fn others(state: &State, aim: Aim) -> impl Iterator<Item = &Slot> {
    let all = state.slots.iter().enumerate();
    all.filter(move |(at, _)| *at != aim.index).map(|(_, it)| it)
}

/// S4: a group that holds something has a copy of it after a call, or the call changed nothing about it.
pub(crate) fn took_no_copy(before: &State, after: &State, member: usize) -> Result<(), Property> {
    let slot = &before.slots[member];
    // Who has nothing and votes for nobody is not missed, whatever is left of the others.
    let holds = slot.votes() || slot.is_viable() || before.group_has_copy(slot);
    let held = before.group_holds(slot) && slot.is_listed() && holds;
    let took = held && !after.group_has_copy(slot);
    if took && !after.fault_since { Err(Property::KeepsGroup) } else { Ok(()) }
}

/// S1.
pub(crate) fn took_no_quorum(could: bool, after: &State) -> Result<(), Property> {
    let took = could && !after.fault_since && !after.hibernates() && !after.keeps_quorum();
    if took { Err(Property::KeepsQuorum) } else { Ok(()) }
}

/// S4.
fn took_no_good_data(was_good: bool, after: &State) -> Result<(), Property> {
    let took = was_good && !after.fault_since && after.is_in_doubt();
    if took { Err(Property::KeepsGoodData) } else { Ok(()) }
}

/// The hole that the launcher of the SDK documents: a node that loses all directories of a pod before the operator has
/// marked the pod leaves no trace that the process had been started, so it starts as it was first told to.
fn is_known_hole(slot: &Slot) -> bool {
    slot.votes() && slot.process & UNMARKED_LOSS != 0
}

/// Nobody may be led to a pod that is no member: the client service selects by the mark
/// those that are not being deleted.
pub(crate) fn serves_members(state: &State) -> Result<(), Property> {
    let stray = |it: &Slot| {
        let selected = it.pod & (EXISTS | DELETING) == EXISTS && it.made & MARKED_VOTER != 0;
        selected && it.ills & ABANDONED != 0
    };
    let found = state.was_recorded() && state.slots.iter().any(stray);
    if found { Err(Property::ServesMembers) } else { Ok(()) }
}

/// S5 and S4: there was no quorum, as far as anybody could know, and nobody is known to have had more.
fn broken_by_recovery(state: &State, source: &Slot) -> Option<Property> {
    let others = || state.voters().filter(|it| it.tag != source.tag);
    // What was found lost, and fenced, may be mounted again behind the back of all.
    let whole = others().filter(|it| it.is_viable() && it.reason & NOTED == 0).count();
    if whole + usize::from(source.votes()) >= state.quorum() {
        return Some(Property::NoSecondStart);
    }
    // A person gives up what was found lost.
    let asked = source.reason & NOTED == 0;
    let counts = |it: &&Slot| !(it.is_accused() || asked && it.reason & NOTED != 0);
    let has = if asked { source.position() } else { logged(source) };
    let ahead = others().filter(counts).any(|it| it.known_position() > has);
    ahead.then_some(Property::KeepsWrites)
}

/// How far the log of a member goes: no less than it said before.
fn logged(slot: &Slot) -> u8 {
    slot.position().max(slot.known_position())
}

/// S5: nobody serves beside a cluster that was recovered.
pub(crate) fn one_cluster(state: &State) -> Option<Property> {
    let old = state.slots.iter().filter(|it| it.is_left_behind() && it.works()).count();
    let serves = old > 0 && old >= quorum(state.old_voters.into()) && state.has_quorum();
    serves.then_some(Property::OneCluster)
}

/// S5 and S4: who begins a recovery has a consent that was not used, to data that was good.
pub(crate) fn may_begin_recovery(state: &State, slot: &Slot) -> Result<(), Property> {
    if slot.reason & NOTED != 0 {
        may_begin_unasked(state, slot)?;
    } else if slot.reason & CONSENT == 0 || slot.ills & SPENT != 0 {
        return Err(Property::ConsentsOnce);
    }
    let bad = slot.is_accused() && !state.fault_since;
    if bad { Err(Property::KeepsGoodData) } else { Ok(()) }
}

/// S5 and S4: where nobody is asked the data of a majority is gone, as far as pods show it, and what is left beside the
/// source has nothing that the source lacks.
fn may_begin_unasked(state: &State, source: &Slot) -> Result<(), Property> {
    if !state.fault_since && !state.seems_lost() {
        return Err(Property::ConsentsOnce);
    }
    let left = |it: &&Slot| it.is_viable() && it.pod & LOST == 0 && !it.is_accused();
    let mut left = state.voters().filter(left);
    let ahead = !state.fault_since && left.any(|it| it.position() > logged(source));
    if ahead { Err(Property::KeepsWrites) } else { Ok(()) }
}

/// S5 and S3.
pub(crate) fn broken_by_start(state: &State, slot: &Slot, ran: Ran) -> Option<Property> {
    let new = slot.start() == StartKind::New;
    if ran == Ran::Alone {
        return broken_by_recovery(state, slot);
    }
    if ran != Ran::Empty || is_known_hole(slot) {
        None
    } else if state.was_recorded() && new && (slot.process & USED != 0 || !slot.votes()) {
        Some(Property::NoSecondStart)
    } else if slot.votes() && !new {
        Some(Property::NoBlankVoter)
    } else {
        None
    }
}
