//! The state of the world, small enough that millions of them can be told apart.
//!
//! A member is a [`Slot`]: everything about one name, as bits. Slots have no identity of their own:
//! [`State::normalize`] sorts them, so that worlds which differ only in the names of their members
//! are one state (the tag, which scripts print, does not count). Whatever can no longer matter is
//! cleared, for the same reason.

pub(crate) mod calls;
mod faults;
pub(crate) mod moves;
pub(crate) mod observe;
pub(crate) mod script;

use endstate_check::{Move as _, Next, Print};
use endstate_core::quorum;

use crate::{
    plans::{Planner, Plans},
    property::Property,
    scenario::{Budgets, Scenario},
};
use moves::Moves;
use observe::View;
use script::Move;

/// A step that breaks a property.
pub(crate) type Broken = endstate_check::Broken<World>;

/// A scenario, and what the planner says in it.
pub(crate) struct World {
    scenario: Scenario,
    pub(crate) plans: Plans,
}

impl World {
    pub(crate) fn new(scenario: &Scenario, planner: Planner) -> Self {
        Self { scenario: scenario.clone(), plans: Plans::new(planner) }
    }
}

impl endstate_check::World for World {
    type State = State;
    type Move = Move;
    type Property = Property;

    fn first(&self) -> State {
        self.scenario.first_state()
    }

    fn explore(&mut self, state: &State, next: &mut Next<Self>) -> Result<(), Broken> {
        Moves { scenario: &self.scenario, plans: &mut self.plans, next }.explore(state)
    }

    /// The operator, looking with fresh eyes, does nothing either.
    fn is_at_rest(&self, state: &State, next: &Next<Self>) -> bool {
        let looks = |step: &Move| matches!(step, Move::Observe { .. }) && !step.is_fault();
        state.is_at_rest() && !next.iter().any(|(step, after)| looks(step) && after.plan != 0)
    }

    fn remark(&mut self, before: &State, step: &Move) -> Vec<String> {
        let Move::Observe { old_object, old_pods, blind } = *step else { return vec![] };
        let blind = before.slots.iter().position(|it| Some(it.tag) == blind);
        let seen = before.seen(old_object, old_pods);
        self.plans.explain(&View::of(&seen, self.scenario.respec, blind))
    }

    fn explain(&mut self, state: &State) -> Vec<String> {
        let view = View::of(&state.seen(false, false), self.scenario.respec, None);
        self.plans.explain(&view).into_iter().map(|it| format!("operator: {it}")).collect()
    }
}

/// The bits of slots and states.
pub(crate) mod flags {
    // Slot::pod and Slot::cached_pod: what the API shows.
    pub(crate) const EXISTS: u8 = 1;
    pub(crate) const DELETING: u8 = 2;
    pub(crate) const STARTED: u8 = 4;
    pub(crate) const CRASH: u8 = 8;
    pub(crate) const LOST: u8 = 16;
    pub(crate) const NODE_LOST: u8 = 32;
    /// Made from the second member spec.
    pub(crate) const REV: u8 = 64;
    /// Told to join (`existing`), not to start (`new`).
    pub(crate) const JOIN: u8 = 128;

    // Slot::process: what runs and what is on its disk.
    pub(crate) const RUN: u8 = 1;
    /// Connected for less than five seconds.
    pub(crate) const FRESH: u8 = 2;
    pub(crate) const DATA: u8 = 4;
    /// The launcher's marker: this pod has started etcd once.
    pub(crate) const MARK: u8 = 8;
    pub(crate) const CAUGHT: u8 = 16;
    /// This name has run together with another member, so others may count on what it said.
    pub(crate) const USED: u8 = 32;
    /// The list changed between the pod's creation and its first start.
    pub(crate) const OLD_LIST: u8 = 64;
    /// To be stopped or stopped by the operator, and not back yet.
    pub(crate) const VOLUNTARY: u8 = 128;

