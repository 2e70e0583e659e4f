//! Every object at every revision of the history window: plain data, no locks, no I/O.
//!
//! Invariants:
//! - a chain's versions ascend by revision, and it has at most one version at or before `compacted`;
//! - no chain is only a tombstone at or before `compacted`, so deleted keys cost nothing once forgotten;
//! - `history` holds exactly the changes after `compacted`, so a watch can resume wherever a list can be read.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use crate::{Error, Event, Key, Object, Prefix, Revision};

/// What an event in the history is taken to weigh, beside the superseded state it keeps alive.
const EVENT_OVERHEAD_BYTES: usize = 160;

/// How much history is kept. Whatever bound is met first, the oldest changes are forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct History {
    pub events_max: usize,
    /// Superseded states that only the history keeps in memory, and its own overhead.
    pub bytes_max: usize,
}

impl Default for History {
    fn default() -> Self {
        Self { events_max: 100_000, bytes_max: 24 << 20 }
    }
}

/// Everything that one commit did.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) revision: Revision,
    pub(crate) events: Vec<Arc<Event>>,
}

impl Change {
    fn weight(&self) -> usize {
        self.events.iter().map(|event| event_weight(event)).sum()
    }
}

fn event_weight(event: &Event) -> usize {
    EVENT_OVERHEAD_BYTES + event.previous.as_ref().map_or(0, |object| object.bytes().len())
}

/// One key's state from a revision on; `None` is a tombstone.
#[derive(Debug)]
struct Version {
    since: Revision,
    object: Option<Arc<Object>>,
}

/// One key's states; nearly always just the newest, so that one is stored in place.
#[derive(Debug)]
struct Chain {
    newest: Version,
    older: Vec<Version>,
}

impl Chain {
    fn at(&self, revision: Revision) -> Option<&Arc<Object>> {
        if self.newest.since <= revision {
            return self.newest.object.as_ref();
        }
        self.older.iter().rev().find(|version| version.since <= revision)?.object.as_ref()
    }

    /// Forgets what no revision from `compacted` on can see. True if nothing is left.
    fn forget(&mut self, compacted: Revision) -> bool {
        if self.newest.since <= compacted {
            self.older = Vec::new();
            return self.newest.object.is_none();
        }
        let past = self.older.iter().take_while(|version| version.since <= compacted).count();
        let keep_from = match past.checked_sub(1) {
            Some(last) if self.older[last].object.is_some() => last,
            _ => past,
        };
        self.older.drain(..keep_from);
        false
    }
}

/// The objects, now and at each revision of the window.
#[derive(Debug)]
pub(crate) struct Versions {
    chains: BTreeMap<Key, Chain>,
    history: VecDeque<Arc<Change>>,
    events: usize,
    bytes: usize,
    revision: Revision,
    compacted: Revision,
    limits: History,
}

/// A part of a list: where to go on, if it is not the end.
pub(crate) struct Span {
    pub(crate) revision: Revision,
    pub(crate) next: Option<Key>,
}

/// What to read of a prefix.
pub(crate) struct Range<'a> {
    pub(crate) prefix: &'a Prefix,
    pub(crate) after: Option<&'a Key>,
    pub(crate) at: Option<Revision>,
}

impl Versions {
    /// A store as it is opened: its objects, and no history before `revision`.
    pub(crate) fn new(
        revision: Revision,
        objects: impl IntoIterator<Item = Arc<Object>>,
        limits: History,
    ) -> Self {
        let chain = |object: Arc<Object>| {
            let newest = Version { since: object.revision(), object: Some(object.clone()) };
            (object.key().clone(), Chain { newest, older: Vec::new() })
        };
        // A store that was never written to has its whole history.
        let compacted = if revision == Revision::FIRST { Revision(0) } else { revision };
        Self {
            chains: objects.into_iter().map(chain).collect(),
            history: VecDeque::new(),
            events: 0,
            bytes: 0,
            revision,
            compacted,
            limits,
        }
    }

