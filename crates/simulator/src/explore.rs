//! The explorer: breadth first over all states, then the bottom components of the fault-free graph.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    hash::{BuildHasherDefault, Hasher},
    time::{Duration, Instant},
};

use crate::{
    plans::{Planner, Plans},
    property::Property,
    scenario::Scenario,
    world::{
        State,
        moves::{Broken, Moves},
        observe::View,
        script::Move,
    },
};

/// What an exploration found.
#[derive(Debug)]
pub struct Report {
    /// The scenario's name.
    pub scenario: &'static str,
    /// States told apart.
    pub states: usize,
    /// Steps between them.
    pub steps: usize,
    /// How many steps the furthest state is away.
    pub depth: usize,
    /// How many different views the planner was asked about.
    pub views: usize,
    /// Whether every state was visited. If not, nothing is known of ESR.
    pub complete: bool,
    /// States at rest.
    pub at_rest: usize,
    /// How long it took.
    pub took: Duration,
    /// The first thing that is wrong.
    pub finding: Option<Finding>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:<28} {:>9} states {:>9} steps {:>4} deep {:>7} views {:>6} at rest {:>7.2} s",
            self.scenario,
            self.states,
            self.steps,
            self.depth,
            self.views,
            self.at_rest,
            self.took.as_secs_f64()
        )
    }
}

/// A property that does not hold, with the way there.
#[derive(Debug)]
pub struct Finding {
    /// Which.
    pub property: Property,
    /// The steps from the start, readable.
    pub script: Vec<String>,
    /// What more can be said.
    pub detail: Vec<String>,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}:", self.property)?;
        for step in &self.script {
            writeln!(f, "  {step}")?;
        }
        for line in &self.detail {
            writeln!(f, "  -> {line}")?;
        }
        Ok(())
    }
}

/// Explores a scenario with a planner.
pub fn check(scenario: &Scenario, planner: Planner) -> Report {
    let begun = Instant::now();
    let mut explorer = Explorer::new(scenario, planner);
    let broken = explorer.visit_all();
    let finding = match broken {
        Some((node, broken)) => Some(explorer.finding(node, &broken)),
        None if explorer.ends.len() == explorer.prints.len() => explorer.unrest(),
        None => None,
    };
    Report {
        scenario: scenario.name,
        states: explorer.prints.len(),
        steps: explorer.steps,
        depth: explorer.depth,
        views: explorer.plans.views(),
        complete: explorer.ends.len() == explorer.prints.len(),
        at_rest: explorer.rests.iter().filter(|it| **it).count(),
        took: begun.elapsed(),
        finding,
    }
}

/// Fingerprints are as good as random already.
#[derive(Default)]
struct AsIs(u64);

impl Hasher for AsIs {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, _: &[u8]) {
        unreachable!("only fingerprints are hashed");
    }
    fn write_u128(&mut self, print: u128) {
        #[expect(clippy::cast_possible_truncation, reason = "any 64 of the 128 bits will do")]
        let low = print as u64;
        self.0 = low;
    }
}

/// A scenario that is not done by then is too wide for a test.
const STATES_MAX: usize = 20_000_000;

/// A node of the graph, in the order of discovery.
type Node = u32;

struct Explorer<'a> {
    scenario: &'a Scenario,
    plans: Plans,
    numbers: HashMap<u128, Node, BuildHasherDefault<AsIs>>,
    prints: Vec<u128>,
    parents: Vec<Node>,
    /// Whether a node is at rest and the operator, looking with fresh eyes, does nothing.
    rests: Vec<bool>,
    /// The fault-free steps, by node: those of node n end at `ends[n]`.
    edges: Vec<Node>,
    ends: Vec<usize>,
    steps: usize,
    depth: usize,
}

impl<'a> Explorer<'a> {
    fn new(scenario: &'a Scenario, planner: Planner) -> Self {
        Self {
            scenario,
            plans: Plans::new(planner),
            numbers: HashMap::default(),
            prints: vec![],
            parents: vec![],
            rests: vec![],
            edges: vec![],
            ends: vec![],
            steps: 0,
            depth: 0,
        }
    }

    /// The number of a state, and whether it is new.
    fn number(&mut self, state: &State, parent: Node) -> (Node, bool) {
        let print = state.fingerprint();
        let next = Node::try_from(self.prints.len()).expect("fewer than 2^32 states");
        match self.numbers.entry(print) {
            std::collections::hash_map::Entry::Occupied(it) => (*it.get(), false),
            std::collections::hash_map::Entry::Vacant(it) => {
                it.insert(next);
                self.prints.push(print);
                self.parents.push(parent);
                (next, true)
            }
        }
    }

    /// Visits every state, breadth first; ends early at one that breaks a property.
    fn visit_all(&mut self) -> Option<(Node, Broken)> {
        let first = self.scenario.first_state();
        self.number(&first, 0);
        let mut queue = VecDeque::from([(first, 0_usize)]);
        let mut next = vec![];
        while let Some((state, depth)) = queue.pop_front() {
            let node = Node::try_from(self.ends.len()).expect("fewer than 2^32 states");
            self.depth = self.depth.max(depth);
            if self.prints.len() > STATES_MAX {
                return None;
            }
            let mut moves = Moves { scenario: self.scenario, plans: &mut self.plans, next };
            if let Err(broken) = moves.explore(&state) {
                return Some((node, broken));
            }
            next = moves.next;
            let mut busy = false;
            for (step, after) in &next {
                self.steps += 1;
                busy |= matches!(step, Move::Observe { .. }) && !step.is_fault() && after.plan != 0;
                let (number, new) = self.number(after, node);
                if new {
                    queue.push_back((*after, depth + 1));
                }
                if !step.is_fault() && number != node {
                    self.edges.push(number);
                }
            }
            self.ends.push(self.edges.len());
            self.rests.push(state.is_at_rest() && !busy);
        }
        None
    }

