//! What is remembered for a while, and lost with the operator.

use std::collections::HashMap;
use std::fmt::{Debug, Formatter};
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// What is remembered for a while of each of many: what came of a call, say, so that it is not made again at once. It
/// is lost with the operator, so that nothing harmful may follow if it is not known. Copies remember the same.
///
/// ```
/// # use endstate::driver::Remembered;
/// # use std::time::Duration;
/// let sizes = Remembered::of(Duration::from_secs(60));
/// sizes.note("example-x7k2p", 12);
/// assert_eq!(sizes.get(&"example-x7k2p"), Some(12));
/// let nothing = Remembered::of(Duration::ZERO);
/// nothing.note("example-x7k2p", 12);
/// assert_eq!(nothing.get(&"example-x7k2p"), None, "it is forgotten at once");
/// ```
pub struct Remembered<K, V> {
    noted: Arc<Mutex<HashMap<K, (Instant, V)>>>,
    lasts: Duration,
}

impl<K, V> Clone for Remembered<K, V> {
    fn clone(&self) -> Self {
        Self { noted: Arc::clone(&self.noted), lasts: self.lasts }
    }
}

impl<K, V> Debug for Remembered<K, V> {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Remembered").field(&self.noted().len()).finish()
    }
}

impl<K: Eq + Hash, V: Clone> Remembered<K, V> {
    /// Nothing yet, and everything for so long.
    #[must_use]
    pub fn of(lasts: Duration) -> Self {
        Self { noted: Arc::default(), lasts }
    }

    /// Remembers this of one, in place of what was known.
    pub fn note(&self, key: K, value: V) {
        let mut noted = self.noted();
        noted.retain(|_, it| it.0.elapsed() < self.lasts);
        noted.insert(key, (Instant::now(), value));
    }

    /// What is known of one.
    pub fn get(&self, key: &K) -> Option<V> {
        let noted = self.noted();
        let (at, value) = noted.get(key)?;
        (at.elapsed() < self.lasts).then(|| value.clone())
    }
}

impl<K, V> Remembered<K, V> {
    fn noted(&self) -> MutexGuard<'_, HashMap<K, (Instant, V)>> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
