use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::plan::Action;

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

fn set(replicas: i32) -> Arc<ReplicaSet> {
    let value = json!({
        "metadata": {"name": "web", "namespace": "ns", "uid": "web", "generation": 1},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": []}}}
    });
    Arc::new(serde_json::from_value(value).unwrap())
}

fn pod(name: &str, more: Value) -> Arc<Pod> {
    let mut value = json!({
        "metadata": {"name": name, "namespace": "ns", "uid": name, "labels": {"app": "web"},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": "web", "controller": true}]},
        "spec": {"containers": [], "nodeName": "n1"},
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    });
    for (section, fields) in more.as_object().unwrap() {
        for (field, to) in fields.as_object().unwrap() {
            value[section][field] = to.clone();
        }
    }
    Arc::new(serde_json::from_value(value).unwrap())
}

fn planned(set: &Arc<ReplicaSet>, pods: &[Arc<Pod>], last_failure: Option<&str>) -> Plan {
    plan(&Snapshot { set, pods, last_failure, now: NOW })
}

/// What a plan does, in words.
fn words(plan: &Plan) -> Vec<String> {
    let word = |action: &Action| match action {
        Action::Pod(Write::Create(_)) => "create".to_owned(),
        Action::Pod(Write::Delete { observed, .. }) => {
            format!("delete {}", name(&observed.metadata))
        }
        Action::Pod(Write::Update { wanted, .. }) => {
            let is_owned = controller(&wanted.metadata).is_some();
            format!("{} {}", if is_owned { "adopt" } else { "release" }, name(&wanted.metadata))
        }
        Action::ReplicaSet(Write::UpdateStatus { wanted, .. }) => {
            let status = wanted.status.clone().unwrap();
            format!(
                "status {}/{:?}/{:?}",
                status.replicas,
                status.ready_replicas.unwrap(),
                status.available_replicas.unwrap()
            )
        }
        other => format!("{other:?}"),
    };
    plan.steps.iter().map(|step| word(&step.action)).collect()
}

#[test]
fn missing_pods_are_created_then_counted() {
    let set = set(2);
    assert_eq!(words(&planned(&set, &[], None)), ["create", "create"]);
    assert_eq!(words(&planned(&set, &[pod("a", json!({}))], None)), ["create"]);
    let pods = [pod("a", json!({})), pod("b", json!({"status": {"conditions": []}}))];
    assert_eq!(words(&planned(&set, &pods, None)), ["status 2/1/1"]);
}

#[test]
fn pods_that_ended_or_leave_are_replaced() {
    let gone = json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}});
    let pods =
        [pod("a", json!({"status": {"phase": "Failed"}})), pod("b", gone), pod("c", json!({}))];
    assert_eq!(words(&planned(&set(2), &pods, None)), ["create"]);
}

#[test]
fn orphans_are_adopted_and_strays_released() {
    let orphan = pod("orphan", json!({"metadata": {"ownerReferences": []}}));
    let stray = pod("stray", json!({"metadata": {"labels": {"app": "other"}}}));
    let of_another = pod(
        "theirs",
        json!({"metadata": {"ownerReferences": [
        {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": "older", "controller": true}]}}),
    );
    let plan = planned(&set(1), &[stray, orphan, of_another], None);
    assert_eq!(words(&plan), ["adopt orphan", "release stray"]);
    assert!(plan.check_owner, "nothing is tied to a set that may be gone");
}

#[test]
fn the_least_useful_pods_go_first() {
    let cost = json!({"metadata": {"annotations": {DELETION_COST: "-5"}}});
    let pods = [
        pod("ready", json!({"spec": {"nodeName": "n2"}})),
        pod("cheap", cost),
        pod("unready", json!({"status": {"conditions": []}})),
        pod("pending", json!({"status": {"phase": "Pending", "conditions": []}})),
        pod(
            "unscheduled",
            json!({"spec": {"nodeName": null}, "status": {"phase": "Pending", "conditions": []}}),
        ),
        pod("crowded", json!({})),
    ];
    let order = ["unscheduled", "pending", "unready", "cheap", "crowded", "ready"];
    let expected: Vec<_> = order.iter().map(|it| format!("delete {it}")).collect();
    assert_eq!(words(&planned(&set(0), &pods, None)), expected);
}

#[test]
fn a_failure_is_shown_before_it_is_tried_again_and_then_forgotten() {
    let plan = planned(&set(1), &[], Some("no quota"));
    assert_eq!(words(&plan), ["create", "status 0/0/0"]);
    let Action::ReplicaSet(Write::UpdateStatus { wanted, .. }) = &plan.steps[1].action else {
        panic!()
    };
    let failed = Arc::new(ReplicaSet::clone(wanted));
    let condition = &failed.status.as_ref().unwrap().conditions.as_ref().unwrap()[0];
    assert_eq!(
        (&*condition.type_, condition.message.as_deref()),
        ("ReplicaFailure", Some("no quota"))
    );
    let cured = planned(&failed, &[pod("a", json!({}))], None);
    let Action::ReplicaSet(Write::UpdateStatus { wanted, .. }) = &cured.steps[0].action else {
        panic!()
    };
    assert_eq!(wanted.status.as_ref().unwrap().conditions, None);
}

#[test]
fn availability_takes_its_time() {
    let mut slow = ReplicaSet::clone(&set(1));
    slow.spec.as_mut().unwrap().min_ready_seconds = Some(10);
    let since =
        json!([{"type": "Ready", "status": "True", "lastTransitionTime": "1969-12-31T23:59:56Z"}]);
    let plan =
        planned(&Arc::new(slow), &[pod("a", json!({"status": {"conditions": since}}))], None);
    assert_eq!(words(&plan), ["status 1/1/0"]);
    assert_eq!(plan.look_again, Some(Duration::from_secs(6)));
}

#[test]
fn a_set_on_its_way_out_does_nothing_but_count() {
    let mut leaving = ReplicaSet::clone(&set(3));
    leaving.metadata.deletion_timestamp = Some(Time(NOW));
    let orphan = pod("orphan", json!({"metadata": {"ownerReferences": []}}));
    assert_eq!(words(&planned(&Arc::new(leaving), &[orphan], None)), ["status 0/0/0"]);
}

proptest! {
    #[test]
    fn order_does_not_matter_and_the_number_becomes_right(
        replicas in 0..6_i32,
        states in prop::collection::vec((any::<bool>(), any::<bool>(), 0..3_usize, -1..2_i32), 0..8),
    ) {
        let make = |(at, (ready, bound, node, cost)): (usize, &(bool, bool, usize, i32))| {
            let node = bound.then(|| format!("n{node}"));
            let conditions = json!([{"type": "Ready", "status": if *ready { "True" } else { "False" }}]);
            pod(&format!("p{at}"), json!({"spec": {"nodeName": node}, "status": {"conditions": conditions},
                "metadata": {"annotations": {DELETION_COST: cost.to_string()}}}))
        };
        let mut pods: Vec<_> = states.iter().enumerate().map(make).collect();
        let forward = planned(&set(replicas), &pods, None);
        let deletes = words(&forward).iter().filter(|it| it.starts_with("delete")).count();
        let creates = words(&forward).iter().filter(|it| *it == "create").count();
        prop_assert_eq!(pods.len() + creates - deletes, usize::try_from(replicas).unwrap());
        pods.reverse();
        prop_assert_eq!(forward, planned(&set(replicas), &pods, None));
    }
}
