//! From the world to what the operator sees of it, and from its plan back to slots.

use std::sync::LazyLock;

use endstate_check::Print;
use endstate_core::{
    Accepted, Action, ActionKey, ActionKind, Blocked, Bootstrap, Corruption, Denial, Entry,
    Evidence, Exit, Identity, LeaveReason, Marks, MemberId, MemberName, MemberRecord, MemberStatus,
    Membership, Plan, Pod, PodPhase, Position, Reach, Record, Request, Restarted, Snapshot,
    Standing, Start, Step, Target, Trouble, Uid, View as AppView, Words, member_name,
};
use jiff::{SignedDuration, Timestamp};

use super::{
    flags::*,
    slot::SLOTS,
    state::{Spec, State},
};
use crate::{
    model::{AppModel, SpecOf},
    plans::{Act, Compact, Written, bit},
};

/// The cluster object's name in the model.
const NAME: &str = "c";
const SEED: u64 = 0x5eed;
/// The role of all members.
const ROLE: &str = "member";
const CLUSTER: &str = "c1";

/// The names of members, those of a plan's new ones included, in the order in which they are taken.
static NAMES: LazyLock<Vec<MemberName>> =
    LazyLock::new(|| (0..2 * SLOTS as u64).map(|it| member_name(NAME, SEED, it)).collect());

/// How often the container of a pod that crashes was restarted.
const RESTARTS: u32 = 5;

/// The reasons to leave, by number.
const REASONS: [LeaveReason; 6] = [
    LeaveReason::ScaleDown,
    LeaveReason::Dead,
    LeaveReason::Outdated,
    LeaveReason::FailedJoin,
    LeaveReason::Stray,
    LeaveReason::Corrupt,
];

/// Bits of what a member shows to the driver.
const LISTED_LEARNER: u8 = LEARNER;
const LISTED_VOTER: u8 = VOTER;
const LEADS: u8 = LEADER;
const REACHED: u8 = 8;
const BEHIND: u8 = 16;
/// It follows no leader.
const ALONE: u8 = 32;
/// An alarm says that its data is corrupt.
const ACCUSED: u8 = 128;
const SECOND: u8 = RUNS_REV;

/// What the operator sees: the object and the pods as cached, the application as it is.
pub(crate) struct View<'a, M> {
    model: &'a M,
    spec: Spec,
    accepted: Spec,
    flags: u8,
    /// A list of members is to be had.
    list: bool,
    /// An alarm about corrupt data names nobody.
    unnamed: bool,
    /// The pods that the API refused to make, by slot.
    refused: u16,
    slots: Vec<Seen>,
    /// How many members have appeared. For people.
    tags: u8,
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    pod: u8,
    record: u8,
    reason: u8,
    app: u8,
    tag: u8,
}

impl<'a, M: AppModel> View<'a, M> {
    /// Looks. `blind` is the slot of a member that cannot be reached although it works.
    pub(crate) fn of(state: &State, model: &'a M, blind: Option<usize>) -> Self {
        let list = state.can_commit();
        let slots = state.slots.iter().enumerate().map(|(index, slot)| {
            let mut app = if list { slot.list & (LEARNER | VOTER) } else { 0 };
            let named = slot.ills & (CORRUPT | UNNAMED) == CORRUPT;
            app |= if list && slot.listed() && named { ACCUSED } else { 0 };
            if model.answers(state, index) && blind != Some(index) {
                app |= REACHED;
                app |= if list { slot.list & LEADER } else { 0 };
                app |= if slot.process & CAUGHT == 0 { BEHIND } else { 0 };
                app |= slot.marks & SECOND;
                app |= if slot.is_cut() { ALONE } else { 0 };
            }
            Seen {
                pod: slot.cached_pod & !JOIN,
                record: slot.cached_record,
                reason: slot.cached_reason,
                app,
                tag: slot.tag,
            }
        });
        Self {
            model,
            spec: state.cached_spec,
            accepted: state.cached_accepted,
            flags: state.cached_flags & (ID | BOOT | ACCEPTED | ENDING),
            list,
            unnamed: list && state.has_unnamed_alarm(),
            refused: refused(state),
            slots: slots.collect(),
            tags: state.tags,
        }
    }

