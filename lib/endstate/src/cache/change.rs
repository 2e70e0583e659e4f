//! What subscribers of a cache see.

use std::sync::Arc;

use crate::{Object, ObjectKey};

/// The reconciler and key whose write made a change: it is not woken by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    pub(crate) controller: Arc<str>,
    pub(crate) key: ObjectKey,
}

/// A change of one object, as subscribers see it.
#[derive(Debug)]
pub struct Change<K> {
    /// The state before; `None` for a creation.
    pub old: Option<Arc<K>>,
    /// The state after; `None` for a deletion.
    pub new: Option<Arc<K>>,
    /// The origin of the write, if it went through a [`Context`](crate::Context) of this process.
    pub origin: Option<Origin>,
    /// The object existed when the watch began: no change is known.
    pub initial: bool,
}

impl<K: Object> Change<K> {
    /// The states before and after.
    pub fn states(&self) -> impl Iterator<Item = &Arc<K>> {
        self.old.iter().chain(&self.new)
    }

    /// Whether what is *wanted* changed: a creation, a removal, a deletion mark or a new generation.
    pub fn is_users(&self) -> bool {
        let (Some(old), Some(new)) = (&self.old, &self.new) else { return !self.initial };
        let (old, new) = (old.meta(), new.meta());
        old.uid != new.uid
            || old.generation != new.generation
            || old.deletion_timestamp.is_some() != new.deletion_timestamp.is_some()
    }
}
