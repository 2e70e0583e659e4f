use serde_json::{Value, json};

use super::*;

const NOW: i64 = 1_000;

fn now() -> Timestamp {
    Timestamp::from_second(NOW).unwrap()
}

fn node(spec: Value, conditions: Value) -> Arc<Node> {
    let node =
        json!({"metadata": {"name": "n"}, "spec": spec, "status": {"conditions": conditions}});
    Arc::new(serde_json::from_value(node).unwrap())
}

fn ready(status: &str) -> Value {
    json!([{"type": "Ready", "status": status}])
}

fn look(node: &Arc<Node>, silent: u64, pods: &[Arc<Pod>]) -> Plan {
    let silent = Duration::from_secs(silent);
    plan(&Snapshot { node, silent, is_any_ready: true, pods, now: now() })
}

/// The taints that a plan gives a node, as `key:effect`; `None` if it leaves them.
fn tainted(node: &Arc<Node>, is_any_ready: bool) -> Option<Vec<String>> {
    let silent = Duration::ZERO;
    let look =
        |node: &Arc<Node>| plan(&Snapshot { node, silent, is_any_ready, pods: &[], now: now() });
    let mut plan = look(node);
    assert!(plan.steps.len() <= 1);
    let Action::Node(Write::Update { wanted, .. }) = plan.steps.pop()?.action else {
        panic!("no update")
    };
    let wanted: Arc<Node> = wanted.into();
    assert!(look(&wanted).is_empty(), "it is as wanted");
    let say = |it: &Taint| {
        assert!(it.effect != NO_EXECUTE || it.time_added.is_some());
        format!("{}:{}", it.key.trim_start_matches("node.kubernetes.io/"), it.effect)
    };
    Some(taints(&wanted).iter().map(say).collect())
}

#[test]
fn taints_say_what_is_wrong_and_go_with_it() {
    let own = json!({"key": "own", "effect": "NoExecute", "timeAdded": "1970-01-01T00:00:00Z"});
    let undated = json!({"key": "own", "effect": "NoExecute"});
    let ours = |key: &str, effect: &str| {
        json!({"key": format!("node.kubernetes.io/{key}"), "effect": effect,
            "timeAdded": "1970-01-01T00:00:00Z"})
    };
    let cordon = ours("unschedulable", "NoSchedule");
    let lost = [ours("unreachable", "NoSchedule"), ours("unreachable", "NoExecute")];
    let pressed =
        json!([{"type": "Ready", "status": "True"}, {"type": "DiskPressure", "status": "True"}]);
    let cases: Vec<(&str, Value, Value, Option<Vec<&str>>)> = vec![
        ("well", json!({"taints": [own]}), ready("True"), None),
        ("new", json!({}), json!([]), None),
        (
            "cordoned",
            json!({"unschedulable": true, "taints": [own]}),
            ready("True"),
            Some(vec!["own:NoExecute", "unschedulable:NoSchedule"]),
        ),
        (
            "cordoned as it says",
            json!({"unschedulable": true, "taints": [cordon]}),
            ready("True"),
            None,
        ),
        ("no more", json!({"taints": [cordon, own]}), ready("True"), Some(vec!["own:NoExecute"])),
        ("a date", json!({"taints": [undated]}), ready("True"), Some(vec!["own:NoExecute"])),
        (
            "not ready",
            json!({}),
            ready("False"),
            Some(vec!["not-ready:NoSchedule", "not-ready:NoExecute"]),
        ),
        (
            "lost",
            json!({}),
            ready("Unknown"),
            Some(vec!["unreachable:NoSchedule", "unreachable:NoExecute"]),
        ),
        (
            "from lost to not ready",
            json!({"taints": lost}),
            ready("False"),
            Some(vec!["not-ready:NoSchedule", "not-ready:NoExecute"]),
        ),
        ("back", json!({"taints": lost}), ready("True"), Some(vec![])),
        ("pressed", json!({}), pressed, Some(vec!["disk-pressure:NoSchedule"])),
    ];
    for (name, spec, conditions, expected) in cases {
        let expected = expected.map(|it| it.into_iter().map(str::to_owned).collect());
        assert_eq!(tainted(&node(spec, conditions), true), expected, "{name}");
    }
    let taints = json!({"taints": lost});
    assert_eq!(
        tainted(&node(taints, ready("Unknown")), false),
        Some(vec!["unreachable:NoSchedule".to_owned()]),
        "where no node is ready, nothing is driven away"
    );
}

#[test]
fn a_silent_node_is_unknown_after_its_grace() {
    let told = node(json!({}), ready("True"));
    let early = look(&told, 49, &[]);
    assert_eq!((early.is_empty(), early.look_again), (true, Some(Duration::from_secs(1))));
    let late = look(&told, 50, &[]);
    assert_eq!(late.steps[0].done.as_ref().map(|it| it.reason.as_str()), Some("NodeNotReady"));
    let Action::Node(Write::UpdateStatus { wanted, .. }) = &late.steps[0].action else {
        panic!("{late:?}")
    };
    let conditions = wanted.status.as_ref().unwrap().conditions.as_deref().unwrap();
    let said: Vec<_> = conditions
        .iter()
        .map(|it| (it.type_.as_str(), it.status.as_str(), it.reason.as_deref().unwrap()))
        .collect();
    let never = |kind| (kind, "Unknown", "NodeStatusNeverUpdated");
    assert_eq!(
        said,
        [
            ("Ready", "Unknown", "NodeStatusUnknown"),
            never("MemoryPressure"),
            never("DiskPressure"),
            never("PIDPressure")
        ]
    );
    let next = look(&Arc::new(Node::clone(wanted)), 51, &[]);
    assert!(matches!(next.steps[..], [Step { action: Action::Node(Write::Update { .. }), .. }]));
    assert!(look(&node(json!({}), json!([])), 59, &[]).is_empty(), "it may still be starting");
}

#[test]
fn pods_of_a_node_that_is_not_ready_are_not() {
    let pod = |status: &str| {
        let pod = json!({"metadata": {"name": "p"}, "status": {"conditions": [
            {"type": "Ready", "status": status}, {"type": "Initialized", "status": "True"}]}});
        Arc::new(serde_json::from_value::<Pod>(pod).unwrap())
    };
    let pods = [pod("True"), pod("False")];
    let tainted = json!({"taints": [
        {"key": NOT_READY, "effect": NO_SCHEDULE}, {"key": NOT_READY, "effect": NO_EXECUTE,
            "timeAdded": "1970-01-01T00:00:00Z"}]});
    let plan = look(&node(tainted, ready("False")), 0, &pods);
    let [Step { action: Action::Pod(Write::UpdateStatus { wanted, .. }), .. }] = &plan.steps[..]
    else {
        panic!("{plan:?}")
    };
    assert!(!crate::pods::is_ready(wanted));
    assert_eq!(
        crate::pods::condition(wanted, "Ready").unwrap().reason.as_deref(),
        Some("NodeNotReady")
    );
    assert!(look(&node(json!({}), ready("True")), 0, &pods).is_empty());
}
