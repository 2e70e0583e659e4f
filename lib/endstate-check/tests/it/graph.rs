//! Bottom components, against a definition that is slow and plain: on random graphs, unrest is found
//! if and only if a state that can be reached is not at rest, and can be reached again from wherever
//! it leads.

use std::collections::BTreeSet;
use std::fmt;

use endstate_check::{Broken, Move, Next, Print, Property, State, World, check};
use proptest::prelude::*;

/// A graph as a world: node 0 is the first state.
#[derive(Clone, Debug)]
struct Graph {
    edges: Vec<Vec<Edge>>,
    rests: Vec<bool>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Edge {
    to: usize,
    fault: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct At(usize);

impl State for At {
    fn fingerprint(&self) -> u128 {
        Print::of([self.0 as u64])
    }
}

impl Move for Edge {
    fn is_fault(&self) -> bool {
        self.fault
    }
}

impl fmt::Display for Edge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.to)
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Reconciles;

impl Property for Reconciles {
    const RECONCILES: Self = Self;
}

impl fmt::Display for Reconciles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no rest")
    }
}

impl World for Graph {
    type State = At;
    type Move = Edge;
    type Property = Reconciles;

    fn first(&self) -> At {
        At(0)
    }

    fn explore(&mut self, at: &At, next: &mut Next<Self>) -> Result<(), Broken<Self>> {
        next.extend(self.edges[at.0].iter().map(|it| (*it, At(it.to))));
        Ok(())
    }

    fn is_at_rest(&self, at: &At, _: &Next<Self>) -> bool {
        self.rests[at.0]
    }
}

impl Graph {
    /// All nodes that can be reached, this one included.
    fn from(&self, node: usize, faults: bool) -> BTreeSet<usize> {
        let mut found = BTreeSet::from([node]);
        loop {
            let edges = found.iter().flat_map(|it| &self.edges[*it]);
            let wider: BTreeSet<_> =
                edges.filter(|it| faults || !it.fault).map(|it| it.to).chain([node]).collect();
            let before = found.len();
            found.extend(wider);
            if found.len() == before {
                return found;
            }
        }
    }

    /// The bottom component of a node, if it is in one.
    fn bottom(&self, node: usize) -> Option<BTreeSet<usize>> {
        let reached = self.from(node, false);
        reached.iter().all(|it| self.from(*it, false).contains(&node)).then_some(reached)
    }

    fn restless(&self) -> Vec<usize> {
        let reached = self.from(0, true);
        reached.into_iter().filter(|it| !self.rests[*it] && self.bottom(*it).is_some()).collect()
    }
}

fn graph() -> impl Strategy<Value = Graph> {
    (1..12_usize).prop_flat_map(|count| {
        let edge = (0..count, prop::bool::weighted(0.2)).prop_map(|(to, fault)| Edge { to, fault });
        let edges = prop::collection::vec(prop::collection::vec(edge, 0..3), count);
        let rests = prop::collection::vec(prop::bool::weighted(0.7), count);
        (edges, rests).prop_map(|(edges, rests)| Graph { edges, rests })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]

    #[test]
    fn unrest_is_found_where_it_is(graph in graph()) {
        let report = check(&mut graph.clone(), 1000);
        prop_assert!(report.complete);
        prop_assert_eq!(report.states, graph.from(0, true).len());
        let restless = graph.restless();
        let Some(finding) = report.finding else {
            prop_assert_eq!(restless, Vec::<usize>::new());
            return Ok(());
        };
        let node = finding.script.last().map_or(0, |it| it.parse().expect("a node"));
        prop_assert!(restless.contains(&node), "{} of {:?}", node, restless);
        let size = graph.bottom(node).expect("a bottom").len();
        let expected = match size {
            1 => "and nothing more happens".to_owned(),
            size => format!("and {size} states follow each other without an end"),
        };
        prop_assert_eq!(&finding.detail, &vec![expected]);
    }
}
