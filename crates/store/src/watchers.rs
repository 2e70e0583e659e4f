//! From changes to the watchers that want them.
//!
//! Watchers are grouped by prefix and a change looks up the prefixes above its keys, so a watcher costs a write
//! nothing unless the write is under its prefix. Each watcher has a queue of its own, bounded by count and bytes; one
//! that overflows ends with [`Error::Lagged`] after what is queued, instead of slowing the others or growing without
//! bound. All queues together are bounded too: with more, those that hold most lose what they hold and end.
//!
//! Invariant: `dispatched` is raised only after every change up to it is in the queues. A watcher that reads it and
//! *then* finds its queue empty has seen everything up to it; that is what [`crate::Signal::Progress`] says.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::{Poll, Waker};

use crate::versions::Change;
use crate::{Error, Event, Key, Prefix, Revision};

/// How far a watcher may fall behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backlog {
    pub commits_max: usize,
    pub bytes_max: usize,
    /// Of all watchers together. What several are to be told counts once.
    pub all_bytes_max: usize,
}

impl Default for Backlog {
    fn default() -> Self {
        Self { commits_max: 10_000, bytes_max: 16 << 20, all_bytes_max: 128 << 20 }
    }
}

/// What one change holds for one prefix.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) revision: Revision,
    pub(crate) events: Vec<Arc<Event>>,
    bytes: usize,
    /// The bytes of all deliveries that are queued somewhere.
    held: Arc<AtomicUsize>,
}

impl Delivery {
    fn new(revision: Revision, events: Vec<Arc<Event>>, held: &Arc<AtomicUsize>) -> Self {
        let size = |event: &Arc<Event>| event.subject().bytes().len();
        let bytes = events.iter().map(size).sum();
        held.fetch_add(bytes, Ordering::Relaxed);
        Self { revision, events, bytes, held: held.clone() }
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        self.held.fetch_sub(self.bytes, Ordering::Relaxed);
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
            if inner.deliveries.is_empty() {
                // Most watchers wait, and most of the time: nothing is kept of a burst.
                inner.deliveries = VecDeque::new();
            }
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

    /// Whom to wake.
    fn push(&self, delivery: &Arc<Delivery>, limit: Backlog) -> Option<Waker> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.end.is_some() {
            return None;
        }
        // An empty queue takes a delivery of any size, or a big object could never be watched.
        let bytes = inner.bytes + delivery.bytes;
        let full = inner.deliveries.len() >= limit.commits_max || bytes > limit.bytes_max;
        if full && !inner.deliveries.is_empty() {
            inner.end = Some(Error::Lagged);
            return inner.waker.take();
        }
        inner.bytes = bytes;
        inner.deliveries.push_back(delivery.clone());
        inner.waker.take()
    }

    fn bytes(&self) -> usize {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).bytes
    }

    /// Lags, and forgets what is queued.
    fn discard(&self) -> Option<Waker> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.deliveries = VecDeque::new();
        inner.bytes = 0;
        inner.end.get_or_insert(Error::Lagged);
        inner.waker.take()
    }

    fn end(&self, error: Error) -> Option<Waker> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.end.get_or_insert(error);
        inner.waker.take()
    }
}

/// All watchers.
#[derive(Debug)]
pub(crate) struct Watchers {
    groups: Mutex<Groups>,
    dispatched: AtomicU64,
    limit: Backlog,
}

#[derive(Debug, Default)]
struct Groups {
    /// A watcher that lags stays here until it is dropped.
    by_prefix: HashMap<Prefix, Vec<Arc<Queue>>>,
    held: Arc<AtomicUsize>,
    end: Option<Error>,
}

