//! The embedded cluster itself dies and comes back.

use std::path::PathBuf;

use anyhow::{Context, Result};
use harness::{EtcdCluster, Up, Writer, empty, is_true, pod_folder};
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, ResourceExt};
use serde_json::json;

/// A power cut: every process gone at once, every address new. Objects and volumes are still there.
#[tokio::test]
async fn kill_9_of_everything_loses_nothing() -> Result<()> {
    let mut up = Up::start(1).await?;
    up.endstate(&["install", "etcd"]).await?;
    let cluster = EtcdCluster::apply(&up, "power", 3).await?;
    cluster.settled(3).await?;
    let members = cluster.members().await?;
    let writer = Writer::start(&up, "power").await?;
    let acknowledged = writer.check().await?;

    up.kill().await?;
    up.restart().await?;
    let cluster = EtcdCluster::existing(&up, "power").await?;
    // What it says may be from before: the writer's first acknowledged write proves that it is back.
    let writer = Writer::start(&up, "power").await?;
    cluster.settled(3).await?;
    assert_eq!(cluster.members().await?, members, "no member was replaced");
    let found = keys(&up, &members[0]).await?;
    assert!(found >= acknowledged, "{found} of {acknowledged} keys are there");
    writer.check().await?;
    up.stop().await
}

/// How many of the writer's keys a member reads.
async fn keys(up: &Up, member: &str) -> Result<usize> {
    let get = ["etcdctl", "get", "--prefix", "writer/", "--keys-only"];
    let command = [&["exec", member, "-c", "etcd", "--"][..], &get].concat();
    Ok(up.endstate(&command).await?.lines().filter(|it| it.starts_with("writer/")).count())
}

/// A node that loses its state with everything running: two pods find every directory of theirs empty, the launcher's
/// too, while their pod objects, and the start parameters in them, are as they were. Neither is started as a new
/// cluster: the one of three is replaced, and the only one of a cluster is reported as lost and serves nothing.
#[tokio::test]
async fn pods_that_find_all_their_directories_empty_never_start_anew() -> Result<()> {
    let mut up = Up::start(1).await?;
    up.endstate(&["install", "etcd"]).await?;
    let spec = |size| json!({"size": size, "version": "3.5.16", "storage": {"emptyDir": {}}});
    let trio = EtcdCluster::etcd(&up, "trio", spec(3)).await?;
    let single = EtcdCluster::etcd(&up, "single", spec(1)).await?;
    trio.settled(3).await?;
    single.settled(1).await?;
    let acknowledged = Writer::start(&up, "trio").await?.check().await?;
    assert!(Writer::start(&up, "single").await?.check().await? > 0);
    let (victim, only) = (trio.members().await?.remove(0), single.members().await?.remove(0));
    let folders = [pod_folder_of(&up, &victim).await?, pod_folder_of(&up, &only).await?];

    up.kill().await?;
    for folder in folders {
        empty(&folder.join("volumes/data"))?;
        empty(&folder.join("volumes/launcher"))?;
    }
    up.restart().await?;
    let trio = EtcdCluster::existing(&up, "trio").await?;
    trio.until("replace its member", |it| {
        !it.data["status"]["members"].to_string().contains(&victim)
    })
    .await?;
    trio.settled(3).await?;
    assert!(Writer::start(&up, "trio").await?.check().await? > 0);
    let kept = keys(&up, &trio.members().await?[0]).await?;
    assert!(kept >= acknowledged, "{kept} of {acknowledged} keys are there");

    let single = EtcdCluster::existing(&up, "single").await?;
    single.until("report the loss", |it| is_true(it, "QuorumLost")).await?;
    let pod = up.kubectl(&["get", "pod", &only, "-o", "json"]).await?;
    let pod: Pod = serde_json::from_str(&pod)?;
    let containers = pod.status.and_then(|it| it.container_statuses).context("no container")?;
    assert!(!containers.is_empty() && containers.iter().all(|it| !it.ready), "it serves nothing");
    up.stop().await
}

async fn pod_folder_of(up: &Up, name: &str) -> Result<PathBuf> {
    let pods: Api<Pod> = Api::default_namespaced(up.client().await?);
    let uid = pods.get(name).await?.uid().context("a stored pod has a uid")?;
    pod_folder(up.state(), &uid)
}

#[tokio::test]
async fn a_graceful_restart_keeps_objects() -> Result<()> {
    let mut up = Up::start(1).await?;
    up.kubectl(&["create", "configmap", "kept", "--from-literal=a=b"]).await?;
    let before = up.kubectl(&["get", "configmap", "kept", "-o", "yaml"]).await?;
    up.end().await?;
    up.restart().await?;
    assert_eq!(up.kubectl(&["get", "configmap", "kept", "-o", "yaml"]).await?, before);
    up.stop().await
}

#[tokio::test]
async fn a_second_up_on_one_state_directory_is_refused() -> Result<()> {
    let up = Up::start(1).await?;
    let state = up.state().display().to_string();
    let second = up.endstate(&["up", "--listen", "127.0.0.1:0", "--state-dir", &state]).await;
    let error = second.expect_err("it has to be refused").to_string();
    assert!(error.contains("another `endstate up` uses"), "{error}");
    up.stop().await
}
