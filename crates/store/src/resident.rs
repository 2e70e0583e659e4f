//! The part of a store that is in memory, and the same for every engine: what reads and watches are served from.
//!
//! Writes reach it only as changes that are already as durable as the engine makes them, from one writer at a time:
//! `stage` against [`Resident::versions`], make durable, `apply`, `dispatch`, acknowledge.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::versions::{Change, History, Range, Span, Versions};
use crate::watch::Watching;
use crate::watchers::{Backlog, Watchers};
use crate::{Error, Key, ListOptions, Object, Page, Prefix, Revision, Watch};

/// How many keys a list looks at before it lets a waiting writer in: some hundred microseconds.
const KEYS_PER_LOCK: usize = 4096;

/// How many changes a compaction forgets before it lets others in.
const CHANGES_PER_LOCK: usize = 1024;

/// Bounds of what a store keeps in memory beside its objects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    pub history: History,
    /// Per watcher.
    pub backlog: Backlog,
}

#[derive(Debug)]
pub(crate) struct Resident {
    versions: RwLock<Versions>,
    watchers: Watchers,
}

impl Resident {
    pub(crate) fn new(versions: Versions, backlog: Backlog) -> Self {
        let watchers = Watchers::new(versions.revision(), backlog);
        Self { versions: RwLock::new(versions), watchers }
    }

    pub(crate) fn versions(&self) -> RwLockReadGuard<'_, Versions> {
        self.versions.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn versions_mut(&self) -> RwLockWriteGuard<'_, Versions> {
        self.versions.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn watchers(&self) -> &Watchers {
        &self.watchers
    }

    /// Makes changes visible to reads.
    pub(crate) fn apply(&self, changes: &[Arc<Change>]) {
        let mut versions = self.versions_mut();
        for change in changes {
            versions.apply(change.clone());
        }
    }

    pub(crate) fn get(&self, key: &Key) -> Option<Arc<Object>> {
        self.versions().get(key).cloned()
    }

    pub(crate) fn list(&self, prefix: &Prefix, options: &ListOptions) -> Result<Page, Error> {
        self.list_newest_surely(prefix, options, KEYS_PER_LOCK)
    }

    fn list_newest_surely(
        &self,
        prefix: &Prefix,
        options: &ListOptions,
        keys_max: usize,
    ) -> Result<Page, Error> {
        match self.list_in_steps(prefix, options, keys_max) {
            // The newest state was forgotten between two steps; under one lock it cannot be.
            Err(Error::Compacted { .. }) if options.at.is_none() => {
                self.list_in_steps(prefix, options, usize::MAX)
            }
            result => result,
        }
    }

    /// All steps read the revision of the first, so that together they are one state.
    fn list_in_steps(
        &self,
        prefix: &Prefix,
        options: &ListOptions,
        keys_max: usize,
    ) -> Result<Page, Error> {
        let limit = options.limit.unwrap_or(usize::MAX);
        let mut objects = Vec::new();
        let mut remaining = 0;
        let (mut at, mut after) = (options.at, options.after.clone());
        loop {
            let range = Range { prefix, after: after.as_ref(), at };
            let visit = |object: &Arc<Object>| match objects.len() < limit {
                true => objects.push(object.clone()),
                false => remaining += 1,
            };
            let Span { revision, next } = self.versions().scan(&range, keys_max, visit)?;
            match next {
                None => return Ok(Page { revision, objects, remaining }),
                Some(next) => (at, after) = (Some(revision), Some(next)),
            }
        }
    }

    pub(crate) fn watch(
        self: &Arc<Self>,
        prefix: &Prefix,
        after: Revision,
    ) -> Result<Watch, Error> {
        // Queue first, history second: a change in between is in both, and dropped once; never in neither.
        let queue = self.watchers.add(prefix);
        match self.replay(prefix, after) {
            Ok((replay, seen)) => {
                let (resident, prefix) = (self.clone(), prefix.clone());
                Ok(Box::pin(Watching::new(resident, prefix, queue, replay, seen)))
            }
            Err(error) => {
                self.watchers.remove(prefix, &queue);
                Err(error)
            }
        }
    }

    fn replay(
        &self,
        prefix: &Prefix,
        after: Revision,
    ) -> Result<(Vec<Arc<crate::Event>>, Revision), Error> {
        let versions = self.versions();
        let events = versions.changes_after(after)?.flat_map(|change| &change.events);
        let wanted = events.filter(|event| prefix.contains(event.key())).cloned().collect();
        Ok((wanted, versions.revision()))
    }

    pub(crate) fn compact(&self, revision: Revision) -> Result<(), Error> {
        while self.versions_mut().compact(revision, CHANGES_PER_LOCK)? {}
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::Batch;
    use crate::{Draft, Index, Write};

    fn key(number: usize) -> Key {
        Key::new(&["core", "pods", &format!("{number:03}")]).unwrap()
    }

    /// Writes all of 50 objects at one revision, again and again.
    fn rewrite(resident: &Resident) {
        let changes = {
            let versions = resident.versions();
            let mut batch = Batch::new(&versions);
            let write = |number| {
                let (key, before) = (key(number), vec![b'x'; 10]);
                let draft = Draft { before, after: Vec::new(), index: Index::default() };
                match versions.get(&key).map(|object| object.revision()) {
                    Some(expected) => Write::Update { key, draft, expected },
                    None => Write::Create { key, draft },
                }
            };
            batch.stage((0..50).map(write).collect()).unwrap();
            batch.into_changes()
        };
        resident.apply(&changes);
    }

    fn resident(events_max: usize) -> Resident {
        let history = History { events_max, bytes_max: usize::MAX };
        let versions = Versions::new(Revision::FIRST, [], history);
        Resident::new(versions, Backlog::default())
    }

    /// Fails if a step looks at the newest revision instead of the first step's.
    #[test]
    fn a_list_in_steps_is_one_state_whatever_is_written_meanwhile() {
        let (resident, root) = (resident(usize::MAX), Prefix::new(&[]).unwrap());
        rewrite(&resident);
        let moved = std::thread::scope(|scope| {
            let writer = scope.spawn(|| (0..300).for_each(|_| rewrite(&resident)));
            let mut moved = 0;
            while !writer.is_finished() {
                let page = resident.list_in_steps(&root, &ListOptions::default(), 3).unwrap();
                assert_eq!(page.objects.len(), 50);
                assert!(page.objects.iter().all(|object| object.revision() == page.revision));
                moved += u32::from(resident.versions().revision() > page.revision);
            }
            moved
        });
        assert!(moved > 0, "nothing was written while a list was read: the test shows nothing");
    }

    /// With a history of one commit, the first step's revision is soon forgotten. Fails if the list then fails.
    #[test]
    fn a_list_of_the_newest_state_is_never_compacted() {
        let (resident, root) = (resident(50), Prefix::new(&[]).unwrap());
        rewrite(&resident);
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| (0..300).for_each(|_| rewrite(&resident)));
            while !writer.is_finished() {
                let options = ListOptions::default();
                let page = resident.list_newest_surely(&root, &options, 3).unwrap();
                assert!(page.objects.iter().all(|object| object.revision() == page.revision));
            }
        });
    }
}
