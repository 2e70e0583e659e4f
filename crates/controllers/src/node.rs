//! Cordoned nodes: what `spec.unschedulable` says for people, a taint says for whoever looks at taints.

use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Node, Taint};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::owners::is_deleting;
use crate::plan::{Plan, Write};

/// The taint's key.
pub const UNSCHEDULABLE: &str = "node.kubernetes.io/unschedulable";
const EFFECT: &str = "NoSchedule";

/// What the plan may look at.
pub struct Snapshot<'a> {
    pub node: &'a Arc<Node>,
    pub now: Timestamp,
}

/// Taints a cordoned node, and takes the taint from one that is not.
pub fn plan(snapshot: &Snapshot<'_>) -> Plan {
    let mut plan = Plan::default();
    let node = snapshot.node;
    let spec = node.spec.as_ref();
    let is_cordoned = spec.and_then(|it| it.unschedulable) == Some(true);
    let taints = spec.and_then(|it| it.taints.as_deref()).unwrap_or_default();
    if is_deleting(&node.metadata) || is_cordoned == taints.iter().any(is_ours) {
        return plan;
    }
    let mut wanted = Node::clone(node);
    let taints = wanted.spec.get_or_insert_default().taints.get_or_insert_default();
    if is_cordoned {
        taints.push(Taint {
            key: UNSCHEDULABLE.to_owned(),
            effect: EFFECT.to_owned(),
            time_added: Some(Time(snapshot.now)),
            value: None,
        });
    } else {
        taints.retain(|it| !is_ours(it));
    }
    plan.push(Write::update(node, wanted));
    plan
}

fn is_ours(taint: &Taint) -> bool {
    taint.key == UNSCHEDULABLE && taint.effect == EFFECT
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::plan::Action;

    fn planned(spec: Value) -> Option<Value> {
        let node = json!({"metadata": {"name": "n"}, "spec": spec});
        let node = Arc::new(serde_json::from_value(node).unwrap());
        let mut plan = plan(&Snapshot { node: &node, now: Timestamp::UNIX_EPOCH });
        assert!(plan.steps.len() <= 1);
        match plan.steps.pop()?.action {
            Action::Node(Write::Update { wanted, .. }) => {
                assert!(
                    super::plan(&Snapshot {
                        node: &Arc::from(wanted.clone()),
                        now: Timestamp::MAX
                    })
                    .is_empty()
                );
                Some(json!(wanted.spec?.taints))
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_cordoned_node_has_the_taint_and_no_other_has() {
        let own = json!({"key": "own", "effect": "NoExecute"});
        let ours = json!({"key": UNSCHEDULABLE, "effect": "NoSchedule",
            "timeAdded": "1970-01-01T00:00:00Z"});
        assert_eq!(planned(json!({"taints": [own]})), None);
        let cordoned = planned(json!({"unschedulable": true, "taints": [own]}));
        assert_eq!(cordoned, Some(json!([own, ours])));
        assert_eq!(planned(json!({"unschedulable": true, "taints": [ours]})), None);
        assert_eq!(planned(json!({"taints": [ours, own]})), Some(json!([own])));
    }
}
