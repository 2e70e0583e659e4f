//! The explorer: breadth first over all states, then the bottom components of the fault-free graph.

use std::mem;

use crate::finding::{Finding, Report};
use crate::graph::{Bottom, Graph, Node};
use crate::visited::Visited;
use crate::world::{Broken, Move, Next, Property, State, World};

/// A world that is not done by then is too wide for a test.
pub const STATES_MAX: usize = 20_000_000;

/// Visits every state of a world, unless there are more than this, up to the first thing that is
/// wrong. See [`World`] for an example.
pub fn check<W: World>(world: &mut W, states_max: usize) -> Report<W::Property> {
    let mut explorer = Explorer {
        world,
        visited: Visited::new(),
        graph: Graph::default(),
        rests: vec![],
        prints: vec![],
        steps: 0,
        depth: 0,
    };
    let end = explorer.visit_all(states_max);
    let finding = match &end {
        End::Broken(node, broken) => Some(explorer.broken(*node, broken)),
        End::Complete => explorer.unrest(),
        End::TooMany => None,
    };
    Report {
        states: explorer.visited.len(),
        steps: explorer.steps,
        depth: explorer.depth,
        at_rest: explorer.rests.iter().filter(|it| **it).count(),
        complete: matches!(end, End::Complete),
        finding,
    }
}

/// How a visit of all states ended.
enum End<W: World> {
    Complete,
    TooMany,
    Broken(Node, Broken<W>),
}

struct Explorer<'a, W> {
    world: &'a mut W,
    visited: Visited,
    graph: Graph,
    /// Whether a node is at rest.
    rests: Vec<bool>,
    /// Those of the states that are being numbered.
    prints: Vec<u128>,
    steps: usize,
    depth: usize,
}

impl<W: World> Explorer<'_, W> {
    /// Visits every state, a ring of equal distance after the other; ends early at one that breaks a
    /// property.
    fn visit_all(&mut self, states_max: usize) -> End<W> {
        let first = self.world.first();
        self.visited.number(first.fingerprint(), 0);
        let (mut ring, mut next_ring, mut next) = (vec![first], vec![], vec![]);
        while !ring.is_empty() {
            for state in &ring {
                let node = Node::try_from(self.graph.len()).expect("fewer than 2^32 states");
                next.clear();
                if let Err(broken) = self.world.explore(state, &mut next) {
                    return End::Broken(node, broken);
                }
                self.rests.push(self.world.is_at_rest(state, &next));
                self.follow(node, &mut next, &mut next_ring);
                if self.visited.len() > states_max {
                    return End::TooMany;
                }
            }
            ring.clear();
            mem::swap(&mut ring, &mut next_ring);
            self.depth += usize::from(!ring.is_empty());
        }
        End::Complete
    }

    /// Takes note of the steps from a node, and keeps the states that are new.
    fn follow(&mut self, node: Node, next: &mut Next<W>, new: &mut Vec<W::State>) {
        self.steps += next.len();
        self.prints.clear();
        self.prints.extend(next.iter().map(|(_, after)| after.fingerprint()));
        self.visited.fetch(&self.prints);
        for ((step, after), print) in next.drain(..).zip(&self.prints) {
            let (number, is_new) = self.visited.number(*print, node);
            if !step.is_fault() && number != node {
                self.graph.add(number);
            }
            if is_new {
                new.push(after);
            }
        }
        self.graph.close();
    }

    /// The first state of a bottom component that is not at rest.
    fn unrest(&mut self) -> Option<Finding<W::Property>> {
        let restless = self.graph.failing_bottoms(|it| !self.rests[it as usize]);
        let Bottom { node, size } = restless.into_iter().min_by_key(|it| it.node)?;
        let (script, last) = self.script(node);
        let mut detail = vec![match size {
            1 => "and nothing more happens".to_owned(),
            size => format!("and {size} states follow each other without an end"),
        }];
        detail.extend(self.world.explain(&last));
        Some(Finding { property: W::Property::RECONCILES, script, detail })
    }

    fn broken(&mut self, node: Node, broken: &Broken<W>) -> Finding<W::Property> {
        let (mut script, last) = self.script(node);
        // What a state tells people may differ by the way there; this is the way of the script.
        let again = self.world.explore(&last, &mut vec![]).err();
        let Broken { property, step, detail } = again.as_ref().unwrap_or(broken);
        script.push(step.to_string());
        let detail = if detail.is_empty() { vec![] } else { vec![detail.clone()] };
        Finding { property: *property, script, detail }
    }

    /// The way from the start to a node, and the state there.
    fn script(&mut self, node: Node) -> (Vec<String>, W::State) {
        let mut state = self.world.first();
        let mut script = vec![];
        for node in self.visited.way(node).into_iter().skip(1) {
            let mut next = vec![];
            // A state whose steps break a property is never passed on the way.
            let _ = self.world.explore(&state, &mut next);
            let leads = |it: &W::State| self.visited.find(it.fingerprint()) == Some(node);
            let found = next.into_iter().find(|(_, it)| leads(it));
            let (step, after) = found.expect("the way was gone before");
            script.push(step.to_string());
            let remarks = self.world.remark(&state, &step);
            script.extend(remarks.into_iter().map(|it| format!("    ({it})")));
            state = after;
        }
        (script, state)
    }
}
