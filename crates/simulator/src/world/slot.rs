//! Everything about one member, as bits.

use super::flags::*;

/// Everything about one member name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Slot {
    pub(crate) pod: u8,
    pub(crate) process: u8,
    pub(crate) list: u8,
    pub(crate) marks: u8,
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
        self.list & VOTER != 0
    }

    pub(crate) fn learns(&self) -> bool {
        self.list & LEARNER != 0
    }

    pub(crate) fn listed(&self) -> bool {
        self.list & (VOTER | LEARNER) != 0
    }

    pub(crate) fn leads(&self) -> bool {
        self.list & LEADER != 0
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
        self.marks |= POD_CHANGED;
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
        self.list &= !LEADER;
    }

    /// Whether nothing speaks of this name any more.
    pub(crate) fn is_forgotten(&self) -> bool {
        self.pod | self.cached_pod | self.record | self.cached_record | self.plan | self.late == 0
            && self.list & (VOTER | LEARNER | INITIAL) == 0
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

    pub(crate) fn retain(&mut self, keep: impl Fn(&Slot) -> bool) {
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

impl Slot {
    /// What tells slots apart, but for what few of them have.
    pub(crate) fn bytes(&self) -> [u8; 8] {
        [
            self.pod,
            self.process,
            self.list | self.marks,
            self.record,
            self.reason,
            self.cached_pod,
            self.cached_record,
            self.cached_reason,
        ]
    }
}
