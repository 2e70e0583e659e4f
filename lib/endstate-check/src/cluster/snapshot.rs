//! From what the operator sees to what the planner is given.

use endstate_core::{
    Accepted, ActionKey, ActionKind, AskedTask, Beside, Blocked, Bootstrap, CRASH_LOOP_RENEWALS,
    Choice, Claim, ClusterId, DATA, Denial, Eviction, Evidence, Exit, LeaveReason, Marks,
    MemberName, MemberRecord, MemberRow, NodeFault, Part, Place, Pod, PodPhase, Progress, Record,
    RecoverStage, RequestKind, Restarted, Room, Snapshot, Standing, Status, Step, Trouble, Uid,
    Words, claim_of,
};
use jiff::{SignedDuration, Timestamp};

use super::bits::*;
use super::declared::Declared;
use super::model::{AppModel, SpecOf};
use super::numbers::{REASONS, position};
use super::observe::{ACCUSED, CLUSTER, REACHED, Seen, View};
use super::slot::{StartKind, group};
use super::task::{TASK, Task};

/// What the second volume of a member is called, where members have two.
const SECOND_VOLUME: &str = "wal";

/// How often the container of a pod that crashes was restarted.
const RESTARTS: u32 = 5;

/// What the scheduler says of a pod without its claim.
const NO_CLAIM: &str = "persistentvolumeclaim not found";

const HOUR: SignedDuration = SignedDuration::from_hours(1);

fn now() -> Timestamp {
    Timestamp::from_second(1_767_225_600).expect("a valid time")
}

