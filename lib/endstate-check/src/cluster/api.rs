//! The API: what the operator's calls do, those that are lost, late or refused among them.

use super::aim::Aim;
use super::bits::*;
use super::model::AppModel;
use super::plan::{Act, Compact, Verb, Written, bit};
use super::property::Property;
use super::request::Answer::{self, Done, Refused};
use super::request::Request;
use super::rules;
use super::setting::Setting;
use super::slot::{Slot, StartKind};
use super::slots::SLOTS;
use super::state::{Late, State};

/// Where calls arrive.
pub(crate) struct Api<'a, M> {
    pub(crate) setting: &'a Setting<M>,
    pub(crate) state: &'a mut State,
}

impl<M: AppModel> Api<'_, M> {
    /// Makes the next call of the plan under way.
    pub(crate) fn make_call(&mut self, plan: &Compact) -> Result<Answer, Property> {
        let answer = match (&plan.write, plan.act(self.state.call)) {
            (_, Some(Act::Tell { task, begun, done })) => {
                self.state.tell(task, begun, done);
                Done
            }
            (_, Some(act)) => self.act(act)?,
            (Some(written), None) => self.state.write(written, plan.proven)?,
            (None, None) => Refused,
        };
        self.state.called(plan);
        if answer == Refused {
            self.state.idle();
        }
        Ok(answer)
    }

    fn act(&mut self, act: Act) -> Result<Answer, Property> {
        let aim = self.aim(act);
        if matches!(aim.verb, Verb::Ask(_)) && !self.state.list_as_seen {
            return Ok(Refused);
        }
        self.carry_out(aim)
    }

    /// What an action of the plan is about, and whether its conditions hold at this moment.
    fn aim(&self, act: Act) -> Aim {
        let slots = &self.state.slots;
        let index = slots.iter().position(|it| it.plan == act.slot());
        let index = index.expect("a slot is kept as long as the plan names it");
        let listed = slots.iter().filter(|it| it.is_listed());
        // A member of the list that the plan did not know has number 0, whose bit is never set.
        let list = listed.fold(0, |all, it| all | bit(it.plan));
        let told = act.members();
        // Who is not listed yet is told of itself too.
        let same = |it: u16| it & !bit(act.slot()) == list & !bit(act.slot());
        Aim {
            verb: act.verb(),
            index,
            pod_as_seen: slots[index].ills & POD_CHANGED == 0,
            list_as_seen: told.is_none_or(same),
            rev: act.rev().unwrap_or(self.state.accepted.rev),
            made: act.made(),
            voting_role: self.voting_role(),
            at_once: self.setting.scenario.at_once,
            risks: self.setting.risks,
        }
    }

    /// Whether a member holds what no other has, and may come back with it.
    fn holds_pieces(&self, index: usize) -> bool {
        let slot = &self.state.slots[index];
        slot.is_viable() && self.setting.model.pieces(slot.own()) > 0
    }

    fn voting_role(&self) -> u8 {
        u8::try_from(self.setting.scenario.voting_role).expect("few roles")
    }

    /// The API refuses the next call, which would make a pod. The others of the plan are made all the same.
    pub(crate) fn refuse_call(&mut self, plan: &Compact) {
        let Some(act) = plan.act(self.state.call) else { return };
        let aim = self.aim(act);
        self.state.slots[aim.index].ills |= REFUSED;
        self.state.called(plan);
    }

    /// The next call makes only some of the claims that it is for. The others of the plan are made all the same.
    pub(crate) fn make_some_claims(&mut self, plan: &Compact, made: u8) {
        let Some(act) = plan.act(self.state.call) else { return };
        let (index, are_pairs) = (self.aim(act).index, self.setting.scenario.volumes.are_pairs());
        self.state.slots[index].get_claims(made, are_pairs);
        self.state.called(plan);
    }

    /// Gives the next call of the plan up while it is on its way.
    pub(crate) fn lose_call(&mut self, plan: &Compact) {
        let Some(act) = plan.act(self.state.call) else { return };
        let aim = self.aim(act);
        let state = &mut *self.state;
        state.late = Some(Late { verb: aim.verb, rev: aim.rev, fault_since: state.fault_since });
        state.late_made = aim.made;
        let pod = if aim.pod_as_seen { LATE_POD } else { 0 };
        let list = if aim.list_as_seen { 0 } else { LATE_LIST };
        state.slots[aim.index].late = LATE | pod | list;
        state.crash();
    }

    /// The call that was given up arrives after all.
    pub(crate) fn late_call(&mut self) -> Result<Answer, Property> {
        let late = self.state.slots.iter().position(|it| it.late != 0);
        let (Some(late), Some(index)) = (self.state.late.take(), late) else {
            return Ok(Refused);
        };
        let bits = std::mem::take(&mut self.state.slots[index].late);
        let made = std::mem::take(&mut self.state.late_made);
        self.carry_out(Aim {
            verb: late.verb,
            index,
            pod_as_seen: bits & LATE_POD != 0,
            list_as_seen: bits & LATE_LIST == 0,
            rev: late.rev,
            made,
            voting_role: self.voting_role(),
            at_once: self.setting.scenario.at_once,
            risks: self.setting.risks,
        })
    }

    fn carry_out(&mut self, aim: Aim) -> Result<Answer, Property> {
        let (holds, before) = (self.holds_pieces(aim.index), self.state.slots[aim.index]);
        let answer = self.try_out(aim)?;
        let lost = holds && answer == Done && rules::gives_up_data(&before, aim.verb);
        if lost { Err(Property::KeepsPieces) } else { Ok(answer) }
    }

    fn try_out(&mut self, aim: Aim) -> Result<Answer, Property> {
        let volumes = self.setting.scenario.volumes;
        match aim.verb {
            Verb::Ask(request) => self.ask(request, aim),
            Verb::Claim => {
                self.state.slots[aim.index].get_claims(aim.made, volumes.are_pairs());
                Ok(Done)
            }
            Verb::Create(_) => Ok(self.create(aim)),
            Verb::Answer => {
                self.state.slots[aim.index].answer();
                Ok(Done)
            }
            Verb::Tell => Ok(Done),
            // All others are conditioned on the pod, or the claim, that was seen.
            _ if !aim.pod_as_seen => Ok(Refused),
            Verb::Mark => self.state.mark(aim),
            Verb::Restart => self.state.restart(aim),
            Verb::Delete => self.state.delete(aim),
            Verb::DeleteClaim => self.state.delete_claim(aim, volumes.kept()),
        }
    }

    fn create(&mut self, aim: Aim) -> Answer {
        let scenario = &self.setting.scenario;
        let (claims, apart) = (scenario.volumes.claims(), scenario.makes_claims_apart());
        let state = &mut *self.state;
        let formed = state.is_formed();
        let slot = &mut state.slots[aim.index];
        if slot.exists() || slot.claims_going() != 0 {
            return Refused;
        }
        let rev = if aim.rev == 1 { REV } else { 0 };
        let with_pod = if apart { 0 } else { claims };
        slot.set_made(slot.claims() | with_pod | aim.made);
        slot.set_pod(EXISTS | rev);
        slot.set_also(slot.also & !THIRD | if aim.rev == 2 { THIRD } else { 0 });
        slot.process &= USED;
        if slot.start() == StartKind::Existing && !aim.list_as_seen {
            slot.process |= OLD_LIST;
        }
        if slot.start() == StartKind::New
            && slot.record & (FIRST | MEMBER) == 0
            && !slot.is_listed()
        {
            slot.ills |= ABANDONED | ELSEWHERE;
        } else if slot.start() == StartKind::New && !formed {
            for slot in state.slots.iter_mut().filter(|it| it.record & FIRST != 0) {
                slot.list |= FIRST_START;
            }
        }
        Done
    }

    fn ask(&mut self, request: Request, aim: Aim) -> Result<Answer, Property> {
        let before = *self.state;
        if self.state.guarded
            || self.setting.model.request(self.state, request, aim.index) == Refused
        {
            return Ok(Refused);
        }
        match request {
            Request::Join | Request::JoinVoting | Request::Leave => self.state.list_changed(),
            // The addresses that a new member is told stay the same.
            Request::Promote => self.state.list_as_seen = false,
            Request::Operate => self.state.slots[aim.index].operate(),
            _ => self.state.slots[aim.index].work(request),
        }
        rules::answered(&before, self.state, request, aim)?;
        Ok(Done)
    }
}

