//! The API: what the operator's calls do, those that are lost, late or refused among them.

use super::{
    flags::*,
    rules,
    slot::{SLOTS, Slot},
    state::{Late, State, Verb},
};
use crate::{
    model::{AppModel, Change},
    plans::{Act, Compact, Written, bit},
    property::Property,
};

/// Whether a call was answered well. A refusal ends the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Done,
    Refused,
}
use Answer::{Done, Refused};

/// A call, and the conditions it carries.
#[derive(Clone, Copy)]
pub(crate) struct Aim {
    verb: Verb,
    pub(crate) index: usize,
    pub(crate) pod_as_seen: bool,
    list_as_seen: bool,
    rev: u8,
}

impl State {
    /// Makes the next call of the plan under way.
    pub(crate) fn make_call(
        &mut self,
        plan: &Compact,
        model: &impl AppModel,
    ) -> Result<Answer, Property> {
        let writes = usize::from(plan.write.is_some());
        let answer = match (&plan.write, usize::from(self.call)) {
            (Some(written), 0) => self.write(written)?,
            (_, call) => self.act(plan.acts[call - writes], model)?,
        };
        self.call += 1;
        if answer == Refused || usize::from(self.call) == plan.calls() {
            self.idle();
        }
        Ok(answer)
    }

    fn write(&mut self, written: &Written) -> Result<Answer, Property> {
        if self.has(GONE) || !self.object_as_seen {
            return Ok(Refused);
        }
        if written.slots.len() > SLOTS {
            return Err(Property::Bounded);
        }
        self.forget_refusals();
        for slot in self.slots.iter_mut().filter(|it| it.plan > 0) {
            (slot.record, slot.reason) = written.slots[usize::from(slot.plan) - 1];
        }
        let there = self.slots.len();
        for (index, (record, reason)) in written.slots.iter().enumerate().skip(there) {
            let plan = u8::try_from(index + 1).expect("few slots");
            let tag = self.tags;
            self.tags += 1;
            self.slots.push(Slot {
                record: *record,
                reason: *reason,
                plan,
                tag,
                ..Slot::default()
            });
        }
        self.accepted = written.accepted.unwrap_or_default();
        let set = |flag: u8, on: bool| if on { flag } else { 0 };
        self.flags &= !(ID | BOOT | ACCEPTED);
        self.flags |= set(ID, written.id)
            | set(BOOT, written.boot)
            | set(ACCEPTED, written.accepted.is_some())
            | OBJECT_CHANGED;
        self.abandon_old_starts();
        Ok(Done)
    }

    /// First members that the record does not name any more belong to no start.
    fn abandon_old_starts(&mut self) {
        if self.has(ID) {
            for slot in self.slots.iter_mut() {
                slot.list &= !INITIAL;
            }
            return;
        }
        let old = |it: &Slot| it.list & INITIAL != 0 && it.record & FIRST == 0;
        if self.slots.iter().any(old) {
            for slot in self.slots.iter_mut().filter(|it| old(it)) {
                slot.marks |= ABANDONED;
                slot.list &= !(INITIAL | VOTER | LEARNER | LEADER);
                // What its process does matters to nobody any more: only the pod has to go.
                slot.process = 0;
                slot.pod &= EXISTS | DELETING;
                slot.cached_pod &= EXISTS | DELETING;
            }
            self.flags &= !FORMED;
        }
    }

    fn act(&mut self, act: Act, model: &impl AppModel) -> Result<Answer, Property> {
        let aim = self.aim(act);
        if aim.verb.change().is_some() && !self.list_as_seen {
            return Ok(Refused);
        }
        self.carry_out(aim, model)
    }

    /// What an action of the plan is about, and whether its conditions hold at this moment.
    fn aim(&self, act: Act) -> Aim {
        let index = self.slots.iter().position(|it| it.plan == act.slot());
        let index = index.expect("a slot is kept as long as the plan names it");
        let listed = self.slots.iter().filter(|it| it.listed());
        // A member of the list that the plan did not know has number 0, whose bit is never set.
        let list = listed.fold(0, |all, it| all | bit(it.plan));
        Aim {
            verb: act.verb(),
            index,
            pod_as_seen: self.slots[index].marks & POD_CHANGED == 0,
            list_as_seen: act.members().is_none_or(|it| it == list),
            rev: self.accepted.1,
        }
    }

    /// The API refuses the next call, which would make a pod. The others of the plan are made all the same.
    pub(crate) fn refuse_call(&mut self, plan: &Compact) {
        let writes = usize::from(plan.write.is_some());
        let aim = self.aim(plan.acts[usize::from(self.call) - writes]);
        self.slots[aim.index].ills |= REFUSED;
        self.call += 1;
        if usize::from(self.call) == plan.calls() {
            self.idle();
        }
    }

