//! The keyed work queue: which key to work on next. Pure: time is an argument, so tests run on virtual time.
//!
//! Invariants:
//! - a key is worked on by at most one worker; what arrives meanwhile is remembered once;
//! - a key that failed waits for its back-off; events do not shorten the wait, a new generation ([`Priority::User`])
//!   does, and success resets it;
//! - at most [`Queue::new`]'s concurrency keys are in work.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::time::Duration;

/// A point in time, as the distance from a start that the caller chooses.
///
/// ```
/// let start = std::time::Instant::now();
/// let now: endstate::queue::Moment = start.elapsed();
/// assert!(now < endstate::queue::Moment::from_secs(60));
/// ```
pub type Moment = Duration;

/// Which keys go first.
///
/// ```
/// use endstate::Priority;
/// assert!(Priority::User > Priority::Change && Priority::Change > Priority::Resync);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// No known change: start-up and periodic resyncs.
    Resync,
    /// Something that the object depends on changed.
    Change,
    /// A user changed what is wanted (a new generation, creation or deletion): goes first, and ends a back-off.
    User,
}

/// How long a failing key rests: `base`, doubled per consecutive failure, at most `max`.
///
/// ```
/// let usual = endstate::Backoff::default();
/// assert!(usual.base < usual.max);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    /// After the first failure.
    pub base: Duration,
    /// However many failures.
    pub max: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { base: Duration::from_millis(10), max: Duration::from_secs(60) }
    }
}

impl Backoff {
    /// The rest after a number of consecutive failures.
    ///
    /// ```
    /// use std::time::Duration;
    /// let backoff = endstate::Backoff { base: Duration::from_millis(10), max: Duration::from_secs(1) };
    /// assert_eq!(backoff.after(1), Duration::from_millis(10));
    /// assert_eq!(backoff.after(4), Duration::from_millis(80));
    /// assert_eq!(backoff.after(1_000), Duration::from_secs(1));
    /// ```
    pub fn after(&self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        self.base.saturating_mul(1 << doublings).min(self.max)
    }
}

/// How the work on a key ended.
///
/// ```
/// use endstate::{Backoff, Priority, Queue, queue::{Moment, Outcome}};
/// let mut queue = Queue::new(1, Backoff::default());
/// queue.push("a", Priority::Change, Moment::ZERO);
/// let key = queue.pop(Moment::ZERO).unwrap();
/// queue.finish(&key, Outcome::Settled, Moment::ZERO);
/// assert_eq!(queue.pop(Moment::ZERO), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing more to do until something changes.
    Settled,
    /// Look again at once. Many in a row count as failures, so that a bug cannot spin.
    Again,
    /// Look again after this long, or earlier if something changes.
    After(Duration),
    /// Rest, then look again.
    Failed,
}

/// How many consecutive [`Outcome::Again`] count as progress rather than as a spin.
const AGAIN_MAX: u32 = 32;

/// A queue of keys. See the [module](self) for what it guarantees.
///
/// ```
/// use std::time::Duration;
/// use endstate::queue::{Backoff, Outcome, Priority, Queue};
///
/// let mut queue = Queue::new(1, Backoff::default());
/// let now = Duration::ZERO;
/// queue.push("a", Priority::Resync, now);
/// queue.push("b", Priority::User, now);
/// queue.push("b", Priority::Change, now); // already there
/// assert_eq!(queue.pop(now), Some("b"));
/// assert_eq!(queue.pop(now), None); // one at a time
/// queue.finish(&"b", Outcome::Settled, now);
/// assert_eq!(queue.pop(now), Some("a"));
/// ```
#[derive(Debug)]
pub struct Queue<K> {
    concurrency: usize,
    backoff: Backoff,
    entries: HashMap<K, Entry>,
    /// Keys to work on now: highest priority first, then first come.
    ready: BTreeSet<(std::cmp::Reverse<Priority>, u64, K)>,
    /// Keys to work on later.
    timers: BTreeSet<(Moment, K)>,
    in_work: usize,
    sequence: u64,
}

#[derive(Debug, Default)]
struct Entry {
    in_work: bool,
    /// The place in `ready`.
    queued: Option<(Priority, u64)>,
    /// The place in `timers`.
    timer: Option<Moment>,
    /// What arrived while the key was in work, or resting.
    pending: Option<Priority>,
    resting: bool,
    failures: u32,
    agains: u32,
}

impl<K: Clone + Ord + Hash> Queue<K> {
    /// An empty queue that hands out at most `concurrency` keys at once.
    pub fn new(concurrency: usize, backoff: Backoff) -> Self {
        Self {
            concurrency: concurrency.max(1),
            backoff,
            entries: HashMap::new(),
            ready: BTreeSet::new(),
            timers: BTreeSet::new(),
            in_work: 0,
            sequence: 0,
        }
    }

