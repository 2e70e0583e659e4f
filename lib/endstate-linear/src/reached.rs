//! What a search has reached.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, DefaultHasher, Hash};

use crate::placed::SetPrint;

/// The states that were reached, each with the operations that led there.
///
/// From a state that was reached before with the same answers and some of the unknown operations, all can follow that
/// can follow with more of these: so the second is as if it had been reached before.
pub(crate) struct Reached<S> {
    /// By the operations with an answer and the state, the sets of those without one. The hasher has no seed, so that a
    /// check takes the same way each time.
    sets: HashMap<(SetPrint, S), Vec<SetPrint>, BuildHasherDefault<DefaultHasher>>,
    len: usize,
}

impl<S: Eq + Hash> Reached<S> {
    pub(crate) fn new() -> Self {
        Self { sets: HashMap::default(), len: 0 }
    }

    /// How many were remembered.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Remembers a state, and says whether it is new.
    pub(crate) fn insert(&mut self, answered: SetPrint, unknown: SetPrint, state: S) -> bool {
        let sets = self.sets.entry((answered, state)).or_default();
        let is_new = !sets.iter().any(|it| is_within(it, &unknown));
        if is_new {
            sets.push(unknown);
            self.len += 1;
        }
        is_new
    }
}

/// Whether all of one set is in another.
fn is_within(set: &[u64], other: &[u64]) -> bool {
    set.len() <= other.len() && set.iter().zip(other).all(|(set, other)| set & !other == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn with_fewer_unknown_operations_a_state_is_new() {
        let mut reached = Reached::new();
        let mut insert = |answered: u64, unknown: &[u64], state: u8| {
            reached.insert([answered].into(), unknown.into(), state)
        };
        assert!(insert(1, &[0b110], 0));
        assert!(!insert(1, &[0b110], 0));
        assert!(!insert(1, &[0b111, 1], 0));
        assert!(insert(1, &[0b101], 0), "another set");
        assert!(insert(1, &[0b100], 0), "a smaller set");
        assert!(insert(1, &[], 0), "none");
        assert!(!insert(1, &[0b100], 0));
        assert!(insert(2, &[0b110], 0), "other answers");
        assert!(insert(1, &[0b110], 1), "another state");
        assert_eq!(reached.len(), 6);
    }
}
