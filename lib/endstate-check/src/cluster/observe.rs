//! From the world to what the operator sees of it.

use endstate_core::{
    Accepted, ActionKey, ActionKind, AskedTask, Blocked, Bootstrap, Claim, ClusterId, Corruption,
    Denial, Entry, Evidence, Exit, LeaveReason, Marks, MemberId, MemberName, MemberRecord,
    MemberRow, MemberStatus, Membership, Pod, PodPhase, Position, Reach, Record, RecoverStage,
    RequestKind, Restarted, Snapshot, Standing, Status, Step, Target, Task, Trouble, Uid,
    View as AppView, Words,
};
use jiff::{SignedDuration, Timestamp};

use super::bits::*;
use super::model::{AppModel, SpecOf};
use super::setting::Setting;
use super::slot::{SLOTS, Slot, StartKind, group};
use super::state::{Declared, State};
use crate::Print;

const CLUSTER: &str = "c1";

/// That of a start that was abandoned.
const OTHER_CLUSTER: &str = "c0";

/// How often the container of a pod that crashes was restarted.
const RESTARTS: u32 = 5;

/// The reasons to leave, by number.
pub(super) const REASONS: [LeaveReason; 8] = [
    LeaveReason::ScaleDown,
    LeaveReason::Dead,
    LeaveReason::Outdated,
    LeaveReason::FailedJoin,
    LeaveReason::Stray,
    LeaveReason::Corrupt,
    LeaveReason::Recreated,
    LeaveReason::Recovered,
];

/// Bits of what a member shows to the driver, beside those of the list.
const REACHED: u8 = 8;
/// It says that it votes, whether a list is to be had or not.
const VOTES: u8 = 16;
/// It follows no leader.
const ON_ITS_OWN: u8 = 32;
const SECOND: u8 = 64;
/// The application says that its data is corrupt.
const ACCUSED: u8 = 128;

/// What the operator sees: the object, the pods and the claims as cached, the application as it is.
pub(crate) struct View<'a, M> {
    pub(super) setting: &'a Setting<M>,
    spec: Declared,
    accepted: Declared,
    flags: u8,
    /// A list of members is to be had.
    list: bool,
    /// An alarm about corrupt data names nobody.
    unnamed: bool,
    /// The pods that the API refused to make, by slot.
    refused: u16,
    pub(super) len: usize,
    slots: [Seen; SLOTS],
    /// How many members have appeared. For people.
    pub(super) tags: u8,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    pod: u8,
    made: u8,
    record: u8,
    reason: u8,
    pub(super) role: u8,
    app: u8,
    /// How far it is by its own answer, and by the status, as numbers.
    position: u8,
    pub(super) row: u8,
    /// Whom it says it follows, from 1, where the operator chooses who leads.
    follows: u8,
    /// What the application is at work on about it.
    work: u8,
    /// What the model keeps in mind of it.
    own: u8,
    elsewhere: bool,
    pub(super) tag: u8,
}

impl<'a, M: AppModel> View<'a, M> {
    /// Looks. `blind` is the slot of a member that cannot be reached although it works.
    pub(crate) fn of(state: &State, setting: &'a Setting<M>, blind: Option<usize>) -> Self {
        let list = setting.model.shows_list(state);
        let appointed = setting.model.is_appointed();
        let mut slots = [Seen::default(); SLOTS];
        let mut refused = 0;
        for (index, slot) in state.slots.iter().enumerate() {
            let answers = setting.model.answers(state, index)
                && !slot.is_left_behind()
                && !slot.is_away()
                && blind != Some(index);
            slots[index] = Seen::of(slot, list, answers);
            if list && setting.has_facts {
                slots[index].own = slot.own;
            }
            if appointed && answers && list {
                let follows = setting.model.follows(state, index);
                slots[index].follows = follows.map_or(0, |it| u8::try_from(it + 1).expect("few"));
            }
            // Until it is listed it is in a cluster of its own, whatever the others follow.
            let alone = setting.led && answers && !slot.is_listed();
            slots[index].app |= if alone { ON_ITS_OWN } else { 0 };
            refused |= if slot.ills & REFUSED != 0 { 1 << index } else { 0 };
        }
        Self {
            setting,
            spec: state.cached_spec,
            accepted: state.cached_accepted,
            flags: state.cached_flags & (ID | BOOT | ACCEPTED | ENDING),
            list,
            unnamed: list && state.has_unnamed_alarm(),
            refused,
            len: state.slots.len(),
            slots,
            tags: state.tags,
        }
    }

    pub(super) fn seen(&self) -> &[Seen] {
        &self.slots[..self.len]
    }

