//! Revisioned, watchable, durable objects.
//!
//! A store holds encoded objects under [`Key`]s. Every commit gets one global, strictly increasing
//! [`Revision`], which *is* the `resourceVersion` of the objects it writes. Reads and watches are
//! served from memory; a commit is acknowledged after it is durable.
//!
//! The store knows nothing of Kubernetes beyond that: what an object means, and how it is encoded,
//! is its caller's business. All it asks is a hole in the encoding where the revision goes.

// In reading order: the data, how it changes, who hears of it, and the engines.
mod embedded;
mod key;
mod memory;
mod object;
mod resident;
mod stage;
mod versions;
mod watch;
mod watchers;

use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use futures::Stream;

pub use embedded::{EmbeddedStore, OpenError, Options, RestoreError, Restored, Snapshot, restore};
pub use key::{Key, Prefix};
pub use memory::MemoryStore;
pub use object::{Draft, Index, Object, Revision};
pub use resident::Limits;
pub use versions::History;
pub use watchers::Backlog;

/// A revisioned, watchable, durable set of objects.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// The newest revision that reads can see.
    fn revision(&self) -> Revision;

    /// The newest state of one object.
    async fn get(&self, key: &Key) -> Result<Option<Arc<Object>>, Error>;

    /// The objects under a prefix, in key order, at one revision.
    async fn list(&self, prefix: &Prefix, options: ListOptions) -> Result<Page, Error>;

    /// Applies all writes at one new revision, or none of them. Returns after they are durable, visible to reads, and
    /// in the queue of every watch they concern. Dropping the future does not take the commit back.
    async fn commit(&self, writes: Vec<Write>) -> Result<Commit, Error>;

    /// Every event under a prefix with a revision greater than `after`, in order, each once. `after` may be any
    /// revision that can be listed `at`. To be polled within a tokio runtime that has its timer on.
    async fn watch(&self, prefix: &Prefix, after: Revision) -> Result<Watch, Error>;

    /// Forgets history up to and including `revision`: the state at `revision` is the oldest that can be read, and
    /// its successor's events the first that can be watched. Stores also forget on their own: see [`History`].
    async fn compact(&self, revision: Revision) -> Result<(), Error>;
}

/// Which part of a prefix to list.
#[derive(Clone, Debug, Default)]
pub struct ListOptions {
    /// The state at this revision instead of the newest: from the newest compacted one to [`Store::revision`].
    pub at: Option<Revision>,
    /// Only keys greater than this one.
    pub after: Option<Key>,
    /// At most this many objects.
    pub limit: Option<usize>,
}

/// One page of a list.
#[derive(Clone, Debug)]
pub struct Page {
    pub revision: Revision,
    pub objects: Vec<Arc<Object>>,
    /// How many objects of the prefix come after this page.
    pub remaining: usize,
}

/// One guarded write.
#[derive(Clone, Debug)]
pub enum Write {
    /// Fails if the key exists.
    Create { key: Key, draft: Draft },
    /// Fails unless the key's object has the expected revision.
    Update { key: Key, draft: Draft, expected: Revision },
    /// Fails unless the key's object has the expected revision.
    Delete { key: Key, expected: Revision },
}

impl Write {
    pub fn key(&self) -> &Key {
        match self {
            Self::Create { key, .. } | Self::Update { key, .. } | Self::Delete { key, .. } => key,
        }
    }
}

/// What a commit made: its revision, and per write the object as stored (for a delete: the last state).
#[derive(Clone, Debug)]
pub struct Commit {
    pub revision: Revision,
    pub objects: Vec<Arc<Object>>,
}

/// A change of one object.
#[derive(Clone, Debug)]
pub struct Event {
    pub revision: Revision,
    /// The state after the change; `None` for a deletion.
    pub object: Option<Arc<Object>>,
    /// The state before the change; `None` for a creation.
    pub previous: Option<Arc<Object>>,
}

impl Event {
    /// The object that changed: as it is after the change, or as it was last.
    pub fn subject(&self) -> &Arc<Object> {
        self.object
            .as_ref()
            .or(self.previous.as_ref())
            .expect("an event has a state before or after")
    }

    pub fn key(&self) -> &Key {
        self.subject().key()
    }
}

/// What a watch yields.
#[derive(Clone, Debug)]
pub enum Signal {
    Event(Arc<Event>),
    /// Every event up to this revision has been yielded: what a bookmark may carry. Sent when the watcher has caught
    /// up, at most once per revision, the first time at once; commits under other prefixes are told within a second.
    Progress(Revision),
}

/// A stream of signals; it ends after an error.
pub type Watch = Pin<Box<dyn Stream<Item = Result<Signal, Error>> + Send>>;

/// Why the store refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("{0} already exists")]
    Exists(Key),
    #[error("{0} does not exist")]
    NotFound(Key),
    #[error("{key} is at revision {current}, not {expected}")]
    Conflict { key: Key, expected: Revision, current: Revision },
    #[error("revision {requested} is compacted, the oldest kept is {oldest}")]
    Compacted { requested: Revision, oldest: Revision },
    #[error("revision {requested} is in the future, the newest is {current}")]
    Future { requested: Revision, current: Revision },
    #[error("the watcher fell too far behind")]
    Lagged,
    /// Of a write, which may be tried again. Reads, watches and deletes go on.
    #[error("the store is full: {0}")]
    Full(String),
    #[error("the store stopped: {0}")]
    Stopped(String),
}
