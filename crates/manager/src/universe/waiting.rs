//! Keys that wait to be looked at, each once: however fast the world changes, there are never more than it has objects.

use std::collections::{HashSet, VecDeque};
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// First come, first served, by one task.
pub(super) struct Waiting<K> {
    keys: Mutex<Keys<K>>,
    woken: Notify,
}

struct Keys<K> {
    order: VecDeque<K>,
    known: HashSet<K>,
}

impl<K: Clone + Eq + Hash> Waiting<K> {
    pub(super) fn new() -> Self {
        let keys = Keys { order: VecDeque::new(), known: HashSet::new() };
        Self { keys: Mutex::new(keys), woken: Notify::new() }
    }

    pub(super) fn push(&self, key: K) {
        let mut keys = self.lock();
        if keys.known.insert(key.clone()) {
            keys.order.push_back(key);
            self.woken.notify_one();
        }
    }

    /// The next key. It may come again from here on: what is pushed while it is looked at is another look.
    pub(super) async fn next(&self) -> K {
        loop {
            if let Some(key) = self.pop() {
                return key;
            }
            self.woken.notified().await;
        }
    }

    fn pop(&self) -> Option<K> {
        let mut keys = self.lock();
        let key = keys.order.pop_front()?;
        keys.known.remove(&key);
        Some(key)
    }

    fn lock(&self) -> MutexGuard<'_, Keys<K>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_key_waits_once_and_in_turn() {
        let waiting = Waiting::new();
        for _ in 0..1000 {
            waiting.push(1);
            waiting.push(2);
        }
        assert_eq!(waiting.lock().order.len(), 2);
        assert_eq!(waiting.next().await, 1);
        waiting.push(1);
        assert_eq!([waiting.next().await, waiting.next().await], [2, 1]);
        assert_eq!(waiting.pop(), None);
    }

    #[tokio::test]
    async fn a_key_wakes_who_waits() {
        let waiting = Waiting::new();
        let (key, ()) = tokio::join!(waiting.next(), async { waiting.push(7) });
        assert_eq!(key, 7);
    }
}
