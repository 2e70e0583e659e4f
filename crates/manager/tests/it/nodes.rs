//! Cordoned nodes, and the names under which clients look for events.

use std::collections::BTreeMap;

use crate::support::{Cluster, eventually};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Node;
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
