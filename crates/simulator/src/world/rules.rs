//! What no call of the operator may do, whatever the application is.

use super::{api::Aim, flags::*, script::Ran, slot::Slot, state::State};
use crate::{model::Change, property::Property};

/// S2.
pub(crate) fn may_restart(state: &State, member: usize) -> Result<(), Property> {
    let runs = state.slots[member].runs();
    let second = runs && state.has(FORMED) && another_is_stopped(state, member);
    if second { Err(Property::OneDisruption) } else { Ok(()) }
}

/// S4.
pub(crate) fn may_delete(slot: &Slot) -> Result<(), Property> {
    if slot.votes() { Err(Property::KeepsData) } else { Ok(()) }
}

/// A change of the list of members that the application has carried out.
pub(crate) fn changed(
    before: &State,
    after: &State,
    change: Change,
    aim: Aim,
) -> Result<(), Property> {
    match change {
        Change::MoveLead => return Ok(()),
        Change::Add if after.slots.iter().filter(|it| it.learns()).count() > 1 => {
            return Err(Property::OneLearner);
        }
        Change::Add => return Ok(()),
        Change::Promote => {}
        Change::Remove => may_remove(before, aim)?,
    }
    took_no_good_data(before.has_good_majority(), after)?;
    took_no_quorum(before.keeps_quorum(), after)
}

/// S2, S9 and S4.
fn may_remove(state: &State, Aim { index, pod_as_seen, .. }: Aim) -> Result<(), Property> {
    let slot = &state.slots[index];
    if !slot.votes() {
        return Ok(());
    }
    if slot.runs() && another_is_stopped(state, index) {
        return Err(Property::OneDisruption);
    }
    let below = state.voters().count() - 1 < usize::from(state.spec.0);
    let known = state.object_as_seen && pod_as_seen && !state.fault_since;
    let healthy = slot.runs() && slot.pod & (DELETING | EXISTS) == EXISTS;
    if healthy && below && known {
        return Err(Property::KeepsSize);
    }
    if slot.viable() && slot.pod & CRASH == 0 && below && known {
        return Err(Property::KeepsWhole);
    }
    Ok(())
}

/// Whether the operator has stopped another voter that is not back yet.
fn another_is_stopped(state: &State, member: usize) -> bool {
    let mut others = state.slots.iter().enumerate().filter(|(at, _)| *at != member);
    others.any(|(_, it)| it.votes() && it.process & VOLUNTARY != 0)
}

/// S1.
pub(crate) fn took_no_quorum(could: bool, after: &State) -> Result<(), Property> {
    let took = could && !after.fault_since && !after.keeps_quorum();
    if took { Err(Property::KeepsQuorum) } else { Ok(()) }
}

/// S4.
fn took_no_good_data(was_good: bool, after: &State) -> Result<(), Property> {
    let took = was_good && !after.fault_since && after.is_in_doubt();
    if took { Err(Property::KeepsGoodData) } else { Ok(()) }
}

/// S5 and S3.
pub(crate) fn broken_by_start(state: &State, slot: &Slot, ran: Ran) -> Option<Property> {
    let joins = slot.pod & JOIN != 0;
    if ran != Ran::Empty {
        None
    } else if state.has(ID) && !joins && (slot.process & USED != 0 || !slot.votes()) {
        Some(Property::NoSecondStart)
    } else if slot.votes() && joins {
        Some(Property::NoBlankVoter)
    } else {
        None
    }
}
