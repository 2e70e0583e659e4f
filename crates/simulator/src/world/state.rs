//! The whole world at one moment.

use endstate_check::Print;
use endstate_core::quorum;

use super::{
    flags::*,
    slot::{Slot, Slots},
};
use crate::{model::Change, scenario::Budgets};

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

impl Verb {
    /// What it asks of the application; the other calls go to the API.
    pub(crate) fn change(self) -> Option<Change> {
        match self {
            Self::Add => Some(Change::Add),
            Self::Promote => Some(Change::Promote),
            Self::MoveLead => Some(Change::MoveLead),
            Self::Remove => Some(Change::Remove),
            Self::CreateNew | Self::CreateExisting | Self::Restart | Self::Delete => None,
        }
    }
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

    /// Whether it does.
    pub(crate) fn can_commit(&self) -> bool {
        self.has_quorum() && self.leader().is_some()
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
            slot.marks &= !POD_CHANGED;
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
                    slot.marks &= !POD_CHANGED;
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

    /// Whether the world is as declared, or as near as it can come without a decision of the user.
    pub(crate) fn is_at_rest(&self) -> bool {
        if self.has(GONE) {
            return !self.slots.iter().any(Slot::exists);
        }
        if self.plan != 0 || self.has(ENDING) {
            return false;
        }
        if self.has(ID) && (self.is_lost() || self.is_in_doubt()) {
            return true;
        }
        let wanted = usize::from(self.spec.0);
        let rev = if self.spec.1 == 1 { REV } else { 0 };
        let fine = |it: &Slot| {
            let pod = it.pod & (EXISTS | DELETING | CRASH | NODE_LOST | REV) == EXISTS | rev;
            it.votes()
                && it.runs()
                && pod
                && it.record & !FAILING == MEMBER | SEEN
                && it.reason == 0
                && !it.is_corrupt()
        };
        self.has(ID)
            && self.accepted == self.spec
            && self.slots.iter().filter(|it| it.exists() || it.listed() || it.record != 0).all(fine)
            && self.voters().count() == wanted
    }
}

impl endstate_check::State for State {
    /// Tags do not count.
    fn fingerprint(&self) -> u128 {
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
