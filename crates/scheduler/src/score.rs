//! Which of the possible nodes is best: preferences first, then the spread of what belongs together, then room.

use k8s_openapi::api::core::v1::{Node, Pod};

use crate::affinity::{self, constraints, counts};
use crate::fit::{matches_term, requested};
use crate::{World, on_node};

/// A preference outweighs a sibling on the node, and a sibling outweighs how full the node is.
const PREFERENCE: i64 = 1_000_000;
const SIBLING: i64 = 10_000;

pub(crate) fn score(pod: &Pod, node: &Node, world: World<'_>) -> i64 {
    let preferences = affinity::preference(pod, node, world) + node_preference(pod, node)
        - skew(pod, node, world);
    let siblings = on_node(world, node).filter(|it| is_sibling(pod, it)).count();
    let siblings = i64::try_from(siblings).unwrap_or(i64::MAX);
    preferences.saturating_mul(PREFERENCE)
        - siblings.saturating_mul(SIBLING)
        - fullness(node, world)
}

fn node_preference(pod: &Pod, node: &Node) -> i64 {
    let affinity = pod.spec.as_ref().and_then(|it| it.affinity.as_ref()?.node_affinity.as_ref());
    let preferred =
        affinity.and_then(|it| it.preferred_during_scheduling_ignored_during_execution.as_ref());
    let matching = preferred.into_iter().flatten().filter(|it| matches_term(&it.preference, node));
    matching.map(|it| i64::from(it.weight)).sum()
}

/// How many pods of its spread the node's domain has already.
fn skew(pod: &Pod, node: &Node, world: World<'_>) -> i64 {
    let of = |constraint| {
        let counts = counts(pod, world, constraint);
        let label = node.metadata.labels.as_ref().and_then(|it| it.get(&constraint.topology_key));
        label.and_then(|it| counts.get(it.as_str()).copied()).unwrap_or(0)
    };
    constraints(pod).map(of).sum()
}

/// Whether two pods have the same controller.
fn is_sibling(pod: &Pod, other: &Pod) -> bool {
    let controller = |pod: &Pod| {
        let owners = pod.metadata.owner_references.iter().flatten();
        owners.into_iter().find(|it| it.controller == Some(true)).map(|it| it.uid.clone())
    };
    controller(pod).is_some() && controller(pod) == controller(other)
}

/// How full a node is, in tenths of a percent of its processors, and by its pods where those ask for none.
fn fullness(node: &Node, world: World<'_>) -> i64 {
    let used = on_node(world, node)
        .fold(0i64, |sum, it| sum.saturating_add(requested(it, "cpu").millis()));
    let allocatable = node.status.as_ref().and_then(|it| it.allocatable.as_ref()?.get("cpu"));
    let there = allocatable.and_then(|it| machinery::quantity::Quantity::parse(&it.0).ok());
    let there = there.map_or(1, |it| it.millis()).max(1);
    let pods = i64::try_from(on_node(world, node).count()).unwrap_or(i64::MAX);
    (used.saturating_mul(1_000) / there).saturating_add(pods.min(1_000))
}