impl<M: AppModel> View<'_, M> {
    /// What the shipped planner is given.
    pub(crate) fn snapshot(&self) -> Snapshot<SpecOf<M>> {
        let now = now();
        let mut object = self.setting.object.clone();
        object.deleting = self.has(ENDING);
        let mut snapshot = Snapshot::new(now, object, self.setting.model.spec(self.spec));
        snapshot.status =
            Status { record: self.record(), members: self.rows(), ..Status::default() };
        snapshot.consent = self.named(CONSENT).map(Choice::RecoverFrom);
        snapshot.pods = Some(self.pods());
        snapshot.claims = self.claims();
        snapshot.places = self.places();
        snapshot.view = self.view();
        snapshot.beside = self.operation().into_iter().collect();
        snapshot.blocked = self.blocked(now).into_iter().collect();
        snapshot
    }

    /// How far members were when the status was written, and whose data was corrupt: the status tells an alarm at once.
    pub(super) fn rows(&self) -> Vec<MemberRow> {
        let known = self.slots().filter(|(_, it)| it.row & POSITION != 0);
        let row = |(index, seen): (usize, &Seen)| {
            let votes = usize::from(seen.role()) == self.setting.scenario.voting_role;
            let standing = if votes { Standing::Voter } else { Standing::NonVoter };
            MemberRow {
                standing: Some(standing),
                position: Some(position(seen.row & POSITION)),
                corrupt: seen.app & ACCUSED != 0 && !self.setting.scenario.silent,
                ..MemberRow::new(self.name(index), self.setting.role(seen.role()))
            }
        };
        known.map(row).collect()
    }

    fn operation(&self) -> Option<Beside> {
        let (kind, asked) = self.setting.operation.as_ref().filter(|_| self.task != Task::None)?;
        let mut object = Beside::new(*kind, TASK, asked.clone());
        object.uid = TASK.into();
        let state = match self.task {
            Task::None | Task::Waiting => endstate_core::State::Waiting,
            Task::Running => endstate_core::State::Running,
            Task::Complete => endstate_core::State::Complete,
            Task::Failed => endstate_core::State::Failed,
        };
        let old = Some(now() - HOUR);
        let has = |flag: u8| self.slots().filter(move |(_, it)| it.task & flag != 0);
        let part = |(index, seen): (usize, &Seen)| Part {
            completion_time: old.filter(|_| seen.task & DONE != 0),
            ..Part::new(self.name(index), 1)
        };
        object.progress = Progress {
            state,
            start_time: old.filter(|_| self.task != Task::Waiting),
            members: has(BEGUN).map(part).collect(),
            ..Progress::default()
        };
        object.answered = has(HAS_ANSWER).map(|(index, _)| self.name(index)).collect();
        Some(object)
    }

    fn blocked(&self, now: Timestamp) -> Option<Blocked> {
        let refused = |index: &usize| self.refused & 1 << index != 0;
        let names: Vec<_> = (0..self.len).filter(refused).map(|it| self.name(it)).collect();
        let action = ActionKey { kind: ActionKind::CreatePod, member: names.first().cloned()? };
        let denial = Denial::Api { message: Words::of("exceeded quota") };
        Some(Blocked::new(action, denial, now - HOUR).not_created(names))
    }

    /// A pod that is told of a recovery is another than the one that resumes.
    fn uid(index: usize, alone: bool) -> Uid {
        format!("{}-{index}", if alone { "alone" } else { "pod" }).into()
    }

    fn pods(&self) -> Vec<Pod<SpecOf<M>>> {
        let there = self.slots().filter(|(_, it)| it.pod & EXISTS != 0);
        there.map(|(index, it)| self.pod(index, it)).collect()
    }

    fn pod(&self, index: usize, seen: &Seen) -> Pod<SpecOf<M>> {
        let (has, words) = (|flag| seen.pod & flag != 0, self.setting.model.last_words());
        let crash = || Trouble::from_reason("CrashLoopBackOff", words);
        let unmounted = !has(STARTED) && self.setting.scenario.volumes.claims() & !seen.made != 0;
        let unmounted = unmounted.then(|| Trouble::from_reason("Unschedulable", NO_CLAIM));
        // Nobody remembers the sizes that it was made with.
        let spec = if self.has(ACCEPTED) { self.accepted } else { self.spec };
        let rev = if seen.also & THIRD != 0 { 2 } else { u8::from(has(REV)) };
        let made_from = Declared { rev, ..spec };
        let mut pod = Pod::new(self.name(index), Self::uid(index, seen.is_alone()), "1");
        pod.phase = if has(STARTED) { PodPhase::Running } else { PodPhase::Pending };
        pod.trouble = has(CRASH).then(crash).or(unmounted);
        pod.started = has(STARTED);
        pod.ready = has(STARTED);
        pod.resumes = matches!(StartKind::of(seen.made), StartKind::Resume | StartKind::Recover);
        pod.deleting = has(DELETING);
        pod.restarts = if has(CRASH) { RESTARTS } else { 0 };
        pod.exit = seen.exit(words);
        pod.node_fault = has(NODE_LOST).then_some(NodeFault::Gone);
        pod.node = has(CORDONED).then(|| Self::node(index));
        // Each is called like the member that it is about.
        pod.eviction = (seen.also & EVICTING != 0).then(|| {
            let mut eviction = Eviction::new(self.name(index).to_string());
            eviction.heartbeat = (seen.also & ANSWERED != 0).then(now);
            eviction
        });
        pod.spec = Some(self.setting.model.spec(made_from));
        pod.marks = Marks {
            started: (seen.made & MARKED != 0).then(|| Self::id(index)),
            votes: seen.made & MARKED_VOTER != 0,
            owned: true,
        };
        pod
    }

    fn node(index: usize) -> String {
        format!("node-{index}")
    }

    /// The nodes that are cordoned, and another one, if there is. Where the others are matters to nobody.
    fn places(&self) -> Vec<Place> {
        let cordoned = self.slots().filter(|(_, it)| it.pod & CORDONED != 0);
        let cordoned = cordoned.map(|(index, _)| Place::new(Self::node(index), Room::Emptied));
        let mut places: Vec<_> = cordoned.collect();
        let asked = self.slots().any(|(_, it)| it.also & EVICTING != 0);
        if self.setting.scenario.room && (asked || !places.is_empty()) {
            places.push(Place::new("another", Room::Open));
        }
        places
    }

    fn claims(&self) -> Vec<Claim> {
        let pairs = self.setting.scenario.volumes.are_pairs();
        let claim = |index: usize, volume: &str, beside: &str| {
            let (name, uid) = (self.name(index), format!("{volume}-{index}"));
            let beside = pairs.then(|| beside.to_owned()).into_iter().collect();
            Claim::new(claim_of(volume, &name), uid, "1", name).beside(beside)
        };
        let claims = |(index, seen): (usize, &Seen)| {
            let mut first = claim(index, DATA, SECOND_VOLUME);
            first.deleting = seen.made & CLAIM_DELETING != 0;
            let mut second = claim(index, SECOND_VOLUME, DATA);
            second.deleting = seen.also & SECOND_DELETING != 0;
            let there = |bit: u8| move |_: &Claim| seen.made & bit != 0;
            [Some(first).filter(there(CLAIM)), Some(second).filter(there(SECOND))]
                .into_iter()
                .flatten()
        };
        self.slots().flat_map(claims).collect()
    }

    pub(super) fn record(&self) -> Record<SpecOf<M>> {
        let member = |(index, it): (usize, &Seen)| self.member(index, it);
        let all = |flag| self.slots().filter(move |(_, it)| it.record & flag != 0).map(member);
        let spec = self.setting.model.spec(self.accepted);
        let other = |rev: u8| {
            let rev = rev.checked_sub(1)?;
            Some(self.setting.model.spec(Declared { rev, ..self.accepted }))
        };
        // In the model no id is used twice, and a leader acknowledges as the spec says for the whole of a scenario.
        Record {
            names: self.len as u64,
            ids: if self.setting.allocates_ids { self.len as u64 } else { 0 },
            accepted: self.has(ACCEPTED).then_some(Accepted { generation: 1, spec }),
            bootstrap: self
                .has(BOOT)
                .then(|| Bootstrap { attempt: 1, members: all(FIRST).collect() }),
            cluster_id: self.has(ID).then(|| ClusterId::from(CLUSTER)),
            consent: self.named(USED_CONSENT).map(Choice::RecoverFrom),
            step: self.slots().find_map(|(index, it)| self.step(index, it)),
            coming: self
                .slots()
                .filter(|(_, it)| it.record & BESIDE == BESIDE)
                .map(member)
                .collect(),
            kept: self.kept(),
            stage: other(self.stages.stage),
            proven: other(self.stages.proven),
            tasks: self.asked(),
            members: all(MEMBER).collect(),
            // Tries may follow each other at once, and members are settled at once: the model has no time.
            backoff: None,
            ..Record::default()
        }
    }

    fn kept(&self) -> Vec<MemberName> {
        let kept = self.slots().filter(|(_, it)| it.made & KEPT != 0);
        kept.map(|(index, _)| self.name(index)).collect()
    }

    /// Patience has run out in the model, and no pod shows its restart: a kubelet may take any time.
    fn member(&self, index: usize, it: &Seen) -> MemberRecord {
        let old = now() - HOUR;
        let known = it.record & MEMBER != 0 || self.setting.allocates_ids;
        let mut member = MemberRecord::new(self.name(index), self.setting.role(it.role()));
        member.group = group(it.role).into();
        member.id = known.then(|| Self::id(index));
        member.votes = match self.setting.led {
            true => it.role & RECORDED_VOTER != 0,
            false => it.role() == 0,
        };
        member.asked = (it.record & ASKED != 0).then_some(old);
        let alone = match it.step() {
            ALONE | RESUMING => true,
            RESUMED => false,
            _ => it.is_alone(),
        };
        member.pod = (it.record & SEEN != 0).then(|| Self::uid(index, alone));
        member.failing_since = (it.record & FAILING != 0).then_some(old);
        member.lost_since = member.failing_since;
        member.renewals = CRASH_LOOP_RENEWALS;
        member.restarted = (it.reason & TOLD != 0).then_some(Restarted {
            at: old,
            restarts: RESTARTS,
            running_since: None,
        });
        member
    }

    fn step(&self, index: usize, it: &Seen) -> Option<Step> {
        let name = self.name(index);
        let has = |flag| it.record & flag != 0;
        let pod = has(STEP_POD).then(|| Self::uid(index, it.is_alone()));
        if it.record & BESIDE == BESIDE {
            None
        } else if has(JOINING) {
            Some(Step::Join { member: self.member(index, it) })
        } else if has(LEAVING) {
            Some(Step::Leave {
                name,
                role: self.setting.role(it.role()),
                group: group(it.role).into(),
                id: Some(Self::id(index)),
                pod,
                reason: reason(it),
            })
        } else {
            self.other_step(index, it)
        }
    }

    fn other_step(&self, index: usize, it: &Seen) -> Option<Step> {
        let name = self.name(index);
        let stage = match it.step() {
            FENCING => RecoverStage::Fencing {},
            ALONE => RecoverStage::Alone {},
            RESUMING | RESUMED => RecoverStage::Resuming { pod: Self::uid(index, true) },
            0 => return (it.reason & RESTARTING != 0).then_some(Step::Restart { name }),
            own => {
                let step = self.setting.own_step(own - FIRST_OWN, &name);
                return Some(Step::App { step });
            }
        };
        let noted = self.slots().filter(|(_, it)| it.reason & NOTED != 0);
        let lost = noted.map(|(index, _)| self.name(index)).filter(|it| *it != name).collect();
        let unasked = it.reason & NOTED != 0;
        Some(Step::Recover { source: name, lost, stage, unasked })
    }

    /// What the application was asked for, by the record.
    fn asked(&self) -> Vec<AskedTask> {
        let drains = self.slots().filter(|(_, it)| it.row & ASKED_DRAIN != 0);
        let drains = drains.map(|(index, _)| (index, RequestKind::Drain));
        let asked = |it: &Seen| ((it.row & ASKED_STEP) >> ASKED_STEP_SHIFT).checked_sub(1);
        let own = self.slots().filter_map(|(index, it)| Some((index, self.own(index, asked(it)?))));
        let task = |(index, kind)| AskedTask::of(&kind, &self.name(index));
        drains.chain(own).filter_map(task).collect()
    }
}

