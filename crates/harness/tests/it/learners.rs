//! Clients are sent to no learner, however ready its pod is.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use harness::{EtcdCluster, Up};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::ResourceExt;
use kube::api::{Api, DynamicObject, ListParams};
use kube::runtime::wait::await_condition;
use serde_json::json;

/// Where a learner's pod is ready, because what it is asked (`/health`) says nothing of learners.
const READY: [&str; 2] = ["3.4.23", "3.5.10"];

/// How long one wait may take.
const WAIT_MAX: Duration = Duration::from_secs(60);

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
        until_pod(&up, &learner, is_ready).await?;
        let slices: Api<EndpointSlice> = Api::default_namespaced(up.client().await?);
        let slice = slice_of(&slices, &format!("v{name}-client")).await?;
        let served = served(&slice);
        ensure!(served.len() >= 3, "clients reach the voters of {version}: {served:?}");
        ensure!(
            !served.contains(&learner),
            "clients of {version} are sent to a learner: {served:?}"
        );
        cluster.patch(json!({"spec": {"paused": false}})).await?;
        let votes = |it: &DynamicObject| learners(it).is_empty();
        cluster.until("a vote for each", votes).await?;
        let serves =
            |it: Option<&EndpointSlice>| it.is_some_and(|it| self::served(it).contains(&learner));
        let name = slice.name_any();
        let wait = await_condition(slices, &name, serves);
        tokio::time::timeout(WAIT_MAX, wait).await.context("clients are not sent to it")??;
    }
    up.stop().await
}

/// Grows a cluster, and pauses it while the new member, whose pod is there, has no vote. Who it is.
async fn pause_with_learner(up: &Up, cluster: &EtcdCluster) -> Result<String> {
    for size in SIZES {
        cluster.resize(size).await?;
        cluster.until("list a learner", |it| !learners(it).is_empty()).await?;
        let all = learners(&cluster.object().await?);
        let Some(learner) = all.first() else { continue };
        until_pod(up, learner, |_| true).await?;
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

/// Waits until a pod is there, and as asked.
async fn until_pod(up: &Up, name: &str, good: fn(&Pod) -> bool) -> Result<()> {
    let pods: Api<Pod> = Api::default_namespaced(up.client().await?);
    let wait = await_condition(pods, name, |it: Option<&Pod>| it.is_some_and(good));
    tokio::time::timeout(WAIT_MAX, wait).await.with_context(|| format!("pod {name}"))??;
    Ok(())
}

/// The endpoints of a service that has few.
async fn slice_of(slices: &Api<EndpointSlice>, service: &str) -> Result<EndpointSlice> {
    let of = ListParams::default().labels(&format!("kubernetes.io/service-name={service}"));
    let first = slices.list(&of).await?.items.into_iter().next();
    first.with_context(|| format!("the service {service} has no endpoints"))
}

/// The pods that clients are sent to.
fn served(slice: &EndpointSlice) -> BTreeSet<String> {
    let ready = slice.endpoints.iter();
    let ready = ready.filter(|it| it.conditions.as_ref().is_some_and(|it| it.ready == Some(true)));
    ready.filter_map(|it| it.target_ref.as_ref()?.name.clone()).collect()
}
