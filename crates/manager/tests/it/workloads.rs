//! Controllers and scheduler against the real API server, in process.

use crate::support::{Cluster, eventually};
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{
    Endpoints, Node, PersistentVolume, PersistentVolumeClaim, Pod, Service,
};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::Api;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use serde_json::json;

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

/// Does for a pod what a node would: says how it is.
/// A pod that is removed at once never says that it is leaving.
#[tokio::test]
async fn a_place_that_is_free_at_once_is_taken() {
    let cluster = Cluster::start(&["only"]).await;
    let nodes: Api<Node> = Api::all(cluster.client());
    let one = Patch::Merge(json!({"status": {"allocatable": {"pods": "1"}}}));
    nodes.patch_status("only", &PatchParams::default(), &one).await.unwrap();
    let pods: Api<Pod> = Api::default_namespaced(cluster.client());
    for name in ["first", "second"] {
        let pod = json!({"metadata": {"name": name}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
        pods.create(&PostParams::default(), &serde_json::from_value(pod).unwrap()).await.unwrap();
        eventually("a decision", async || {
            let status = pods.get(name).await.unwrap().status.unwrap_or_default();
            status.conditions.unwrap_or_default().iter().any(|it| it.type_ == "PodScheduled")
        })
        .await;
    }
    assert_eq!(bound(&pods).await, 1);
    pods.delete("first", &DeleteParams::default().grace_period(0)).await.unwrap();
    eventually("the second in its place", async || bound(&pods).await == 1).await;
    cluster.stop().await;
}

async fn set_pod(pods: &Api<Pod>, name: &str, phase: &str) {
    let ready = if phase == "Running" { "True" } else { "False" };
    let conditions = json!([{"type": "Ready", "status": ready}]);
    let status =
        json!({"status": {"phase": phase, "podIP": "10.244.0.9", "conditions": conditions}});
    pods.patch_status(name, &PatchParams::default(), &Patch::Merge(status)).await.unwrap();
}

async fn names(pods: &Api<Pod>) -> Vec<String> {
    let list = pods.list(&ListParams::default()).await.unwrap().items;
    list.into_iter().filter_map(|it| it.metadata.name).collect()
}

#[tokio::test]
async fn a_stateful_set_starts_in_order_and_its_service_follows() {
    let cluster = Cluster::start(&["a"]).await;
    let set: StatefulSet = serde_json::from_value(json!({
        "metadata": {"name": "db"},
        "spec": {"replicas": 2, "serviceName": "db", "selector": {"matchLabels": {"app": "db"}},
            "template": {"metadata": {"labels": {"app": "db"}}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}}},
    }))
    .unwrap();
    let service: Service = serde_json::from_value(json!({
        "metadata": {"name": "db"},
        "spec": {"clusterIP": "None", "selector": {"app": "db"}, "ports": [{"port": 80}]},
    }))
    .unwrap();
    let budget: PodDisruptionBudget = serde_json::from_value(json!({
        "metadata": {"name": "db"}, "spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"app": "db"}}},
    }))
    .unwrap();
    let sets: Api<StatefulSet> = Api::default_namespaced(cluster.client());
    let pods: Api<Pod> = Api::default_namespaced(cluster.client());
    let services: Api<Service> = Api::default_namespaced(cluster.client());
    let budgets: Api<PodDisruptionBudget> = Api::default_namespaced(cluster.client());
    let endpoints: Api<Endpoints> = Api::default_namespaced(cluster.client());
    services.create(&PostParams::default(), &service).await.unwrap();
    budgets.create(&PostParams::default(), &budget).await.unwrap();
    sets.create(&PostParams::default(), &set).await.unwrap();
    eventually("the first pod", async || names(&pods).await == ["db-0"]).await;
    set_pod(&pods, "db-0", "Running").await;
    eventually("the second pod", async || names(&pods).await == ["db-0", "db-1"]).await;
    set_pod(&pods, "db-1", "Running").await;
    eventually("a status", async || {
        let status = sets.get("db").await.unwrap().status.unwrap_or_default();
        status.ready_replicas == Some(2) && status.current_revision.is_some()
    })
    .await;
    eventually("two addresses", async || {
        let subsets = endpoints.get("db").await.unwrap().subsets.unwrap_or_default();
        subsets.iter().flat_map(|it| it.addresses.iter().flatten()).count() == 2
    })
    .await;
    eventually("one disruption that is allowed", async || {
        let status = budgets.get("db").await.unwrap().status.unwrap_or_default();
        (status.disruptions_allowed, status.current_healthy, status.desired_healthy) == (1, 2, 1)
    })
    .await;
    cluster.stop().await;
}

#[tokio::test]
async fn a_job_ends_with_its_pod_and_lets_it_go() {
    let cluster = Cluster::start(&["a"]).await;
    let job = |name: &str| -> Job {
        serde_json::from_value(json!({
            "metadata": {"name": name},
            "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i:1"}]}}},
        }))
        .unwrap()
    };
    let jobs: Api<Job> = Api::default_namespaced(cluster.client());
    let pods: Api<Pod> = Api::default_namespaced(cluster.client());
    jobs.create(&PostParams::default(), &job("sum")).await.unwrap();
    eventually("a bound pod", async || bound(&pods).await == 1).await;
    set_pod(&pods, &names(&pods).await[0], "Succeeded").await;
    eventually("the end", async || {
        let status = jobs.get("sum").await.unwrap().status.unwrap_or_default();
        status.succeeded == Some(1)
            && status.conditions.iter().flatten().any(|it| it.type_ == "Complete")
    })
    .await;
    jobs.delete("sum", &DeleteParams::background()).await.unwrap();
    eventually("no pods", async || names(&pods).await.is_empty()).await;
    // One that is deleted while it works leaves no pod behind that waits to be counted.
    jobs.create(&PostParams::default(), &job("cut")).await.unwrap();
    eventually("a pod", async || names(&pods).await.len() == 1).await;
    jobs.delete("cut", &DeleteParams::background()).await.unwrap();
    eventually("no finalizers", async || {
        let list = pods.list(&ListParams::default()).await.unwrap().items;
        list.iter().all(|it| it.metadata.finalizers.is_none())
    })
    .await;
    cluster.stop().await;
}

