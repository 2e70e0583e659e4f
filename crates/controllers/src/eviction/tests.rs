use serde_json::{Value, json};

use super::*;
use crate::plan::Action;

const START: i64 = 1_000;

fn pod(change: Value) -> Arc<Pod> {
    let mut pod = json!({"metadata": {"name": "p", "namespace": "ns"},
        "spec": {"containers": [], "nodeName": "n", "tolerations": [
            {"key": "lost", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}]},
        "status": {"phase": "Running"}});
    for (key, value) in change.as_object().unwrap() {
        pod[key].as_object_mut().unwrap().extend(value.as_object().unwrap().clone());
    }
    Arc::new(serde_json::from_value(pod).unwrap())
}

fn node(key: &str) -> Node {
    let taint = json!({"key": key, "effect": "NoExecute", "timeAdded": "1970-01-01T00:16:40Z"});
    serde_json::from_value(json!({"spec": {"taints": [taint]}})).unwrap()
}

fn look(pod: &Arc<Pod>, place: Place<'_>, second: i64) -> Plan {
    let now = Timestamp::from_second(START + second).unwrap();
    plan(&Snapshot { pod, place, now })
}

/// Follows plans as they are carried out, until the pod is deleted: what they did.
fn lived(mut pod: Arc<Pod>, place: Place<'_>, second: i64) -> Vec<String> {
    let mut done = Vec::new();
    for _ in 0..3 {
        let plan = look(&pod, place, second);
        assert_eq!(
            plan.absent_node.is_some(),
            matches!(place, Place::Missing(_)) && !plan.is_empty()
        );
        let Some(step) = plan.steps.into_iter().next() else { break };
        match step.action {
            Action::Pod(Write::UpdateStatus { wanted, .. }) => {
                let why = condition(&wanted, DISRUPTION).unwrap().reason.clone().unwrap();
                done.push(format!("{} {why}", crate::pods::phase(&wanted)));
                pod = wanted.into();
            }
            Action::Pod(Write::Delete { .. }) => return [done, vec!["delete".into()]].concat(),
            Action::Pod(Write::DeleteNow { .. }) => return [done, vec!["now".into()]].concat(),
            other => panic!("{other:?}"),
        }
    }
    done
}

#[test]
fn what_cannot_stay_goes_with_a_reason() {
    let deleting = json!({"metadata": {"deletionTimestamp": "1970-01-01T00:00:00Z"}});
    let ended = json!({"status": {"phase": "Succeeded"}});
    let (lost, other, off) = (node("lost"), node("other"), node(OUT_OF_SERVICE));
    let missing = |seconds| Place::Missing(Duration::from_secs(seconds));
    let evicted = ["Running DeletionByTaintManager", "delete"];
    let collected = ["Failed DeletionByPodGC", "now"];
    let cases: Vec<(&str, Value, Place<'_>, i64, &[&str])> = vec![
        ("waiting for a node", json!({}), Place::Unbound, 0, &[]),
        ("deleted before it had one", deleting.clone(), Place::Unbound, 0, &["now"]),
        ("no node for a moment", json!({}), missing(39), 0, &[]),
        ("no node", json!({}), missing(40), 0, &collected),
        ("deleted, no node", deleting.clone(), missing(40), 0, &collected),
        ("ended, no node", ended.clone(), missing(40), 0, &["now"]),
        ("tolerated for a while", json!({}), Place::On(&lost), 299, &[]),
        ("tolerated no longer", json!({}), Place::On(&lost), 300, &evicted),
        ("not tolerated", json!({}), Place::On(&other), 0, &evicted),
        ("ended", ended, Place::On(&other), 0, &[]),
        ("deleted, its node does not answer", deleting.clone(), Place::On(&lost), 900, &[]),
        ("deleted, its node is off", deleting, Place::On(&off), 0, &collected),
    ];
    for (name, change, place, second, expected) in cases {
        assert_eq!(lived(pod(change), place, second), expected, "{name}");
    }
}

#[test]
fn it_looks_again_when_the_time_is_over() {
    let pod = pod(json!({}));
    let after = |place, second| look(&pod, place, second).look_again.map(|it| it.as_secs());
    let lost = node("lost");
    assert_eq!(after(Place::On(&lost), 100), Some(200));
    assert_eq!(after(Place::Missing(Duration::from_secs(10)), 0), Some(30));
}

#[test]
fn the_oldest_of_too_many_go() {
    let ended = |index: usize| {
        let created = Timestamp::from_second(1_000_000 - i64::try_from(index).unwrap()).unwrap();
        pod(
            json!({"metadata": {"name": format!("p{index}"), "creationTimestamp": created.to_string()},
            "status": {"phase": "Failed"}}),
        )
    };
    let mut pods: Vec<_> = (0..ENDED_MAX).map(ended).collect();
    pods.push(pod(json!({})));
    assert!(surplus(&pods).is_empty());
    pods.push(ended(ENDED_MAX));
    let gone = surplus(&pods).steps;
    let [Step { action: Action::Pod(Write::DeleteNow { observed }), .. }] = &gone[..] else {
        panic!("{gone:?}")
    };
    assert_eq!(observed.metadata.name, Some(format!("p{ENDED_MAX}")));
}