/// Why who leaves does. A claim that is being deleted and a node that is cordoned have one number.
fn reason(seen: &Seen) -> LeaveReason {
    match REASONS[usize::from(seen.reason & REASON)] {
        LeaveReason::VolumeDeleted if !seen.has_claims_going() => LeaveReason::Vacated,
        reason => reason,
    }
}

impl Seen {
    fn has_claims_going(&self) -> bool {
        self.made & CLAIM_DELETING != 0 || self.also & SECOND_DELETING != 0
    }

    fn step(&self) -> u8 {
        if self.reason & RESTARTING != 0 { self.reason & REASON } else { 0 }
    }

    /// How a container ended that does not answer: in the way of the launcher, or with what the application's users
    /// made it say. The exit code or the first line may be the launcher's by chance, never both.
    fn exit(&self, words: &str) -> Option<Exit> {
        let lost = Evidence::DataLost;
        let (code, message) = match self.pod {
            _ if self.app & REACHED != 0 => return None,
            pod if pod & LOST != 0 => (lost.exit_code().into(), lost.message("it is empty")),
            pod if pod & CRASH != 0 => (lost.exit_code().into(), words.to_owned()),
            pod if pod & STARTED != 0 => (137, lost.message(words)),
            _ => return None,
        };
        Some(Exit::of(code, None, &message))
    }
}
