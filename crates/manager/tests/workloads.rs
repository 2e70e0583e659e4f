//! Controllers and scheduler against the real API server, in process.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use serde_json::json;
use support::{Cluster, eventually};

fn deployment(replicas: i32) -> Deployment {
    serde_json::from_value(json!({
        "metadata": {"name": "web"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "c", "image": "i:1"}]},
            },
        },
    }))
    .unwrap()
}

async fn bound(pods: &Api<Pod>) -> usize {
    let list = pods.list(&ListParams::default()).await.unwrap();
    list.items.iter().filter(|it| it.spec.as_ref().is_some_and(|it| it.node_name.is_some())).count()
}

#[tokio::test]
async fn a_deployment_becomes_bound_pods_and_scales() {
    let cluster = Cluster::start(&["a", "b"]).await;
    let deployments: Api<Deployment> = Api::default_namespaced(cluster.client());
    let pods: Api<Pod> = Api::default_namespaced(cluster.client());
    deployments.create(&PostParams::default(), &deployment(3)).await.unwrap();
    eventually("three bound pods", async || bound(&pods).await == 3).await;
    let scale = Patch::Merge(json!({"spec": {"replicas": 1}}));
    deployments.patch("web", &PatchParams::default(), &scale).await.unwrap();
    eventually("one pod that stays", async || {
        let list = pods.list(&ListParams::default()).await.unwrap();
        list.items.iter().filter(|it| it.metadata.deletion_timestamp.is_none()).count() == 1
    })
    .await;
    cluster.stop().await;
}

#[tokio::test]
async fn a_pod_that_fits_nowhere_says_why_and_goes_when_it_can() {
    let cluster = Cluster::start(&[]).await;
    let pods: Api<Pod> = Api::default_namespaced(cluster.client());
    let pod: Pod = serde_json::from_value(json!({
        "metadata": {"name": "p"},
        "spec": {"containers": [{"name": "c", "image": "i:1"}]},
    }))
    .unwrap();
    pods.create(&PostParams::default(), &pod).await.unwrap();
    eventually("a reason", async || {
        let pod = pods.get("p").await.unwrap();
        let conditions = pod.status.and_then(|it| it.conditions).unwrap_or_default();
        conditions.iter().any(|it| it.reason.as_deref() == Some("Unschedulable"))
    })
    .await;
    cluster.add_node("late").await;
    eventually("a place", async || bound(&pods).await == 1).await;
    pods.delete("p", &DeleteParams::default().grace_period(0)).await.unwrap();
    cluster.stop().await;
}
