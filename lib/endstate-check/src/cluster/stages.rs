//! How far a change in stages is.

/// What the record says of a change in stages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Stages {
    pub(crate) stage: u8,
    pub(crate) proven: u8,
}

impl Stages {
    pub(crate) fn word(self) -> u64 {
        u64::from(self.stage) | u64::from(self.proven) << 2
    }
}