    // Slot::etcd: what the cluster knows.
    pub(crate) const LEARNER: u8 = 1;
    pub(crate) const VOTER: u8 = 2;
    pub(crate) const LEADER: u8 = 4;
    /// One of the first members of the start under way.
    pub(crate) const INITIAL: u8 = 8;
    /// Of a start that was abandoned.
    pub(crate) const ABANDONED: u8 = 16;
    /// The pod changed since the operator last saw it.
    pub(crate) const POD_CHANGED: u8 = 32;
    /// The process was started from the second member spec.
    pub(crate) const RUNS_REV: u8 = 64;

    // Slot::record and Slot::cached_record: what the status says.
    pub(crate) const FIRST: u8 = 1;
    pub(crate) const MEMBER: u8 = 2;
    pub(crate) const SEEN: u8 = 4;
    pub(crate) const FAILING: u8 = 8;
    pub(crate) const JOINING: u8 = 16;
    pub(crate) const LEAVING: u8 = 32;
    /// The leaving step names the pod.
    pub(crate) const LEAVING_POD: u8 = 64;
    /// Its pod was asked for.
    pub(crate) const ASKED: u8 = 128;

    // Slot::reason and Slot::cached_reason, beside the number of the reason to leave.
    /// The step under way is its restart.
    pub(crate) const RESTARTING: u8 = 16;
    /// It was told to restart in place, and did not say yet that it has.
    pub(crate) const TOLD: u8 = 32;

    // Slot::ills.
    /// Its peers and it do not reach each other; the operator reaches it.
    pub(crate) const CUT: u8 = 1;
    /// Its data is corrupt, and an alarm says so.
    pub(crate) const CORRUPT: u8 = 2;
    /// The alarm does not say whose.
    pub(crate) const UNNAMED: u8 = 4;
    /// The operator was told that its pod was not made.
    pub(crate) const REFUSED: u8 = 8;
    /// Its process crashes at each start, for a reason that has nothing to do with its data.
    pub(crate) const BROKEN: u8 = 16;

    // Slot::late: a call was given up and may still arrive.
    pub(crate) const LATE: u8 = 1;
    /// The pod is still as it was when the call was decided.
    pub(crate) const LATE_POD: u8 = 2;
    /// The list is not what the pod will be told.
    pub(crate) const LATE_LIST: u8 = 4;

    // State::flags and State::cached_flags.
    pub(crate) const FORMED: u8 = 1;
    /// The identity is recorded.
    pub(crate) const ID: u8 = 2;
    /// A start is recorded.
    pub(crate) const BOOT: u8 = 4;
    /// A spec was accepted.
    pub(crate) const ACCEPTED: u8 = 8;
    /// The object is being deleted.
    pub(crate) const ENDING: u8 = 16;
    /// The object does not exist any more.
    pub(crate) const GONE: u8 = 32;
    /// The object changed since the operator last saw it.
    pub(crate) const OBJECT_CHANGED: u8 = 64;
}
use flags::*;

/// Everything about one member name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Slot {
    pub(crate) pod: u8,
    pub(crate) process: u8,
    pub(crate) etcd: u8,
    pub(crate) record: u8,
    /// Why it leaves, as a number.
    pub(crate) reason: u8,
    pub(crate) cached_pod: u8,
    pub(crate) cached_record: u8,
    pub(crate) cached_reason: u8,
    /// What is wrong with its network and its data.
    pub(crate) ills: u8,
    /// What a late call that is about it depends on.
    pub(crate) late: u8,
    /// Which slot of the plan under way this is, from 1; 0 for none.
    pub(crate) plan: u8,
    /// For people: members in order of appearance.
    pub(crate) tag: u8,
}

impl Slot {
    pub(crate) fn exists(&self) -> bool {
        self.pod & EXISTS != 0
    }

    pub(crate) fn runs(&self) -> bool {
        self.process & RUN != 0
    }

    /// Its peers and it do not reach each other.
    pub(crate) fn is_cut(&self) -> bool {
        self.ills & CUT != 0
    }

