//! From a plan back to slots.

use endstate_core::{
    Action, App, AppStep, Choice, DATA, Launch, LaunchOf, LeaveReason, MemberName, MemberRecord,
    MemberRow, Plan, Record, RecoverStage, Request as Asked, RequestKind, Start, State, Step,
};

use super::bits::*;
use super::model::{AppModel, SpecOf};
use super::numbers::{REASONS, number};
use super::observe::{Seen, View};
use super::plan::{Act, Compact, Known, Written, bit};
use super::request::Request;
use super::scenario::Respec;
use super::stages::Stages;
use super::task::{OPERATION, TASK, Task};

impl<M: AppModel> View<'_, M> {
    /// The plan in slots.
    pub(crate) fn compact(&self, plan: &Plan<SpecOf<M>>) -> Compact {
        let (mut old, mut new) = (self.written(&self.record()), self.written(&plan.status.record));
        // A plan that acts also counts up the epoch, so it is written even if nothing else changes.
        let acts = plan.actions.iter().any(|it| !it.is_mark());
        let mut write = old != new || acts;
        if self.setting.scenario.has_positions() {
            let rows = &plan.status.members;
            self.note_rows(&self.rows(), &mut old);
            self.note_rows(rows, &mut new);
            // Figures alone are not worth a write while all voters work.
            write |= old != new && rows.iter().any(|it| !it.healthy);
        }
        let record = &plan.status.record;
        let acts = plan.actions.iter().filter_map(|it| self.act(it, record));
        let answers = plan.heartbeats.iter().map(|it| Act::Answer(self.slot(&it.eviction)));
        let acts = self.claims_due(plan).into_iter().chain(acts).chain(answers);
        let acts = acts.chain(self.told(plan));
        Compact { acts: acts.collect(), write: write.then_some(new), proven: false }
    }

    /// The claims that are to be there and are not: they are made before anything is done about members.
    fn claims_due(&self, plan: &Plan<SpecOf<M>>) -> Vec<Act> {
        let mut due: Vec<(u8, u8)> = vec![];
        if !self.setting.scenario.makes_claims_apart() {
            return vec![];
        }
        for volume in plan.surroundings.iter().flat_map(|it| &it.volumes) {
            let (slot, claim) = (self.slot(&volume.member), claim_bit(&volume.name));
            let has = self.seen().get(usize::from(slot) - 1).is_some_and(|it| it.made & claim != 0);
            match due.iter_mut().find(|it| it.0 == slot) {
                _ if has => {}
                Some((_, claims)) => *claims |= claim,
                None => due.push((slot, claim)),
            }
        }
        due.into_iter().map(|(slot, claims)| Act::Claim { slot, claims }).collect()
    }

    /// What the status of the operation is to say, if that is another than it says.
    fn told(&self, plan: &Plan<SpecOf<M>>) -> Option<Act> {
        let tended = plan.tended.iter().find(|it| *it.uid == *TASK)?;
        let progress = tended.progress.as_ref()?;
        let task = match progress.state {
            State::Waiting => Task::Waiting,
            State::Running => Task::Running,
            State::Complete => Task::Complete,
            State::Failed => Task::Failed,
        };
        let (mut begun, mut done) = (0, 0);
        for part in &progress.members {
            let slot = bit(self.slot(&part.name));
            begun |= slot;
            done |= if part.completion_time.is_some() { slot } else { 0 };
        }
        let seen = |flag: u8| {
            let has = self.seen().iter().enumerate().filter(|(_, it)| it.task & flag != 0);
            has.fold(0, |all: u16, (index, _)| all | 1 << (index + 1))
        };
        let same = (task, begun, done) == (self.task, seen(BEGUN), seen(DONE));
        (!same).then_some(Act::Tell { task, begun, done })
    }

    fn note_rows(&self, rows: &[MemberRow], written: &mut Written) {
        for row in rows {
            let slot = usize::from(self.slot(&row.name)) - 1;
            if let Some(known) = written.slots.get_mut(slot) {
                known.row |= row.position.as_ref().map_or(0, number);
            }
        }
    }

    fn written(&self, record: &Record<SpecOf<M>>) -> Written {
        let known = |it: &Seen| Known { role: it.role, ..Known::default() };
        let mut slots: Vec<_> = self.seen().iter().map(known).collect();
        let mut set = |name: &MemberName, record: u8, reason: u8| {
            let slot = usize::from(self.slot(name)) - 1;
            if slots.len() <= slot {
                slots.resize(slot + 1, Known::default());
            }
            slots[slot].record |= record;
            slots[slot].reason |= reason;
            slot
        };
        let first = record.bootstrap.iter().flat_map(|it| &it.members).map(|it| (FIRST, it));
        let members = record.members.iter().map(|it| (MEMBER, it));
        let joining = record.step.iter().filter_map(|it| match it {
            Step::Join { member } => Some((JOINING, member)),
            _ => None,
        });
        let mut roles = vec![];
        let beside = record.coming.iter().map(|it| (BESIDE, it));
        for (flag, member) in first.chain(members).chain(joining).chain(beside) {
            let slot = set(&member.name, flag | member_bits(member), told(member));
            roles.push((slot, self.role_bits(member, flag)));
        }
        let step = record.step.as_ref().and_then(|it| self.step_bits(it, record));
        if let Some((name, bits, reason)) = step {
            set(name, bits, reason);
        }
        if let Some(Step::Recover { source, lost, unasked, .. }) = &record.step {
            for name in lost.iter().chain(unasked.then_some(source)) {
                set(name, 0, NOTED);
            }
        }
        if let Some(Choice::RecoverFrom(source)) = &record.consent {
            set(source, 0, USED_CONSENT);
        }
        let mut asked = vec![];
        for task in &record.tasks {
            let row = match &task.step {
                None => ASKED_DRAIN,
                Some(name) => {
                    (self.setting.own_step_number(name, &task.member) + 1) << ASKED_STEP_SHIFT
                }
            };
            asked.push((set(&task.member, 0, 0), row));
        }
        for (slot, row) in asked {
            slots[slot].row |= row;
        }
        for (slot, role) in roles {
            slots[slot].role = role;
        }
        for name in &record.kept {
            slots[usize::from(self.slot(name)) - 1].kept = true;
        }
        Written {
            accepted: record.accepted.as_ref().map(|it| self.setting.model.declared(&it.spec)),
            stages: self.stages(record),
            boot: record.bootstrap.is_some(),
            id: record.cluster_id.is_some(),
            slots,
        }
    }

    fn role_bits(&self, member: &MemberRecord, flag: u8) -> u8 {
        let group = u8::try_from(member.group).expect("few groups") << GROUP_SHIFT;
        let votes = self.setting.led && member.votes && flag == MEMBER;
        self.setting.role_number(&member.role) | group | if votes { RECORDED_VOTER } else { 0 }
    }

    /// The number of a name in this plan, from 1. New names follow those that are there.
    fn slot(&self, name: &str) -> u8 {
        let index = self.setting.names.iter().position(|it| it.as_str() == name);
        let index = index.expect("the planner takes names in their order");
        u8::try_from(index + 1).expect("few slots")
    }

    /// Where there are no stages nobody remembers what members worked by before.
    fn stages(&self, record: &Record<SpecOf<M>>) -> Stages {
        if self.setting.scenario.respec != Respec::Staged {
            return Stages::default();
        }
        let rev = |it: &Option<SpecOf<M>>| it.as_ref().map_or(0, |it| self.rev(it) + 1);
        Stages { stage: rev(&record.stage), proven: rev(&record.proven) }
    }

    fn rev(&self, spec: &SpecOf<M>) -> u8 {
        self.setting.model.declared(spec).rev
    }

    /// Which of the recorded specs a pod is made from, where there are stages.
    fn made_from(&self, launch: &Launch, record: &Record<SpecOf<M>>) -> Option<u8> {
        let accepted = record.accepted.as_ref().map(|it| &it.spec);
        let known = [record.proven.as_ref(), record.stage.as_ref(), accepted];
        let member = MemberRecord::new(MemberName::default(), launch.role.clone());
        let says = |spec: &SpecOf<M>| {
            let of = LaunchOf::new(&self.setting.object, spec, &member);
            self.setting.model.app().launch(&of).spec
        };
        let is_staged = self.setting.scenario.respec == Respec::Staged;
        let mut known = known.into_iter().flatten().filter(|_| is_staged);
        known.find(|it| says(it) == launch.spec).map(|it| self.rev(it))
    }

    fn act(&self, action: &Action, record: &Record<SpecOf<M>>) -> Option<Act> {
        let slot = self.slot(action.member());
        Some(match action {
            Action::CreatePod { start, launch, .. } => {
                let made = match start {
                    Start::New { .. } => 0,
                    Start::Existing { .. } => 1,
                    Start::Resume { .. } => 2,
                    Start::Recover { .. } => 3,
                    Start::Prepare { .. } => panic!("no cluster of a model begins anew yet"),
                };
                let told = start.members().iter().map(|it| bit(self.slot(&it.name)));
                let members = matches!(start, Start::Existing { .. })
                    .then(|| told.fold(0, |all, it| all | it));
                Act::Create { slot, made, rev: self.made_from(launch, record), members }
            }
            Action::MarkPod { marks, .. } => {
                let started = if marks.started.is_some() { MARKED } else { 0 };
                let made = started | if marks.votes { MARKED_VOTER } else { 0 };
                Act::Mark { slot, made }
            }
            // No cluster of a model had a former one.
            Action::UpdatePod { .. } | Action::AdoptClaim { .. } => return None,
            Action::RestartPod { .. } => Act::Restart(slot),
            Action::DeletePod { .. } => Act::Delete(slot),
            Action::DeleteClaim { claim } => {
                let claim = claim_bit(claim.name_of_volume().unwrap_or(DATA));
                Act::DeleteClaim { slot, claim }
            }
            Action::Call(call) => Act::Ask(self.request(&call.request), slot),
        })
    }

    fn request(&self, asked: &Asked) -> Request {
        match asked {
            Asked::Join { votes: false, .. } => Request::Join,
            Asked::Join { votes: true, .. } => Request::JoinVoting,
            Asked::Promote { .. } => Request::Promote,
            Asked::Transfer { .. } => Request::Transfer,
            Asked::Appoint { .. } => Request::Appoint,
            Asked::Leave { .. } => Request::Leave,
            Asked::Drain { .. } => Request::Drain,
            Asked::App(step) => match self.own_step(step) {
                OPERATION if step.operation().is_some() => Request::Operate,
                number => Request::Own(number),
            },
            Asked::Cancel { request: RequestKind::App(name), member } => {
                Request::CancelOwn(self.setting.own_step_number(name, member))
            }
            Asked::Cancel { .. } => Request::CancelDrain,
            // `endstate-core` may get more of them, and no match of another crate can be whole.
            _ => panic!(
                "the planner asks the application to \"{asked}\", which is no `Request` of a model yet: {asked:?}"
            ),
        }
    }

    fn own_step(&self, step: &AppStep) -> u8 {
        let number = self.setting.own_step_number(&step.name, &step.member);
        let known = self.setting.own_step(number, &step.member);
        assert_eq!(*step, known, "the model has the step as the application asks for it");
        number
    }

    fn step_bits<'s>(
        &self,
        step: &'s Step,
        record: &Record<SpecOf<M>>,
    ) -> Option<(&'s MemberName, u8, u8)> {
        match step {
            Step::App { step } => {
                Some((&step.member, 0, RESTARTING | (FIRST_OWN + self.own_step(step))))
            }
            _ => step_bits(step, record),
        }
    }
}

