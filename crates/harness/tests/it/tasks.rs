//! Operations from outside, each carried out once: the lead moved, a member replaced, databases made smaller.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use etcd_client::{Client, CompactionOptions, DeleteOptions};
use harness::{Beside, EtcdCluster, EtcdReach, Up, Writer, forward};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, DynamicObject, ListParams};
use kube::runtime::wait::await_condition;
use serde_json::{Value, json};

/// How long an operation may take.
const OVER_MAX: Duration = Duration::from_secs(120);

/// What is written and deleted again: so many values of so many bytes.
const VALUES: usize = 64;
const VALUE_BYTES: usize = 512 << 10;

struct Tasks(Beside);

impl Tasks {
    async fn of(up: &Up) -> Result<Self> {
        Ok(Self(Beside::of(up, "EtcdTask").await?))
    }

    async fn declare(&self, up: &Up, name: &str, operation: Value) -> Result<()> {
        let mut spec = operation;
        spec["cluster"] = "tasks".into();
        self.0.declare(up, name, &spec).await
    }

    /// Waits until it is over, and gives its status.
    async fn over(&self, name: &str, state: &str) -> Result<Value> {
        let is_over = |it: &Value| it["completionTime"].is_string();
        let status = self.0.until(name, "over", is_over).await?;
        ensure!(status["state"] == state, "{name}: {status:#}");
        Ok(status)
    }
}

fn message(status: &Value) -> &str {
    status["conditions"][0]["message"].as_str().unwrap_or_default()
}

async fn leader(cluster: &EtcdCluster) -> Result<String> {
    let status = cluster.object().await?.data["status"].take();
    Ok(status["leader"].as_str().context("nobody leads")?.to_owned())
}

/// Ends the operator's process, and waits for another.
async fn restart_operator(up: &Up) -> Result<()> {
    let pods: Api<Pod> = Api::namespaced(up.client().await?, "endstate-system");
    for pod in pods.list(&ListParams::default()).await?.items {
        let name = pod.name_any();
        pods.delete(&name, &DeleteParams::default().grace_period(0)).await?;
        let gone = await_condition(pods.clone(), &name, |it: Option<&Pod>| it.is_none());
        tokio::time::timeout(OVER_MAX, gone).await.context("it stays")??;
    }
    Ok(())
}

#[tokio::test]
async fn the_lead_moves_once_and_the_leader_is_replaced() -> Result<()> {
    let up = Up::with_operator(3, "etcd").await?;
    let spec = json!({"size": 3, "version": "3.7.3", "auth": {"enabled": true}});
    let cluster = EtcdCluster::etcd(&up, "tasks", spec).await?;
    cluster.settled(3).await?;
    let tasks = Tasks::of(&up).await?;
    let first = leader(&cluster).await?;

    // Two at once: one after the other.
    let to = cluster.followers().await?.pop().context("nobody follows")?;
    tasks.declare(&up, "named", json!({"moveLeader": {"to": to}})).await?;
    tasks.declare(&up, "then", json!({"moveLeader": {}})).await?;
    let named = tasks.over("named", "Complete").await?;
    ensure!(named["formerLeader"] == *first && message(&named).contains(&to), "{named:#}");
    let then = tasks.over("then", "Complete").await?;
    ensure!(then["formerLeader"] == *to, "{then:#}");
    ensure!(named["completionTime"].as_str() <= then["completionTime"].as_str());
    cluster.settled(3).await?;
    ensure!(leader(&cluster).await? != to, "{to} handed over");

    tasks.declare(&up, "nobody", json!({"replaceMember": {"member": "nobody"}})).await?;
    let nobody = tasks.over("nobody", "Failed").await?;
    ensure!(message(&nobody).contains(&to), "it names those that are there: {nobody:#}");

    let member = leader(&cluster).await?;
    tasks.declare(&up, "swap", json!({"replaceMember": {"member": member}})).await?;
    let told =
        |it: &DynamicObject| it.data["status"]["waiting"].to_string().contains("EtcdTask swap");
    cluster.until("tell of it", told).await?;
    let swapped = tasks.over("swap", "Complete").await?;
    ensure!(message(&swapped).contains(&member), "{swapped:#}");
    cluster.settled(3).await?;
    let members = cluster.members().await?;
    ensure!(!members.contains(&member) && members.contains(&to), "{members:?}");

    // What is over stays so, whoever looks.
    let before = leader(&cluster).await?;
    restart_operator(&up).await?;
    tasks.declare(&up, "after", json!({"moveLeader": {"to": before}})).await?;
    tasks.over("after", "Complete").await?;
    ensure!(leader(&cluster).await? == before && cluster.members().await? == members);
    let again = tasks.0.status("named").await?;
    ensure!(again == named, "{again:#}");
    let listed = up.kubectl(&["get", "etcdtasks", "-o", "wide"]).await?;
    ensure!(listed.contains("replaceMember") && listed.contains("Failed"), "{listed}");
    up.stop().await
}

async fn fill(client: &mut Client) -> Result<()> {
    for number in 0..VALUES {
        client.put(format!("fill/{number}"), vec![b'x'; VALUE_BYTES], None).await?;
    }
    let all = Some(DeleteOptions::new().with_prefix());
    let deleted = client.delete("fill/", all).await?;
    let revision = deleted.header().context("no revision")?.revision();
    client.compact(revision, Some(CompactionOptions::new().with_physical())).await?;
    Ok(())
}

#[tokio::test]
async fn databases_are_made_smaller_and_a_member_is_replaced_under_a_writer() -> Result<()> {
    let up = Up::with_operator(3, "etcd").await?;
    let cluster = EtcdCluster::etcd(&up, "tasks", json!({"size": 3, "version": "3.5.35"})).await?;
    cluster.settled(3).await?;
    let (_forward, address) = forward(&up, "tasks", 2379).await?;
    fill(&mut EtcdReach::new(&up, "tasks", &address).await?.connect().await?).await?;
    let writer = Writer::start(&up, "tasks").await?;
    let tasks = Tasks::of(&up).await?;
    let last = leader(&cluster).await?;
    tasks.declare(&up, "all", json!({"defragment": {}})).await?;
    let all = tasks.over("all", "Complete").await?;
    let members = all["members"].as_array().context("no members")?;
    ensure!(members.len() == 3 && members[2]["name"] == *last, "{all:#}");
    for member in members {
        let (before, after) = (&member["sizeBefore"], &member["sizeAfter"]);
        let half = before.as_u64().unwrap_or(0) / 2;
        ensure!(after.as_u64().is_some_and(|it| it > 0 && it < half), "{member:#}");
    }
    cluster.settled(3).await?;
    let follower = cluster.followers().await?.pop().context("nobody follows")?;
    tasks.declare(&up, "swap", json!({"replaceMember": {"member": follower}})).await?;
    tasks.over("swap", "Complete").await?;
    cluster.settled(3).await?;
    ensure!(!cluster.members().await?.contains(&follower), "{follower} left");
    ensure!(writer.check().await? > 0);

    let last = leader(&cluster).await?;
    tasks.declare(&up, "one", json!({"defragment": {"members": [last]}})).await?;
    let one = tasks.over("one", "Complete").await?;
    ensure!(one["members"].as_array().map(Vec::len) == Some(1), "{one:#}");
    up.stop().await
}
