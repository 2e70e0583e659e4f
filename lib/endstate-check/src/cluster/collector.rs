//! The garbage collector, and the end of the object.

use super::bits::*;
use super::model::AppModel;
use super::moves::Moves;
use super::script::Step;
use super::slot::Slot;
use super::state::State;

impl<M: AppModel> Moves<'_, M> {
    pub(super) fn collector(&mut self, state: &State) {
        if !state.has(ENDING | GONE) {
            return;
        }
        for index in 0..state.slots.len() {
            let slot = &state.slots[index];
            if slot.pod & (EXISTS | DELETING) == EXISTS {
                let mut after = *state;
                after.slots[index].set_pod(slot.pod | DELETING);
                self.push(Step::Collect(slot.tag), after);
            }
        }
        if state.has(ENDING) && !state.slots.iter().any(Slot::exists) {
            let mut after = *state;
            after.flags = (after.flags & !ENDING) | GONE;
            after.object_changed();
            self.push(Step::ObjectGone, after);
        }
    }
}