/// From the creation of a deployment to the last binding: prints what it takes, and fails only beyond reason.
#[tokio::test]
async fn a_deployment_is_bound_within_moments() {
    let cluster = Cluster::start(&["a", "b", "c"]).await;
    let deployments: Api<Deployment> = Api::default_namespaced(cluster.client());
    let pods: Api<Pod> = Api::default_namespaced(cluster.client());
    // The first one waits for the controllers to have seen the world.
    deployments.create(&PostParams::default(), &deployment(1)).await.unwrap();
    eventually("a bound pod", async || bound(&pods).await == 1).await;
    let mut took = Vec::new();
    for round in 0..20 {
        let mut next = deployment(3);
        next.metadata.name = Some(format!("web-{round}"));
        let labels = json!({"matchLabels": {"app": format!("web-{round}")}});
        let spec = next.spec.as_mut().unwrap();
        spec.selector = serde_json::from_value(labels).unwrap();
        spec.template.metadata.as_mut().unwrap().labels = spec.selector.match_labels.clone();
        let start = std::time::Instant::now();
        deployments.create(&PostParams::default(), &next).await.unwrap();
        while bound(&pods).await < 1 + 3 * (round + 1) {
            tokio::task::yield_now().await;
        }
        took.push(start.elapsed());
    }
    took.sort();
    println!(
        "apply to three bound pods: median {:?}, worst {:?}",
        took[took.len() / 2],
        took[took.len() - 1]
    );
    assert!(took[took.len() / 2] < std::time::Duration::from_secs(1));
    cluster.stop().await;
}

#[tokio::test]
async fn a_claim_gets_a_volume_that_goes_with_it() {
    let cluster = Cluster::start(&[]).await;
    let claims: Api<PersistentVolumeClaim> = Api::default_namespaced(cluster.client());
    let volumes: Api<PersistentVolume> = Api::all(cluster.client());
    let claim: PersistentVolumeClaim = serde_json::from_value(json!({
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }))
    .unwrap();
    claims.create(&PostParams::default(), &claim).await.unwrap();
    let phase = async || claims.get("data").await.unwrap().status.and_then(|it| it.phase);
    eventually("a bound claim", async || phase().await.as_deref() == Some("Bound")).await;
    let volume = claims.get("data").await.unwrap().spec.unwrap().volume_name.unwrap();
    claims.delete("data", &DeleteParams::default()).await.unwrap();
    cluster.remove_folder(&volume).await;
    eventually("no volume", async || {
        volumes.list(&ListParams::default()).await.unwrap().items.is_empty()
    })
    .await;
    cluster.stop().await;
}
