//! Pure pod placement: a pod, the nodes and their pods in; a node, or why none, out.
//!
//! Invariants: deterministic (the order of lists does not matter); a node that a pod must not be on is never chosen;
//! the message of a refusal accounts for every node, in upstream's words, since tools read them.

mod affinity;
mod fit;
mod score;
mod volumes;

use std::collections::BTreeMap;
use std::fmt;

use k8s_openapi::api::core::v1::{Node, Pod};
pub use volumes::{Mount, SELECTED_NODE, claim_names};

/// Why no node can take a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unschedulable {
    nodes: usize,
    /// What rules out all of them.
    everywhere: Option<String>,
    /// Reason → how many nodes it rules out.
    reasons: BTreeMap<String, usize>,
}

/// As tools expect it: `0/3 nodes are available: 1 Insufficient cpu, 2 node(s) were unschedulable.`
impl fmt::Display for Unschedulable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.nodes == 0 {
            return f.write_str("no nodes available to schedule pods");
        }
        if let Some(reason) = &self.everywhere {
            return write!(f, "0/{} nodes are available: {reason}.", self.nodes);
        }
        let reasons: Vec<_> =
            self.reasons.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
        write!(f, "0/{} nodes are available: {}.", self.nodes, reasons.join(", "))
    }
}

impl std::error::Error for Unschedulable {}

/// The nodes and what runs on them.
#[derive(Clone, Copy)]
pub struct World<'a> {
    pub nodes: &'a [&'a Node],
    /// Every pod that is bound and not finished.
    pub pods: &'a [&'a Pod],
    /// The pod's claims.
    pub mounts: &'a [Mount<'a>],
}

/// The name of the node that a pod should run on.
pub fn place(pod: &Pod, world: World<'_>) -> Result<String, Unschedulable> {
    let mut refused = Unschedulable {
        nodes: world.nodes.len(),
        everywhere: world.mounts.iter().find_map(volumes::obstacle_everywhere),
        reasons: BTreeMap::new(),
    };
    if refused.everywhere.is_some() {
        return Err(refused);
    }
    let mut best: Option<(i64, &str)> = None;
    for node in world.nodes {
        let found =
            fit::obstacles(pod, node, world).chain(affinity::obstacles(pod, node, world)).next();
        let elsewhere = || world.mounts.iter().find_map(|it| volumes::obstacle(it, node));
        if let Some(reason) = found.or_else(|| elsewhere().map(str::to_owned)) {
            *refused.reasons.entry(reason).or_default() += 1;
            continue;
        }
        let candidate = (score::score(pod, node, world), name(node));
        // Of equal ones the first by name, so that the outcome does not depend on the order.
        if best.is_none_or(|it| candidate.0 > it.0 || candidate.0 == it.0 && candidate.1 < it.1) {
            best = Some(candidate);
        }
    }
    best.map(|(_, name)| name.to_owned()).ok_or(refused)
}

/// Whether a pod waits for this scheduler.
pub fn is_waiting(pod: &Pod) -> bool {
    let Some(spec) = &pod.spec else { return false };
    let is_ours = spec.scheduler_name.as_deref().is_none_or(|it| it == "default-scheduler");
    let is_gated = spec.scheduling_gates.as_ref().is_some_and(|it| !it.is_empty());
    let is_bound = spec.node_name.as_deref().is_some_and(|it| !it.is_empty());
    is_ours
        && !is_gated
        && !is_bound
        && !is_finished(pod)
        && pod.metadata.deletion_timestamp.is_none()
}

/// Whether a pod takes nothing any more.
pub fn is_finished(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|it| it.phase.as_deref());
    matches!(phase, Some("Succeeded" | "Failed"))
}

fn name(node: &Node) -> &str {
    node.metadata.name.as_deref().unwrap_or_default()
}

fn on_node<'a>(world: World<'a>, node: &Node) -> impl Iterator<Item = &'a Pod> {
    let name = name(node).to_owned();
    let is_here =
        move |pod: &&Pod| pod.spec.as_ref().and_then(|it| it.node_name.as_ref()) == Some(&name);
    world.pods.iter().copied().filter(is_here)
}

#[cfg(test)]
mod tests;
