//! The operators' stories with nothing but what every Kubernetes has, in a namespace that lets only restricted pods in.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use harness::{Cluster, EtcdCluster, Up, Writer, ZnodeWriter};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, EvictParams};
use kube::runtime::wait::await_condition;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// How long a step may take that is not the operator's.
const STEP_MAX: Duration = Duration::from_secs(120);
const LEVEL: &str = "pod-security.kubernetes.io/enforce=restricted";

/// Runs a command that ends well without a word of warning, which would be a finding: the server's, of ours.
async fn silent(mut command: Command, input: &str) -> Result<()> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let mut stdin = child.stdin.take().context("its input is piped")?;
    stdin.write_all(input.as_bytes()).await?;
    drop(stdin);
    let output = tokio::time::timeout(STEP_MAX, child.wait_with_output()).await??;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success() && said.is_empty(), "it said {said}");
    Ok(())
}

/// As the README says it.
async fn installed(up: &Up, operator: &str) -> Result<()> {
    up.kubectl(&["label", "namespace", "default", LEVEL]).await?;
    let manifests = up.endstate(&["install", operator, "--print"]).await?;
    silent(up.command("kubectl", &["apply", "--server-side", "-f", "-"]), &manifests).await
}

/// Waits until there is another pod of this name, or none of it any more.
async fn replaced(pods: &Api<Pod>, before: &Pod) -> Result<()> {
    let (name, uid) = (before.name_any(), before.uid());
    let other = await_condition(pods.clone(), &name, move |it: Option<&Pod>| {
        it.is_none_or(|it| it.uid() != uid)
    });
    tokio::time::timeout(STEP_MAX, other).await.context("the pod stays")??;
    Ok(())
}

/// A pod is deleted and another one evicted. Each is back, on its volume.
async fn pods_come_back(up: &Up, cluster: &Cluster, size: usize) -> Result<()> {
    let pods: Api<Pod> = Api::default_namespaced(up.client().await?);
    let members = cluster.members().await?;
    let (deleted, evicted) = (pods.get(&members[0]).await?, pods.get(&members[1]).await?);
    pods.delete(&members[0], &DeleteParams::default()).await?;
    replaced(&pods, &deleted).await?;
    cluster.settled(size).await?;
    // The disruption budget is another controller's to count: it may not have seen the pod before as ready yet.
    let allowed = format!("--timeout={}s", STEP_MAX.as_secs());
    let budget =
        ["wait", "pdb", "--all", "--for=jsonpath={.status.disruptionsAllowed}=1", &allowed];
    up.kubectl(&budget).await?;
    pods.evict(&members[1], &EvictParams::default()).await?;
    replaced(&pods, &evicted).await?;
    cluster.settled(size).await?;
    ensure!(cluster.members().await? == members, "no member was replaced");
    Ok(())
}

/// Nothing of a deleted cluster is left: its volumes were to go with it.
async fn nothing_is_left(up: &Up, kind: &str, cluster: &Cluster) -> Result<()> {
    up.kubectl(&["delete", kind, &cluster.name, "--timeout=120s"]).await?;
    let kinds = "pods,services,endpointslices,configmaps,secrets,pdb,pvc";
    let label = format!("endstate.dev/cluster={}", cluster.name);
    up.kubectl(&["wait", kinds, "-l", &label, "--for=delete", "--timeout=120s"]).await?;
    let left = up.kubectl(&["get", kinds, "-l", &label, "-o", "name"]).await?;
    ensure!(left.is_empty(), "{left} are left");
    up.kubectl(&["wait", "pv", "--all", "--for=delete", "--timeout=120s"]).await?;
    Ok(())
}

#[tokio::test]
async fn an_operator_serves_on_any_kubernetes() -> Result<()> {
    let up = Up::start(1).await?;
    installed(&up, "etcd").await?;
    let storage = json!({"volume": {"retention": {"whenDeleted": "Delete"}}});
    let spec = json!({"size": 3, "version": "3.5.16", "storage": storage});
    let cluster = EtcdCluster::etcd(&up, "anywhere", spec).await?;
    cluster.settled(3).await?;
    let version = ["exec", "service/anywhere-client", "--", "etcdctl", "version"];
    silent(up.endstate_command(&version), "").await?;
    let writer = Writer::start(&up, "anywhere").await?;
    pods_come_back(&up, &cluster, 3).await?;
    for size in [5, 3] {
        cluster.resize(size).await?;
        cluster.settled(size as usize).await?;
    }
    ensure!(writer.check().await? > 0);
    nothing_is_left(&up, "etcdclusters.etcd.endstate.dev", &cluster).await?;
    up.stop().await
}

#[tokio::test]
async fn an_ensemble_serves_on_any_kubernetes() -> Result<()> {
    let up = Up::start(1).await?;
    installed(&up, "zookeeper").await?;
    let storage = json!({"retention": {"whenDeleted": "Delete"}});
    let spec = json!({"size": 3, "version": "3.9.5", "heapMib": 64, "storage": storage});
    let zoo = Cluster::zookeeper(&up, "anywhere", Some(spec)).await?;
    zoo.settled(3).await?;
    let writer = ZnodeWriter::start(&up, "anywhere", "w").await?;
    pods_come_back(&up, &zoo, 3).await?;
    for size in [5, 3] {
        zoo.resize(size).await?;
        zoo.settled(size as usize).await?;
    }
    let (names, _) = writer.check().await?;
    ensure!(!names.is_empty());
    nothing_is_left(&up, "zookeeperclusters.zookeeper.endstate.dev", &zoo).await?;
    up.stop().await
}