    pub(crate) fn is_corrupt(&self) -> bool {
        self.ills & CORRUPT != 0
    }

    /// It runs, together with its peers.
    pub(crate) fn works(&self) -> bool {
        self.runs() && !self.is_cut()
    }

    /// It works, and nobody has asked for its end.
    pub(crate) fn stays(&self) -> bool {
        self.works() && self.process & VOLUNTARY == 0
    }

    pub(crate) fn votes(&self) -> bool {
        self.etcd & VOTER != 0
    }

    pub(crate) fn learns(&self) -> bool {
        self.etcd & LEARNER != 0
    }

    pub(crate) fn listed(&self) -> bool {
        self.etcd & (VOTER | LEARNER) != 0
    }

    pub(crate) fn leads(&self) -> bool {
        self.etcd & LEADER != 0
    }

    /// Whether its data can still come back by itself.
    pub(crate) fn viable(&self) -> bool {
        self.exists() && self.pod & (DELETING | NODE_LOST) == 0 && self.process & DATA != 0
    }

    pub(crate) fn set_pod(&mut self, pod: u8) {
        if self.pod != pod {
            self.pod = pod;
            self.touch_pod();
        }
    }

    /// The pod has another resourceVersion.
    pub(crate) fn touch_pod(&mut self) {
        self.etcd |= POD_CHANGED;
        self.late &= !LATE_POD;
    }

    /// The pod's end: its processes and its disk are gone.
    pub(crate) fn end_pod(&mut self) {
        self.set_pod(0);
        self.stop();
        self.process &= USED;
        self.ills = 0;
    }

    pub(crate) fn stop(&mut self) {
        self.process &= !(RUN | FRESH);
        self.etcd &= !LEADER;
    }

    /// Whether nothing speaks of this name any more.
    fn is_forgotten(&self) -> bool {
        self.pod | self.cached_pod | self.record | self.cached_record | self.plan | self.late == 0
            && self.etcd & (VOTER | LEARNER | INITIAL) == 0
    }
}

/// How many slots a state can hold.
pub(crate) const SLOTS: usize = 12;

/// The slots of a state: a list without a heap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Slots {
    len: u8,
    all: [Slot; SLOTS],
}

impl Slots {
    pub(crate) fn push(&mut self, slot: Slot) {
        assert!(
            usize::from(self.len) < SLOTS,
            "a scenario needs more than {SLOTS} members at once"
        );
        self.all[usize::from(self.len)] = slot;
        self.len += 1;
    }

    fn retain(&mut self, keep: impl Fn(&Slot) -> bool) {
        let mut kept = Self::default();
        for slot in self.iter().filter(|it| keep(it)) {
            kept.push(*slot);
        }
        *self = kept;
    }
}

impl std::ops::Deref for Slots {
    type Target = [Slot];
    fn deref(&self) -> &[Slot] {
        &self.all[..usize::from(self.len)]
    }
}

impl std::ops::DerefMut for Slots {
    fn deref_mut(&mut self) -> &mut [Slot] {
        &mut self.all[..usize::from(self.len)]
    }
}

/// A call of the operator that went astray.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Late {
    pub(crate) act: Verb,
    pub(crate) rev: u8,
    /// A fault happened since it was decided.
    pub(crate) fault_since: bool,
}

/// What a call does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    CreateNew,
    CreateExisting,
    Restart,
    Delete,
    Add,
    Promote,
    MoveLead,
    Remove,
}

/// A size and a member spec (0 or 1).
pub(crate) type Spec = (u8, u8);

