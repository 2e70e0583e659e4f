//! Deletions that have consequences: cascades, and namespaces.

use crate::support::{Cluster, eventually};
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod, ServiceAccount};
use kube::api::{DeleteParams, DynamicObject, ListParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

fn object<K: DeserializeOwned>(value: Value) -> K {
    serde_json::from_value(value).unwrap()
}

fn deployment() -> Deployment {
    object(json!({
        "metadata": {"name": "web"},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "c", "image": "i:1"}]},
            },
        },
    }))
}

async fn count<K>(api: &Api<K>) -> usize
where
    K: Resource + Clone + DeserializeOwned + std::fmt::Debug,
{
    api.list(&ListParams::default()).await.unwrap().items.len()
}

struct Workload {
    deployments: Api<Deployment>,
    sets: Api<ReplicaSet>,
    pods: Api<Pod>,
}

impl Workload {
    /// A deployment with its pods. No node is there, so pods go at once.
    async fn start(cluster: &Cluster) -> Self {
        let deployments: Api<Deployment> = Api::default_namespaced(cluster.client());
        let sets = Api::default_namespaced(cluster.client());
        let pods = Api::default_namespaced(cluster.client());
        deployments.create(&PostParams::default(), &deployment()).await.unwrap();
        eventually("two pods", async || count(&pods).await == 2).await;
        Self { deployments, sets, pods }
    }

    async fn delete(&self, params: &DeleteParams) {
        self.deployments.delete("web", params).await.unwrap();
        eventually("no deployment", async || count(&self.deployments).await == 0).await;
    }
}

#[tokio::test]
async fn in_the_background_dependents_follow() {
    let cluster = Cluster::start(&[]).await;
    let workload = Workload::start(&cluster).await;
    workload.delete(&DeleteParams::background()).await;
    eventually("no pods", async || count(&workload.pods).await == 0).await;
    eventually("no sets", async || count(&workload.sets).await == 0).await;
    cluster.stop().await;
}

#[tokio::test]
async fn in_the_foreground_dependents_go_first() {
    let cluster = Cluster::start(&[]).await;
    let workload = Workload::start(&cluster).await;
    workload.delete(&DeleteParams::foreground()).await;
    assert_eq!((count(&workload.sets).await, count(&workload.pods).await), (0, 0));
    cluster.stop().await;
}

#[tokio::test]
async fn orphans_stay_and_lose_their_owner() {
    let cluster = Cluster::start(&[]).await;
    let workload = Workload::start(&cluster).await;
    workload.delete(&DeleteParams::orphan()).await;
    let sets = workload.sets.list(&ListParams::default()).await.unwrap().items;
    assert_eq!(sets.len(), 1);
    assert!(sets[0].metadata.owner_references.as_ref().is_none_or(Vec::is_empty));
    assert_eq!(count(&workload.pods).await, 2);
    cluster.stop().await;
}

/// Owners of a kind that was defined later are known too.
#[tokio::test]
async fn custom_resources_own_as_well() {
    let cluster = Cluster::start(&[]).await;
    let definition: DynamicObject = object(json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "things.test.endstate.dev"},
        "spec": {
            "group": "test.endstate.dev", "scope": "Namespaced",
            "names": {"plural": "things", "kind": "Thing"},
            "versions": [{"name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object"}}}],
        },
    }));
    let definitions =
        GroupVersionKind::gvk("apiextensions.k8s.io", "v1", "CustomResourceDefinition");
    let definitions = ApiResource::from_gvk(&definitions);
    let definitions: Api<DynamicObject> = Api::all_with(cluster.client(), &definitions);
    definitions.create(&PostParams::default(), &definition).await.unwrap();
    let things = ApiResource::from_gvk(&GroupVersionKind::gvk("test.endstate.dev", "v1", "Thing"));
    let things: Api<DynamicObject> = Api::default_namespaced_with(cluster.client(), &things);
    let thing = object(
        json!({"apiVersion": "test.endstate.dev/v1", "kind": "Thing", "metadata": {"name": "t"}}),
    );
    let thing = things.create(&PostParams::default(), &thing).await.unwrap();
    let maps: Api<ConfigMap> = Api::default_namespaced(cluster.client());
    let owned = object(json!({"metadata": {"name": "owned", "ownerReferences": [
        {"apiVersion": "test.endstate.dev/v1", "kind": "Thing", "name": "t", "uid": thing.metadata.uid}]}}));
    maps.create(&PostParams::default(), &owned).await.unwrap();
    things.delete("t", &DeleteParams::default()).await.unwrap();
    eventually("no owned map", async || maps.get_opt("owned").await.unwrap().is_none()).await;
    cluster.stop().await;
}

/// An object that names an owner nobody has ever seen goes; one whose owner exists stays.
#[tokio::test]
async fn the_owner_is_asked_for_before_anything_goes() {
    let cluster = Cluster::start(&[]).await;
    let maps: Api<ConfigMap> = Api::default_namespaced(cluster.client());
    let owner = maps
        .create(&PostParams::default(), &object(json!({"metadata": {"name": "owner"}})))
        .await
        .unwrap();
    let of = |name: &str, uid: &str| {
        object(json!({"metadata": {"name": name, "ownerReferences": [
            {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": uid}]}}))
    };
    maps.create(&PostParams::default(), &of("mine", owner.metadata.uid.as_deref().unwrap()))
        .await
        .unwrap();
    maps.create(&PostParams::default(), &of("stray", "00000000-0000-0000-0000-000000000000"))
        .await
        .unwrap();
    eventually("no stray", async || maps.get_opt("stray").await.unwrap().is_none()).await;
    assert!(maps.get_opt("mine").await.unwrap().is_some());
    cluster.stop().await;
}

#[tokio::test]
async fn a_namespace_goes_with_everything_in_it() {
    let cluster = Cluster::start(&[]).await;
    let namespaces: Api<Namespace> = Api::all(cluster.client());
    namespaces
        .create(&PostParams::default(), &object(json!({"metadata": {"name": "n"}})))
        .await
        .unwrap();
    let accounts: Api<ServiceAccount> = Api::namespaced(cluster.client(), "n");
    eventually("the default account", async || {
        accounts.get_opt("default").await.unwrap().is_some()
    })
    .await;
    let maps: Api<ConfigMap> = Api::namespaced(cluster.client(), "n");
    eventually("the root CA", async || maps.get_opt("kube-root-ca.crt").await.unwrap().is_some())
        .await;
    let deployments: Api<Deployment> = Api::namespaced(cluster.client(), "n");
    deployments.create(&PostParams::default(), &deployment()).await.unwrap();
    namespaces.delete("n", &DeleteParams::default()).await.unwrap();
    eventually("no namespace", async || namespaces.get_opt("n").await.unwrap().is_none()).await;
    assert_eq!(count(&maps).await, 0);
    cluster.stop().await;
}
