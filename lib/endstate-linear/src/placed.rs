//! The operations that are in the order.

/// A set of operations, kept so that its print is short: nearly all that were called before the first that is missing
/// are in it.
pub(crate) struct Placed {
    /// A bit an operation with an answer.
    answered: Vec<u64>,
    /// How many of these are set.
    n_answered: usize,
    /// A bit an operation without one.
    unknown: Vec<u64>,
    /// The number of the first of these.
    first_unknown: usize,
}

/// Tells one set of operations from another: a bit an operation.
pub(crate) type SetPrint = Box<[u64]>;

const BITS: usize = u64::BITS as usize;

impl Placed {
    /// None of the operations, of which those below `answered` have an answer.
    pub(crate) fn new(answered: usize, total: usize) -> Self {
        Self {
            answered: vec![0; answered.div_ceil(BITS)],
            n_answered: 0,
            unknown: vec![0; (total - answered).div_ceil(BITS)],
            first_unknown: answered,
        }
    }

    pub(crate) fn insert(&mut self, operation: usize) {
        self.flip(operation);
        self.n_answered += usize::from(operation < self.first_unknown);
    }

    pub(crate) fn remove(&mut self, operation: usize) {
        self.flip(operation);
        self.n_answered -= usize::from(operation < self.first_unknown);
    }

    fn flip(&mut self, operation: usize) {
        match operation.checked_sub(self.first_unknown) {
            None => self.answered[operation / BITS] ^= 1 << (operation % BITS),
            Some(it) => self.unknown[it / BITS] ^= 1 << (it % BITS),
        }
    }

    pub(crate) fn contains(&self, operation: usize) -> bool {
        let (words, bit) = match operation.checked_sub(self.first_unknown) {
            None => (&self.answered, operation),
            Some(it) => (&self.unknown, it),
        };
        words[bit / BITS] >> (bit % BITS) & 1 == 1
    }

    /// How many operations with an answer are in it.
    pub(crate) fn n_answered(&self) -> usize {
        self.n_answered
    }

    /// The operations with an answer, of which this is the first that is not in the set: what is before it is left out,
    /// and so are the zeros at the end.
    pub(crate) fn answered(&self, first_missing: usize) -> SetPrint {
        let start = first_missing / BITS;
        let mut left = self.n_answered - start * BITS;
        let more = |word: &&u64| {
            let is_any = left > 0;
            left = left.saturating_sub(word.count_ones() as usize);
            is_any
        };
        let words = self.answered.iter().skip(start).take_while(more);
        [start as u64].iter().chain(words).copied().collect()
    }

    /// The operations without one, up to the last that is in the set.
    pub(crate) fn unknown(&self) -> SetPrint {
        let end = self.unknown.iter().rposition(|it| *it != 0).map_or(0, |it| it + 1);
        self.unknown[..end].into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prints(operations: impl IntoIterator<Item = usize>) -> [SetPrint; 2] {
        let mut placed = Placed::new(300, 400);
        operations.into_iter().for_each(|it| placed.insert(it));
        let first = (0..300).find(|it| !placed.contains(*it)).unwrap_or(300);
        [placed.answered(first), placed.unknown()]
    }

    #[test]
    fn prints_are_short_and_tell_sets_apart() {
        let cases: [(Vec<usize>, &[u64], &[u64]); 7] = [
            (vec![], &[0], &[]),
            (vec![0], &[0, 1], &[]),
            ((0..128).collect(), &[2], &[]),
            ((0..300).collect(), &[4, (1 << 44) - 1], &[]),
            ((0..130).chain([200]).collect(), &[2, 3, 1 << 8], &[]),
            ((0..130).chain([200, 301]).collect(), &[2, 3, 1 << 8], &[2]),
            (vec![399], &[0], &[0, 1 << 35]),
        ];
        for (operations, answered, unknown) in cases {
            assert_eq!(
                prints(operations.clone()),
                [answered.into(), unknown.into()],
                "{operations:?}"
            );
        }
    }

    #[test]
    fn what_is_removed_is_not_there() {
        let mut placed = Placed::new(2, 3);
        [0, 2].iter().for_each(|it| placed.insert(*it));
        placed.remove(0);
        assert_eq!([0, 1, 2].map(|it| placed.contains(it)), [false, false, true]);
        placed.remove(2);
        assert_eq!((placed.answered(0), placed.unknown()), ([0].into(), [].into()));
    }
}
