//! What the operator's calls do to the world, and what they must never do.

use endstate_core::quorum;

use super::{Property, SLOTS, Slot, State, flags::*};
use crate::{
    plans::{Act, Compact, Written, bit},
    scenario::Environment,
};

/// Whether a call was answered well. A refusal ends the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Done,
    Refused,
}
use Answer::{Done, Refused};

impl State {
    /// Makes the next call of the plan under way.
    pub(crate) fn make_call(
        &mut self,
        plan: &Compact,
        environment: Environment,
    ) -> Result<Answer, Property> {
        let writes = usize::from(plan.write.is_some());
        let answer = match (&plan.write, usize::from(self.call)) {
            (Some(written), 0) => self.write(written)?,
            (_, call) => self.act(plan.acts[call - writes], environment)?,
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
                slot.etcd &= !INITIAL;
            }
            return;
        }
        let old = |it: &Slot| it.etcd & INITIAL != 0 && it.record & FIRST == 0;
        if self.slots.iter().any(old) {
            for slot in self.slots.iter_mut().filter(|it| old(it)) {
                slot.etcd = (slot.etcd | ABANDONED) & !(INITIAL | VOTER | LEARNER | LEADER);
                // What its process does matters to nobody any more: only the pod has to go.
                slot.process = 0;
                slot.pod &= EXISTS | DELETING;
                slot.cached_pod &= EXISTS | DELETING;
            }
            self.flags &= !FORMED;
        }
    }

    fn act(&mut self, act: Act, environment: Environment) -> Result<Answer, Property> {
        match act {
            Act::Create { slot, join, members } => Ok(self.create(self.at(slot), join, members)),
            Act::Restart(slot) => self.restart(self.at(slot)),
            Act::Delete(slot) => self.delete(self.at(slot)),
            Act::Add(slot) => self.add(self.at(slot), environment),
            Act::Promote(slot) => self.promote(self.at(slot), environment),
            Act::MoveLead(slot) => Ok(self.move_lead(self.at(slot))),
            Act::Remove(slot) => self.remove(self.at(slot), environment),
        }
    }

    fn at(&self, plan: u8) -> usize {
        let index = self.slots.iter().position(|it| it.plan == plan);
        index.expect("a slot is kept as long as the plan names it")
    }

    fn create(&mut self, index: usize, join: bool, members: u16) -> Answer {
        if self.slots[index].exists() {
            return Refused;
        }
        let listed = self.slots.iter().filter(|it| it.listed());
        // A member of the list that the plan did not know has number 0, whose bit is never set.
        let same = listed.fold(0, |all, it| all | bit(it.plan)) == members;
        let rev = if self.accepted.1 == 1 { REV } else { 0 };
        let slot = &mut self.slots[index];
        slot.set_pod(EXISTS | rev | if join { JOIN } else { 0 });
        slot.process &= USED;
        if join && !same {
            slot.process |= OLD_LIST;
        }
        if !join && !self.has(FORMED) {
            for slot in self.slots.iter_mut().filter(|it| it.record & FIRST != 0) {
                slot.etcd |= INITIAL;
            }
        }
        Done
    }

    /// Whether the pod is still as the plan saw it, which deletes and updates are conditioned on.
    fn pod_as_seen(&self, index: usize) -> bool {
        self.slots[index].exists() && self.slots[index].etcd & POD_CHANGED == 0
    }

    fn restart(&mut self, index: usize) -> Result<Answer, Property> {
        if !self.pod_as_seen(index) {
            return Ok(Refused);
        }
        let (could, runs) = (self.keeps_quorum(), self.slots[index].runs());
        let others =
            |(at, it): (usize, &Slot)| at != index && it.votes() && it.process & VOLUNTARY != 0;
        if runs && self.has(FORMED) && self.slots.iter().enumerate().any(others) {
            return Err(Property::OneDisruption);
        }
        let rev = if self.accepted.1 == 1 { REV } else { 0 };
        let slot = &mut self.slots[index];
        slot.set_pod((slot.pod & !(REV | CRASH)) | rev);
        // The kubelet stops the process in its own time, unless it is what the pod asks for again.
        slot.process &= !VOLUNTARY;
        if runs && (rev != 0) != (slot.etcd & RUNS_REV != 0) {
            slot.process |= VOLUNTARY;
        }
        self.took_no_quorum(could)
    }

    fn took_no_quorum(&self, could: bool) -> Result<Answer, Property> {
        if could && !self.fault_since && !self.keeps_quorum() {
            return Err(Property::KeepsQuorum);
        }
        Ok(Done)
    }

    fn delete(&mut self, index: usize) -> Result<Answer, Property> {
        if !self.pod_as_seen(index) {
            return Ok(Refused);
        }
        let slot = &mut self.slots[index];
        if slot.votes() {
            return Err(Property::KeepsData);
        }
        slot.set_pod(slot.pod | DELETING);
        Ok(Done)
    }

    /// A pod that has not started yet will be told of a list that is not the present one any more.
    fn list_changed(&mut self) {
        for slot in self.slots.iter_mut() {
            if slot.exists() && slot.pod & JOIN != 0 && slot.process & MARK == 0 {
                slot.process |= OLD_LIST;
            }
        }
    }

    fn can_commit(&self) -> bool {
        self.has_quorum() && self.leader().is_some()
    }

    /// Voters that have been connected for five seconds.
    fn settled(&self) -> usize {
        self.voters().filter(|it| it.process & (RUN | FRESH) == RUN).count()
    }

    fn add(&mut self, index: usize, environment: Environment) -> Result<Answer, Property> {
        let (voters, learners) =
            (self.voters().count(), self.slots.iter().filter(|it| it.learns()).count());
        // Up to 3.5.30 every voter must be connected, which is stricter than what came later.
        let ready = !environment.strict || self.settled() == voters;
        let room = !environment.strict || learners == 0;
        if !self.can_commit() || !ready || self.slots[index].listed() || !room {
            return Ok(Refused);
        }
        self.list_changed();
        self.slots[index].etcd |= LEARNER;
        let learners = self.slots.iter().filter(|it| it.learns()).count();
        if learners > 1 { Err(Property::OneLearner) } else { Ok(Done) }
    }

    fn promote(&mut self, index: usize, environment: Environment) -> Result<Answer, Property> {
        let slot = &self.slots[index];
        let ready = slot.learns() && slot.runs() && slot.process & CAUGHT != 0;
        let needed = quorum(self.voters().count() + 1);
        let safe = !environment.strict || self.settled() + 1 >= needed;
        if !self.can_commit() || !ready || !safe {
            return Ok(Refused);
        }
        let could = self.keeps_quorum();
        self.list_changed();
        let slot = &mut self.slots[index];
        slot.etcd = (slot.etcd & !LEARNER) | VOTER;
        self.took_no_quorum(could)
    }

    fn move_lead(&mut self, index: usize) -> Answer {
        let heir = &self.slots[index];
        if !self.can_commit() || !heir.votes() || !heir.runs() {
            return Refused;
        }
        for slot in self.slots.iter_mut() {
            slot.etcd &= !LEADER;
        }
        self.slots[index].etcd |= LEADER;
        Done
    }

    fn remove(&mut self, index: usize, environment: Environment) -> Result<Answer, Property> {
        let slot = self.slots[index];
        let voters = self.voters().count();
        if !self.can_commit() || !slot.listed() || (slot.votes() && voters == 1) {
            return Ok(Refused);
        }
        // A member that is not connected is no part of the active quorum and may always go.
        let active = self.settled().saturating_sub(1) >= quorum(voters.saturating_sub(1));
        if environment.strict && slot.votes() && slot.runs() && !active {
            return Ok(Refused);
        }
        let others =
            |(at, it): (usize, &Slot)| at != index && it.votes() && it.process & VOLUNTARY != 0;
        if slot.votes() && slot.runs() && self.slots.iter().enumerate().any(others) {
            return Err(Property::OneDisruption);
        }
        let below = voters - 1 < usize::from(self.spec.0);
        let healthy = slot.runs() && slot.pod & (DELETING | EXISTS) == EXISTS;
        if slot.votes() && healthy && below && self.object_as_seen && !self.fault_since {
            return Err(Property::KeepsSize);
        }
        let could = self.keeps_quorum();
        self.list_changed();
        self.slots[index].etcd &= !(VOTER | LEARNER | LEADER);
        self.took_no_quorum(could)
    }
}