/// The world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) slots: Slots,
    pub(crate) spec: Spec,
    pub(crate) accepted: Spec,
    pub(crate) flags: u8,
    pub(crate) cached_spec: Spec,
    pub(crate) cached_accepted: Spec,
    pub(crate) cached_flags: u8,
    /// The plan under way (0: none) and its next call.
    pub(crate) plan: u32,
    pub(crate) call: u8,
    /// The call that was given up and may still arrive.
    pub(crate) late: Option<Late>,
    /// The object is still as it was when the plan was made.
    pub(crate) object_as_seen: bool,
    /// The list of members is still as it was when the plan was made. The driver lists again right
    /// before it changes the list.
    pub(crate) list_as_seen: bool,
    /// A fault happened since the plan was made.
    pub(crate) fault_since: bool,
    pub(crate) left: Budgets,
    /// How many members have appeared. For people.
    pub(crate) tags: u8,
}

impl State {
    pub(crate) fn new(size: u8, left: Budgets) -> Self {
        Self {
            slots: Slots::default(),
            spec: (size, 0),
            accepted: (0, 0),
            flags: 0,
            cached_spec: (size, 0),
            cached_accepted: (0, 0),
            cached_flags: 0,
            plan: 0,
            call: 0,
            late: None,
            object_as_seen: true,
            list_as_seen: true,
            fault_since: false,
            left,
            tags: 0,
        }
    }

    pub(crate) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    pub(crate) fn voters(&self) -> impl Iterator<Item = &Slot> {
        self.slots.iter().filter(|it| it.votes())
    }

    pub(crate) fn quorum(&self) -> usize {
        quorum(self.voters().count())
    }

    /// Whether the cluster can commit.
    pub(crate) fn has_quorum(&self) -> bool {
        self.has(FORMED) && self.voters().filter(|it| it.works()).count() >= self.quorum()
    }

    /// Whether it still can once everything the operator asked for has happened.
    pub(crate) fn keeps_quorum(&self) -> bool {
        self.has(FORMED) && self.voters().filter(|it| it.stays()).count() >= self.quorum()
    }

    pub(crate) fn leader(&self) -> Option<usize> {
        self.slots.iter().position(|it| it.leads() && it.works())
    }

    /// Whether so much data is gone that no quorum can come back by itself.
    pub(crate) fn is_lost(&self) -> bool {
        self.has(FORMED) && self.voters().filter(|it| it.viable()).count() < self.quorum()
    }

    /// Whether the record names exactly the voters.
    pub(crate) fn is_recorded(&self) -> bool {
        let same = |it: &Slot| it.votes() == (it.cached_record & MEMBER != 0);
        self.slots.iter().all(same)
    }

    /// Whether those voters whose data is there and good are a majority.
    pub(crate) fn has_good_majority(&self) -> bool {
        let good = self.voters().filter(|it| it.viable() && !it.is_corrupt()).count();
        self.has(FORMED) && good >= self.quorum()
    }

    /// Whether nobody can say any more what is good.
    pub(crate) fn is_in_doubt(&self) -> bool {
        self.voters().any(Slot::is_corrupt) && !self.has_good_majority() || self.has_unnamed_alarm()
    }

    /// Whether an alarm about corrupt data names nobody.
    pub(crate) fn has_unnamed_alarm(&self) -> bool {
        self.slots.iter().any(|it| it.listed() && it.ills & UNNAMED != 0)
    }

    /// The operator's view of the pods is the present one.
    pub(crate) fn sync_pods(&mut self) {
        for slot in self.slots.iter_mut() {
            slot.cached_pod = slot.pod;
            slot.etcd &= !POD_CHANGED;
        }
    }

    /// The operator's view of the object is the present one.
    pub(crate) fn sync_object(&mut self) {
        for slot in self.slots.iter_mut() {
            (slot.cached_record, slot.cached_reason) = (slot.record, slot.reason);
        }
        self.flags &= !OBJECT_CHANGED;
        (self.cached_spec, self.cached_accepted) = (self.spec, self.accepted);
        self.cached_flags = self.flags;
    }

    pub(crate) fn sync_all(&mut self) {
        self.sync_pods();
        self.sync_object();
    }

    /// The world once the operator has looked: with fresh eyes where nothing is old.
    pub(crate) fn seen(mut self, old_object: bool, old_pods: bool) -> Self {
        if !old_object {
            self.sync_object();
        }
        if !old_pods {
            self.sync_pods();
        }
        self
    }

