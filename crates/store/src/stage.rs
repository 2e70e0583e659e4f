//! Guards: from writes to the change they would make, on top of what is staged already.
//!
//! One batch holds the commits that become durable together. Each is checked against the newest state *including*
//! the batch's earlier commits, so that a batch means exactly what its commits would mean one after another.

use std::collections::HashMap;
use std::sync::Arc;

use crate::versions::{Change, Versions};
use crate::{Commit, Error, Event, Key, Object, Revision, Write};

type Pending = HashMap<Key, Option<Arc<Object>>>;

/// Commits that are checked and numbered, but not applied.
pub(crate) struct Batch<'a> {
    base: &'a Versions,
    pending: Pending,
    revision: Revision,
    changes: Vec<Arc<Change>>,
}

impl<'a> Batch<'a> {
    pub(crate) fn new(base: &'a Versions) -> Self {
        let revision = base.revision();
        Batch { base, pending: Pending::new(), revision, changes: Vec::new() }
    }

    /// Adds a commit, or nothing at all if one of its guards fails.
    pub(crate) fn stage(&mut self, writes: Vec<Write>) -> Result<Commit, Error> {
        if writes.is_empty() {
            return Ok(Commit { revision: self.revision, objects: Vec::new() });
        }
        let revision = Revision(self.revision.0 + 1);
        let mut own = Pending::with_capacity(writes.len());
        let mut events = Vec::with_capacity(writes.len());
        for write in writes {
            let previous = own.get(write.key()).cloned();
            let previous = previous.unwrap_or_else(|| self.get(write.key()));
            guard(&write, previous.as_ref())?;
            let (key, object) = match write {
                Write::Create { key, draft } | Write::Update { key, draft, .. } => {
                    (key.clone(), Some(Arc::new(Object::new(key, revision, draft))))
                }
                Write::Delete { key, .. } => (key, None),
            };
            own.insert(key, object.clone());
            events.push(Arc::new(Event { revision, object, previous }));
        }
        self.pending.extend(own);
        self.revision = revision;
        let objects = events.iter().map(|event| event.subject().clone()).collect();
        self.changes.push(Arc::new(Change { revision, events }));
        Ok(Commit { revision, objects })
    }

    pub(crate) fn into_changes(self) -> Vec<Arc<Change>> {
        self.changes
    }

    fn get(&self, key: &Key) -> Option<Arc<Object>> {
        match self.pending.get(key) {
            Some(object) => object.clone(),
            None => self.base.get(key).cloned(),
        }
    }
}

fn guard(write: &Write, current: Option<&Arc<Object>>) -> Result<(), Error> {
    let (key, expected) = match (write, current) {
        (Write::Create { .. }, None) => return Ok(()),
        (Write::Create { key, .. }, Some(_)) => return Err(Error::Exists(key.clone())),
        (Write::Update { key, expected, .. } | Write::Delete { key, expected }, _) => {
            (key, *expected)
        }
    };
    let Some(current) = current else { return Err(Error::NotFound(key.clone())) };
    match current.revision() {
        current if current == expected => Ok(()),
        current => Err(Error::Conflict { key: key.clone(), expected, current }),
    }
}
