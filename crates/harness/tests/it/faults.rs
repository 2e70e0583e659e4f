//! Real etcd processes under faults: no acknowledged write is lost, and every fault heals.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use harness::{
    EtcdCluster, Up, Writer, freeze, is_true, kill, kill_and_wipe, member_process, thaw,
};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, DynamicObject, ListParams};
use kube::runtime::wait::await_condition;
use kube::{Api, ResourceExt};
use serde_json::json;

const OPERATOR_NAMESPACE: &str = "endstate-system";
/// Its Deployment and its lease.
const OPERATOR: &str = "endstate-etcd";

async fn pod(up: &Up, name: &str) -> Result<Pod> {
    let pods: Api<Pod> = Api::default_namespaced(up.client().await?);
    Ok(pods.get(name).await?)
}

/// The demo's story, with a writer that checks every acknowledged write.
#[tokio::test]
async fn a_cluster_heals_grows_and_shrinks() -> Result<()> {
    let up = Up::with_operator(3, "etcd").await?;
    let cluster = EtcdCluster::apply(&up, "story", 3).await?;
    cluster.settled(3).await?;
    let writer = Writer::start(&up, "story").await?;

    let victim = cluster.members().await?.remove(0);
    kill_and_wipe(&up, &victim, &[]).await?;
    cluster
        .until("the loss of its member", |it| {
            !it.data["status"]["members"].to_string().contains(&victim)
        })
        .await?;
    cluster.settled(3).await?;

    cluster.resize(5).await?;
    cluster.settled(5).await?;
    cluster.resize(3).await?;
    cluster.settled(3).await?;

    let acknowledged = writer.check().await?;
    assert!(acknowledged > 0);
    up.endstate(&["delete", "etcdclusters.etcd.endstate.dev/story", "--wait"]).await?;
    up.stop().await
}

/// With the launcher gone too there is nothing left that could start; so nothing starts, and the member is replaced.
#[tokio::test]
async fn a_member_that_loses_every_directory_while_it_runs_is_replaced() -> Result<()> {
    let up = Up::with_operator(3, "etcd").await?;
    let cluster = EtcdCluster::apply(&up, "emptied", 3).await?;
    cluster.settled(3).await?;
    let writer = Writer::start(&up, "emptied").await?;
    let victim = cluster.members().await?.remove(0);
    kill_and_wipe(&up, &victim, &["launcher"]).await?;
    let is_gone = |it: &DynamicObject| !it.data["status"]["members"].to_string().contains(&victim);
    cluster.until("the loss of its member", is_gone).await?;
    cluster.settled(3).await?;
    writer.check().await?;
    up.stop().await
}

/// A process that dies with its data intact comes back in place: same pod, same member.
#[tokio::test]
async fn each_member_in_turn_survives_kill_9() -> Result<()> {
    let up = Up::with_operator(3, "etcd").await?;
    let cluster = EtcdCluster::apply(&up, "turns", 3).await?;
    cluster.settled(3).await?;
    let writer = Writer::start(&up, "turns").await?;
    let members = cluster.members().await?;
    for member in &members {
        let before = restarts(&pod(&up, member).await?);
        kill(member_process(member)?)?;
        let pods: Api<Pod> = Api::default_namespaced(up.client().await?);
        let again = await_condition(pods, member, |pod: Option<&Pod>| {
            pod.is_some_and(|pod| restarts(pod) > before && is_ready(pod))
        });
        tokio::time::timeout(Duration::from_secs(60), again).await.context("not ready again")??;
        cluster.settled(3).await?;
    }
    assert_eq!(cluster.members().await?, members, "no member was replaced");
    writer.check().await?;
    up.stop().await
}

/// However often a member's process died, neither its restart nor its loss waits for the kubelet's back-off.
#[tokio::test]
async fn a_member_that_died_often_is_soon_replaced() -> Result<()> {
    let up = Up::with_operator(3, "etcd").await?;
    let cluster = EtcdCluster::apply(&up, "often", 3).await?;
    cluster.settled(3).await?;
    let writer = Writer::start(&up, "often").await?;
    let victim = cluster.followers().await?.remove(0);
    for _ in 0..3 {
        cluster.until("3 ready members", |it| ready(it) == 3).await?;
        kill(member_process(&victim)?)?;
        cluster.until("say so", |it| ready(it) < 3).await?;
    }
    cluster.until("3 ready members", |it| ready(it) == 3).await?;
    assert!(cluster.members().await?.contains(&victim), "it was not replaced");
    let start = Instant::now();
    kill_and_wipe(&up, &victim, &[]).await?;
    cluster.without(&victim).await?;
    cluster.settled(3).await?;
    eprintln!("redundant {:?} after the fourth end of a member", start.elapsed());
    writer.check().await?;
    up.stop().await
}

/// A process that hangs tells nobody. Its probes do, and nothing has to look at the members all the time.
#[tokio::test]
async fn a_member_that_hangs_shows_and_comes_back() -> Result<()> {
    let up = Up::with_operator(3, "etcd").await?;
    let cluster = EtcdCluster::apply(&up, "hangs", 3).await?;
    cluster.settled(3).await?;
    for member in cluster.members().await? {
        let process = member_process(&member)?;
        let start = Instant::now();
        freeze(process)?;
        let ill = |it: &DynamicObject| {
            let rows = it.data["status"]["members"].as_array();
            let row = rows.into_iter().flatten().find(|it| it["name"] == member.as_str());
            row.is_some_and(|it| it["healthy"] == false)
        };
        cluster.until("say that it is not healthy", ill).await?;
        eprintln!("told after {:?}", start.elapsed());
        thaw(process)?;
        cluster.settled(3).await?;
    }
    up.stop().await
}

