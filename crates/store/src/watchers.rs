//! From changes to the watchers that want them.
//!
//! Watchers are grouped by prefix and a change looks up the prefixes above its keys, so a watcher costs a write
//! nothing unless the write is under its prefix. Each watcher has a queue of its own, bounded by count and bytes; one
//! that overflows ends with [`Error::Lagged`] instead of slowing the others or growing without bound.
//!
//! Invariant: `dispatched` is raised only after every change up to it is in the queues. A watcher that reads it and
//! *then* finds its queue empty has seen everything up to it; that is what [`crate::Signal::Progress`] says.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::{Poll, Waker};

use crate::versions::Change;
use crate::{Error, Event, Key, Prefix, Revision};

/// How far a watcher may fall behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backlog {
    pub commits_max: usize,
    pub bytes_max: usize,
}

impl Default for Backlog {
    fn default() -> Backlog {
        Backlog { commits_max: 10_000, bytes_max: 16 << 20 }
    }
}

/// What one change holds for one prefix.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) revision: Revision,
    pub(crate) events: Vec<Arc<Event>>,
    bytes: usize,
}

impl Delivery {
    fn new(revision: Revision, events: Vec<Arc<Event>>) -> Delivery {
        let size = |event: &Arc<Event>| event.subject().bytes().len();
        let bytes = events.iter().map(size).sum();
        Delivery { revision, events, bytes }
    }
}

/// One watcher's queue.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    deliveries: VecDeque<Arc<Delivery>>,
    bytes: usize,
    waker: Option<Waker>,
    end: Option<Error>,
}

impl Queue {
    /// The next delivery; or, after the last one, why there are no more.
    pub(crate) fn poll(&self, waker: &Waker) -> Poll<Result<Arc<Delivery>, Error>> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(delivery) = inner.deliveries.pop_front() {
            inner.bytes -= delivery.bytes;
            return Poll::Ready(Ok(delivery));
        }
        if let Some(error) = &inner.end {
            return Poll::Ready(Err(error.clone()));
        }
        match &mut inner.waker {
            Some(known) => known.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
        Poll::Pending
    }

    /// Whom to wake, or `Lagged` if this watcher is to be dropped.
    fn push(&self, delivery: &Arc<Delivery>, limit: Backlog) -> Result<Option<Waker>, Lagged> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        // An empty queue takes a delivery of any size, or a big object could never be watched.
        let bytes = inner.bytes + delivery.bytes;
        let full = inner.deliveries.len() >= limit.commits_max || bytes > limit.bytes_max;
        if full && !inner.deliveries.is_empty() {
            inner.end = Some(Error::Lagged);
            return Err(Lagged(inner.waker.take()));
        }
        inner.bytes = bytes;
        inner.deliveries.push_back(delivery.clone());
        Ok(inner.waker.take())
    }

    fn end(&self, error: Error) -> Option<Waker> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.end.get_or_insert(error);
        inner.waker.take()
    }
}

struct Lagged(Option<Waker>);

/// All watchers.
#[derive(Debug)]
pub(crate) struct Watchers {
    groups: Mutex<Groups>,
    dispatched: AtomicU64,
    limit: Backlog,
}

#[derive(Debug, Default)]
struct Groups {
    by_prefix: HashMap<Prefix, Vec<Arc<Queue>>>,
    end: Option<Error>,
}

impl Watchers {
    pub(crate) fn new(revision: Revision, limit: Backlog) -> Watchers {
        Watchers { groups: Mutex::default(), dispatched: AtomicU64::new(revision.0), limit }
    }

    /// Every change up to this revision is in the queues.
    pub(crate) fn dispatched(&self) -> Revision {
        Revision(self.dispatched.load(Ordering::Acquire))
    }

    pub(crate) fn add(&self, prefix: &Prefix) -> Arc<Queue> {
        let queue = Arc::new(Queue::default());
        let mut groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        match &groups.end {
            Some(error) => drop(queue.end(error.clone())),
            None => groups.by_prefix.entry(prefix.clone()).or_default().push(queue.clone()),
        }
        queue
    }