fn claim_bit(volume: &str) -> u8 {
    if volume == DATA { CLAIM } else { SECOND }
}

fn member_bits(member: &MemberRecord) -> u8 {
    let bit = |on: bool, bit: u8| if on { bit } else { 0 };
    bit(member.pod.is_some(), SEEN)
        | bit(member.asked.is_some(), ASKED)
        | bit(member.failing_since.is_some(), FAILING)
}

fn told(member: &MemberRecord) -> u8 {
    if member.restarted.is_some() { TOLD } else { 0 }
}

fn step_bits<'s, S>(step: &'s Step, record: &Record<S>) -> Option<(&'s MemberName, u8, u8)> {
    let pod = |it: &Option<endstate_core::Uid>| if it.is_some() { STEP_POD } else { 0 };
    Some(match step {
        Step::Join { .. } => return None,
        Step::Restart { name } => (name, 0, RESTARTING),
        Step::Leave { name, pod: before, reason, .. } => {
            let reason = match reason {
                LeaveReason::Vacated => &LeaveReason::VolumeDeleted,
                reason => reason,
            };
            let number = REASONS.iter().position(|it| it == reason).expect("all are there");
            (name, LEAVING | pod(before), u8::try_from(number).expect("few"))
        }
        Step::Recover { source, stage, .. } => {
            let seen = record.find(source).and_then(|it| it.pod.as_ref());
            let stage = match stage {
                RecoverStage::Fencing {} => FENCING,
                RecoverStage::Alone {} => ALONE,
                RecoverStage::Resuming { pod } if seen.is_some_and(|it| it != pod) => RESUMED,
                RecoverStage::Resuming { .. } => RESUMING,
            };
            (source, 0, RESTARTING | stage)
        }
        Step::App { .. } => return None,
    })
}
