//! The restart back-off: 10 s doubling to 5 min, forgotten after 10 min without a restart.

use jiff::{SignedDuration, Timestamp};

const FIRST: SignedDuration = SignedDuration::from_secs(10);
const MAX: SignedDuration = SignedDuration::from_secs(300);
const FORGET_AFTER: SignedDuration = SignedDuration::from_secs(600);

/// The delay that the next restart must wait for, counted from the container's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BackOff {
    pub(crate) delay: SignedDuration,
    pub(crate) set_at: Timestamp,
}

impl BackOff {
    /// The back-off after a restart at `now`, given the one before.
    pub(super) fn after(previous: Option<Self>, now: Timestamp) -> Self {
        let delay = match previous {
            Some(it) if now.duration_since(it.set_at) <= FORGET_AFTER => (it.delay * 2).min(MAX),
            _ => FIRST,
        };
        Self { delay, set_at: now }
    }

    /// When a container that ended at `finished_at` may start again. The first restart is immediate.
    pub(super) fn due(backoff: Option<Self>, finished_at: Timestamp) -> Timestamp {
        match backoff {
            Some(it) if finished_at.duration_since(it.set_at) <= FORGET_AFTER => {
                finished_at + it.delay
            }
            _ => finished_at,
        }
    }
}
