//! What a node must have by itself: readiness, tolerated taints, matching labels, room.

use k8s_openapi::api::core::v1::{
    Node, NodeSelectorRequirement, NodeSelectorTerm, Pod, PodSpec, Taint, Toleration,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as Text;
use machinery::quantity::Quantity;

use crate::{World, name, on_node};

/// Why a node cannot take a pod, most telling reason first.
pub(crate) fn obstacles(pod: &Pod, node: &Node, world: World<'_>) -> impl Iterator<Item = String> {
    let Some(spec) = &pod.spec else { return Vec::new().into_iter() };
    let mut found = Vec::new();
    let tolerations = spec.tolerations.as_deref().unwrap_or_default();
    let cordon = Taint {
        key: "node.kubernetes.io/unschedulable".to_owned(),
        effect: "NoSchedule".to_owned(),
        ..Taint::default()
    };
    let is_cordoned = node.spec.as_ref().and_then(|it| it.unschedulable) == Some(true);
    // Whether or not the taint is there yet.
    if is_cordoned && !is_tolerated(&cordon, tolerations) {
        found.push("node(s) were unschedulable".to_owned());
    }
    let taints = node.spec.as_ref().and_then(|it| it.taints.as_deref()).unwrap_or_default();
    let hard = |taint: &&Taint| matches!(&*taint.effect, "NoSchedule" | "NoExecute");
    if let Some(taint) = taints.iter().filter(hard).find(|taint| !is_tolerated(taint, tolerations))
    {
        let value = taint.value.as_deref().unwrap_or_default();
        found.push(format!("node(s) had untolerated taint {{{}: {value}}}", taint.key));
    }
    if !is_ready(node) {
        found.push("node(s) were not ready".to_owned());
    }
    if !matches_labels(spec, node) {
        found.push("node(s) didn't match Pod's node affinity/selector".to_owned());
    }
    found.extend(shortages(pod, node, world));
    found.into_iter()
}

fn is_ready(node: &Node) -> bool {
    let conditions =
        node.status.as_ref().and_then(|it| it.conditions.as_deref()).unwrap_or_default();
    conditions.iter().any(|it| it.type_ == "Ready" && it.status == "True")
}

fn is_tolerated(taint: &Taint, tolerations: &[Toleration]) -> bool {
    tolerations.iter().any(|it| {
        let effect =
            it.effect.as_deref().is_none_or(|effect| effect.is_empty() || effect == taint.effect);
        let key = it.key.as_deref().unwrap_or_default();
        let value = it.value.as_deref().unwrap_or_default();
        effect
            && match it.operator.as_deref() {
                Some("Exists") => key.is_empty() || key == taint.key,
                _ => key == taint.key && value == taint.value.as_deref().unwrap_or_default(),
            }
    })
}

fn matches_labels(spec: &PodSpec, node: &Node) -> bool {
    let label = |key: &str| node.metadata.labels.as_ref()?.get(key).map(String::as_str);
    let selected =
        spec.node_selector.iter().flatten().all(|(key, value)| label(key) == Some(value));
    let affinity = spec.affinity.as_ref().and_then(|it| it.node_affinity.as_ref());
    let required =
        affinity.and_then(|it| it.required_during_scheduling_ignored_during_execution.as_ref());
    selected
        && required
            .is_none_or(|it| it.node_selector_terms.iter().any(|term| matches_term(term, node)))
}

/// Whether a node is as a term asks. An empty term asks for nothing and matches nothing.
pub(crate) fn matches_term(term: &NodeSelectorTerm, node: &Node) -> bool {
    let label = |key: &str| node.metadata.labels.as_ref()?.get(key).map(String::as_str);
    let field = |key: &str| (key == "metadata.name").then(|| name(node));
    let labels = term.match_expressions.as_deref().unwrap_or_default();
    let fields = term.match_fields.as_deref().unwrap_or_default();
    !(labels.is_empty() && fields.is_empty())
        && labels.iter().all(|it| matches(it, label(&it.key)))
        && fields.iter().all(|it| matches(it, field(&it.key)))
}

fn matches(requirement: &NodeSelectorRequirement, value: Option<&str>) -> bool {
    let values = requirement.values.as_deref().unwrap_or_default();
    let is_one = value.is_some_and(|value| values.iter().any(|it| it == value));
    let number = |text: &str| text.parse::<i64>().ok();
    let bound = values.first().and_then(|it| number(it));
    match &*requirement.operator {
        "In" => is_one,
        "NotIn" => !is_one,
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        "Gt" => value.and_then(number).zip(bound).is_some_and(|(value, bound)| value > bound),
        "Lt" => value.and_then(number).zip(bound).is_some_and(|(value, bound)| value < bound),
        // An operator of a later version: what is not understood is not fulfilled.
        _ => false,
    }
}

fn shortages(pod: &Pod, node: &Node, world: World<'_>) -> Vec<String> {
    let Some(allocatable) = node.status.as_ref().and_then(|it| it.allocatable.as_ref()) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    let quantity = |text: &Text| Quantity::parse(&text.0).unwrap_or_else(|_| Quantity::zero());
    let places = allocatable.get("pods").map(|it| quantity(it).units());
    if places.is_some_and(|places| {
        i64::try_from(on_node(world, node).count()).is_ok_and(|it| it >= places)
    }) {
        found.push("Too many pods".to_owned());
    }
    for resource in requested_names(pod) {
        let wanted = requested(pod, &resource);
        let used = on_node(world, node)
            .fold(Quantity::zero(), |sum, it| sum.saturating_add(requested(it, &resource)));
        let there = allocatable.get(&resource).map_or_else(Quantity::zero, quantity);
        if wanted.nanos() > 0 && wanted.saturating_add(used).nanos() > there.nanos() {
            found.push(format!("Insufficient {resource}"));
        }
    }
    found
}

fn requested_names(pod: &Pod) -> Vec<String> {
    let spec = pod.spec.iter();
    let containers =
        spec.flat_map(|it| it.containers.iter().chain(it.init_containers.iter().flatten()));
    let requests = containers.filter_map(|it| it.resources.as_ref()?.requests.as_ref());
    let mut names: Vec<_> = requests.flat_map(|it| it.keys().cloned()).collect();
    names.sort();
    names.dedup();
    names
}

/// What a pod asks for of a resource: all its containers at once, or the largest init container before them.
pub(crate) fn requested(pod: &Pod, resource: &str) -> Quantity {
    let Some(spec) = &pod.spec else { return Quantity::zero() };
    let of = |container: &k8s_openapi::api::core::v1::Container| {
        let requests = container.resources.as_ref().and_then(|it| it.requests.as_ref());
        let text = requests.and_then(|it| it.get(resource));
        text.and_then(|it| Quantity::parse(&it.0).ok()).unwrap_or_else(Quantity::zero)
    };
    let init = spec.init_containers.as_deref().unwrap_or_default();
    let (sidecars, init): (Vec<_>, Vec<_>) =
        init.iter().partition(|it| it.restart_policy.as_deref() == Some("Always"));
    let running = spec.containers.iter().chain(sidecars);
    let running = running.fold(Quantity::zero(), |sum, it| sum.saturating_add(of(it)));
    let most = init.into_iter().map(of).max_by_key(|it| it.nanos()).unwrap_or_else(Quantity::zero);
    if most.nanos() > running.nanos() { most } else { running }
}