    pub(crate) fn object_changed(&mut self) {
        self.flags |= OBJECT_CHANGED;
        self.object_as_seen = false;
    }

    /// The operator does not know any more which pods were refused.
    pub(crate) fn forget_refusals(&mut self) {
        for slot in self.slots.iter_mut() {
            slot.ills &= !REFUSED;
        }
    }

    pub(crate) fn idle(&mut self) {
        (self.plan, self.call) = (0, 0);
        (self.object_as_seen, self.list_as_seen, self.fault_since) = (true, true, false);
        for slot in self.slots.iter_mut() {
            slot.plan = 0;
        }
    }

    /// Clears what cannot matter any more and sorts the slots. `guarded` says whether the rest of
    /// the plan touches the pod of a plan's slot, `named` whether it names the slot at all.
    pub(crate) fn normalize(&mut self, rest: &crate::plans::Rest, seed: u64) {
        for slot in self.slots.iter_mut() {
            if !rest.names(slot.plan) {
                slot.plan = 0;
            }
        }
        if self.left.stale == 0 {
            for slot in self.slots.iter_mut() {
                slot.cached_pod = 0;
                (slot.cached_record, slot.cached_reason) = (0, 0);
                if !rest.guards(slot.plan) {
                    slot.etcd &= !POD_CHANGED;
                }
            }
            self.flags &= !OBJECT_CHANGED;
            (self.cached_spec, self.cached_accepted) = (self.spec, self.accepted);
            self.cached_flags = self.flags;
        }
        if self.slots.iter().any(Slot::is_forgotten) {
            self.slots.retain(|it| !it.is_forgotten());
        }
        // Any total order will do; the seed picks one, and with it how ties among equals fall.
        let mask = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).swap_bytes();
        self.slots.sort_unstable_by_key(|it| {
            (u64::from_be_bytes(it.bytes()) ^ mask, it.late, it.plan, it.ills)
        });
    }

    /// Tags do not count.
    fn print(&self) -> u128 {
        let mut print = Print::default();
        for slot in self.slots.iter() {
            print.add(u64::from_le_bytes(slot.bytes()));
            let rest = u64::from(slot.late) << 8 | u64::from(slot.ills) << 16;
            print.add(u64::from(slot.plan) | rest);
        }
        let pairs = [self.spec, self.accepted, self.cached_spec, self.cached_accepted];
        for (a, b) in pairs {
            print.add(u64::from(a) << 8 | u64::from(b));
        }
        let bools = u64::from(self.object_as_seen)
            | u64::from(self.fault_since) << 1
            | u64::from(self.list_as_seen) << 2;
        print.add(u64::from(self.flags) | u64::from(self.cached_flags) << 8 | bools << 16);
        print.add(u64::from(self.plan) | u64::from(self.call) << 32);
        let left = self.left;
        let budgets = [
            left.abort, left.stale, left.blind, left.kill, left.wipe, left.evict, left.node,
            left.edit,
        ];
        print.add(u64::from_le_bytes(budgets));
        let late = self.late.map_or(0, |it| {
            1 + it.act as u64 + 16 * u64::from(it.rev) + 32 * u64::from(it.fault_since)
        });
        let others = u64::from(left.cut) << 16 | u64::from(left.corrupt) << 24;
        let others = others | u64::from(left.crash) << 40;
        let others = others | u64::from(left.refuse) << 48 | u64::from(left.unnamed) << 56;
        print.add(u64::from(left.delete) | u64::from(left.late) << 8 | others | late << 32);
        print.finish()
    }
}

impl endstate_check::State for State {
    fn fingerprint(&self) -> u128 {
        self.print()
    }
}

impl Slot {
    fn bytes(&self) -> [u8; 8] {
        [
            self.pod,
            self.process,
            self.etcd,
            self.record,
            self.reason,
            self.cached_pod,
            self.cached_record,
            self.cached_reason,
        ]
    }
}
