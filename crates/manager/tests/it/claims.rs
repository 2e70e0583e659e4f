//! Claims and volumes that are deleted while something uses them.

use crate::support::{Cluster, eventually};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim, Pod};
use kube::Api;
use kube::api::{DeleteParams, PostParams};
use serde_json::{Value, json};

fn claim_spec() -> Value {
    json!({"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}})
}

fn user(name: &str, node: Option<&str>) -> Pod {
    let volume = json!({"name": "v", "persistentVolumeClaim": {"claimName": "data"}});
    let spec = json!({"nodeName": node, "volumes": [volume], "containers": [{"name": "c", "image": "i:1"}]});
    serde_json::from_value(json!({"metadata": {"name": name}, "spec": spec})).unwrap()
}

/// Why a pod waits for a node.
async fn waits(pods: &Api<Pod>, name: &str) -> Option<String> {
    let conditions = pods.get(name).await.unwrap().status?.conditions?;
    conditions.into_iter().find(|it| it.type_ == "PodScheduled" && it.status == "False")?.message
}

#[tokio::test]
async fn a_claim_in_use_stays_until_its_pod_is_gone_and_takes_no_other() {
    let cluster = Cluster::start(&["a"]).await;
    let claims: Api<PersistentVolumeClaim> = Api::default_namespaced(cluster.client());
    let volumes: Api<PersistentVolume> = Api::all(cluster.client());
    let pods: Api<Pod> = Api::default_namespaced(cluster.client());
    let claim = json!({"metadata": {"name": "data"}, "spec": claim_spec()});
    claims.create(&PostParams::default(), &serde_json::from_value(claim).unwrap()).await.unwrap();
    pods.create(&PostParams::default(), &user("first", Some("a"))).await.unwrap();
    let phase = async || claims.get("data").await.unwrap().status.and_then(|it| it.phase);
    eventually("a bound claim", async || phase().await.as_deref() == Some("Bound")).await;
    let volume = claims.get("data").await.unwrap().spec.unwrap().volume_name.unwrap();

    volumes.delete(&volume, &DeleteParams::default()).await.unwrap();
    claims.delete("data", &DeleteParams::default()).await.unwrap();
    pods.create(&PostParams::default(), &user("late", None)).await.unwrap();
    let why = "0/1 nodes are available: persistentvolumeclaim \"data\" is being deleted.";
    eventually("a pod that waits", async || waits(&pods, "late").await.as_deref() == Some(why))
        .await;
    let (claim, kept) = (claims.get("data").await.unwrap(), volumes.get(&volume).await.unwrap());
    assert!(claim.metadata.deletion_timestamp.is_some(), "it is held, not spared");
    assert!(kept.metadata.deletion_timestamp.is_some(), "and so is its volume");

    pods.delete("first", &DeleteParams::default().grace_period(0)).await.unwrap();
    eventually("no claim", async || claims.get_opt("data").await.unwrap().is_none()).await;
    eventually("no volume", async || volumes.get_opt(&volume).await.unwrap().is_none()).await;
    let node = async || pods.get("late").await.unwrap().spec.and_then(|it| it.node_name);
    eventually("a node for the other", async || node().await.as_deref() == Some("a")).await;
    cluster.stop().await;
}

#[tokio::test]
async fn a_member_whose_claim_is_deleted_comes_back_with_another() {
    let cluster = Cluster::start(&["a"]).await;
    let claims: Api<PersistentVolumeClaim> = Api::default_namespaced(cluster.client());
    let pods: Api<Pod> = Api::default_namespaced(cluster.client());
    let sets: Api<StatefulSet> = Api::default_namespaced(cluster.client());
    let template = json!({"metadata": {"labels": {"app": "db"}},
        "spec": {"containers": [{"name": "c", "image": "i:1"}]}});
    let set = json!({"metadata": {"name": "db"}, "spec": {"serviceName": "db", "template": template,
        "selector": {"matchLabels": {"app": "db"}},
        "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": claim_spec()}]}});
    sets.create(&PostParams::default(), &serde_json::from_value(set).unwrap()).await.unwrap();
    let pod = async || pods.get_opt("db-0").await.unwrap();
    let is_bound = |pod: Option<Pod>| pod.and_then(|it| it.spec?.node_name).is_some();
    eventually("a member", async || is_bound(pod().await)).await;
    let first = claims.get("data-db-0").await.unwrap().metadata.uid;

    claims.delete("data-db-0", &DeleteParams::default()).await.unwrap();
    pods.delete("db-0", &DeleteParams::default().grace_period(0)).await.unwrap();
    eventually("another claim", async || {
        let claim = claims.get_opt("data-db-0").await.unwrap();
        claim.is_some_and(|it| it.metadata.uid != first)
    })
    .await;
    eventually("another member", async || is_bound(pod().await)).await;
    cluster.stop().await;
}
