//! The kubelet and the launcher: processes start and stop, pods end, and their disks with them.

use super::bits::*;
use super::model::AppModel;
use super::moves::Moves;
use super::rules;
use super::scenario::Respec;
use super::script::{Ran, Step};
use super::slot::{Slot, StartKind};
use super::state::State;
use super::world::Broken;

impl<M: AppModel> Moves<'_, M> {
    pub(super) fn kubelet(&mut self, state: &State, index: usize) -> Result<(), Broken<M>> {
        let slot = &state.slots[index];
        let member = slot.tag;
        if !slot.exists() {
            self.claim(state, index);
            return Ok(());
        }
        if slot.pod & DELETING != 0 {
            let mut after = *state;
            after.slots[index].end_pod();
            self.push(Step::End(member), after);
        } else if slot.ills & ELSEWHERE != 0 {
            self.start_elsewhere(state, index);
        } else if slot.pod & NODE_LOST == 0 && !slot.runs() && slot.ills & ABANDONED == 0 {
            if self.is_mounted(slot) {
                self.start(state, index)?;
            }
        } else if slot.pod & NODE_LOST == 0 && self.is_outdated(slot) {
            let mut after = *state;
            after.slots[index].stop();
            after.slots[index].touch();
            self.push(Step::Stop(member), after);
        }
        if !slot.is_left_behind() && self.setting.model.exits(state, index) {
            let mut after = *state;
            after.slots[index].stop();
            after.slots[index].set_pod(slot.pod | CRASH);
            self.push(Step::Exit(member), after);
        }
        Ok(())
    }

    /// Whether it has the claims without which no pod of it is scheduled.
    fn is_mounted(&self, slot: &Slot) -> bool {
        self.setting.scenario.volumes.claims() & !slot.claims() == 0
    }

    /// A claim goes once no pod uses it.
    fn claim(&mut self, state: &State, index: usize) {
        if state.slots[index].claims_going() != 0 {
            let mut after = *state;
            after.slots[index].end_claims();
            self.push(Step::EndClaim(state.slots[index].tag), after);
        }
    }

    /// Whether a container runs another image than its pod asks for.
    fn is_outdated(&self, slot: &Slot) -> bool {
        self.setting.scenario.respec == Respec::Restart
            && (slot.pod & REV != 0) != (slot.process & RUNS_REV != 0)
    }

    /// What a process of an abandoned start does matters to nobody but those who take it for a member.
    fn start_elsewhere(&mut self, state: &State, index: usize) {
        let mut after = *state;
        after.slots[index].start_process(Ran::Elsewhere);
        if after != *state {
            let member = state.slots[index].tag;
            self.push(Step::Start { member, ran: Ran::Elsewhere }, after);
        }
    }

    /// The launcher and the application decide how a process starts.
    fn start(&mut self, state: &State, index: usize) -> Result<(), Broken<M>> {
        let slot = &state.slots[index];
        let ran = self.ran(state, index);
        let mut after = *state;
        after.slots[index].start_process(ran);
        if ran == Ran::Alone {
            after.stand_alone(index);
        }
        // What was lost is there again, and nobody could know: whoever asks nobody goes by what it saw.
        let back = slot.pod & LOST != 0 && after.slots[index].runs();
        after.fault_since |= back && after.plan != 0 && self.setting.scenario.unasked;
        after.meet();
        let step = Step::Start { member: slot.tag, ran };
        let broken = rules::broken_by_start(state, slot, ran);
        if let Some(property) = broken.or_else(|| rules::one_cluster(&after)) {
            return Err(Broken { property, step, detail: String::new() });
        }
        if after != *state {
            self.push(step, after);
        }
        Ok(())
    }

    fn ran(&self, state: &State, index: usize) -> Ran {
        let slot = &state.slots[index];
        if slot.ills & BROKEN != 0 {
            Ran::Crashed
        } else if self.setting.scenario.launcher && slot.is_refused_by_launcher() {
            Ran::Refused
        } else if slot.is_left_behind() && slot.has_data() && slot.start() != StartKind::Recover {
            Ran::OnItsData
        } else {
            self.setting.model.start(state, index)
        }
    }
}

impl Slot {
    /// There is no data, and the pod's directories, the pod itself, or how it was made, says that there was.
    fn is_refused_by_launcher(&self) -> bool {
        let resumes = matches!(self.start(), StartKind::Resume | StartKind::Recover);
        !self.has_data() && (self.process & MARK != 0 || self.made & MARKED != 0 || resumes)
    }

    pub(super) fn start_process(&mut self, ran: Ran) {
        self.process |= MARK;
        match ran {
            Ran::Elsewhere => return self.set_pod(self.pod | STARTED),
            Ran::Refused => return self.set_pod(self.pod | STARTED | CRASH | LOST),
            Ran::Crashed => return self.set_pod(self.pod | STARTED | CRASH),
            Ran::OnItsData | Ran::Empty | Ran::Blank | Ran::Alone => {}
        }
        self.set_pod((self.pod & !(CRASH | LOST)) | STARTED);
        self.process |= RUN | FRESH;
        self.process &= !(VOLUNTARY | OLD_LIST | RUNS_REV | UNMARKED_LOSS);
        self.process |= if self.pod & REV != 0 { RUNS_REV } else { 0 };
        if ran == Ran::Empty {
            self.disk |= DATA;
            self.disk &= !(CAUGHT | UNMOUNTED);
            self.disk |= if self.start() == StartKind::New { CAUGHT } else { 0 };
        }
    }
}

impl State {
    /// Members that run at the same time talk to each other.
    pub(super) fn meet(&mut self) {
        let meets = |it: &Slot| it.works() && (it.is_first() || it.is_listed());
        if self.slots.iter().filter(|it| meets(it)).count() > 1 {
            for slot in self.slots.iter_mut().filter(|it| meets(it)) {
                slot.process |= USED;
            }
        }
    }

    /// A member goes on as the only one. The others know nothing of it.
    fn stand_alone(&mut self, member: usize) {
        self.old_voters = u8::try_from(self.voters().count()).expect("few slots");
        for slot in self.slots.iter_mut() {
            let kept = slot.disk & DATA != 0 && (slot.votes() || slot.is_left_behind());
            slot.list = if kept { LEFT_BEHIND } else { 0 };
            slot.process &= !VOLUNTARY;
        }
        let slot = &mut self.slots[member];
        slot.list = 0;
        slot.give_vote();
        slot.disk |= CAUGHT | RECOVERED;
        slot.ills |= if slot.reason & CONSENT != 0 { SPENT } else { 0 };
        self.lead(member);
        self.list_as_seen = false;
    }
}
