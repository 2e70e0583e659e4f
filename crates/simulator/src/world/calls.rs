//! What the operator's calls do to the world, and what they must never do.

use endstate_core::quorum;

use super::{Late, SLOTS, Slot, State, Verb, flags::*};
use crate::{
    plans::{Act, Compact, Written, bit},
    property::Property,
    scenario::Environment,
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
struct Aim {
    verb: Verb,
    index: usize,
    pod_as_seen: bool,
    list_as_seen: bool,
    rev: u8,
}

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
        let aim = self.aim(act);
        let changes = matches!(aim.verb, Verb::Add | Verb::Promote | Verb::MoveLead | Verb::Remove);
        if changes && !self.list_as_seen {
            return Ok(Refused);
        }
        self.carry_out(aim, environment)
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
            pod_as_seen: self.slots[index].etcd & POD_CHANGED == 0,
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
    pub(crate) fn late_call(&mut self, environment: Environment) -> Result<Answer, Property> {
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
        self.carry_out(aim, environment)
    }

    fn carry_out(&mut self, aim: Aim, environment: Environment) -> Result<Answer, Property> {
        match aim.verb {
            Verb::CreateNew | Verb::CreateExisting => Ok(self.create(aim)),
            Verb::Restart => self.restart(aim),
            Verb::Delete => self.delete(aim),
            Verb::Add => self.add(aim.index, environment),
            Verb::Promote => self.promote(aim.index, environment),
            Verb::MoveLead => Ok(self.move_lead(aim.index)),
            Verb::Remove => self.remove(aim, environment),
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
                slot.etcd |= INITIAL;
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
        let (could, runs) = (self.keeps_quorum(), self.slots[aim.index].runs());
        if runs && self.has(FORMED) && self.another_is_stopped(aim.index) {
            return Err(Property::OneDisruption);
        }
        let rev = if aim.rev == 1 { REV } else { 0 };
        let slot = &mut self.slots[aim.index];
        slot.set_pod((slot.pod & !(REV | CRASH)) | rev);
        // The kubelet stops the process in its own time, unless it is what the pod asks for again.
        slot.process &= !VOLUNTARY;
        if runs && (rev != 0) != (slot.etcd & RUNS_REV != 0) {
            slot.process |= VOLUNTARY;
        }
        self.took_no_quorum(could)
    }

    /// Whether the operator has stopped another voter that is not back yet.
    fn another_is_stopped(&self, index: usize) -> bool {
        let mut others = self.slots.iter().enumerate().filter(|(at, _)| *at != index);
        others.any(|(_, it)| it.votes() && it.process & VOLUNTARY != 0)
    }

    fn took_no_quorum(&self, could: bool) -> Result<Answer, Property> {
        if could && !self.fault_since && !self.keeps_quorum() {
            return Err(Property::KeepsQuorum);
        }
        Ok(Done)
    }

    fn took_no_good_data(&self, was_good: bool) -> Result<(), Property> {
        if was_good && !self.fault_since && self.is_in_doubt() {
            return Err(Property::KeepsGoodData);
        }
        Ok(())
    }

    fn delete(&mut self, aim: Aim) -> Result<Answer, Property> {
        if !self.may_touch(aim) {
            return Ok(Refused);
        }
        let slot = &mut self.slots[aim.index];
        if slot.votes() {
            return Err(Property::KeepsData);
        }
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

    fn can_commit(&self) -> bool {
        self.has_quorum() && self.leader().is_some()
    }

    /// Voters that have been connected for five seconds.
    fn settled(&self) -> usize {
        self.voters().filter(|it| it.works() && it.process & FRESH == 0).count()
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
        let (could, good) = (self.keeps_quorum(), self.has_good_majority());
        // The addresses that a new member is told stay the same.
        self.list_as_seen = false;
        let slot = &mut self.slots[index];
        slot.etcd = (slot.etcd & !LEARNER) | VOTER;
        self.took_no_good_data(good)?;
        self.took_no_quorum(could)
    }

    fn move_lead(&mut self, index: usize) -> Answer {
        let heir = &self.slots[index];
        if !self.can_commit() || !heir.votes() || !heir.works() {
            return Refused;
        }
        for slot in self.slots.iter_mut() {
            slot.etcd &= !LEADER;
        }
        self.slots[index].etcd |= LEADER;
        Done
    }

    fn remove(&mut self, aim: Aim, environment: Environment) -> Result<Answer, Property> {
        let Aim { index, pod_as_seen, .. } = aim;
        let slot = self.slots[index];
        let voters = self.voters().count();
        if !self.can_commit() || !slot.listed() || (slot.votes() && voters == 1) {
            return Ok(Refused);
        }
        // A member that is not connected is no part of the active quorum and may always go.
        let active = self.settled().saturating_sub(1) >= quorum(voters.saturating_sub(1));
        if environment.strict && slot.votes() && slot.works() && !active {
            return Ok(Refused);
        }
        if slot.votes() && slot.runs() && self.another_is_stopped(index) {
            return Err(Property::OneDisruption);
        }
        let below = voters - 1 < usize::from(self.spec.0);
        let healthy = slot.runs() && slot.pod & (DELETING | EXISTS) == EXISTS;
        let known = self.object_as_seen && pod_as_seen && !self.fault_since;
        if slot.votes() && healthy && below && known {
            return Err(Property::KeepsSize);
        }
        if slot.votes() && slot.viable() && slot.pod & CRASH == 0 && below && known {
            return Err(Property::KeepsWhole);
        }
        let (could, good) = (self.keeps_quorum(), self.has_good_majority());
        self.list_changed();
        self.slots[index].etcd &= !(VOTER | LEARNER | LEADER);
        self.took_no_good_data(good)?;
        self.took_no_quorum(could)
    }
}