    /// Gives the next call of the plan up while it is on its way.
    pub(crate) fn lose_call(&mut self, plan: &Compact) {
        let writes = usize::from(plan.write.is_some());
        let aim = self.aim(plan.acts[usize::from(self.call) - writes]);
        self.late = Some(Late { act: aim.verb, rev: aim.rev, fault_since: self.fault_since });
        let pod = if aim.pod_as_seen { LATE_POD } else { 0 };
        let list = if aim.list_as_seen { 0 } else { LATE_LIST };
        self.slots[aim.index].late = LATE | pod | list;
        self.forget_refusals();
        self.idle();
    }

    /// The call that was given up arrives after all.
    pub(crate) fn late_call(&mut self, model: &impl AppModel) -> Result<Answer, Property> {
        let (Some(late), Some(index)) =
            (self.late.take(), self.slots.iter().position(|it| it.late != 0))
        else {
            return Ok(Refused);
        };
        let bits = std::mem::take(&mut self.slots[index].late);
        let aim = Aim {
            verb: late.act,
            index,
            pod_as_seen: bits & LATE_POD != 0,
            list_as_seen: bits & LATE_LIST == 0,
            rev: late.rev,
        };
        self.carry_out(aim, model)
    }

    fn carry_out(&mut self, aim: Aim, model: &impl AppModel) -> Result<Answer, Property> {
        if let Some(change) = aim.verb.change() {
            return self.change(change, aim, model);
        }
        match aim.verb {
            Verb::Restart => self.restart(aim),
            Verb::Delete => self.delete(aim),
            _ => Ok(self.create(aim)),
        }
    }

    fn create(&mut self, aim: Aim) -> Answer {
        let slot = &mut self.slots[aim.index];
        if slot.exists() {
            return Refused;
        }
        let join = aim.verb == Verb::CreateExisting;
        let rev = if aim.rev == 1 { REV } else { 0 };
        slot.set_pod(EXISTS | rev | if join { JOIN } else { 0 });
        slot.process &= USED;
        if join && !aim.list_as_seen {
            slot.process |= OLD_LIST;
        }
        if !join && !self.has(FORMED) {
            for slot in self.slots.iter_mut().filter(|it| it.record & FIRST != 0) {
                slot.list |= INITIAL;
            }
        }
        Done
    }

    /// An update and a delete are conditioned on the pod that was seen.
    fn may_touch(&self, aim: Aim) -> bool {
        self.slots[aim.index].exists() && aim.pod_as_seen
    }

    fn restart(&mut self, aim: Aim) -> Result<Answer, Property> {
        if !self.may_touch(aim) {
            return Ok(Refused);
        }
        rules::may_restart(self, aim.index)?;
        let (could, runs) = (self.keeps_quorum(), self.slots[aim.index].runs());
        let rev = if aim.rev == 1 { REV } else { 0 };
        let slot = &mut self.slots[aim.index];
        slot.set_pod((slot.pod & !(REV | CRASH)) | rev);
        // The kubelet stops the process in its own time, unless it is what the pod asks for again.
        slot.process &= !VOLUNTARY;
        if runs && (rev != 0) != (slot.marks & RUNS_REV != 0) {
            slot.process |= VOLUNTARY;
        }
        rules::took_no_quorum(could, self)?;
        Ok(Done)
    }

    fn delete(&mut self, aim: Aim) -> Result<Answer, Property> {
        if !self.may_touch(aim) {
            return Ok(Refused);
        }
        let slot = &mut self.slots[aim.index];
        rules::may_delete(slot)?;
        slot.set_pod(slot.pod | DELETING);
        Ok(Done)
    }

    /// A pod that has not started yet will be told of a list that is not the present one any more.
    fn list_changed(&mut self) {
        self.list_as_seen = false;
        for slot in self.slots.iter_mut() {
            if slot.late != 0 {
                slot.late |= LATE_LIST;
            }
            if slot.exists() && slot.pod & JOIN != 0 && slot.process & MARK == 0 {
                slot.process |= OLD_LIST;
            }
        }
    }

    fn change(
        &mut self,
        change: Change,
        aim: Aim,
        model: &impl AppModel,
    ) -> Result<Answer, Property> {
        let before = *self;
        if model.change(self, change, aim.index) == Refused {
            return Ok(Refused);
        }
        match change {
            Change::Add | Change::Remove => self.list_changed(),
            // The addresses that a new member is told stay the same.
            Change::Promote => self.list_as_seen = false,
            Change::MoveLead => {}
        }
        rules::changed(&before, self, change, aim)?;
        Ok(Done)
    }
}
