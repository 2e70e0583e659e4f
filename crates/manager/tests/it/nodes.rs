//! Cordoned, tainted and lost nodes, and the names under which clients look for events.

use std::collections::BTreeMap;

use crate::support::{Cluster, eventually};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Node, Pod};
use k8s_openapi::api::events::v1::Event;
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::{Value, json};

async fn taints(nodes: &Api<Node>) -> Vec<(String, String)> {
    let spec = nodes.get("a").await.unwrap().spec.unwrap_or_default();
    spec.taints.into_iter().flatten().map(|it| (it.key, it.effect)).collect()
}

async fn patch(nodes: &Api<Node>, spec: Value) {
    let patch = Patch::Merge(json!({"spec": spec}));
    nodes.patch("a", &PatchParams::default(), &patch).await.unwrap();
}

#[tokio::test]
async fn a_cordoned_node_is_tainted_until_it_is_not() {
    let cluster = Cluster::start(&["a"]).await;
    let nodes: Api<Node> = Api::all(cluster.client());
    let own = ("own".to_owned(), "PreferNoSchedule".to_owned());
    let cordon = ("node.kubernetes.io/unschedulable".to_owned(), "NoSchedule".to_owned());
    let taint = json!([{"key": "own", "effect": "PreferNoSchedule"}]);
    patch(&nodes, json!({"unschedulable": true, "taints": taint})).await;
    eventually("the taint", async || taints(&nodes).await == [own.clone(), cordon.clone()]).await;
    patch(&nodes, json!({"unschedulable": null})).await;
    eventually("no taint", async || taints(&nodes).await == [own.clone()]).await;
    cluster.stop().await;
}

async fn reporters(client: &Client) -> BTreeMap<String, String> {
    let events: Api<Event> = Api::default_namespaced(client.clone());
    let list = events.list(&ListParams::default()).await.unwrap().items;
    list.into_iter().filter_map(|it| Some((it.reason?, it.reporting_controller?))).collect()
}

#[tokio::test]
async fn events_come_from_who_sends_them_on_kubernetes() {
    let cluster = Cluster::start(&["a"]).await;
    let client = cluster.client();
    let template = json!({"metadata": {"labels": {"app": "x"}},
        "spec": {"containers": [{"name": "c", "image": "i:1"}]}});
    let deployment = json!({"metadata": {"name": "x"},
        "spec": {"selector": {"matchLabels": {"app": "x"}}, "template": template}});
    let deployment: Deployment = serde_json::from_value(deployment).unwrap();
    let deployments: Api<Deployment> = Api::default_namespaced(client.clone());
    deployments.create(&PostParams::default(), &deployment).await.unwrap();
    let expected = [
        ("ScalingReplicaSet", "deployment-controller"),
        ("Scheduled", "default-scheduler"),
        ("SuccessfulCreate", "replicaset-controller"),
    ];
    let expected = expected.map(|(reason, from)| (reason.to_owned(), from.to_owned()));
    eventually("three events", async || reporters(&client).await == expected.clone().into()).await;
    cluster.stop().await;
}

#[tokio::test]
async fn a_pod_that_does_not_tolerate_the_taint_of_its_node_is_told_why_and_goes() {
    let cluster = Cluster::start(&["a", "b"]).await;
    let nodes: Api<Node> = Api::all(cluster.client());
    let pods: Api<Pod> = Api::default_namespaced(cluster.client());
    let pod = |name: &str, tolerations: Value| {
        let spec = json!({"nodeName": "a", "tolerations": tolerations,
            "containers": [{"name": "c", "image": "i:1"}]});
        serde_json::from_value::<Pod>(json!({"metadata": {"name": name}, "spec": spec})).unwrap()
    };
    let tolerant = json!([{"key": "off", "operator": "Exists", "effect": "NoExecute"}]);
    for pod in [pod("stays", tolerant), pod("goes", json!([]))] {
        pods.create(&PostParams::default(), &pod).await.unwrap();
    }
    patch(&nodes, json!({"taints": [{"key": "off", "effect": "NoExecute"}]})).await;
    eventually("the pod on its way out", async || {
        let pod = pods.get("goes").await.unwrap();
        let conditions = pod.status.unwrap_or_default().conditions.unwrap_or_default();
        let reason = conditions.into_iter().find(|it| it.type_ == "DisruptionTarget");
        pod.metadata.deletion_timestamp.is_some()
            && reason.and_then(|it| it.reason).as_deref() == Some("DeletionByTaintManager")
    })
    .await;
    assert_eq!(pods.get("stays").await.unwrap().metadata.deletion_timestamp, None);
    // A node that is off for good confirms no end.
    let off = json!({"key": "node.kubernetes.io/out-of-service", "effect": "NoExecute"});
    patch(&nodes, json!({"taints": [off]})).await;
    let lost = json!({"status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}});
    nodes.patch_status("a", &PatchParams::default(), &Patch::Merge(lost)).await.unwrap();
    eventually("no pods", async || {
        pods.list(&ListParams::default()).await.unwrap().items.is_empty()
    })
    .await;
    cluster.stop().await;
}
