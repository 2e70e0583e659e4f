//! Taints of nodes, and which of them pods tolerate.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{Node, Pod, Taint, Toleration};

pub const NOT_READY: &str = "node.kubernetes.io/not-ready";
pub const UNREACHABLE: &str = "node.kubernetes.io/unreachable";
pub const UNSCHEDULABLE: &str = "node.kubernetes.io/unschedulable";
/// A person says that the node is off for good: what was on it may be forgotten.
pub const OUT_OF_SERVICE: &str = "node.kubernetes.io/out-of-service";

pub const NO_SCHEDULE: &str = "NoSchedule";
pub const NO_EXECUTE: &str = "NoExecute";

pub fn taints(node: &Node) -> &[Taint] {
    node.spec.as_ref().and_then(|it| it.taints.as_deref()).unwrap_or_default()
}

/// The taints that drive pods away.
pub fn driving(node: &Node) -> impl Iterator<Item = &Taint> {
    taints(node).iter().filter(|it| it.effect == NO_EXECUTE)
}

/// When a pod has to leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leave {
    Never,
    At(Timestamp),
}

/// When a pod has to leave its node. A toleration with a limit counts from when the taint was added.
pub fn leave(pod: &Pod, node: &Node, now: Timestamp) -> Leave {
    let tolerations = pod.spec.as_ref().and_then(|it| it.tolerations.as_deref());
    let tolerations = tolerations.unwrap_or_default();
    let until = |taint: &Taint| match tolerations.iter().find(|it| tolerates(it, taint)) {
        None => Some(now),
        Some(toleration) => {
            let seconds = toleration.toleration_seconds?.max(0);
            let since = taint.time_added.as_ref().map_or(now, |it| it.0);
            Some(since.saturating_add(SignedDuration::from_secs(seconds)).unwrap_or(now))
        }
    };
    driving(node).filter_map(until).min().map_or(Leave::Never, Leave::At)
}

fn tolerates(toleration: &Toleration, taint: &Taint) -> bool {
    let effect = toleration.effect.as_deref().unwrap_or_default();
    let key = toleration.key.as_deref().unwrap_or_default();
    let value = toleration.value.as_deref().unwrap_or_default();
    (effect.is_empty() || effect == taint.effect)
        && match toleration.operator.as_deref() {
            Some("Exists") => key.is_empty() || key == taint.key,
            _ => key == taint.key && value == taint.value.as_deref().unwrap_or_default(),
        }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn leaves(tolerations: Value, taints: Value) -> Option<i64> {
        let pod =
            serde_json::from_value(json!({"spec": {"containers": [], "tolerations": tolerations}}));
        let node = serde_json::from_value(json!({"spec": {"taints": taints}}));
        let now = Timestamp::from_second(1_000).unwrap();
        match leave(&pod.unwrap(), &node.unwrap(), now) {
            Leave::Never => None,
            Leave::At(at) => Some(at.as_second()),
        }
    }

    #[test]
    fn pods_stay_as_long_as_they_tolerate() {
        let taint = |key: &str, effect: &str| json!({"key": key, "value": "v", "effect": effect, "timeAdded": "1970-01-01T00:10:00Z"});
        let for_seconds = |key: &str, seconds: i64| json!({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": seconds});
        let cases = [
            ("no taint", json!([]), json!([]), None),
            ("no effect here", json!([]), json!([taint("a", "NoSchedule")]), None),
            ("not tolerated", json!([]), json!([taint("a", "NoExecute")]), Some(1_000)),
            (
                "for ever",
                json!([{"key": "a", "operator": "Exists"}]),
                json!([taint("a", "NoExecute")]),
                None,
            ),
            ("all", json!([{"operator": "Exists"}]), json!([taint("a", "NoExecute")]), None),
            ("value", json!([{"key": "a", "value": "v"}]), json!([taint("a", "NoExecute")]), None),
            (
                "another value",
                json!([{"key": "a", "value": "w"}]),
                json!([taint("a", "NoExecute")]),
                Some(1_000),
            ),
            (
                "a while",
                json!([for_seconds("a", 300)]),
                json!([taint("a", "NoExecute")]),
                Some(900),
            ),
            (
                "below zero",
                json!([for_seconds("a", -5)]),
                json!([taint("a", "NoExecute")]),
                Some(600),
            ),
            (
                "the shorter",
                json!([for_seconds("a", 300), for_seconds("b", 30)]),
                json!([taint("a", "NoExecute"), taint("b", "NoExecute")]),
                Some(630),
            ),
            (
                "no time",
                json!([for_seconds("a", 300)]),
                json!([{"key": "a", "effect": "NoExecute"}]),
                Some(1_300),
            ),
        ];
        for (name, tolerations, taints, expected) in cases {
            assert_eq!(leaves(tolerations, taints), expected, "{name}");
        }
    }
}
