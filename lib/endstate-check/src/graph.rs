//! The graph of steps that are no faults, and its bottom components.

/// A node of the graph, in the order of discovery.
pub(crate) type Node = u32;

/// Steps by node, in one list: those of node n end at `ends[n]`.
#[derive(Default)]
pub(crate) struct Graph {
    edges: Vec<Node>,
    ends: Vec<usize>,
}

/// Where a component begins, and how many nodes it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bottom {
    /// The first node that was asked for.
    pub(crate) node: Node,
    pub(crate) size: usize,
}

impl Graph {
    /// Adds a step from the node that is being visited.
    pub(crate) fn add(&mut self, to: Node) {
        self.edges.push(to);
    }

    /// The node has no more steps; the next one follows.
    pub(crate) fn close(&mut self) {
        self.ends.push(self.edges.len());
    }

    /// How many nodes were visited.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    fn edges_of(&self, node: Node) -> &[Node] {
        let node = node as usize;
        let begin = if node == 0 { 0 } else { self.ends[node - 1] };
        &self.edges[begin..self.ends[node]]
    }

    /// The bottom strongly connected components in which some node fails: the lowest such node of each.
    pub(crate) fn failing_bottoms(&self, fails: impl Fn(Node) -> bool) -> Vec<Bottom> {
        let mut search = Search::new(self);
        let mut found = vec![];
        for root in 0..self.len() {
            let root = Node::try_from(root).expect("nodes are counted in 32 bits");
            search.visit_from(root, |component| {
                let failing = component.iter().copied().filter(|it| fails(*it)).min();
                found.extend(failing.map(|node| Bottom { node, size: component.len() }));
            });
        }
        found
    }
}

/// Not visited yet.
const NEW: u32 = u32::MAX;

/// Tarjan's algorithm, without recursion.
struct Search<'a> {
    graph: &'a Graph,
    order: Vec<u32>,
    low: Vec<u32>,
    /// Its component is complete.
    done: Vec<bool>,
    /// It has a step to another component.
    leaves: Vec<bool>,
    clock: u32,
    stack: Vec<Node>,
    path: Vec<(Node, usize)>,
}

impl<'a> Search<'a> {
    fn new(graph: &'a Graph) -> Self {
        let count = graph.len();
        Self {
            graph,
            order: vec![NEW; count],
            low: vec![0; count],
            done: vec![false; count],
            leaves: vec![false; count],
            clock: 0,
            stack: vec![],
            path: vec![],
        }
    }

    /// Visits what can be reached from here and was not visited, and hands out bottom components.
    fn visit_from(&mut self, root: Node, mut bottom: impl FnMut(&[Node])) {
        if self.order[root as usize] != NEW {
            return;
        }
        self.path.push((root, 0));
        while let Some((node, edge)) = self.path.pop() {
            if edge == 0 {
                self.enter(node);
            }
            if let Some(next) = self.graph.edges_of(node).get(edge) {
                self.path.push((node, edge + 1));
                self.follow(node, *next);
                continue;
            }
            if self.low[node as usize] == self.order[node as usize]
                && let Some(component) = self.complete(node)
            {
                bottom(&component);
            }
            self.leave(node);
        }
    }

    fn enter(&mut self, node: Node) {
        let at = node as usize;
        (self.order[at], self.low[at]) = (self.clock, self.clock);
        self.clock += 1;
        self.stack.push(node);
    }

    fn follow(&mut self, node: Node, next: Node) {
        match self.order[next as usize] {
            NEW => self.path.push((next, 0)),
            _ if self.done[next as usize] => self.leaves[node as usize] = true,
            seen => self.low[node as usize] = self.low[node as usize].min(seen),
        }
    }

    /// Takes the component that ends here off the stack, and returns it if no step leaves it.
    fn complete(&mut self, node: Node) -> Option<Vec<Node>> {
        let begin = self.stack.iter().rposition(|it| *it == node).expect("on the stack");
        let component = self.stack.split_off(begin);
        for it in &component {
            self.done[*it as usize] = true;
        }
        (!component.iter().any(|it| self.leaves[*it as usize])).then_some(component)
    }

    /// Tells the node before of this one.
    fn leave(&mut self, node: Node) {
        let at = node as usize;
        if let Some((parent, _)) = self.path.last() {
            let parent = *parent as usize;
            if self.done[at] {
                self.leaves[parent] = true;
            } else {
                self.low[parent] = self.low[parent].min(self.low[at]);
            }
        }
    }
}
