//! What an operation asks of members, and what becomes of the object.

use super::bits::*;
use super::model::AppModel;
use super::moves::Moves;
use super::script::{AppMove, Step};
use super::slot::Slot;
use super::state::State;
use super::task::Task;

impl Slot {
    /// Whether it is at work on what an operation asked of it.
    pub(crate) fn is_at_work(&self) -> bool {
        self.task & AT_WORK != 0
    }

    /// It is asked for the step: it begins, or goes on with what it is at work on, and answers when that is over.
    pub(crate) fn operate(&mut self) {
        self.task = match self.task & (WATCHED | AT_WORK) {
            WATCHED => self.task & !WATCHED | HAS_ANSWER,
            _ => self.task | WATCHED | AT_WORK,
        };
    }

    fn end_work(&mut self) {
        self.task &= !AT_WORK;
    }
}

impl State {
    /// Nobody waits for an answer any more, and those that were had are lost: the operator is another one.
    pub(crate) fn forget_answers(&mut self) {
        for slot in self.slots.iter_mut() {
            slot.task &= !(WATCHED | HAS_ANSWER);
        }
    }

    pub(crate) fn waits_for_answers(&self) -> bool {
        self.slots.iter().any(|it| it.task & (WATCHED | HAS_ANSWER) != 0)
    }

    /// The status of the operation is written, unless it is gone. Of one that is over nobody looks at the parts.
    pub(crate) fn tell(&mut self, task: Task, begun: u16, done: u16) {
        if self.task == Task::None {
            return;
        }
        self.task = task;
        for slot in self.slots.iter_mut() {
            let (begun, done) = (begun & 1 << slot.plan != 0, done & 1 << slot.plan != 0);
            slot.task |= if begun { BEGUN } else { 0 } | if done { DONE } else { 0 };
            slot.task &= if done { !HAS_ANSWER } else { !0 };
        }
        if !task.is_under_way() {
            self.forget_parts();
        }
    }

    /// The object is gone. What members are at work on goes on.
    pub(crate) fn withdraw(&mut self) {
        self.task = Task::None;
        self.forget_parts();
    }

    fn forget_parts(&mut self) {
        for slot in self.slots.iter_mut() {
            let watched = if slot.is_at_work() { 0 } else { WATCHED };
            slot.task &= !(BEGUN | DONE | HAS_ANSWER | watched);
        }
    }
}

impl<M: AppModel> Moves<'_, M> {
    /// What an operation asked of a member is over. It may take any time.
    pub(super) fn operations(&mut self, state: &State) {
        for (index, slot) in state.slots.iter().enumerate().filter(|(_, it)| it.is_at_work()) {
            let mut after = *state;
            after.slots[index].end_work();
            if !after.task.is_under_way() {
                after.forget_parts();
            }
            self.push(Step::App(AppMove::Work(slot.tag)), after);
        }
    }
}
