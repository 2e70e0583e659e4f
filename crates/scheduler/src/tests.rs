use k8s_openapi::api::core::v1::{Node, PersistentVolume, PersistentVolumeClaim, Pod};
use serde_json::{Value, json};

use crate::{Mount, SELECTED_NODE, World, claim_names, is_waiting, place};

fn node(name: &str, cpu: &str) -> Node {
    serde_json::from_value(json!({
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
        "status": {"allocatable": {"cpu": cpu, "pods": "3"}, "conditions": [{"type": "Ready", "status": "True"}]},
    }))
    .unwrap()
}

fn pod(name: &str, spec: Value) -> Pod {
    let mut spec = spec;
    spec["containers"] =
        json!([{"name": "c", "resources": {"requests": {"cpu": spec["cpu"].take()}}}]);
    if let Some(spec) = spec.as_object_mut() {
        spec.remove("cpu");
    }
    if spec["containers"][0]["resources"]["requests"]["cpu"].is_null() {
        spec["containers"] = json!([{"name": "c"}]);
    }
    serde_json::from_value(json!({
        "metadata": {"name": name, "namespace": "n", "labels": {"app": "a"},
            "ownerReferences": [{"apiVersion": "v1", "kind": "Set", "name": "s", "uid": "u", "controller": true}]},
        "spec": spec,
    }))
    .unwrap()
}

fn check(asked: &Pod, nodes: &[Node], pods: &[Pod], expected: &str) {
    let (nodes, pods): (Vec<_>, Vec<_>) = (nodes.iter().collect(), pods.iter().collect());
    let outcome = place(asked, World { nodes: &nodes, pods: &pods, mounts: &[] });
    let reversed: (Vec<_>, Vec<_>) =
        (nodes.iter().rev().copied().collect(), pods.iter().rev().copied().collect());
    assert_eq!(
        outcome,
        place(asked, World { nodes: &reversed.0, pods: &reversed.1, mounts: &[] }),
        "the order matters"
    );
    assert_eq!(outcome.unwrap_or_else(|it| it.to_string()), expected);
}

#[test]
fn nobody_is_there() {
    check(&pod("p", json!({})), &[], &[], "no nodes available to schedule pods");
}

#[test]
fn siblings_are_spread() {
    let nodes = [node("a", "1"), node("b", "1"), node("c", "1")];
    let on = |name| pod("x", json!({"nodeName": name}));
    check(&pod("p", json!({})), &nodes, &[], "a");
    check(&pod("p", json!({})), &nodes, &[on("a")], "b");
    check(&pod("p", json!({})), &nodes, &[on("a"), on("b")], "c");
}

#[test]
fn every_node_is_accounted_for() {
    let mut nodes = [node("a", "1"), node("b", "4"), node("c", "4"), node("d", "4")];
    nodes[1].spec = serde_json::from_value(json!({"unschedulable": true})).unwrap();
    let taint = json!({"taints": [{"key": "k", "value": "v", "effect": "NoSchedule"}]});
    nodes[2].spec = serde_json::from_value(taint).unwrap();
    nodes[3].status.as_mut().unwrap().conditions = None;
    check(
        &pod("p", json!({"cpu": "2"})),
        &nodes,
        &[],
        "0/4 nodes are available: 1 Insufficient cpu, 1 node(s) had untolerated taint {k: v}, \
         1 node(s) were not ready, 1 node(s) were unschedulable.",
    );
    let tolerant = json!({"cpu": "2", "tolerations": [{"key": "k", "operator": "Exists"}]});
    check(&pod("p", tolerant), &nodes, &[], "c");
}

#[test]
fn a_node_has_room_for_so_many_pods_and_processors() {
    let nodes = [node("a", "1")];
    let half = |name| pod(name, json!({"cpu": "500m", "nodeName": "a"}));
    check(&pod("p", json!({"cpu": "500m"})), &nodes, &[half("x")], "a");
    check(
        &pod("p", json!({"cpu": "600m"})),
        &nodes,
        &[half("x")],
        "0/1 nodes are available: 1 Insufficient cpu.",
    );
    let small = |name| pod(name, json!({"nodeName": "a"}));
    check(
        &pod("p", json!({})),
        &nodes,
        &[small("x"), small("y"), small("z")],
        "0/1 nodes are available: 1 Too many pods.",
    );
}

