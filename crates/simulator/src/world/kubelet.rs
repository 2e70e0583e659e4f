//! The kubelet: it starts and stops processes, and ends pods with their disks.

use super::{
    Broken,
    flags::*,
    moves::Moves,
    rules,
    script::{Move, Ran},
    slot::Slot,
    state::State,
};
use crate::{model::AppModel, scenario::Respec};

impl<M: AppModel> Moves<'_, M> {
    pub(super) fn kubelet(&mut self, state: &State, index: usize) -> Result<(), Broken<M>> {
        let slot = &state.slots[index];
        let member = slot.tag;
        if !slot.exists() {
            return Ok(());
        }
        if slot.pod & DELETING != 0 {
            let mut after = *state;
            after.slots[index].end_pod();
            self.push(Move::End(member), after);
        } else if slot.pod & NODE_LOST == 0 && !slot.runs() && slot.marks & ABANDONED == 0 {
            self.start(state, index)?;
        } else if slot.pod & NODE_LOST == 0 && self.is_outdated(slot) {
            let mut after = *state;
            after.slots[index].stop();
            after.slots[index].touch_pod();
            self.push(Move::Stop(member), after);
        }
        if self.model.exits(state, index) {
            let mut after = *state;
            after.slots[index].stop();
            after.slots[index].set_pod(slot.pod | CRASH);
            self.push(Move::Exit(member), after);
        }
        Ok(())
    }

    /// Whether a container runs another image than its pod asks for.
    fn is_outdated(&self, slot: &Slot) -> bool {
        self.scenario.respec == Respec::Restart
            && (slot.pod & REV != 0) != (slot.marks & RUNS_REV != 0)
    }

    /// The launcher and the application decide how a process starts.
    fn start(&mut self, state: &State, index: usize) -> Result<(), Broken<M>> {
        let slot = &state.slots[index];
        let ran = self.ran(state, index);
        let mut after = *state;
        after.slots[index].start(ran);
        after.meet();
        let step = Move::Start { member: slot.tag, ran };
        if let Some(property) = rules::broken_by_start(state, slot, ran) {
            return Err(Broken { property, step, detail: String::new() });
        }
        if after != *state {
            self.push(step, after);
        }
        Ok(())
    }

    fn ran(&self, state: &State, index: usize) -> Ran {
        let slot = &state.slots[index];
        let blank = slot.process & DATA == 0;
        if slot.ills & BROKEN != 0 {
            Ran::Crashed
        } else if blank && self.scenario.environment.launcher && slot.process & MARK != 0 {
            Ran::Refused
        } else {
            self.model.start(state, index)
        }
    }
}

impl Slot {
    fn start(&mut self, ran: Ran) {
        self.process |= MARK;
        match ran {
            Ran::OnItsData | Ran::Empty => {
                self.set_pod((self.pod & !CRASH) | STARTED);
                self.process |= RUN | FRESH | DATA;
                self.process &= !(VOLUNTARY | OLD_LIST);
                self.marks &= !RUNS_REV;
                self.marks |= if self.pod & REV != 0 { RUNS_REV } else { 0 };
            }
            Ran::Refused => self.set_pod(self.pod | STARTED | CRASH | LOST),
            Ran::Crashed => self.set_pod(self.pod | STARTED | CRASH),
        }
        if ran == Ran::Empty {
            self.process &= !CAUGHT;
            self.process |= if self.pod & JOIN == 0 { CAUGHT } else { 0 };
        }
    }
}

impl State {
    /// Members that run at the same time talk to each other.
    pub(super) fn meet(&mut self) {
        let meets = |it: &Slot| it.works() && it.list & (INITIAL | VOTER | LEARNER) != 0;
        if self.slots.iter().filter(|it| meets(it)).count() > 1 {
            for slot in self.slots.iter_mut().filter(|it| meets(it)) {
                slot.process |= USED;
            }
        }
    }
}