/// The operator dies again and again while the cluster grows and shrinks; whoever comes next finishes the step.
#[tokio::test]
async fn the_operator_may_die_at_any_moment() -> Result<()> {
    let up = Up::with_operator(3, "etcd").await?;
    let cluster = EtcdCluster::apply(&up, "orphan", 1).await?;
    cluster.settled(1).await?;
    let writer = Writer::start(&up, "orphan").await?;
    let operators: Api<Pod> = Api::namespaced(up.client().await?, OPERATOR_NAMESPACE);
    for (round, size) in [3, 1, 3].into_iter().enumerate() {
        cluster.resize(size).await?;
        // Each round dies at another step: after this many changes of the object.
        changes(&cluster, 1 + 2 * round).await?;
        for pod in operators.list(&ListParams::default()).await? {
            operators.delete(&pod.name_any(), &DeleteParams::default().grace_period(0)).await?;
        }
        cluster.settled(size as usize).await?;
    }
    writer.check().await?;
    up.stop().await
}

/// Another version of the operator comes: the one before leads until the new one is ready, and hands over.
#[tokio::test]
async fn the_operator_rolls_and_hands_its_lease_over() -> Result<()> {
    let up = Up::with_operator(3, "etcd").await?;
    let cluster = EtcdCluster::apply(&up, "rolled", 1).await?;
    cluster.settled(1).await?;
    let before = leader(&up).await?;
    let deployments: Api<Deployment> = Api::namespaced(up.client().await?, OPERATOR_NAMESPACE);
    deployments.restart(OPERATOR).await?;
    succeeded(&up, &before).await?;
    cluster.resize(3).await?;
    cluster.settled(3).await?;
    up.stop().await
}

async fn leader(up: &Up) -> Result<String> {
    let leases: Api<Lease> = Api::namespaced(up.client().await?, OPERATOR_NAMESPACE);
    holder(Some(&leases.get(OPERATOR).await?)).context("nobody leads")
}

/// Waits until another than this one leads.
async fn succeeded(up: &Up, before: &str) -> Result<()> {
    let leases: Api<Lease> = Api::namespaced(up.client().await?, OPERATOR_NAMESPACE);
    let passed = await_condition(leases, OPERATOR, |lease: Option<&Lease>| {
        holder(lease).is_some_and(|it| it != before)
    });
    tokio::time::timeout(Duration::from_secs(60), passed).await.context("not handed over")??;
    Ok(())
}

fn holder(lease: Option<&Lease>) -> Option<String> {
    lease?.spec.as_ref()?.holder_identity.clone().filter(|it| !it.is_empty())
}

/// Waits for changes of the object's status.
async fn changes(cluster: &EtcdCluster, count: usize) -> Result<()> {
    for _ in 0..count {
        let before = cluster.object().await?.resource_version();
        cluster.until("another state", move |it| it.resource_version() != before).await?;
    }
    Ok(())
}

/// With every directory gone there is nothing to recover from: that is said, and nothing is started anew.
#[tokio::test]
async fn losing_every_member_is_reported_and_never_re_initialised() -> Result<()> {
    let up = Up::with_operator(3, "etcd").await?;
    let spec = json!({"size": 3, "version": "3.5.16", "storage": {"emptyDir": {}}});
    let cluster = EtcdCluster::etcd(&up, "lost", spec).await?;
    cluster.settled(3).await?;
    let pods: Api<Pod> = Api::default_namespaced(up.client().await?);
    pods.delete_collection(&DeleteParams::default().grace_period(0), &ListParams::default())
        .await?;
    cluster.until("report the loss", |it| is_true(it, "QuorumLost")).await?;
    // Another operator is made to look once more, from scratch, and still starts nothing.
    let before = leader(&up).await?;
    let operators: Api<Pod> = Api::namespaced(up.client().await?, OPERATOR_NAMESPACE);
    operators
        .delete_collection(&DeleteParams::default().grace_period(0), &ListParams::default())
        .await?;
    succeeded(&up, &before).await?;
    // The status says what was looked at before anything is done: a second look begins after the first has ended.
    for size in [1, 3] {
        cluster.resize(size).await?;
        cluster.observed().await?;
    }
    assert_eq!(pods.list(&ListParams::default()).await?.items.len(), 0, "nothing was started");
    up.stop().await
}

fn ready(object: &DynamicObject) -> u64 {
    object.data["status"]["ready"].as_u64().unwrap_or_default()
}

fn restarts(pod: &Pod) -> i32 {
    let statuses = pod.status.as_ref().and_then(|it| it.container_statuses.as_ref());
    statuses.into_iter().flatten().map(|it| it.restart_count).sum()
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|it| it.conditions.as_ref());
    conditions.into_iter().flatten().any(|it| it.type_ == "Ready" && it.status == "True")
}