/// A pod that names its node was never held against the node's room.
#[test]
fn nodes_are_as_full_as_can_be_counted() {
    let nodes = [node("a", "1m"), node("b", "1")];
    let there = |name: &str, cpu: &str| {
        let mut pod = pod(name, json!({"nodeName": "a", "cpu": cpu}));
        pod.metadata.owner_references = None;
        pod
    };
    for cpus in [["9E", "9E"], ["9E", "1m"], ["9223372036854775807m", "1"]] {
        check(&pod("p", json!({})), &nodes, &[there("x", cpus[0]), there("y", cpus[1])], "b");
    }
}

#[test]
fn labels_and_affinity_choose() {
    let nodes = [node("a", "1"), node("b", "1")];
    check(&pod("p", json!({"nodeSelector": {"kubernetes.io/hostname": "b"}})), &nodes, &[], "b");
    let expression = json!({"key": "kubernetes.io/hostname", "operator": "NotIn", "values": ["a"]});
    let required = json!({"nodeSelectorTerms": [{"matchExpressions": [expression]}]});
    let affinity =
        json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}});
    check(&pod("p", json!({"affinity": affinity})), &nodes, &[], "b");
    check(
        &pod("p", json!({"nodeSelector": {"x": "y"}})),
        &nodes,
        &[],
        "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector.",
    );
}

#[test]
fn anti_affinity_holds_both_ways() {
    let nodes = [node("a", "1"), node("b", "1")];
    let term = json!({"labelSelector": {"matchLabels": {"app": "a"}}, "topologyKey": "kubernetes.io/hostname"});
    let anti = |required: &str| json!({"affinity": {"podAntiAffinity": {required: [term]}}});
    let hard = anti("requiredDuringSchedulingIgnoredDuringExecution");
    let mut there = pod("x", hard.clone());
    there.spec.as_mut().unwrap().node_name = Some("a".to_owned());
    check(&pod("p", hard.clone()), &nodes, &[there.clone()], "b");
    check(
        &pod("p", json!({"nodeSelector": {"kubernetes.io/hostname": "a"}})),
        &nodes,
        &[there.clone()],
        "0/2 nodes are available: 1 node(s) didn't match Pod's node affinity/selector, \
         1 node(s) didn't match pod anti-affinity rules.",
    );
    let mut other = there.clone();
    other.spec.as_mut().unwrap().node_name = Some("b".to_owned());
    check(
        &pod("p", hard),
        &nodes,
        &[there, other],
        "0/2 nodes are available: 2 node(s) didn't match pod anti-affinity rules.",
    );
}

#[test]
fn a_spread_is_kept_even() {
    let nodes = [node("a", "1"), node("b", "1")];
    let constraint = json!({"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": {"app": "a"}}});
    let mut spec = json!({"topologySpreadConstraints": [constraint]});
    let there = pod("x", json!({"nodeName": "a"}));
    check(&pod("p", spec.clone()), &nodes, std::slice::from_ref(&there), "b");
    spec["nodeSelector"] = json!({"kubernetes.io/hostname": "a"});
    check(
        &pod("p", spec),
        &nodes,
        &[there],
        "0/2 nodes are available: 1 node(s) didn't match Pod's node affinity/selector, \
         1 node(s) didn't match pod topology spread constraints.",
    );
}

#[test]
fn gates_and_other_schedulers_are_respected() {
    assert!(is_waiting(&pod("p", json!({}))));
    assert!(!is_waiting(&pod("p", json!({"nodeName": "a"}))));
    assert!(!is_waiting(&pod("p", json!({"schedulerName": "mine"}))));
    assert!(!is_waiting(&pod("p", json!({"schedulingGates": [{"name": "g"}]}))));
}

