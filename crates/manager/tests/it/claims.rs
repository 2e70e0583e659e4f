//! Claims and volumes that are deleted while something uses them.

use std::collections::{BTreeMap, BTreeSet};

use crate::support::{Cluster, eventually};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim, Pod};
use k8s_openapi::api::storage::v1::StorageClass;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
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
    cluster.remove_folder(&volume).await;
    eventually("no volume", async || volumes.get_opt(&volume).await.unwrap().is_none()).await;
    let why = "0/1 nodes are available: persistentvolumeclaim \"data\" not found.";
    eventually("a pod that waits", async || waits(&pods, "late").await.as_deref() == Some(why))
        .await;
    let claim = json!({"metadata": {"name": "data"}, "spec": claim_spec()});
    claims.create(&PostParams::default(), &serde_json::from_value(claim).unwrap()).await.unwrap();
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

/// A cluster with the class that the embedded one starts with.
async fn with_default_class(nodes: &[&str]) -> Cluster {
    let cluster = Cluster::start(nodes).await;
    let classes: Api<StorageClass> = Api::all(cluster.client());
    classes.create(&PostParams::default(), &manager::default_class()).await.unwrap();
    cluster
}

fn member(name: &str) -> Pod {
    let mut pod = user(name, None);
    pod.metadata.labels = Some([("app".to_owned(), "db".to_owned())].into());
    let volumes = pod.spec.as_mut().unwrap().volumes.as_mut().unwrap();
    volumes[0].persistent_volume_claim.as_mut().unwrap().claim_name = format!("data-{name}");
    pod
}

#[tokio::test]
async fn volumes_are_made_where_pods_spread_to_and_pods_return_to_them() {
    let cluster = with_default_class(&["a", "b", "c"]).await;
    let claims: Api<PersistentVolumeClaim> = Api::default_namespaced(cluster.client());
    let pods: Api<Pod> = Api::default_namespaced(cluster.client());
    let names = ["one", "two", "three"];
    for name in names {
        let claim = json!({"metadata": {"name": format!("data-{name}")}, "spec": claim_spec()});
        let claim = serde_json::from_value(claim).unwrap();
        let made = claims.create(&PostParams::default(), &claim).await.unwrap();
        assert_eq!(made.spec.unwrap().storage_class_name.as_deref(), Some("standard"));
    }
    for name in names {
        pods.create(&PostParams::default(), &member(name)).await.unwrap();
    }
    let node = async |name: &str| pods.get_opt(name).await.unwrap()?.spec?.node_name;
    let mut nodes = BTreeMap::new();
    for name in names {
        eventually("a bound pod", async || node(name).await.is_some()).await;
        nodes.insert(name, node(name).await.unwrap());
    }
    let distinct: BTreeSet<_> = nodes.values().collect();
    assert_eq!(distinct.len(), 3, "{nodes:?}");

    for name in names {
        pods.delete(name, &DeleteParams::default().grace_period(0)).await.unwrap();
    }
    // The last goes first, and would be given the first node.
    for name in ["three", "two", "one"] {
        pods.create(&PostParams::default(), &member(name)).await.unwrap();
        eventually("a bound pod", async || node(name).await.is_some()).await;
        assert_eq!(node(name).await.as_ref(), Some(&nodes[name]), "{name} is with its volume");
    }
    cluster.stop().await;
}

#[tokio::test]
async fn a_claim_grows_and_never_shrinks() {
    let cluster = with_default_class(&["a"]).await;
    let claims: Api<PersistentVolumeClaim> = Api::default_namespaced(cluster.client());
    let classes: Api<StorageClass> = Api::all(cluster.client());
    let pods: Api<Pod> = Api::default_namespaced(cluster.client());
    let claim = json!({"metadata": {"name": "data-one"}, "spec": claim_spec()});
    claims.create(&PostParams::default(), &serde_json::from_value(claim).unwrap()).await.unwrap();
    let request = async |size: &str| {
        let spec = json!({"spec": {"resources": {"requests": {"storage": size}}}});
        let asked = claims.patch("data-one", &PatchParams::default(), &Patch::Merge(spec)).await;
        asked.map(drop).map_err(|it| it.to_string())
    };
    let why = request("2Gi").await.unwrap_err();
    assert!(why.contains("spec is immutable"), "it is not bound: {why}");

    pods.create(&PostParams::default(), &member("one")).await.unwrap();
    let capacity = async || {
        let status = claims.get("data-one").await.unwrap().status?;
        Some(status.capacity?["storage"].0.clone())
    };
    eventually("a bound claim", async || capacity().await.as_deref() == Some("1Gi")).await;
    request("2Gi").await.unwrap();
    eventually("a larger claim", async || capacity().await.as_deref() == Some("2Gi")).await;
    let why = request("1Gi").await.unwrap_err();
    assert!(why.contains("field can not be less than status.capacity"), "{why}");

    let fixed = Patch::Merge(json!({"allowVolumeExpansion": false}));
    classes.patch("standard", &PatchParams::default(), &fixed).await.unwrap();
    let why = request("3Gi").await.unwrap_err();
    assert!(why.contains("only dynamically provisioned pvc can be resized"), "{why}");
    cluster.stop().await;
}

#[tokio::test]
async fn pods_whose_volumes_are_not_made_yet_count_where_they_will_be() {
    let cluster = Cluster::start(&["a", "b", "c"]).await;
    let classes: Api<StorageClass> = Api::all(cluster.client());
    // Nobody makes its volumes.
    let slow = StorageClass { provisioner: "theirs".to_owned(), ..manager::default_class() };
    classes.create(&PostParams::default(), &slow).await.unwrap();
    let claims: Api<PersistentVolumeClaim> = Api::default_namespaced(cluster.client());
    let pods: Api<Pod> = Api::default_namespaced(cluster.client());
    let selected = async |name: &str| {
        let annotations = claims.get(&format!("data-{name}")).await.unwrap().metadata.annotations;
        annotations?.get("volume.kubernetes.io/selected-node").cloned()
    };
    let mut nodes = BTreeSet::new();
    for name in ["one", "two", "three"] {
        let claim = json!({"metadata": {"name": format!("data-{name}")}, "spec": claim_spec()});
        let claim = serde_json::from_value(claim).unwrap();
        claims.create(&PostParams::default(), &claim).await.unwrap();
        pods.create(&PostParams::default(), &member(name)).await.unwrap();
        eventually("a node for its volume", async || selected(name).await.is_some()).await;
        nodes.insert(selected(name).await.unwrap());
    }
    assert_eq!(nodes.len(), 3, "{nodes:?}");
    cluster.stop().await;
}