    pub(crate) fn remove(&self, prefix: &Prefix, queue: &Arc<Queue>) {
        let mut groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(group) = groups.by_prefix.get_mut(prefix) else { return };
        if let Some(place) = group.iter().position(|other| Arc::ptr_eq(other, queue)) {
            group.swap_remove(place);
        }
        if group.is_empty() {
            groups.by_prefix.remove(prefix);
        }
    }

    /// Queues changes, in order, and wakes whom they concern.
    pub(crate) fn dispatch(&self, changes: &[Arc<Change>]) {
        let Some(newest) = changes.last() else { return };
        let mut wakers = Vec::new();
        let mut groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        for change in changes {
            groups.queue(change, self.limit, &mut wakers);
        }
        // Woken without the lock: a waker may run foreign code, such as dropping a watch.
        drop(groups);
        self.dispatched.store(newest.revision.0, Ordering::Release);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Why there are no more changes.
    pub(crate) fn ended(&self) -> Error {
        let groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        groups.end.clone().unwrap_or_else(|| Error::Stopped("it is gone".to_owned()))
    }

    /// Ends every watch, and every later one, with an error.
    pub(crate) fn end(&self, error: &Error) {
        let mut groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        groups.end.get_or_insert_with(|| error.clone());
        let queues = std::mem::take(&mut groups.by_prefix).into_values().flatten();
        let wakers: Vec<_> = queues.filter_map(|queue| queue.end(error.clone())).collect();
        drop(groups);
        wakers.into_iter().for_each(Waker::wake);
    }
}

impl Groups {
    fn queue(&mut self, change: &Change, limit: Backlog, wakers: &mut Vec<Waker>) {
        for (prefix, events) in self.wanted(change) {
            let Some(group) = self.by_prefix.get_mut(&*prefix) else { continue };
            let delivery = Arc::new(Delivery::new(change.revision, events));
            group.retain(|queue| match queue.push(&delivery, limit) {
                Ok(waker) => {
                    wakers.extend(waker);
                    true
                }
                Err(Lagged(waker)) => {
                    wakers.extend(waker);
                    false
                }
            });
            if group.is_empty() {
                self.by_prefix.remove(&*prefix);
            }
        }
    }

    /// The events of a change by the watched prefixes they are under.
    fn wanted(&self, change: &Change) -> HashMap<Box<str>, Vec<Arc<Event>>> {
        let mut wanted: HashMap<Box<str>, Vec<Arc<Event>>> = HashMap::new();
        for event in &change.events {
            let watched = ancestors(event.key()).filter(|p| self.by_prefix.contains_key(*p));
            for prefix in watched {
                match wanted.get_mut(prefix) {
                    Some(events) => events.push(event.clone()),
                    None => drop(wanted.insert(prefix.into(), vec![event.clone()])),
                }
            }
        }
        wanted
    }
}

/// The prefixes that contain a key: `/`, `/a/` and `/a/b/` for `/a/b/c`.
fn ancestors(key: &Key) -> impl Iterator<Item = &str> {
    let key = key.as_str();
    key.match_indices('/').map(|(slash, _)| &key[..=slash])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_under_every_directory_above_it() {
        let key = Key::new(&["core", "pods", "default", "web"]).unwrap();
        let expected = ["/", "/core/", "/core/pods/", "/core/pods/default/"];
        assert!(ancestors(&key).eq(expected));
        assert!(ancestors(&key).all(|prefix| key.as_str().starts_with(prefix)));
    }

    #[test]
    fn the_root_prefix_contains_everything() {
        let root = Prefix::new(&[]).unwrap();
        assert_eq!(root.as_str(), "/");
        assert!(root.contains(&Key::new(&["core", "nodes", "n"]).unwrap()));
    }
}