#[test]
fn a_cordoned_node_takes_who_tolerates_that() {
    let mut nodes = [node("a", "1")];
    let taint = json!({"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"});
    for spec in [json!({"unschedulable": true}), json!({"unschedulable": true, "taints": [taint]})]
    {
        nodes[0].spec = serde_json::from_value(spec).unwrap();
        let refusal = "0/1 nodes are available: 1 node(s) were unschedulable.";
        check(&pod("p", json!({})), &nodes, &[], refusal);
        let tolerations =
            json!([{"key": "node.kubernetes.io/unschedulable", "operator": "Exists"}]);
        check(&pod("p", json!({"tolerations": tolerations})), &nodes, &[], "a");
    }
}

/// Where a pod goes that mounts one claim, of two nodes.
fn place_with(mount: Mount<'_>) -> String {
    let volumes =
        json!([{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}, {"name": "w"}]);
    let pod = pod("p", json!({"volumes": volumes}));
    assert_eq!(claim_names(&pod).collect::<Vec<_>>(), ["data"]);
    let mut nodes = [node("a", "1"), node("b", "1")];
    for node in &mut nodes {
        let name = node.metadata.name.clone().unwrap();
        let labels = node.metadata.labels.get_or_insert_default();
        labels.insert("kubernetes.io/hostname".to_owned(), name);
    }
    let world = World { nodes: &[&nodes[0], &nodes[1]], pods: &[], mounts: &[mount] };
    place(&pod, world).unwrap_or_else(|it| it.to_string())
}

#[test]
fn a_pod_goes_where_the_volumes_of_its_claims_are() {
    let claim =
        |volume: &str, selected: Option<&str>, deleted: Option<&str>| -> PersistentVolumeClaim {
            let annotations = selected.map(|it| json!({SELECTED_NODE: it}));
            let metadata =
                json!({"name": "data", "deletionTimestamp": deleted, "annotations": annotations});
            serde_json::from_value(json!({"metadata": metadata, "spec": {"volumeName": volume}}))
                .unwrap()
        };
    let volume = |node: &str| -> PersistentVolume {
        let term = json!({"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}]});
        let affinity = json!({"required": {"nodeSelectorTerms": [term]}});
        serde_json::from_value(json!({"metadata": {}, "spec": {"nodeAffinity": affinity}})).unwrap()
    };
    let (free, on_b, on_c) = (PersistentVolume::default(), volume("b"), volume("c"));
    let (bound, unbound) = (claim("v", None, None), claim("", None, None));
    let (told, astray) = (claim("", Some("b"), None), claim("", Some("c"), None));
    let leaving = claim("v", None, Some("2026-01-01T00:00:00Z"));
    let none = |why: &str| format!("0/2 nodes are available: {why}.");
    let mount = Mount { name: "data", claim: None, volume: None, waits_for_consumer: false };
    let of = |claim, volume| Mount { claim: Some(claim), volume, ..mount };
    let waits = |claim| Mount { claim: Some(claim), waits_for_consumer: true, ..mount };
    let cases = [
        (mount, none("persistentvolumeclaim \"data\" not found")),
        (of(&leaving, Some(&free)), none("persistentvolumeclaim \"data\" is being deleted")),
        (of(&unbound, None), none("pod has unbound immediate PersistentVolumeClaims")),
        (
            of(&bound, None),
            none("persistentvolumeclaim \"data\" bound to non-existent persistentvolume \"v\""),
        ),
        (of(&bound, Some(&free)), "a".to_owned()),
        (of(&bound, Some(&on_b)), "b".to_owned()),
        (of(&bound, Some(&on_c)), none("2 node(s) had volume node affinity conflict")),
        (waits(&unbound), "a".to_owned()),
        (waits(&told), "b".to_owned()),
        (waits(&astray), none("2 node(s) didn't find available persistent volumes to bind")),
    ];
    for (mount, expected) in cases {
        assert_eq!(place_with(mount), expected, "{mount:?}");
    }
}
