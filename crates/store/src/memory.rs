//! The engine without a disk, for tests: the same reads, watches and guards, and nothing survives the process.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use crate::resident::{Limits, Resident};
use crate::stage::Batch;
use crate::versions::Versions;
use crate::{Commit, Error, Key, ListOptions, Object, Page, Prefix, Revision, Store, Watch, Write};

/// A store in memory.
#[derive(Debug)]
pub struct MemoryStore {
    resident: Arc<Resident>,
    /// Held by the one commit that is being made.
    writer: Mutex<()>,
}

impl MemoryStore {
    pub fn new() -> Self {
        Self::with_limits(Limits::default())
    }

    pub fn with_limits(limits: Limits) -> Self {
        let versions = Versions::new(Revision::FIRST, [], limits.history);
        let resident = Arc::new(Resident::new(versions, limits.backlog));
        Self { resident, writer: Mutex::new(()) }
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

/// Watches end with their store, as they do in every engine.
impl Drop for MemoryStore {
    fn drop(&mut self) {
        self.resident.watchers().end(&Error::Stopped("it was closed".to_owned()));
    }
}

#[async_trait]
impl Store for MemoryStore {
    fn revision(&self) -> Revision {
        self.resident.versions().revision()
    }

    async fn get(&self, key: &Key) -> Result<Option<Arc<Object>>, Error> {
        Ok(self.resident.get(key))
    }

    async fn list(&self, prefix: &Prefix, options: ListOptions) -> Result<Page, Error> {
        self.resident.list(prefix, &options)
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<Commit, Error> {
        let _writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let (commit, changes) = {
            let versions = self.resident.versions();
            let mut batch = Batch::new(&versions);
            (batch.stage(writes)?, batch.into_changes())
        };
        self.resident.apply(&changes);
        self.resident.watchers().dispatch(&changes);
        Ok(commit)
    }

    async fn watch(&self, prefix: &Prefix, after: Revision) -> Result<Watch, Error> {
        self.resident.watch(prefix, after)
    }

    async fn compact(&self, revision: Revision) -> Result<(), Error> {
        self.resident.compact(revision)
    }
}