impl State {
    /// The next call of the plan is over.
    fn called(&mut self, plan: &Compact) {
        self.call += 1;
        if usize::from(self.call) == plan.calls() {
            self.idle();
        }
    }

    fn write(&mut self, written: &Written, proven: bool) -> Result<Answer, Property> {
        if self.has(GONE) || !self.object_as_seen {
            return Ok(Refused);
        }
        if written.slots.len() > SLOTS {
            return Err(Property::Bounded);
        }
        self.forget_refusals();
        let (before, mut begins) = (*self, false);
        for slot in self.slots.iter_mut().filter(|it| it.plan > 0) {
            let known = &written.slots[usize::from(slot.plan) - 1];
            let recovers = slot.recovers();
            // The annotation is a person's.
            slot.reason = slot.reason & CONSENT | known.reason;
            (slot.record, slot.row) = (known.record, known.row);
            slot.role = slot.role & !RECORDED_VOTER | known.role & RECORDED_VOTER;
            slot.made = slot.made & !KEPT | if known.kept { KEPT } else { 0 };
            begins |= slot.recovers() && !recovers;
            if slot.step() == FENCING {
                slot.disk &= !RECOVERED;
            }
            if proven && slot.reason & CONSENT != 0 {
                slot.ills |= SPENT;
            }
        }
        if begins && let Some(source) = self.slots.iter().find(|it| it.recovers()) {
            rules::may_begin_recovery(&before, source)?;
        }
        let there = self.slots.len();
        for (index, known) in written.slots.iter().enumerate().skip(there) {
            self.slots.push(Slot {
                record: known.record,
                reason: known.reason,
                role: known.role,
                row: known.row,
                plan: u8::try_from(index + 1).expect("few slots"),
                tag: self.tags,
                ..Slot::default()
            });
            self.tags += 1;
        }
        self.accepted = written.accepted.unwrap_or_default();
        self.stages = written.stages;
        let set = |flag: u8, on: bool| if on { flag } else { 0 };
        self.flags &= !(ID | BOOT | ACCEPTED);
        self.flags |= set(ID, written.id)
            | set(BOOT, written.boot)
            | set(ACCEPTED, written.accepted.is_some())
            | OBJECT_CHANGED;
        self.abandon_old_starts();
        rules::serves_members(self)?;
        Ok(Done)
    }

