//! The embedded cluster itself dies and comes back.

use anyhow::Result;
use harness::{EtcdCluster, Up, Writer};

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
    let keys = [
        "exec",
        &members[0],
        "-c",
        "etcd",
        "--",
        "etcdctl",
        "get",
        "--prefix",
        "writer/",
        "--keys-only",
    ];
    let found = up.endstate(&keys).await?.lines().filter(|it| it.starts_with("writer/")).count();
    assert!(found >= acknowledged, "{found} of {acknowledged} keys are there");
    writer.check().await?;
    up.stop().await
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
