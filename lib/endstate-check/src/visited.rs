//! Which states are known, and from where.

use std::hint::black_box;

use crate::graph::Node;

/// The fingerprints of all states that were seen, numbered in the order of discovery, each with the
/// state it was first reached from.
pub(crate) struct Visited {
    buckets: Vec<Bucket>,
    parents: Vec<Node>,
}

/// How many fingerprints fit, with their numbers, into a line of the processor's cache.
const WIDTH: usize = 3;

/// A line of the table. Almost every question about a state is answered by one: memory is what an
/// exploration waits for, and a table of the standard library needs two lines and twice the space.
#[derive(Clone, Copy, Default)]
#[repr(align(64))]
struct Bucket {
    prints: [u128; WIDTH],
    nodes: [Node; WIDTH],
    used: u32,
}

impl Bucket {
    fn find(&self, print: u128) -> Option<Node> {
        let at = self.prints[..self.used as usize].iter().position(|it| *it == print)?;
        Some(self.nodes[at])
    }

    /// Whether there was room.
    fn insert(&mut self, print: u128, node: Node) -> bool {
        let at = self.used as usize;
        if at < WIDTH {
            (self.prints[at], self.nodes[at]) = (print, node);
            self.used += 1;
        }
        at < WIDTH
    }

    fn is_full(&self) -> bool {
        self.used as usize == WIDTH
    }
}

impl Visited {
    pub(crate) fn new() -> Self {
        Self { buckets: vec![Bucket::default(); 1024], parents: vec![] }
    }

    pub(crate) fn len(&self) -> usize {
        self.parents.len()
    }

    /// Fetches the lines in which these will be looked for. The processor waits for all of them at
    /// once instead of one after the other: a tenth of the time of an exploration.
    pub(crate) fn fetch(&self, prints: &[u128]) {
        let lines = prints.iter().map(|it| self.buckets[home(*it, &self.buckets)].used);
        black_box(lines.fold(0, u32::wrapping_add));
    }

    /// The number of a state, and whether it is new.
    pub(crate) fn number(&mut self, print: u128, parent: Node) -> (Node, bool) {
        if let Some(known) = self.find(print) {
            return (known, false);
        }
        // At three quarters.
        if 4 * self.len() > 3 * WIDTH * self.buckets.len() {
            self.grow();
        }
        let next = Node::try_from(self.len()).expect("fewer than 2^32 states");
        insert(&mut self.buckets, print, next);
        self.parents.push(parent);
        (next, true)
    }

    /// The number of a state that was seen.
    pub(crate) fn find(&self, print: u128) -> Option<Node> {
        let mut at = home(print, &self.buckets);
        loop {
            let bucket = &self.buckets[at];
            let found = bucket.find(print);
            if found.is_some() || !bucket.is_full() {
                return found;
            }
            at = (at + 1) % self.buckets.len();
        }
    }

    fn grow(&mut self) {
        let mut buckets = vec![Bucket::default(); 2 * self.buckets.len()];
        for bucket in &self.buckets {
            for at in 0..bucket.used as usize {
                insert(&mut buckets, bucket.prints[at], bucket.nodes[at]);
            }
        }
        self.buckets = buckets;
    }

    /// The nodes on the way from the start to a node, both included.
    pub(crate) fn way(&self, node: Node) -> Vec<Node> {
        let mut way = vec![node];
        while let Some(last) = way.last().copied().filter(|it| *it != 0) {
            way.push(self.parents[last as usize]);
        }
        way.reverse();
        way
    }
}

/// Where a fingerprint is looked for first; if there is no room, it is in the next buckets. Fingerprints are
/// random: any bits will do.
fn home(print: u128, buckets: &[Bucket]) -> usize {
    print as usize & (buckets.len() - 1)
}

fn insert(buckets: &mut [Bucket], print: u128, node: Node) {
    let mut at = home(print, buckets);
    while !buckets[at].insert(print, node) {
        at = (at + 1) % buckets.len();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::Visited;

    /// Fingerprints that begin in few buckets, so that those overflow, each asked for twice.
    #[test]
    fn every_state_keeps_its_number() {
        let (mut visited, mut numbers) = (Visited::new(), HashMap::new());
        for round in 0..20_000_u128 {
            let print = ((round / 2) << 64) | (round % 1000 / 2);
            let next = u32::try_from(numbers.len()).unwrap();
            let known = numbers.get(&print).copied();
            numbers.entry(print).or_insert(next);
            assert_eq!(visited.find(print), known);
            assert_eq!(visited.number(print, 0), (known.unwrap_or(next), known.is_none()));
        }
        assert!(numbers.iter().all(|(print, number)| visited.find(*print) == Some(*number)));
        assert_eq!(visited.len(), numbers.len());
    }

    #[test]
    fn a_way_begins_at_the_start() {
        let mut visited = Visited::new();
        for (print, parent) in [(7, 0), (8, 0), (9, 1), (5, 1), (6, 3)] {
            visited.number(print, parent);
        }
        assert_eq!(visited.way(4), [0, 1, 3, 4]);
        assert_eq!(visited.way(0), [0]);
    }
}
