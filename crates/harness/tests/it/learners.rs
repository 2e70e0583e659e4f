//! Clients are sent to no learner, however ready its pod is.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use harness::{EtcdCluster, Up};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::{Api, DynamicObject, ListParams};
use kube::runtime::wait::await_condition;
use serde_json::json;

/// Where a learner's pod is ready, because what it is asked (`/health`) says nothing of learners.
const READY: [&str; 2] = ["3.4.23", "3.5.10"];

/// The operator is paused while a member is a learner; each cluster may grow so often until that was in time.
const SIZES: [u32; 3] = [4, 5, 6];

#[tokio::test]
async fn clients_are_sent_to_no_learner() -> Result<()> {
    let up = Up::with_operator(3, "etcd").await?;
    for version in READY {
        let name = version.replace('.', "-");
        let spec = json!({"size": 3, "version": version});
        let cluster = EtcdCluster::etcd(&up, &format!("v{name}"), spec).await?;
        cluster.settled(3).await?;
        let learner = pause_with_learner(&up, &cluster).await?;
        let pods: Api<Pod> = Api::default_namespaced(up.client().await?);
        await_condition(pods, &learner, |it: Option<&Pod>| it.is_some_and(is_ready)).await?;
        let served = served(&up, &format!("v{name}-client")).await?;
        ensure!(served.len() >= 3, "clients reach the voters of {version}: {served:?}");
        ensure!(
            !served.contains(&learner),
            "clients of {version} are sent to a learner: {served:?}"
        );
        cluster.patch(json!({"spec": {"paused": false}})).await?;
        let votes = |it: &DynamicObject| learners(it).is_empty();
        cluster.until("a vote for each", votes).await?;
        while !self::served(&up, &format!("v{name}-client")).await?.contains(&learner) {
            cluster.changed().await?;
        }
    }
    up.stop().await
}

/// Grows a cluster, and pauses it while the new member, whose pod is there, has no vote. Who it is.
async fn pause_with_learner(up: &Up, cluster: &EtcdCluster) -> Result<String> {
    let pods: Api<Pod> = Api::default_namespaced(up.client().await?);
    for size in SIZES {
        cluster.resize(size).await?;
        cluster.until("list a learner", |it| !learners(it).is_empty()).await?;
        let all = learners(&cluster.object().await?);
        let Some(learner) = all.first() else { continue };
        await_condition(pods.clone(), learner, |it: Option<&Pod>| it.is_some()).await?;
        cluster.patch(json!({"spec": {"paused": true}})).await?;
        cluster.observed().await?;
        if learners(&cluster.object().await?).contains(learner) {
            return Ok(learner.clone());
        }
        cluster.patch(json!({"spec": {"paused": false}})).await?;
    }
    anyhow::bail!("every new member had its vote before the cluster was paused")
}

fn learners(object: &DynamicObject) -> Vec<String> {
    let rows = object.data["status"]["members"].as_array().cloned().unwrap_or_default();
    let rows = rows.iter().filter(|it| it["standing"] == "NonVoter");
    rows.filter_map(|it| Some(it["name"].as_str()?.to_owned())).collect()
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.iter().filter_map(|it| it.conditions.as_ref()).flatten();
    conditions.into_iter().any(|it| it.type_ == "Ready" && it.status == "True")
}

/// The pods that clients of a service are sent to.
async fn served(up: &Up, service: &str) -> Result<BTreeSet<String>> {
    let slices: Api<EndpointSlice> = Api::default_namespaced(up.client().await?);
    let of = ListParams::default().labels(&format!("kubernetes.io/service-name={service}"));
    let slices = slices.list(&of).await?.items;
    ensure!(!slices.is_empty(), "the service {service} has no endpoints");
    let endpoints = slices.iter().flat_map(|it| &it.endpoints);
    let ready =
        endpoints.filter(|it| it.conditions.as_ref().is_some_and(|it| it.ready == Some(true)));
    let names = ready.map(|it| it.target_ref.as_ref().and_then(|it| it.name.clone()));
    names.map(|it| it.context("an endpoint is a pod's")).collect()
}
