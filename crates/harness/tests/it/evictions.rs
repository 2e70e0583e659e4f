//! Evictions that name the operator as their responder. Their controller, which Kubernetes 1.37 does not have yet, is
//! the test: it gives the operator its turn.

use anyhow::{Context, Result, ensure};
use harness::{EtcdCluster, Up, Writer};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::GroupVersionKind;
use serde_json::{Value, json};

/// The kind, where the API does not have it itself.
const DEFINITION: &str = include_str!("evictions/definition.yaml");
const OPERATOR: &str = "etcd.endstate.dev/operator";
const EVICTOR: &str = "imperative-eviction.k8s.io/evictor";

/// What evictions are made by, and the pods that they are about.
struct Evictions {
    api: Api<DynamicObject>,
    pods: Api<Pod>,
}

impl Evictions {
    async fn of(up: &Up) -> Result<Self> {
        let kind = GroupVersionKind::gvk("lifecycle.k8s.io", "v1alpha1", "Eviction");
        let client = up.client().await?;
        let api = Api::default_namespaced_with(client.clone(), &ApiResource::from_gvk(&kind));
        Ok(Self { api, pods: Api::default_namespaced(client) })
    }

    /// Gives the operator its turn to see to it that a pod goes.
    async fn ask(&self, pod: &str) -> Result<()> {
        let pod = self.pods.get(pod).await?;
        let target = json!({ "pod": { "name": pod.name_any(), "uid": pod.uid() } });
        let mut labels = json!({ OPERATOR: "responder", EVICTOR: "responder" });
        labels["test.endstate.dev/asks"] = "requester".into();
        let eviction = json!({
            "apiVersion": "lifecycle.k8s.io/v1alpha1",
            "kind": "Eviction",
            "metadata": { "name": pod.name_any(), "labels": labels },
            "spec": { "target": target },
        });
        self.api.create(&PostParams::default(), &serde_json::from_value(eviction)?).await?;
        let now = format!("{:.0}", Timestamp::now());
        self.status(
            &pod.name_any(),
            json!({
                "observedGeneration": 1,
                "requesters": [{ "name": "test.endstate.dev/asks", "intent": "Eviction" }],
                "targetResponders": [
                    { "name": OPERATOR, "priority": 10_000, "state": "Active" },
                    { "name": EVICTOR, "priority": 100, "state": "Inactive" },
                ],
                "responders": [{ "name": OPERATOR, "startTime": now }, { "name": EVICTOR }],
            }),
        )
        .await
    }

    async fn status(&self, name: &str, status: Value) -> Result<()> {
        let patch = Patch::Merge(json!({ "status": status }));
        self.api.patch_status(name, &PatchParams::default(), &patch).await?;
        Ok(())
    }

    /// What the operator answered.
    async fn answer(&self, pod: &str) -> Result<Value> {
        let eviction = self.api.get(pod).await?;
        let responders = eviction.data["status"]["responders"].as_array();
        let mut responders = responders.context("no responders")?.iter();
        responders.find(|it| it["name"] == OPERATOR).cloned().context("it is not among them")
    }
}

#[tokio::test]
async fn the_member_of_an_evicted_pod_is_moved_and_the_eviction_answered() -> Result<()> {
    let up = Up::start(3).await?;
    let served = up.kubectl(&["get", "--raw", "/apis/lifecycle.k8s.io/v1alpha1"]).await;
    if served.is_err() {
        up.apply(DEFINITION).await?;
    }
    up.endstate(&["install", "etcd"]).await?;
    let cluster = EtcdCluster::apply(&up, "evicted", 3).await?;
    cluster.settled(3).await?;
    let writer = Writer::start(&up, "evicted").await?;
    let (evictions, leader) = (Evictions::of(&up).await?, leader(&cluster).await?);
    if served.is_ok() {
        let pod = up.kubectl(&["get", "pod", &leader, "-o", "json"]).await?;
        let pod: Value = serde_json::from_str(&pod)?;
        let responders = json!([{ "name": OPERATOR, "priority": 10_000 }]);
        ensure!(pod["spec"]["evictionResponders"] == responders, "{pod:#}");
    }
    evictions.ask(&leader).await?;
    cluster.without(&leader).await?;
    cluster.settled(3).await?;
    let answer = evictions.answer(&leader).await?;
    ensure!(answer["heartbeatTime"].is_string(), "{answer}");
    ensure!(answer["message"].as_str().is_some_and(|it| it.contains(&leader)), "{answer}");
    ensure!(writer.check().await? > 0);
    up.stop().await
}

async fn leader(cluster: &EtcdCluster) -> Result<String> {
    let object = cluster.object().await?;
    Ok(object.data["status"]["leader"].as_str().context("nobody leads")?.to_owned())
}