    /// What tells views apart.
    pub(crate) fn fingerprint(&self) -> u128 {
        let (spec, accepted) = (self.spec, self.accepted);
        let seen = u8::from(self.list) | u8::from(self.unnamed) << 1;
        let [low, high] = self.refused.to_le_bytes();
        let head = [spec.0, spec.1, accepted.0, accepted.1, self.flags, seen, low, high];
        let slots = self.slots.iter().map(|it| [it.pod, it.record, it.reason, it.app]);
        let slots = slots.map(|it| 1 << 32 | u64::from(u32::from_le_bytes(it)));
        Print::of([u64::from_le_bytes(head)].into_iter().chain(slots))
    }

    /// What the shipped planner is given.
    pub(crate) fn snapshot(&self) -> Snapshot<SpecOf<M>> {
        let now = Timestamp::from_second(1_767_225_600).expect("a valid time");
        let object =
            Identity { deleting: self.flags & ENDING != 0, ..Identity::new("ns", NAME, "uid") };
        let mut snapshot = Snapshot::new(now, object, self.model.spec(self.spec));
        snapshot.seed = SEED;
        snapshot.status.record = self.record(now);
        snapshot.pods = Some(self.pods());
        snapshot.view = self.app();
        snapshot.blocked = self.blocked(now);
        snapshot
    }

    /// A refusal of a while ago: the model has no time.
    fn blocked(&self, now: Timestamp) -> Option<Blocked> {
        let refused = |index: &usize| self.refused & 1 << index != 0;
        let not_created: Vec<_> = (0..self.slots.len()).filter(refused).map(Self::name).collect();
        let member = not_created.first()?.clone();
        let action = ActionKey { kind: ActionKind::CreatePod, member };
        let denial = Denial::Api { message: Words::of("exceeded quota") };
        let at = now - SignedDuration::from_hours(1);
        Some(Blocked::new(action, denial, at).not_created(not_created))
    }

    fn name(index: usize) -> MemberName {
        NAMES[index].clone()
    }

    fn names(&self) -> impl Iterator<Item = (MemberName, &Seen)> {
        self.slots.iter().enumerate().map(|(index, it)| (Self::name(index), it))
    }

    fn id(index: usize) -> MemberId {
        MemberId::from((index + 1).to_string())
    }

    fn uid(index: usize) -> Uid {
        format!("pod-{index}").into()
    }

    fn pods(&self) -> Vec<Pod<SpecOf<M>>> {
        let there = self.slots.iter().enumerate().filter(|(_, it)| it.pod & EXISTS != 0);
        there.map(|(index, it)| self.pod(index, it)).collect()
    }

    fn pod(&self, index: usize, seen: &Seen) -> Pod<SpecOf<M>> {
        let has = |flag| seen.pod & flag != 0;
        let crash = || Trouble::from_reason("CrashLoopBackOff", self.model.last_words());
        Pod {
            phase: if has(STARTED) { PodPhase::Running } else { PodPhase::Pending },
            trouble: has(CRASH).then(crash),
            started: has(STARTED),
            deleting: has(DELETING),
            restarts: if has(CRASH) { RESTARTS } else { 0 },
            exit: exit(seen, self.model.last_words()),
            node_lost: has(NODE_LOST),
            spec: Some(self.model.spec((self.accepted.0, u8::from(has(REV))))),
            marks: Marks {
                started: (seen.app & REACHED != 0).then(|| Self::id(index)),
                votes: seen.app & LISTED_VOTER != 0,
                owned: true,
            },
            ..Pod::new(Self::name(index), Self::uid(index), "1")
        }
    }

    fn record(&self, now: Timestamp) -> Record<SpecOf<M>> {
        let member = |(index, it): (usize, &Seen)| Self::member(index, it, now);
        let slots = || self.slots.iter().enumerate();
        let all = |flag| slots().filter(move |(_, it)| it.record & flag != 0).map(member);
        let boot = self.flags & BOOT != 0;
        let spec = self.model.spec(self.accepted);
        Record {
            names: self.slots.len() as u64,
            accepted: (self.flags & ACCEPTED != 0).then_some(Accepted { generation: 1, spec }),
            bootstrap: boot.then(|| Bootstrap { attempt: 1, members: all(FIRST).collect() }),
            cluster_id: (self.flags & ID != 0).then(|| CLUSTER.into()),
            // Tries may follow each other at once, and members are settled at once: the model has no time.
            step: slots().find_map(|(index, it)| self.step(index, it, now)),
            members: all(MEMBER).collect(),
            ..Record::default()
        }
    }

