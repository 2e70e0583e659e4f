//! What a node must have because of other pods: affinity, anti-affinity, topology spread.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Node, Pod, PodAffinityTerm, TopologySpreadConstraint};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use crate::World;

/// Why a node cannot take a pod beside the pods that run.
pub(crate) fn obstacles(pod: &Pod, node: &Node, world: World<'_>) -> impl Iterator<Item = String> {
    let mut found = Vec::new();
    if repelled(pod, node, world) {
        found.push("node(s) didn't match pod anti-affinity rules".to_owned());
    }
    if !attracted(pod, node, world) {
        found.push("node(s) didn't match pod affinity rules".to_owned());
    }
    if constraints(pod)
        .any(|it| it.when_unsatisfiable == "DoNotSchedule" && skews(pod, node, world, it))
    {
        found.push("node(s) didn't match pod topology spread constraints".to_owned());
    }
    found.into_iter()
}

/// Whether the pod's anti-affinity, or that of a running pod, keeps it away.
fn repelled(pod: &Pod, node: &Node, world: World<'_>) -> bool {
    let by_own = required_anti(pod)
        .any(|term| in_domain(term, node, world).any(|it| selects(term, pod, it)));
    let by_others = world.pods.iter().any(|other| {
        required_anti(other)
            .any(|term| selects(term, other, pod) && shares_domain(term, node, other, world))
    });
    by_own || by_others
}

fn attracted(pod: &Pod, node: &Node, world: World<'_>) -> bool {
    let affinity = pod.spec.as_ref().and_then(|it| it.affinity.as_ref()?.pod_affinity.as_ref());
    let required =
        affinity.and_then(|it| it.required_during_scheduling_ignored_during_execution.as_deref());
    required.unwrap_or_default().iter().all(|term| {
        let nobody = !world.pods.iter().any(|it| selects(term, pod, it));
        // The first of a group that wants to be together may go anywhere.
        nobody && selects(term, pod, pod)
            || in_domain(term, node, world).any(|it| selects(term, pod, it))
    })
}

fn required_anti(pod: &Pod) -> impl Iterator<Item = &PodAffinityTerm> {
    let affinity =
        pod.spec.as_ref().and_then(|it| it.affinity.as_ref()?.pod_anti_affinity.as_ref());
    affinity
        .and_then(|it| it.required_during_scheduling_ignored_during_execution.as_ref())
        .into_iter()
        .flatten()
}

/// How strongly pods that are there attract or repel, by preference.
pub(crate) fn preference(pod: &Pod, node: &Node, world: World<'_>) -> i64 {
    let affinity = pod.spec.as_ref().and_then(|it| it.affinity.as_ref());
    let weigh = |term: &PodAffinityTerm, weight: i32| {
        let count = in_domain(term, node, world).filter(|it| selects(term, pod, it)).count();
        i64::from(weight) * i64::try_from(count).unwrap_or(i64::MAX)
    };
    let towards = affinity.and_then(|it| it.pod_affinity.as_ref());
    let towards =
        towards.and_then(|it| it.preferred_during_scheduling_ignored_during_execution.as_ref());
    let away = affinity.and_then(|it| it.pod_anti_affinity.as_ref());
    let away = away.and_then(|it| it.preferred_during_scheduling_ignored_during_execution.as_ref());
    let sum = |terms: Option<&Vec<_>>| -> i64 {
        let terms: &[k8s_openapi::api::core::v1::WeightedPodAffinityTerm] =
            terms.map_or(&[], Vec::as_slice);
        terms.iter().map(|it| weigh(&it.pod_affinity_term, it.weight)).sum()
    };
    sum(towards) - sum(away)
}

/// Whether `term`, which `owner` carries, means `other`.
fn selects(term: &PodAffinityTerm, owner: &Pod, other: &Pod) -> bool {
    let namespace = other.metadata.namespace.as_deref().unwrap_or_default();
    let in_namespace = match (&term.namespaces, &term.namespace_selector) {
        // Which labels a namespace has is not known here; the empty selector means all of them.
        (_, Some(selector)) if *selector == LabelSelector::default() => true,
        (Some(names), _) if !names.is_empty() => names.iter().any(|it| it == namespace),
        _ => owner.metadata.namespace.as_deref().unwrap_or_default() == namespace,
    };
    in_namespace && term.label_selector.as_ref().is_some_and(|it| matches(it, other))
}

/// The pods on nodes with the same value of the term's topology key.
fn in_domain<'a>(
    term: &'a PodAffinityTerm,
    node: &'a Node,
    world: World<'a>,
) -> impl Iterator<Item = &'a Pod> {
    let here = value(node, &term.topology_key);
    world
        .pods
        .iter()
        .copied()
        .filter(move |pod| here.is_some() && domain(pod, &term.topology_key, world) == here)
}

fn shares_domain(term: &PodAffinityTerm, node: &Node, pod: &Pod, world: World<'_>) -> bool {
    let here = value(node, &term.topology_key);
    here.is_some() && domain(pod, &term.topology_key, world) == here
}

/// The value of a topology key on the node of a pod.
fn domain<'a>(pod: &Pod, key: &str, world: World<'a>) -> Option<&'a str> {
    let name = pod.spec.as_ref()?.node_name.as_deref()?;
    let node = world.nodes.iter().copied().find(|it| it.metadata.name.as_deref() == Some(name))?;
    value(node, key)
}

fn value<'a>(node: &'a Node, key: &str) -> Option<&'a str> {
    node.metadata.labels.as_ref()?.get(key).map(String::as_str)
}

pub(crate) fn constraints(pod: &Pod) -> impl Iterator<Item = &TopologySpreadConstraint> {
    pod.spec.iter().flat_map(|it| it.topology_spread_constraints.iter().flatten())
}

/// Whether the pod on this node would make the spread too uneven.
fn skews(pod: &Pod, node: &Node, world: World<'_>, constraint: &TopologySpreadConstraint) -> bool {
    let Some(here) = value(node, &constraint.topology_key) else { return true };
    let counts = counts(pod, world, constraint);
    let least = counts.values().min().copied().unwrap_or(0);
    counts.get(here).copied().unwrap_or(0) + 1 - least > i64::from(constraint.max_skew)
}

/// How many selected pods each domain has.
pub(crate) fn counts<'a>(
    pod: &Pod,
    world: World<'a>,
    constraint: &TopologySpreadConstraint,
) -> BTreeMap<&'a str, i64> {
    let key = &constraint.topology_key;
    let mut counts: BTreeMap<&str, i64> =
        world.nodes.iter().copied().filter_map(|it| Some((value(it, key)?, 0))).collect();
    let selected = |other: &&&Pod| {
        other.metadata.namespace == pod.metadata.namespace
            && constraint.label_selector.as_ref().is_some_and(|it| matches(it, other))
    };
    for other in world.pods.iter().filter(selected) {
        if let Some(count) = domain(other, key, world).and_then(|it| counts.get_mut(it)) {
            *count += 1;
        }
    }
    counts
}

pub(crate) fn matches(selector: &LabelSelector, pod: &Pod) -> bool {
    let value = serde_json::to_value(selector).unwrap_or_default();
    let compiled = machinery::selector::LabelSelector::from_value(&value);
    let label = |key: &str| pod.metadata.labels.as_ref()?.get(key).map(String::as_str);
    compiled.is_ok_and(|it| it.matches(label))
}
