//! Since when nothing was done to a cluster.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// What who breaks a cluster tells those who judge it.
#[derive(Clone, Default)]
pub struct Calm(Arc<Mutex<Option<Instant>>>);

impl Calm {
    /// Something is done to it.
    pub fn ends(&self) {
        self.set(None);
    }

    /// All that was done to it has healed.
    pub fn begins(&self) {
        self.set(Some(Instant::now()));
    }

    /// Since when it is left alone, if it is.
    pub fn since(&self) -> Option<Instant> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, since: Option<Instant>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = since;
    }
}