    /// Patience has run out in the model, and no pod shows its restart: a kubelet may take any time.
    fn member(index: usize, it: &Seen, now: Timestamp) -> MemberRecord {
        let old = now - SignedDuration::from_hours(1);
        let told = Restarted { at: old, restarts: RESTARTS, running_since: None };
        MemberRecord {
            id: (it.record & MEMBER != 0).then(|| Self::id(index)),
            asked: (it.record & ASKED != 0).then_some(old),
            pod: (it.record & SEEN != 0).then(|| Self::uid(index)),
            failing_since: (it.record & FAILING != 0).then_some(old),
            restarted: (it.reason & TOLD != 0).then_some(told),
            ..MemberRecord::new(Self::name(index), ROLE)
        }
    }

    fn step(&self, index: usize, it: &Seen, now: Timestamp) -> Option<Step> {
        let (name, uid) = (Self::name(index), || Self::uid(index));
        let has = |flag| it.record & flag != 0;
        if has(JOINING) {
            Some(Step::Join { member: Self::member(index, it, now) })
        } else if has(LEAVING) {
            let (pod, reason) =
                (has(LEAVING_POD).then(uid), REASONS[usize::from(it.reason & !TOLD)]);
            let (role, id) = (ROLE.into(), Some(Self::id(index)));
            Some(Step::Leave { name, role, id, pod, reason, drains: false })
        } else if it.reason & RESTARTING != 0 {
            Some(Step::Restart { name })
        } else {
            None
        }
    }

    fn app(&self) -> AppView {
        let leader = self.slots.iter().position(|it| it.app & LEADS != 0).map(Self::id);
        let accused = self.slots.iter().enumerate().filter(|(_, it)| it.app & ACCUSED != 0);
        let accused = accused.map(|(index, _)| Self::id(index));
        let accused = accused.map(Corruption::Of);
        let alarms: Vec<_> =
            accused.chain(self.unnamed.then_some(Corruption::Undetermined)).collect();
        let targets = self.names().enumerate().map(|(index, (name, it))| {
            if it.app & REACHED == 0 {
                return Target::silent(name, Reach::Unreachable);
            }
            let standing = match it.app {
                app if app & LEADS != 0 => Standing::Leader,
                app if app & LISTED_LEARNER != 0 => Standing::NonVoter,
                _ => Standing::Voter,
            };
            let alone = it.app & ALONE != 0;
            let mut status = MemberStatus::new(Self::id(index), CLUSTER, standing)
                .at(Position::at(if it.app & BEHIND != 0 { 10 } else { 100 }))
                .runs(self.model.version(u8::from(it.app & SECOND != 0)))
                .holds(1)
                .reports(if alone { vec![] } else { alarms.clone() });
            status.leader = leader.clone().filter(|_| !alone);
            Target::answered(name, status)
        });
        AppView::new(targets.collect(), self.list.then(|| self.membership()))
    }

    fn membership(&self) -> Membership {
        let listed = |it: &Seen| it.app & (LISTED_LEARNER | LISTED_VOTER) != 0;
        let entries = self.names().enumerate().filter(|(_, (_, it))| listed(it));
        let entries = entries.map(|(index, (name, it))| Entry {
            votes: it.app & LISTED_LEARNER == 0,
            ..Entry::voter(Self::id(index), name)
        });
        let voters = self.slots.iter().filter(|it| it.app & LISTED_VOTER != 0);
        let agreed = voters.filter(|it| it.app & (REACHED | ALONE) == REACHED).count();
        Membership::new(CLUSTER, entries).agreed(agreed)
    }

    /// The plan in slots.
    pub(crate) fn compact(&self, plan: &Plan<SpecOf<M>>) -> Compact {
        let before = self.record(Timestamp::UNIX_EPOCH);
        let (old, new) = (self.written(&before), self.written(&plan.status.record));
        // A plan that acts also counts up the epoch, so it is written even if nothing else changes.
        let write = old != new || !plan.actions.is_empty();
        let acts = plan.actions.iter().filter_map(|it| self.act(it));
        Compact { acts: acts.collect(), write: write.then_some(new) }
    }