    /// First members that the record does not name any more belong to no start.
    fn abandon_old_starts(&mut self) {
        if self.has(ID) {
            for slot in self.slots.iter_mut() {
                slot.list &= !FIRST_START;
            }
            return;
        }
        let old = |it: &Slot| it.is_first() && it.record & FIRST == 0;
        if self.slots.iter().any(old) {
            for slot in self.slots.iter_mut().filter(|it| old(it)) {
                slot.ills |= ABANDONED;
                slot.list = 0;
                (slot.process, slot.disk, slot.own) = (0, 0, 0);
                // What its process does matters to nobody any more: only the pod and the claim have to go.
                slot.made &= !MARKED;
                slot.pod &= EXISTS | DELETING;
                slot.cached_pod &= EXISTS | DELETING;
            }
            self.flags &= !FORMED;
        }
    }

    fn mark(&mut self, aim: Aim) -> Result<Answer, Property> {
        let slot = &mut self.slots[aim.index];
        if !slot.exists() {
            return Ok(Refused);
        }
        slot.set_made(slot.made & !(MARKED | MARKED_VOTER) | aim.made);
        rules::serves_members(self)?;
        Ok(Done)
    }

    fn restart(&mut self, aim: Aim) -> Result<Answer, Property> {
        if !self.slots[aim.index].exists() {
            return Ok(Refused);
        }
        rules::may_stop(self, aim)?;
        let (could, runs) = (self.keeps_quorum(), self.slots[aim.index].runs());
        let rev = if aim.rev == 1 { REV } else { 0 };
        let slot = &mut self.slots[aim.index];
        slot.set_pod((slot.pod & !(REV | CRASH)) | rev);
        // The kubelet stops the process in its own time, unless it is what the pod asks for again.
        slot.process &= !VOLUNTARY;
        if runs && (rev != 0) != (slot.process & RUNS_REV != 0) {
            slot.process |= VOLUNTARY;
        }
        rules::took_no_quorum(could, self)?;
        Ok(Done)
    }

    /// The data goes with the pod, unless it is on a claim: then this is a restart.
    fn delete(&mut self, aim: Aim) -> Result<Answer, Property> {
        let slot = self.slots[aim.index];
        if !slot.exists() {
            return Ok(Refused);
        }
        rules::may_delete(&slot)?;
        if self.counts(&slot) {
            rules::may_stop(self, aim)?;
        }
        // Who serves alone after a recovery resumes once.
        let resumes = slot.recovers() && self.voters().count() == 1;
        let could = self.keeps_quorum() && !resumes;
        let (before, counts) = (*self, self.counts(&slot));
        // Nobody waits for who is to sleep.
        let sleeps = self.hibernates();
        let slot = &mut self.slots[aim.index];
        slot.set_pod(slot.pod | DELETING);
        if slot.runs() && counts && !sleeps {
            slot.process |= VOLUNTARY;
        }
        rules::took_no_quorum(could, self)?;
        rules::took_no_copy(&before, self, aim.index)?;
        Ok(Done)
    }

    /// The first is seen to go: that may take as long as it likes. Of the second nothing else would be learnt.
    fn delete_claim(&mut self, aim: Aim, kept: u8) -> Result<Answer, Property> {
        let slot = &mut self.slots[aim.index];
        let which = aim.made & CLAIMS;
        if slot.claims() & !slot.claims_going() & which == 0 {
            return Ok(Refused);
        }
        rules::may_delete_claim(slot, kept & which != 0)?;
        slot.delete_claim(which, which == SECOND && !slot.exists());
        Ok(Done)
    }

    /// A pod that has not started yet will be told of a list that is not the present one any more.
    fn list_changed(&mut self) {
        self.list_as_seen = false;
        for slot in self.slots.iter_mut() {
            if slot.late != 0 {
                slot.late |= LATE_LIST;
            }
            let joins = slot.exists() && slot.start() == StartKind::Existing;
            if joins && slot.process & MARK == 0 {
                slot.process |= OLD_LIST;
            }
        }
    }
}
