//! The members of a state.

use super::slot::Slot;

/// How many slots a state can hold.
pub(crate) const SLOTS: usize = 12;

/// The slots of a state: a list without a heap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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
    #[inline]
    fn deref(&self) -> &[Slot] {
        &self.all[..usize::from(self.len)]
    }
}

impl std::ops::DerefMut for Slots {
    #[inline]
    fn deref_mut(&mut self) -> &mut [Slot] {
        &mut self.all[..usize::from(self.len)]
    }
}
