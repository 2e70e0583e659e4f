//! A world that is as wanted is left alone, also by a manager that has just started and looks at everything anew.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::support::{Cluster, eventually};
use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::api::{DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Api, Client};
use serde_json::{Value, json};

const NAMESPACE: &str = "quiet";

fn kinds() -> Vec<ApiResource> {
    let kind =
        |group, version, kind| ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
    let core = ["Pod", "Service", "ConfigMap", "ServiceAccount", "PersistentVolumeClaim"];
    let mut kinds: Vec<_> = core.into_iter().map(|it| kind("", "v1", it)).collect();
    kinds.push(ApiResource { plural: "endpoints".into(), ..kind("", "v1", "Endpoints") });
    let apps = ["Deployment", "ReplicaSet", "StatefulSet", "ControllerRevision"];
    kinds.extend(apps.into_iter().map(|it| kind("apps", "v1", it)));
    kinds.push(kind("batch", "v1", "Job"));
    kinds.push(kind("discovery.k8s.io", "v1", "EndpointSlice"));
    kinds.push(kind("policy", "v1", "PodDisruptionBudget"));
    kinds
}

/// The versions of everything in the namespace, but events.
async fn versions(client: &Client) -> BTreeMap<String, String> {
    let mut versions = BTreeMap::new();
    for kind in kinds() {
        let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), NAMESPACE, &kind);
        for object in api.list(&ListParams::default()).await.unwrap() {
            let name = format!("{}/{}", kind.kind, object.metadata.name.unwrap());
            versions.insert(name, object.metadata.resource_version.unwrap());
        }
    }
    versions
}

fn template() -> Value {
    json!({"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}})
}

fn objects() -> Vec<Value> {
    let selector = json!({"matchLabels": {"app": "x"}});
    let labels = |name: &str| {
        let mut it = template();
        it["metadata"]["labels"] = json!({"app": "x", "of": name});
        it
    };
    let of = |name: &str| json!({"matchLabels": {"of": name}});
    let mut job = template();
    job["spec"]["restartPolicy"] = "Never".into();
    vec![
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"},
            "spec": {"replicas": 2, "selector": of("d"), "template": labels("d")}}),
        json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "s"},
            "spec": {"replicas": 2, "serviceName": "x", "selector": of("s"), "template": labels("s"),
                "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"],
                    "resources": {"requests": {"storage": "1Gi"}}}}]}}),
        json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j"}, "spec": {"template": job}}),
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x"},
            "spec": {"selector": {"app": "x"}, "ports": [{"port": 80}]}}),
        json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "x"},
            "spec": {"minAvailable": "50%", "selector": selector}}),
    ]
}

async fn create(client: &Client, value: &Value) {
    let object: DynamicObject = serde_json::from_value(value.clone()).unwrap();
    let kind = object.types.clone().unwrap();
    let kind = kinds().into_iter().find(|it| it.kind == kind.kind).unwrap();
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), NAMESPACE, &kind);
    api.create(&PostParams::default(), &object).await.unwrap();
}

/// Runs every pod: those of the job to their end.
async fn run_pods(pods: &Api<Pod>) {
    for pod in pods.list(&ListParams::default()).await.unwrap() {
        let phase = pod.status.as_ref().and_then(|it| it.phase.clone());
        let is_job = pod.metadata.labels.as_ref().is_some_and(|it| it.contains_key("job-name"));
        if phase.as_deref() == Some("Pending") {
            let phase = if is_job { "Succeeded" } else { "Running" };
            let conditions =
                json!([{"type": "Ready", "status": if is_job { "False" } else { "True" }}]);
            let status = json!({"status": {"phase": phase, "podIP": "10.244.0.9", "conditions": conditions}});
            let name = pod.metadata.name.unwrap();
            pods.patch_status(&name, &PatchParams::default(), &Patch::Merge(status)).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_new_manager_finds_nothing_to_do() {
    let mut cluster = Cluster::start(&["a", "b"]).await;
    let client = cluster.client();
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let namespace = serde_json::from_value(json!({"metadata": {"name": NAMESPACE}})).unwrap();
    namespaces.create(&PostParams::default(), &namespace).await.unwrap();
    for object in objects() {
        create(&client, &object).await;
    }
    let pods: Api<Pod> = Api::namespaced(client.clone(), NAMESPACE);
    eventually("five pods that run or ran", async || {
        run_pods(&pods).await;
        pods.list(&ListParams::default()).await.unwrap().items.len() == 5
    })
    .await;
    // It is quiet when a second passes without a change; only then the versions are worth comparing.
    let last = Mutex::new((BTreeMap::new(), Instant::now()));
    eventually("the old manager is quiet", async || {
        run_pods(&pods).await;
        let now = versions(&client).await;
        let mut last = last.lock().unwrap();
        if now != last.0 {
            *last = (now, Instant::now());
        }
        last.1.elapsed() >= Duration::from_secs(1)
    })
    .await;
    let before = last.into_inner().unwrap().0;
    cluster.restart_manager().await;
    // Once a new deployment is bound, the new manager has all caches: controllers start when they are complete.
    let marker = json!({"metadata": {"name": "marker"}, "spec": {"replicas": 1,
        "selector": {"matchLabels": {"app": "x"}}, "template": template()}});
    let marker = serde_json::from_value(marker).unwrap();
    let deployments: Api<k8s_openapi::api::apps::v1::Deployment> =
        Api::default_namespaced(client.clone());
    deployments.create(&PostParams::default(), &marker).await.unwrap();
    let marked: Api<Pod> = Api::default_namespaced(client.clone());
    eventually("the marker's pod", async || {
        let list = marked.list(&ListParams::default()).await.unwrap().items;
        list.iter().any(|it| it.spec.as_ref().is_some_and(|it| it.node_name.is_some()))
    })
    .await;
    assert_eq!(versions(&client).await, before);
    cluster.stop().await;
}
