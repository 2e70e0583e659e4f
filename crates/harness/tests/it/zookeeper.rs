//! ZooKeeper's real servers, under a writer that checks every acknowledged write.

use anyhow::{Context, Result};
use harness::{
    Cluster, Up, ZnodeWriter, claim_folder, claim_process, empty, freeze, is_true, kill,
};
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use kube::api::{Api, DeleteParams, ListParams};
use kube::{ResourceExt, api::DynamicObject};
use serde_json::{Value, json};

pub(crate) async fn ensemble(up: &Up, name: &str, spec: Value) -> Result<Cluster> {
    up.endstate(&["install", "zookeeper"]).await?;
    let mut spec = spec;
    spec["heapMib"] = 64.into();
    Cluster::zookeeper(up, name, Some(spec)).await
}

#[tokio::test]
async fn an_ensemble_grows_and_shrinks_under_writes() -> Result<()> {
    let up = Up::start(1).await?;
    let zoo = ensemble(&up, "zoo", json!({"size": 1, "version": "3.9.5"})).await?;
    zoo.settled(1).await?;
    let writer = ZnodeWriter::start(&up, "zoo", "w").await?;
    for size in [3, 5, 3] {
        zoo.resize(size).await?;
        zoo.settled(size as usize).await?;
    }
    let (names, leaders) = writer.check().await?;
    assert!(!names.is_empty() && leaders == 1, "{leaders} leaders");
    up.stop().await
}

#[tokio::test]
async fn a_new_minor_version_costs_one_election_and_a_new_password_another() -> Result<()> {
    let up = Up::start(1).await?;
    let spec = json!({"size": 3, "version": "3.8.6", "observers": 2});
    let zoo = ensemble(&up, "zoo", spec).await?;
    zoo.settled(5).await?;
    let members = zoo.members().await?;
    for patch in [json!({"version": "3.9.5"}), json!({"credential": 2})] {
        let writer = ZnodeWriter::start(&up, "zoo", "w").await?;
        zoo.patch(json!({ "spec": patch })).await?;
        zoo.observed().await?;
        zoo.settled(5).await?;
        let (_, leaders) = writer.check().await?;
        assert!(leaders <= 2, "{leaders} leaders for {patch}");
        assert_eq!(zoo.members().await?, members, "no server was replaced");
    }
    let object = zoo.object().await?;
    assert_eq!(object.data["status"]["currentVersion"], "3.9.5");
    // With the new password the membership can still be changed.
    zoo.resize(5).await?;
    zoo.settled(7).await?;
    up.stop().await
}

#[tokio::test]
async fn all_pods_at_once_and_then_the_whole_machine_lose_nothing() -> Result<()> {
    let mut up = Up::start(1).await?;
    let zoo = ensemble(&up, "zoo", json!({"size": 3, "version": "3.9.5"})).await?;
    zoo.settled(3).await?;
    let members = zoo.members().await?;
    let writer = ZnodeWriter::start(&up, "zoo", "before").await?;
    let pods: Api<Pod> = Api::default_namespaced(up.client().await?);
    let old = uids(&pods).await?;
    pods.delete_collection(&DeleteParams::default(), &ListParams::default()).await?;
    let again = ZnodeWriter::start(&up, "zoo", "again").await?;
    zoo.until("other pods", |it| ready(it) == 3).await?;
    zoo.settled(3).await?;
    let (before, _) = writer.check().await?;
    again.check().await?;
    assert!(uids(&pods).await?.iter().all(|it| !old.contains(it)), "every pod is another");

    up.kill().await?;
    up.restart().await?;
    let zoo = Cluster::zookeeper(&up, "zoo", None).await?;
    let writer = ZnodeWriter::start(&up, "zoo", "after").await?;
    zoo.settled(3).await?;
    let found = writer.found().await;
    assert!(before.is_subset(&found), "{} of {} are there", found.len(), before.len());
    writer.check().await?;
    assert_eq!(zoo.members().await?, members, "no server was replaced");
    up.stop().await
}

#[tokio::test]
async fn a_follower_that_is_killed_and_wiped_is_replaced() -> Result<()> {
    let up = Up::start(1).await?;
    let zoo = ensemble(&up, "zoo", json!({"size": 3, "version": "3.9.5"})).await?;
    zoo.settled(3).await?;
    let writer = ZnodeWriter::start(&up, "zoo", "w").await?;
    let follower = followers(&zoo).await?.remove(0);
    wipe(&up, &follower).await?;
    let start = std::time::Instant::now();
    zoo.until("another server", |it| !status(it).to_string().contains(&follower)).await?;
    zoo.settled(3).await?;
    eprintln!("redundant {:?} after a follower was killed and wiped", start.elapsed());
    let (_, leaders) = writer.check().await?;
    assert_eq!(leaders, 1);
    up.stop().await
}

/// The blank majority elects nobody, and no empty ensemble takes the place of the one that was. A person leads on.
#[tokio::test]
async fn two_of_three_wiped_stop_and_the_survivors_data_is_gone_on_with() -> Result<()> {
    let up = Up::start(1).await?;
    let zoo = ensemble(&up, "zoo", json!({"size": 3, "version": "3.9.5"})).await?;
    zoo.settled(3).await?;
    let (names, _) = ZnodeWriter::start(&up, "zoo", "precious").await?.check().await?;
    let survivor = followers(&zoo).await?.remove(0);
    for member in zoo.members().await?.iter().filter(|it| **it != survivor) {
        wipe(&up, member).await?;
    }
    zoo.until("report the loss", |it| {
        is_true(it, "QuorumLost") && status(it)["waiting"].to_string().contains("recover-from")
    })
    .await?;
    zoo.patch(json!({"metadata": {"annotations": {"endstate.dev/recover-from": survivor}}}))
        .await?;
    zoo.until("3 servers", |it| ready(it) == 3).await?;
    zoo.settled(3).await?;
    let writer = ZnodeWriter::start(&up, "zoo", "after").await?;
    let found = writer.found().await;
    assert!(names.is_subset(&found), "{} of {} are there", found.len(), names.len());
    writer.check().await?;
    assert!(zoo.members().await?.contains(&survivor));
    up.stop().await
}

fn status(object: &DynamicObject) -> &Value {
    &object.data["status"]
}

fn ready(object: &DynamicObject) -> u64 {
    status(object)["ready"].as_u64().unwrap_or_default()
}

async fn uids(pods: &Api<Pod>) -> Result<Vec<String>> {
    let pods = pods.list(&ListParams::default()).await?;
    Ok(pods.iter().filter_map(ResourceExt::uid).collect())
}

/// Those who vote and do not lead.
async fn followers(zoo: &Cluster) -> Result<Vec<String>> {
    let leader = status(&zoo.object().await?)["leader"].clone();
    Ok(zoo.members().await?.into_iter().filter(|it| leader != it.as_str()).collect())
}

/// Empties a member's volume and kills its process.
async fn wipe(up: &Up, member: &str) -> Result<()> {
    let claims: Api<PersistentVolumeClaim> = Api::default_namespaced(up.client().await?);
    let claim = claims.get(&format!("data-{member}")).await?.uid().context("it has a uid")?;
    let process = claim_process(&claim)?;
    freeze(process)?;
    empty(&claim_folder(up.state(), &claim)?)?;
    kill(process)
}
