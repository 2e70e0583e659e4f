//! Nodes as the planner sees them: which take members, and which are being emptied. Pure.

use std::collections::BTreeMap;

use endstate_core::{Place, PodPolicy, Room};
use k8s_openapi::api::core::v1::{Node, Taint, Toleration};
use kube::ResourceExt;

/// The label that says in which zone a node is.
const ZONE: &str = "topology.kubernetes.io/zone";
/// Taints that Kubernetes itself puts on nodes, for as long as something passing is wrong with them.
const OWN_TAINTS: &str = "node.kubernetes.io/";
/// The one of them that a person means: the node is cordoned.
const CORDONED: &str = "node.kubernetes.io/unschedulable";

/// A node, for pods with this policy.
pub(super) fn place(node: &Node, policy: &PodPolicy) -> Place {
    let zone = node.labels().get(ZONE).cloned();
    Place::new(node.name_any(), room(node, policy)).zone(zone)
}

fn room(node: &Node, policy: &PodPolicy) -> Room {
    let spec = node.spec.clone().unwrap_or_default();
    let tolerations: Vec<Toleration> = policy
        .tolerations
        .iter()
        .filter_map(|it| serde_json::from_value(it.clone()).ok())
        .collect();
    let cordoned = spec.unschedulable == Some(true)
        && !tolerations.iter().any(|it| tolerates(it, CORDONED, "", "NoSchedule"));
    let keeps_off = |it: &&Taint| {
        let (value, effect) = (it.value.as_deref().unwrap_or_default(), it.effect.as_str());
        effect != "PreferNoSchedule"
            && !tolerations.iter().any(|own| tolerates(own, &it.key, value, effect))
    };
    let taints: Vec<_> = spec.taints.iter().flatten().filter(keeps_off).collect();
    let meant = |it: &&Taint| it.key == CORDONED || !it.key.starts_with(OWN_TAINTS);
    if cordoned || taints.iter().any(meant) {
        Room::Emptied
    } else if taints.is_empty() && is_ready(node) && has_labels(node, &policy.node_selector) {
        Room::Open
    } else {
        Room::Closed
    }
}

/// Whether a toleration is for a taint, as the scheduler sees it.
fn tolerates(toleration: &Toleration, key: &str, value: &str, effect: &str) -> bool {
    let of_effect = toleration.effect.as_deref().is_none_or(|it| it.is_empty() || it == effect);
    let of_key = toleration.key.as_deref().is_none_or(|it| it.is_empty() || it == key);
    let exists = toleration.operator.as_deref() == Some("Exists");
    let keyless = toleration.key.as_deref().is_none_or(str::is_empty);
    let of_value = exists || !keyless && toleration.value.as_deref().unwrap_or_default() == value;
    of_effect && of_key && of_value
}

fn is_ready(node: &Node) -> bool {
    let conditions = node.status.iter().flat_map(|it| it.conditions.iter().flatten());
    conditions.filter(|it| it.type_ == "Ready").all(|it| it.status == "True")
}

fn has_labels(node: &Node, wanted: &BTreeMap<String, String>) -> bool {
    wanted.iter().all(|(key, value)| node.labels().get(key) == Some(value))
}

/// Whether a change of a node may be one of its place. Most are not: each node says every few minutes that it lives.
pub(super) fn moved(old: Option<&Node>, new: Option<&Node>) -> bool {
    let (Some(old), Some(new)) = (old, new) else { return true };
    old.spec != new.spec || old.labels() != new.labels() || is_ready(old) != is_ready(new)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn node(spec: Value) -> Node {
        let node = json!({
            "metadata": {"name": "n", "labels": {"disk": "ssd", ZONE: "a"}},
            "spec": spec, "status": {"conditions": [{"type": "Ready", "status": "True"}]},
        });
        serde_json::from_value(node).unwrap()
    }

    fn tainted(key: &str, effect: &str) -> Node {
        node(json!({"taints": [{"key": key, "value": "v", "effect": effect}]}))
    }

    fn tolerating(toleration: Value) -> PodPolicy {
        PodPolicy { tolerations: vec![toleration], ..PodPolicy::default() }
    }

    #[test]
    fn who_cordons_or_taints_a_node_empties_it() {
        let none = PodPolicy::default();
        assert_eq!(place(&node(json!({})), &none).zone(None), Place::new("n", Room::Open));
        assert_eq!(place(&node(json!({})), &none).zone.as_deref(), Some("a"));
        for emptied in [
            node(json!({"unschedulable": true})),
            tainted("example.com/maintenance", "NoSchedule"),
            tainted("example.com/maintenance", "NoExecute"),
            tainted(CORDONED, "NoSchedule"),
        ] {
            assert_eq!(room(&emptied, &none), Room::Emptied, "{:?}", emptied.spec);
        }
        assert_eq!(room(&tainted("example.com/old", "PreferNoSchedule"), &none), Room::Open);
    }

    /// A node that does not report is no node that somebody empties.
    #[test]
    fn what_passes_moves_nobody() {
        let none = PodPolicy::default();
        for (key, effect) in [
            ("node.kubernetes.io/unreachable", "NoExecute"),
            ("node.kubernetes.io/memory-pressure", "NoSchedule"),
        ] {
            assert_eq!(room(&tainted(key, effect), &none), Room::Closed, "{key}");
        }
        let mut silent = node(json!({}));
        silent.status.as_mut().unwrap().conditions.as_mut().unwrap()[0].status = "Unknown".into();
        assert_eq!(room(&silent, &none), Room::Closed);
    }

    #[test]
    fn what_members_tolerate_empties_nothing() {
        let taint = tainted("k", "NoSchedule");
        for (toleration, expected) in [
            (json!({"key": "k", "operator": "Exists"}), Room::Open),
            (json!({"operator": "Exists"}), Room::Open),
            (json!({"key": "k", "value": "v", "effect": "NoSchedule"}), Room::Open),
            (json!({"key": "k", "value": "w"}), Room::Emptied),
            (json!({"key": "other", "operator": "Exists"}), Room::Emptied),
            (json!({"key": "k", "operator": "Exists", "effect": "NoExecute"}), Room::Emptied),
        ] {
            assert_eq!(room(&taint, &tolerating(toleration.clone())), expected, "{toleration}");
        }
        let cordoned = node(json!({"unschedulable": true}));
        let tolerates = tolerating(json!({"key": CORDONED, "operator": "Exists"}));
        assert_eq!(room(&cordoned, &tolerates), Room::Open);
    }

    #[test]
    fn a_node_without_the_labels_takes_nobody() {
        let wants = |disk: &str| PodPolicy {
            node_selector: [("disk".to_owned(), disk.to_owned())].into(),
            ..PodPolicy::default()
        };
        assert_eq!(room(&node(json!({})), &wants("ssd")), Room::Open);
        assert_eq!(room(&node(json!({})), &wants("hdd")), Room::Closed);
    }

    #[test]
    fn a_sign_of_life_wakes_nobody() {
        let (old, mut new) = (node(json!({})), node(json!({})));
        new.metadata.resource_version = Some("2".into());
        assert!(!moved(Some(&old), Some(&new)));
        assert!(moved(Some(&old), Some(&node(json!({"unschedulable": true})))));
        assert!(moved(Some(&old), None) && moved(None, Some(&new)));
    }
}