    /// What tells views apart.
    pub(crate) fn fingerprint(&self) -> u128 {
        let keeps = self.seen().iter().any(|it| it.own != 0);
        let seen = u64::from(self.list) | u64::from(self.unnamed) << 1 | u64::from(keeps) << 2;
        let head = u64::from(self.flags) | seen << 8 | u64::from(self.refused) << 16;
        let slots = self.seen().iter().map(|it| {
            u64::from_le_bytes([
                it.pod,
                it.made,
                it.record,
                it.reason,
                it.role | it.work << 2,
                it.app,
                1 | it.row << 1,
                u8::from(it.elsewhere) | it.position << 1 | it.follows << 4,
            ])
        });
        let own = self.seen().iter().filter(|_| keeps).map(|it| u64::from(it.own));
        let specs = self.spec.word() << 32 | self.accepted.word();
        Print::of([head, specs].into_iter().chain(slots).chain(own))
    }

    pub(super) fn app(&self) -> &'a M::App {
        self.setting.model.app()
    }

    /// What the shipped planner is given.
    pub(crate) fn snapshot(&self) -> Snapshot<SpecOf<M>> {
        let now = now();
        let mut object = self.setting.object.clone();
        object.deleting = self.has(ENDING);
        let mut snapshot = Snapshot::new(now, object, self.setting.model.spec(self.spec));
        snapshot.status =
            Status { record: self.record(), members: self.rows(), ..Status::default() };
        snapshot.recover_from = self.named(CONSENT);
        snapshot.pods = Some(self.pods());
        snapshot.claims = self.claims();
        snapshot.view = self.view();
        snapshot.blocked = self.blocked(now).into_iter().collect();
        snapshot
    }

    /// How far members were when the status was written.
    pub(super) fn rows(&self) -> Vec<MemberRow> {
        let known = self.slots().filter(|(_, it)| it.row & POSITION != 0);
        let row = |(index, seen): (usize, &Seen)| {
            let votes = usize::from(seen.role()) == self.setting.scenario.voting_role;
            let standing = if votes { Standing::Voter } else { Standing::NonVoter };
            MemberRow {
                standing: Some(standing),
                position: Some(position(seen.row & POSITION)),
                ..MemberRow::new(self.name(index), self.setting.role(seen.role()))
            }
        };
        known.map(row).collect()
    }

    fn named(&self, flag: u8) -> Option<MemberName> {
        self.slots().find(|(_, it)| it.reason & flag != 0).map(|(index, _)| self.name(index))
    }

    /// Whether a person consents to a recovery.
    pub(super) fn is_consented(&self) -> bool {
        self.slots().any(|(_, it)| it.reason & CONSENT != 0)
    }

    fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    fn blocked(&self, now: Timestamp) -> Option<Blocked> {
        let refused = |index: &usize| self.refused & 1 << index != 0;
        let names: Vec<_> = (0..self.len).filter(refused).map(|it| self.name(it)).collect();
        let action = ActionKey { kind: ActionKind::CreatePod, member: names.first().cloned()? };
        let denial = Denial::Api { message: Words::of("exceeded quota") };
        Some(Blocked::new(action, denial, now - HOUR).not_created(names))
    }

    fn name(&self, index: usize) -> MemberName {
        self.setting.names[index].clone()
    }

    fn id(index: usize) -> MemberId {
        (index + 1).to_string().into()
    }

    /// A pod that is told of a recovery is another than the one that resumes.
    fn uid(index: usize, alone: bool) -> Uid {
        format!("{}-{index}", if alone { "alone" } else { "pod" }).into()
    }

    fn slots(&self) -> impl Iterator<Item = (usize, &Seen)> {
        self.seen().iter().enumerate()
    }

    fn pods(&self) -> Vec<Pod<SpecOf<M>>> {
        let there = self.slots().filter(|(_, it)| it.pod & EXISTS != 0);
        there.map(|(index, it)| self.pod(index, it)).collect()
    }

    fn pod(&self, index: usize, seen: &Seen) -> Pod<SpecOf<M>> {
        let (has, words) = (|flag| seen.pod & flag != 0, self.setting.model.last_words());
        let crash = || Trouble::from_reason("CrashLoopBackOff", words);
        let made_from = Declared { rev: u8::from(has(REV)), ..self.accepted };
        let mut pod = Pod::new(self.name(index), Self::uid(index, seen.is_alone()), "1");
        pod.phase = if has(STARTED) { PodPhase::Running } else { PodPhase::Pending };
        pod.trouble = has(CRASH).then(crash);
        pod.started = has(STARTED);
        pod.deleting = has(DELETING);
        pod.restarts = if has(CRASH) { RESTARTS } else { 0 };
        pod.exit = seen.exit(words);
        pod.node_lost = has(NODE_LOST);
        pod.spec = Some(self.setting.model.spec(made_from));
        pod.marks = Marks {
            started: (seen.made & MARKED != 0).then(|| Self::id(index)),
            votes: seen.made & MARKED_VOTER != 0,
            owned: true,
        };
        pod
    }

    fn claims(&self) -> Vec<Claim> {
        let there = self.slots().filter(|(_, it)| it.made & CLAIM != 0);
        let claim = |(index, seen): (usize, &Seen)| {
            let name = self.name(index);
            let mut claim = Claim::new(name.as_str(), format!("claim-{index}"), "1", name.clone());
            claim.retained = self.setting.scenario.volumes.are_kept();
            claim.deleting = seen.made & CLAIM_DELETING != 0;
            claim
        };
        there.map(claim).collect()
    }

    pub(super) fn record(&self) -> Record<SpecOf<M>> {
        let member = |(index, it): (usize, &Seen)| self.member(index, it);
        let all = |flag| self.slots().filter(move |(_, it)| it.record & flag != 0).map(member);
        let spec = self.setting.model.spec(self.accepted);
        Record {
            epoch: 0,
            names: self.len as u64,
            ids: if self.setting.allocates_ids { self.len as u64 } else { 0 },
            accepted: self.has(ACCEPTED).then_some(Accepted { generation: 1, spec }),
            bootstrap: self
                .has(BOOT)
                .then(|| Bootstrap { attempt: 1, members: all(FIRST).collect() }),
            cluster_id: self.has(ID).then(|| ClusterId::from(CLUSTER)),
            consent: self.named(USED_CONSENT),
            step: self.slots().find_map(|(index, it)| self.step(index, it)),
            // Tries may follow each other at once, and members are settled at once: the model has no time.
            backoff: None,
            tasks: self.asked(),
            members: all(MEMBER).collect(),
        }
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
        if has(JOINING) {
            Some(Step::Join { member: self.member(index, it) })
        } else if has(LEAVING) {
            Some(Step::Leave {
                name,
                role: self.setting.role(it.role()),
                group: group(it.role).into(),
                id: Some(Self::id(index)),
                pod,
                reason: REASONS[usize::from(it.reason & REASON)],
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
        let lost = self.slots().filter(|(_, it)| it.reason & NOTED != 0);
        let lost = lost.map(|(index, _)| self.name(index)).collect();
        Some(Step::Recover { source: name, lost, stage })
    }

    fn view(&self) -> AppView {
        let accused = self.slots().filter(|(_, it)| it.app & ACCUSED != 0);
        let named = accused.map(|(index, _)| Corruption::Of(Self::id(index)));
        let alarms: Vec<_> =
            named.chain(self.unnamed.then_some(Corruption::Undetermined)).collect();
        let target = |(index, it): (usize, &Seen)| match it.app & REACHED {
            0 => Target::silent(self.name(index), Reach::Unreachable),
            _ => Target::answered(self.name(index), self.answer((index, it), &alarms)),
        };
        let mut view = AppView::default();
        view.targets = self.slots().map(target).collect();
        view.membership = self.list.then(|| self.membership());
        view.tasks = self.tasks();
        let own = self.slots().filter(|(_, it)| it.app & (NON_VOTER | VOTER) != 0);
        let own = own.map(|(index, it)| (self.name(index), it.own)).collect();
        view.facts = self.setting.model.facts(own);
        view
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

    /// What the application is at work on, and how far it is.
    fn tasks(&self) -> Vec<Task> {
        let pieces = |it: &Seen| u64::from(self.setting.model.pieces(it.own));
        let all = self.seen().iter().map(pieces).sum();
        let drains = self.slots().filter(|(_, it)| it.work & (DRAINS >> WORK_SHIFT) != 0);
        let drains = drains.map(|(index, it)| {
            Task::new(RequestKind::Drain, self.name(index), all - pieces(it), all)
        });
        let step = |it: &Seen| (it.work >> (OWN_STEP_SHIFT - WORK_SHIFT)).checked_sub(1);
        let own = self.slots().filter_map(|(index, it)| {
            Some(Task::new(self.own(index, step(it)?), self.name(index), 0, 1))
        });
        drains.chain(own).collect()
    }

    fn own(&self, index: usize, number: u8) -> RequestKind {
        RequestKind::App(self.setting.own_step(number, &self.name(index)).name)
    }

    fn answer(&self, (index, it): (usize, &Seen), alarms: &[Corruption]) -> MemberStatus {
        let standing = match it.app {
            app if app & LEADER != 0 => Standing::Leader,
            app if app & VOTES == 0 => Standing::NonVoter,
            _ => Standing::Voter,
        };
        let id = Self::id(index);
        if it.elsewhere {
            let mut status = MemberStatus::new(id.clone(), OTHER_CLUSTER, Standing::Leader);
            (status.leader, status.position) = (Some(id), Some(Position::at(100)));
            status.version = self.setting.model.version(0);
            return status;
        }
        let alone = it.app & ON_ITS_OWN != 0;
        let mut status = MemberStatus::new(id, CLUSTER, standing);
        status.leader = match it.follows {
            0 => self.leader_of(it).filter(|_| !alone && !self.setting.model.is_appointed()),
            follows => Some(Self::id(usize::from(follows) - 1)),
        };
        status.position = Some(position(it.position));
        status.version = self.setting.model.version(u8::from(it.app & SECOND != 0));
        status.data_size = 1;
        status.corruption = if alone { vec![] } else { alarms.to_vec() };
        status
    }

    /// Who leads the group of a member: of the cluster, where there is one leader.
    fn leader_of(&self, member: &Seen) -> Option<MemberId> {
        let same = |it: &Seen| group(it.role) == group(member.role);
        let mut leads = self.slots().filter(|(_, it)| it.app & LEADER != 0 && same(it));
        leads.next().map(|it| Self::id(it.0))
    }

    fn membership(&self) -> Membership {
        let listed = self.slots().filter(|(_, it)| it.app & (NON_VOTER | VOTER) != 0);
        let entry = |(index, it): (usize, &Seen)| {
            Entry::voter(Self::id(index), self.name(index)).voting(it.app & VOTER != 0)
        };
        let voters = self.seen().iter().filter(|it| it.app & VOTER != 0);
        // Who cannot be elected is asked for the list also when its peers do not reach it.
        let cut = if self.setting.model.is_appointed() { 0 } else { ON_ITS_OWN };
        let agreed = voters.filter(|it| it.app & (REACHED | cut) == REACHED).count();
        Membership::new(CLUSTER, listed.map(entry)).agreed(agreed)
    }

    /// The names of members in a text, as scripts call them: new ones are numbered on.
    pub(crate) fn readable(&self, text: &str) -> String {
        let mut text = text.to_owned();
        let tags = self.seen().iter().map(|it| it.tag).chain(self.tags..);
        for (name, tag) in self.setting.names.iter().zip(tags) {
            text = text.replace(name.as_str(), &format!("m{tag}"));
        }
        text
    }
}

impl Seen {
    fn of(slot: &Slot, list: bool, answers: bool) -> Self {
        let bit = |on: bool, bit: u8| if on { bit } else { 0 };
        let elsewhere = slot.ills & ELSEWHERE != 0 && slot.pod & STARTED != 0;
        let named = slot.disk & (CORRUPT | UNNAMED) == CORRUPT;
        let alone = StartKind::of(slot.cached_made) == StartKind::Recover;
        let mut app = bit(list, slot.list & (NON_VOTER | VOTER));
        app |= bit(list && slot.is_listed() && named, ACCUSED);
        if answers {
            app |= REACHED | bit(list, slot.list & LEADER);
            app |= bit(slot.is_cut(), ON_ITS_OWN) | bit(slot.votes(), VOTES);
            app |= bit(slot.process & RUNS_REV != 0, SECOND);
        } else if elsewhere {
            app |= REACHED;
        }
        Self {
            pod: slot.cached_pod,
            // How it was told to start nobody asks any more, unless it was for a recovery.
            made: slot.cached_made & !if alone { 0 } else { START },
            record: slot.cached_record,
            reason: slot.cached_reason,
            role: slot.role,
            app,
            position: if answers { slot.position() } else { 0 },
            row: slot.cached_row,
            follows: 0,
            work: bit(list, slot.list >> WORK_SHIFT),
            own: 0,
            elsewhere,
            tag: slot.tag,
        }
    }

    fn role(&self) -> u8 {
        self.role & ROLE
    }

    /// Whether its pod is told of a recovery.
    fn is_alone(&self) -> bool {
        self.made & START == START
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

/// A position by its number: far behind, or with so many of the scenario's writes.
fn position(number: u8) -> Position {
    Position::at(if number < 2 { BEHIND_AT } else { CAUGHT_UP_AT + u64::from(number - 2) })
}

/// The way back.
pub(super) fn number(position: &Position) -> u8 {
    // The first entry is number 0.
    let writes = position.count().checked_sub(CAUGHT_UP_AT + 1);
    writes.map_or(1, |it| 2 + u8::try_from(it).expect("few writes"))
}

const BEHIND_AT: u64 = 10;
const CAUGHT_UP_AT: u64 = 100;

const HOUR: SignedDuration = SignedDuration::from_hours(1);

fn now() -> Timestamp {
    Timestamp::from_second(1_767_225_600).expect("a valid time")
}