impl Watchers {
    pub(crate) fn new(revision: Revision, limit: Backlog) -> Self {
        Self { groups: Mutex::default(), dispatched: AtomicU64::new(revision.0), limit }
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
        let groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
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
    fn queue(&self, change: &Change, limit: Backlog, wakers: &mut Vec<Waker>) {
        for (prefix, events) in self.wanted(change) {
            let Some(group) = self.by_prefix.get(&*prefix) else { continue };
            let delivery = Arc::new(Delivery::new(change.revision, events, &self.held));
            wakers.extend(group.iter().filter_map(|queue| queue.push(&delivery, limit)));
        }
        if self.held.load(Ordering::Relaxed) > limit.all_bytes_max {
            self.shed(limit, wakers);
        }
    }

    /// Ends watchers until those that are left hold no more than they may, the slowest first.
    fn shed(&self, limit: Backlog, wakers: &mut Vec<Waker>) {
        let mut queues: Vec<_> =
            self.by_prefix.values().flatten().map(|queue| (queue.bytes(), queue)).collect();
        queues.sort_by_key(|(bytes, _)| std::cmp::Reverse(*bytes));
        for (_, queue) in queues {
            if self.held.load(Ordering::Relaxed) <= limit.all_bytes_max {
                return;
            }
            wakers.extend(queue.discard());
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
    use crate::{Draft, Index, Object};

    fn change(path: [&str; 2], revision: u64, bytes: usize) -> Change {
        let draft =
            Draft { before: vec![b'x'; bytes - 1], after: Vec::new(), index: Index::default() };
        let object = Arc::new(Object::new(Key::new(&path).unwrap(), Revision(revision), draft));
        let event = Event { revision: Revision(revision), object: Some(object), previous: None };
        Change { revision: Revision(revision), events: vec![Arc::new(event)] }
    }

    fn prefix(name: &str) -> Prefix {
        Prefix::new(&[name]).unwrap()
    }

    /// What a watcher finds: how many deliveries, and whether it lags behind them.
    fn told(queue: &Queue) -> (usize, bool) {
        let mut deliveries = 0;
        loop {
            match queue.poll(Waker::noop()) {
                Poll::Ready(Ok(_)) => deliveries += 1,
                Poll::Ready(Err(error)) => return (deliveries, error == Error::Lagged),
                Poll::Pending => return (deliveries, false),
            }
        }
    }

    fn held(watchers: &Watchers) -> usize {
        watchers.groups.lock().unwrap().held.load(Ordering::Relaxed)
    }

    /// Fails if what nobody reads is held without a bound, or if the quick pay for the slow.
    #[test]
    fn all_backlogs_together_are_bounded_and_the_slowest_end() {
        let limit = Backlog { commits_max: 100, bytes_max: 5_000, all_bytes_max: 8_000 };
        let watchers = Watchers::new(Revision::FIRST, limit);
        let [full, slow, quick] = ["a", "b", "b"].map(|name| watchers.add(&prefix(name)));
        for revision in 2..9 {
            watchers.dispatch(&[Arc::new(change(["a", "x"], revision, 1_000))]);
        }
        assert_eq!(held(&watchers), 5_000, "one is bounded by its own limit");
        for revision in 2..6 {
            watchers.dispatch(&[Arc::new(change(["b", "x"], revision, 1_000))]);
            assert_eq!(told(&quick), (1, false));
            assert!(held(&watchers) <= 8_000);
        }
        assert_eq!(told(&full), (0, true), "it held most, and lost it");
        assert_eq!(told(&slow), (4, false));
        assert_eq!(held(&watchers), 0);
    }

    /// Fails if what several are to be told counts for each.
    #[test]
    fn a_change_that_many_watch_is_held_once() {
        let watchers = Watchers::new(Revision::FIRST, Backlog::default());
        let queues: Vec<_> = (0..50).map(|_| watchers.add(&prefix("a"))).collect();
        watchers.dispatch(&[Arc::new(change(["a", "x"], 2, 1_000))]);
        assert_eq!(held(&watchers), 1_000);
        for queue in &queues {
            watchers.remove(&prefix("a"), queue);
        }
        drop(queues);
        assert_eq!(held(&watchers), 0);
    }

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
