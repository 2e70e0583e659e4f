//! The operations that are in no order yet.

/// Two lists in order of calls, of operations with an answer and of those without. What is taken out is put back in the
/// opposite order, each in constant time: an operation remembers its neighbours while it is out.
pub(crate) struct Waiting {
    next: Vec<usize>,
    previous: Vec<usize>,
    answered: usize,
    total: usize,
}

impl Waiting {
    /// All of them: those numbered below `answered` have an answer, the rest up to `total` has none.
    pub(crate) fn new(answered: usize, total: usize) -> Self {
        // Behind the operations stand the two places that a list begins and ends with.
        let mut waiting = Self { next: vec![], previous: vec![], answered, total };
        waiting.next = (1..=total + 2).collect();
        waiting.previous = (0..total + 2).map(|it| it.wrapping_sub(1)).collect();
        waiting.close(waiting.first_answered(), 0..answered);
        waiting.close(waiting.first_unknown(), answered..total);
        waiting
    }

    /// Makes a ring of a range of operations and the place that it begins with.
    fn close(&mut self, start: usize, range: std::ops::Range<usize>) {
        let (first, last) =
            if range.is_empty() { (start, start) } else { (range.start, range.end - 1) };
        self.next[start] = first;
        self.previous[first] = start;
        self.next[last] = start;
        self.previous[start] = last;
    }

    /// The place before the first operation with an answer.
    pub(crate) fn first_answered(&self) -> usize {
        self.total
    }

    /// The place before the first operation without one.
    pub(crate) fn first_unknown(&self) -> usize {
        self.total + 1
    }

    /// The operation after a place in its list.
    pub(crate) fn after(&self, place: usize) -> Option<usize> {
        Some(self.next[place]).filter(|it| *it < self.total)
    }

    /// Whether a place is in the list of operations with an answer.
    pub(crate) fn is_answered(&self, place: usize) -> bool {
        place < self.answered || place == self.first_answered()
    }

    /// The operations from behind a place on.
    pub(crate) fn from(&self, place: usize) -> impl Iterator<Item = usize> {
        std::iter::successors(self.after(place), |it| self.after(*it))
    }

    pub(crate) fn take(&mut self, operation: usize) {
        let (before, after) = (self.previous[operation], self.next[operation]);
        self.next[before] = after;
        self.previous[after] = before;
    }

    /// Undoes the last [`take`](Self::take) that was not undone.
    pub(crate) fn put_back(&mut self, operation: usize) {
        let (before, after) = (self.previous[operation], self.next[operation]);
        self.next[before] = operation;
        self.previous[after] = operation;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lists(waiting: &Waiting) -> [Vec<usize>; 2] {
        [waiting.first_answered(), waiting.first_unknown()].map(|it| waiting.from(it).collect())
    }

    #[test]
    fn what_is_taken_comes_back_to_its_place() {
        let mut waiting = Waiting::new(3, 5);
        let whole = [vec![0, 1, 2], vec![3, 4]];
        assert_eq!(lists(&waiting), whole);
        let order = [1, 4, 0, 2, 3];
        order.iter().for_each(|it| waiting.take(*it));
        assert_eq!(lists(&waiting), [[0; 0]; 2]);
        order.iter().rev().take(3).for_each(|it| waiting.put_back(*it));
        assert_eq!(lists(&waiting), [vec![0, 2], vec![3]]);
        order.iter().rev().skip(3).for_each(|it| waiting.put_back(*it));
        assert_eq!(lists(&waiting), whole);
    }

    #[test]
    fn lists_may_be_empty() {
        assert_eq!(lists(&Waiting::new(0, 0)), [[0; 0]; 2]);
        assert_eq!(lists(&Waiting::new(2, 2)), [vec![0, 1], vec![]]);
        assert_eq!(lists(&Waiting::new(0, 1)), [vec![], vec![0]]);
    }
}