    fn written(&self, record: &Record<SpecOf<M>>) -> Written {
        let mut slots = vec![(0, 0); self.slots.len()];
        let mut set = |name: &MemberName, bits: u8, reason: u8| {
            let slot = usize::from(self.slot(name)) - 1;
            if slots.len() <= slot {
                slots.resize(slot + 1, (0, 0));
            }
            slots[slot].0 |= bits;
            slots[slot].1 |= reason;
        };
        let bit = |on: bool, bit: u8| if on { bit } else { 0 };
        let member = |it: &MemberRecord| {
            bit(it.pod.is_some(), SEEN)
                | bit(it.asked.is_some(), ASKED)
                | bit(it.failing_since.is_some(), FAILING)
        };
        let told = |it: &MemberRecord| bit(it.restarted.is_some(), TOLD);
        for it in record.bootstrap.iter().flat_map(|it| &it.members) {
            set(&it.name, FIRST | member(it), told(it));
        }
        for it in &record.members {
            set(&it.name, MEMBER | member(it), told(it));
        }
        match &record.step {
            None => {}
            Some(Step::Restart { name }) => set(name, 0, RESTARTING),
            Some(Step::Join { member: it }) => set(&it.name, JOINING | member(it), told(it)),
            Some(Step::Leave { name, pod, reason, .. }) => {
                let number = REASONS.iter().position(|it| it == reason).expect("all are there");
                let pod = if pod.is_some() { LEAVING_POD } else { 0 };
                set(name, LEAVING | pod, u8::try_from(number).expect("few"));
            }
            Some(Step::App { .. } | Step::Recover { .. }) => {
                unreachable!("the model has no steps of an application's own, and nobody consents")
            }
        }
        Written {
            accepted: record.accepted.as_ref().map(|it| self.model.number(&it.spec)),
            boot: record.bootstrap.is_some(),
            id: record.cluster_id.is_some(),
            slots,
        }
    }

    /// The number of a name in this plan, from 1. New names follow those that are there.
    fn slot(&self, name: &str) -> u8 {
        let index = NAMES.iter().position(|it| **it == *name);
        let index = index.expect("the planner takes names in their order");
        u8::try_from(index + 1).expect("few slots")
    }

    fn act(&self, action: &Action) -> Option<Act> {
        let slot = self.slot(action.member());
        Some(match action {
            Action::CreatePod { start, .. } => Act::Create {
                slot,
                join: matches!(start, Start::Existing { .. }),
                members: start.members().iter().fold(0, |all, it| all | bit(self.slot(&it.name))),
            },
            Action::UpdatePod { .. } | Action::MarkPod { .. } => return None,
            Action::RestartPod { .. } => Act::Restart(slot),
            Action::DeletePod { .. } => Act::Delete(slot),
            Action::DeleteClaim { .. } => unreachable!("the model has no claims"),
            Action::Call(call) => match call.request {
                Request::Join { .. } => Act::Add(slot),
                Request::Promote { .. } => Act::Promote(slot),
                Request::Transfer { .. } => Act::MoveLead(slot),
                Request::Leave { .. } => Act::Remove(slot),
                Request::Drain { .. } | Request::App(_) | Request::Cancel { .. } => {
                    unreachable!("the model has no tasks")
                }
            },
        })
    }

    /// The names of members in a text, as scripts call them: new ones are numbered on.
    pub(crate) fn readable(&self, text: &str) -> String {
        let mut text = text.to_owned();
        let new = NAMES.iter().skip(self.slots.len()).cloned().zip(self.tags..).take(SLOTS);
        let names = self.names().map(|(name, it)| (name, it.tag)).chain(new);
        for (name, tag) in names {
            text = text.replace(name.as_str(), &format!("m{tag}"));
        }
        text
    }
}

/// How a container ended that does not answer: in the way of the launcher, or with what the application's users made
/// it say. The exit code or the first line may be the launcher's by chance, never both.
fn exit(seen: &Seen, words: &str) -> Option<Exit> {
    let lost = Evidence::DataLost;
    let (code, message) = match seen.pod {
        _ if seen.app & REACHED != 0 => return None,
        pod if pod & LOST != 0 => (lost.exit_code().into(), lost.message("it is empty")),
        pod if pod & CRASH != 0 => (lost.exit_code().into(), words.to_owned()),
        pod if pod & STARTED != 0 => (137, lost.message(words)),
        _ => return None,
    };
    Some(Exit::of(code, None, &message))
}

/// The slots whose pods the API refused to make.
fn refused(state: &State) -> u16 {
    let slots = state.slots.iter().enumerate();
    let refused = slots.filter(|(_, it)| it.ills & REFUSED != 0);
    refused.fold(0, |all, (index, _)| all | 1 << index)
}