    fn edges_of(&self, node: Node) -> &[Node] {
        let node = node as usize;
        let begin = if node == 0 { 0 } else { self.ends[node - 1] };
        &self.edges[begin..self.ends[node]]
    }

    /// The first bottom component of the fault-free graph that is not at rest.
    fn unrest(&mut self) -> Option<Finding> {
        let restless = self.bottoms().into_iter().filter(|(node, _)| !self.rests[*node as usize]);
        let (node, size) = restless.min_by_key(|(node, _)| *node)?;
        let (script, last) = self.script(node);
        let mut detail = vec![match size {
            1 => "and nothing more happens".to_owned(),
            size => format!("and {size} states follow each other without an end"),
        }];
        let view = View::of(&last.seen(false, false), self.scenario.respec, None);
        detail.extend(self.plans.explain(&view).into_iter().map(|it| format!("operator: {it}")));
        Some(Finding { property: Property::Reconciles, script, detail })
    }

    /// The bottom strongly connected components: the lowest node of each, and its size. Tarjan's
    /// algorithm, without recursion.
    fn bottoms(&self) -> Vec<(Node, usize)> {
        const NEW: u32 = u32::MAX;
        let count = self.prints.len();
        let mut order = vec![NEW; count];
        let mut low = vec![0_u32; count];
        let mut done = vec![false; count];
        let mut leaves = vec![false; count];
        let (mut clock, mut stack, mut path, mut found) = (0, vec![], vec![], vec![]);
        for root in 0..count {
            if order[root] != NEW {
                continue;
            }
            path.push((Node::try_from(root).expect("counted"), 0_usize));
            while let Some((node, edge)) = path.pop() {
                let at = node as usize;
                if edge == 0 {
                    (order[at], low[at]) = (clock, clock);
                    clock += 1;
                    stack.push(node);
                }
                let edges = self.edges_of(node);
                if let Some(next) = edges.get(edge) {
                    path.push((node, edge + 1));
                    match order[*next as usize] {
                        NEW => path.push((*next, 0)),
                        seen if !done[*next as usize] => low[at] = low[at].min(seen),
                        _ => leaves[at] = true,
                    }
                    continue;
                }
                if low[at] == order[at] {
                    let begin = stack.iter().rposition(|it| *it == node).expect("on the stack");
                    let component = stack.split_off(begin);
                    let bottom = !component.iter().any(|it| leaves[*it as usize]);
                    for it in &component {
                        done[*it as usize] = true;
                    }
                    if bottom {
                        found.push((*component.iter().min().expect("not empty"), component.len()));
                    }
                }
                if let Some((parent, _)) = path.last() {
                    let parent = *parent as usize;
                    if done[at] {
                        leaves[parent] = true;
                    } else {
                        low[parent] = low[parent].min(low[at]);
                    }
                }
            }
        }
        found
    }

    fn finding(&mut self, node: Node, broken: &Broken) -> Finding {
        let (mut script, last) = self.script(node);
        let mut step = broken.step.to_string();
        // The steps of a script carry the tags of that very way.
        let mut moves = Moves { scenario: self.scenario, plans: &mut self.plans, next: vec![] };
        let mut detail = broken.detail.clone();
        if let Err(again) = moves.explore(&last) {
            (step, detail) = (again.step.to_string(), again.detail);
        }
        script.push(step);
        let detail = if detail.is_empty() { vec![] } else { vec![detail] };
        Finding { property: broken.property, script, detail }
    }

    /// The way from the start to a node, and the state there.
    fn script(&mut self, node: Node) -> (Vec<String>, State) {
        let mut way = vec![node];
        while let Some(last) = way.last().copied().filter(|it| *it != 0) {
            way.push(self.parents[last as usize]);
        }
        let mut state = self.scenario.first_state();
        let mut script = vec![];
        for next in way.iter().rev().skip(1) {
            let mut moves = Moves { scenario: self.scenario, plans: &mut self.plans, next: vec![] };
            // A state whose steps break a property is never passed on the way.
            let _ = moves.explore(&state);
            let print = self.prints[*next as usize];
            let found = moves.next.into_iter().find(|(_, it)| it.fingerprint() == print);
            let (step, after) = found.expect("the way was gone before");
            script.push(step.to_string());
            if let Move::Observe { old_object, old_pods, blind } = step {
                let blind = state.slots.iter().position(|it| Some(it.tag) == blind);
                let seen = state.seen(old_object, old_pods);
                let view = View::of(&seen, self.scenario.respec, blind);
                script
                    .extend(self.plans.explain(&view).into_iter().map(|it| format!("    ({it})")));
            }
            state = after;
        }
        (script, state)
    }
}
