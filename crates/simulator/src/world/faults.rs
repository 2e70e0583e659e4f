//! What goes wrong and is mended, and what is changed from outside.

use super::{
    flags::*,
    moves::Moves,
    script::{Fault, Move},
    state::State,
};
use crate::{model::AppModel, scenario::Respec};

impl<M: AppModel> Moves<'_, M> {
    pub(super) fn faults(&mut self, state: &State) {
        let left = &state.left;
        for index in 0..state.slots.len() {
            let slot = &state.slots[index];
            let there = slot.exists() && slot.pod & NODE_LOST == 0 && slot.marks & ABANDONED == 0;
            if left.kill > 0 && slot.runs() {
                self.fault(state, Fault::Kill(slot.tag), |it| {
                    it.left.kill -= 1;
                    it.slots[index].stop();
                    it.slots[index].touch_pod();
                });
            }
            if left.wipe > 0 && there && slot.process & DATA != 0 {
                self.fault(state, Fault::Wipe(slot.tag), |it| {
                    it.left.wipe -= 1;
                    it.slots[index].stop();
                    it.slots[index].process &= !(DATA | CAUGHT | VOLUNTARY);
                    it.slots[index].touch_pod();
                });
            }
            if left.evict > 0 && there && slot.pod & DELETING == 0 {
                self.fault(state, Fault::Evict(slot.tag), |it| {
                    it.left.evict -= 1;
                    it.slots[index].set_pod(slot.pod | DELETING);
                });
            }
            if left.node > 0 && there {
                self.fault(state, Fault::Node(slot.tag), |it| {
                    it.left.node -= 1;
                    it.slots[index].stop();
                    it.slots[index].set_pod(slot.pod | NODE_LOST);
                });
            }
            if left.crash > 0 && slot.runs() {
                self.fault(state, Fault::Crash(slot.tag), |it| {
                    it.left.crash -= 1;
                    it.slots[index].stop();
                    it.slots[index].ills |= BROKEN;
                    it.slots[index].set_pod(slot.pod | CRASH);
                });
            }
            if left.cut > 0 && slot.works() && slot.listed() {
                self.fault(state, Fault::Cut(slot.tag), |it| {
                    it.left.cut -= 1;
                    it.slots[index].ills |= CUT;
                    it.slots[index].list &= !LEADER;
                });
            }
            if left.corrupt > 0 && slot.works() && slot.listed() && state.has(FORMED) {
                self.fault(state, Fault::Corrupt(slot.tag), |it| {
                    it.left.corrupt -= 1;
                    it.slots[index].ills |= CORRUPT;
                });
            }
            if left.unnamed > 0 && slot.works() && slot.listed() && state.has(FORMED) {
                self.fault(state, Fault::CorruptUnnamed(slot.tag), |it| {
                    it.left.unnamed -= 1;
                    it.slots[index].ills |= CORRUPT | UNNAMED;
                });
            }
        }
        self.edits(state);
    }

    fn fault(&mut self, state: &State, fault: Fault, apply: impl FnOnce(&mut State)) {
        let mut after = *state;
        apply(&mut after);
        after.fault_since = after.plan != 0;
        if let Some(late) = &mut after.late {
            late.fault_since = true;
        }
        self.push(Move::Fault(fault), after);
    }

    fn edits(&mut self, state: &State) {
        if state.has(ENDING | GONE) {
            return;
        }
        if state.left.edit > 0 {
            let other = match self.scenario.respec {
                Respec::Never => None,
                _ => Some(1 - state.spec.1),
            };
            let sizes = self.scenario.sizes.iter().filter(|it| **it != state.spec.0);
            let resized = sizes.map(|it| (*it, state.spec.1));
            let edited = resized.chain(other.map(|it| (state.spec.0, it)));
            for (size, rev) in edited.collect::<Vec<_>>() {
                let mut after = *state;
                after.left.edit -= 1;
                after.spec = (size, rev);
                after.object_changed();
                self.push(Move::Fault(Fault::Edit { size, rev }), after);
            }
        }
        if state.left.delete > 0 {
            let mut after = *state;
            after.left.delete -= 1;
            after.flags |= ENDING;
            after.object_changed();
            self.push(Move::Fault(Fault::Delete), after);
        }
    }

    /// What goes wrong is mended in the end: of a network that stays cut nothing here could tell the
    /// difference to an outage of the operator's own.
    pub(super) fn mends(&mut self, state: &State) {
        for (index, slot) in state.slots.iter().enumerate() {
            if slot.ills & BROKEN != 0 {
                let mut after = *state;
                after.slots[index].ills &= !BROKEN;
                self.push(Move::Fix(slot.tag), after);
            }
            if slot.is_cut() {
                let mut after = *state;
                after.slots[index].ills &= !CUT;
                after.slots[index].process |= if slot.runs() { FRESH } else { 0 };
                after.meet();
                self.push(Move::Mend(slot.tag), after);
            }
        }
    }
}