    pub(crate) fn revision(&self) -> Revision {
        self.revision
    }

    pub(crate) fn get(&self, key: &Key) -> Option<&Arc<Object>> {
        self.chains.get(key)?.newest.object.as_ref()
    }

    /// The oldest revision that can be read, or resumed after, if this one cannot be.
    pub(crate) fn readable(&self, requested: Revision) -> Result<(), Error> {
        if requested > self.revision {
            return Err(Error::Future { requested, current: self.revision });
        }
        if requested < self.compacted {
            return Err(Error::Compacted { requested, oldest: self.compacted });
        }
        Ok(())
    }

    /// Gives each object of a range to `visit`, looking at `keys_max` keys at most.
    pub(crate) fn scan<'a>(
        &'a self,
        range: &Range<'_>,
        keys_max: usize,
        mut visit: impl FnMut(&'a Arc<Object>),
    ) -> Result<Span, Error> {
        let revision = range.at.unwrap_or(self.revision);
        self.readable(revision)?;
        let prefix = range.prefix.as_str();
        let start = match range.after {
            Some(after) if after.as_str() >= prefix => Bound::Excluded(after.as_str()),
            _ => Bound::Included(prefix),
        };
        let chains = self.chains.range::<str, _>((start, Bound::Unbounded));
        let mut within = chains.take_while(|(key, _)| range.prefix.contains(key));
        let mut last = None;
        for (key, chain) in within.by_ref().take(keys_max) {
            last = Some(key);
            if let Some(object) = chain.at(revision) {
                visit(object);
            }
        }
        let next = within.next().and(last).cloned();
        Ok(Span { revision, next })
    }

    /// The changes after a revision, oldest first.
    pub(crate) fn changes_after(
        &self,
        after: Revision,
    ) -> Result<impl Iterator<Item = &Arc<Change>>, Error> {
        self.readable(after)?;
        let seen = self.history.partition_point(|change| change.revision <= after);
        Ok(self.history.range(seen..))
    }

    /// Makes a change the newest one.
    ///
    /// # Panics
    /// If its revision is not greater than every one before: going on would hand out wrong data.
    pub(crate) fn apply(&mut self, change: Arc<Change>) {
        assert!(change.revision > self.revision, "revisions must increase");
        self.revision = change.revision;
        for event in &change.events {
            self.put(event);
        }
        self.events += change.events.len();
        self.bytes += change.weight();
        self.history.push_back(change);
        while self.events > self.limits.events_max || self.bytes > self.limits.bytes_max {
            self.forget_oldest();
        }
    }

    fn put(&mut self, event: &Event) {
        let version = Version { since: event.revision, object: event.object.clone() };
        match self.chains.get_mut(event.key()) {
            Some(chain) => {
                let superseded = std::mem::replace(&mut chain.newest, version);
                chain.older.push(superseded);
            }
            None => {
                let chain = Chain { newest: version, older: Vec::new() };
                self.chains.insert(event.key().clone(), chain);
            }
        }
    }

    /// Forgets at most `changes_max` changes up to a revision. True if there is more to forget.
    pub(crate) fn compact(
        &mut self,
        revision: Revision,
        changes_max: usize,
    ) -> Result<bool, Error> {
        if revision > self.revision {
            return Err(Error::Future { requested: revision, current: self.revision });
        }
        for _ in 0..changes_max {
            if self.history.front().is_none_or(|oldest| oldest.revision > revision) {
                self.compacted = self.compacted.max(revision);
                return Ok(false);
            }
            self.forget_oldest();
        }
        Ok(true)
    }

    fn forget_oldest(&mut self) {
        let Some(change) = self.history.pop_front() else { return };
        self.events -= change.events.len();
        self.bytes -= change.weight();
        self.compacted = change.revision;
        for event in &change.events {
            let emptied =
                self.chains.get_mut(event.key()).is_some_and(|chain| chain.forget(self.compacted));
            if emptied {
                self.chains.remove(event.key());
            }
        }
    }
}