    /// Changes the limits; what is queued stays.
    pub fn configure(&mut self, concurrency: usize, backoff: Backoff) {
        self.concurrency = concurrency.max(1);
        self.backoff = backoff;
    }

    /// Something happened that concerns a key.
    pub fn push(&mut self, key: K, priority: Priority, now: Moment) {
        self.expire(now);
        let entry = self.entries.entry(key.clone()).or_default();
        if priority == Priority::User {
            entry.failures = 0;
            entry.agains = 0;
        } else if entry.resting {
            entry.pending = entry.pending.max(Some(priority));
            return;
        }
        if entry.in_work {
            entry.pending = entry.pending.max(Some(priority));
            return;
        }
        self.enqueue(key, priority);
    }

    /// The next key to work on. It stays in work until [`finish`](Queue::finish).
    pub fn pop(&mut self, now: Moment) -> Option<K> {
        self.expire(now);
        if self.in_work >= self.concurrency {
            return None;
        }
        let (_, _, key) = self.ready.pop_first()?;
        let entry = self.entries.get_mut(&key).expect("a ready key has an entry");
        entry.queued = None;
        entry.in_work = true;
        self.in_work += 1;
        Some(key)
    }

    /// The work on a key ended.
    pub fn finish(&mut self, key: &K, outcome: Outcome, now: Moment) {
        let Some(entry) = self.entries.get_mut(key).filter(|it| it.in_work) else { return };
        entry.in_work = false;
        self.in_work -= 1;
        let pending = entry.pending.take();
        let rest = match outcome {
            Outcome::Failed => {
                entry.failures = entry.failures.saturating_add(1);
                Some(self.backoff.after(entry.failures))
            }
            Outcome::Again => {
                entry.failures = 0;
                entry.agains = entry.agains.saturating_add(1);
                (entry.agains > AGAIN_MAX).then(|| self.backoff.after(entry.agains - AGAIN_MAX))
            }
            Outcome::Settled | Outcome::After(_) => {
                entry.failures = 0;
                entry.agains = 0;
                None
            }
        };
        match (rest, pending, outcome) {
            (Some(_), Some(Priority::User), _) => self.enqueue(key.clone(), Priority::User),
            (Some(rest), pending, _) => {
                entry.pending = Some(pending.unwrap_or(Priority::Change));
                entry.resting = true;
                self.set_timer(key, now.saturating_add(rest));
            }
            (None, Some(priority), _) => self.enqueue(key.clone(), priority),
            (None, None, Outcome::Again) => self.enqueue(key.clone(), Priority::Change),
            (None, None, Outcome::After(delay)) => self.set_timer(key, now.saturating_add(delay)),
            (None, None, _) => {
                self.entries.remove(key);
            }
        }
    }

    /// When [`pop`](Queue::pop) may next have a key without a push before; `None` if never.
    pub fn next_moment(&self) -> Option<Moment> {
        self.timers.first().map(|(moment, _)| *moment)
    }

    /// How many keys wait to be worked on now, and how many are in work.
    pub fn depth(&self) -> (usize, usize) {
        (self.ready.len(), self.in_work)
    }

    /// How many times in a row a key failed.
    pub fn failures(&self, key: &K) -> u32 {
        self.entries.get(key).map_or(0, |it| it.failures)
    }

    /// Moves keys whose time has come to `ready`.
    fn expire(&mut self, now: Moment) {
        while self.timers.first().is_some_and(|(moment, _)| *moment <= now) {
            let Some((_, key)) = self.timers.pop_first() else { return };
            let entry = self.entries.get_mut(&key).expect("a key with a timer has an entry");
            entry.timer = None;
            entry.resting = false;
            let priority = entry.pending.take().unwrap_or(Priority::Change);
            self.enqueue(key, priority);
        }
    }

    /// Makes a key ready, or raises its priority if it is; its place among equals is kept.
    fn enqueue(&mut self, key: K, priority: Priority) {
        let entry = self.entries.entry(key.clone()).or_default();
        if let Some(moment) = entry.timer.take() {
            self.timers.remove(&(moment, key.clone()));
        }
        entry.resting = false;
        entry.pending = None;
        let (priority, sequence) = match entry.queued {
            Some((current, _)) if current >= priority => return,
            Some((current, sequence)) => {
                self.ready.remove(&(std::cmp::Reverse(current), sequence, key.clone()));
                (priority, sequence)
            }
            None => {
                self.sequence += 1;
                (priority, self.sequence)
            }
        };
        entry.queued = Some((priority, sequence));
        self.ready.insert((std::cmp::Reverse(priority), sequence, key));
    }

    fn set_timer(&mut self, key: &K, moment: Moment) {
        let entry = self.entries.entry(key.clone()).or_default();
        entry.timer = Some(moment);
        self.timers.insert((moment, key.clone()));
    }
}

#[cfg(test)]
mod tests;
