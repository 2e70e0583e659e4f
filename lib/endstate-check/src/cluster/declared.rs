//! What a spec asks for, as small as the world needs it.

/// How many roles a topology may have here.
pub const ROLES: usize = 2;

/// What a spec asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Declared {
    /// How many members each role has, in the order of the topology.
    pub sizes: [u8; ROLES],
    /// Which of two specs a member has, 0 or 1; of three, where what is declared is gone to in stages.
    pub rev: u8,
}

impl Declared {
    /// Whether no member is to run.
    pub(crate) fn hibernates(self) -> bool {
        self.sizes == [0; ROLES]
    }

    pub(crate) fn word(self) -> u64 {
        let [first, second] = self.sizes;
        u64::from(first) << 16 | u64::from(second) << 8 | u64::from(self.rev)
    }
}
