//! ZooKeeper's real servers, under a writer that checks every acknowledged write.

use std::time::Duration;

use anyhow::{Context, Result};
use harness::{
    Cluster, Up, ZnodeWriter, claim_folder, claim_process, claims, empty, freeze, is_true, kill,
    kill_and_wipe,
};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::DynamicObject;
use kube::api::{Api, DeleteParams, ListParams};
use kube::runtime::wait::await_condition;
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
    for claim in claims(&up).await?.values() {
        // Java goes on without the image's archive if that was made for another class path.
        let maps = std::fs::read_to_string(format!("/proc/{}/maps", claim_process(claim)?))?;
        assert!(maps.contains("classes.jsa"), "it has read its classes from jars");
    }
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
async fn a_node_all_pods_and_the_whole_machine_are_lost_and_no_write_is() -> Result<()> {
    let mut up = Up::start(3).await?;
    let zoo = ensemble(&up, "zoo", json!({"size": 3, "version": "3.9.5"})).await?;
    zoo.settled(3).await?;
    let members = zoo.members().await?;
    lose_a_node(&up, &zoo).await?;
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

/// The leader's node goes with the pod on it, and comes back with the volume: so does the server, with its id.
async fn lose_a_node(up: &Up, zoo: &Cluster) -> Result<()> {
    let members = zoo.members().await?;
    let leader = leader(zoo).await?;
    let pods: Api<Pod> = Api::default_namespaced(up.client().await?);
    let (before, claims) = (pods.get(&leader).await?, claims(up).await?);
    let node = before.spec.and_then(|it| it.node_name).context("it runs on a node")?;
    let writer = ZnodeWriter::start(up, "zoo", "node").await?;
    up.kubectl(&["delete", "node", &node]).await?;
    let uid = before.metadata.uid;
    let again = await_condition(pods.clone(), &leader, |it: Option<&Pod>| {
        it.is_some_and(|it| it.metadata.uid != uid && is_ready(it))
    });
    tokio::time::timeout(Duration::from_secs(60), again).await.context("it is not back")??;
    zoo.settled(3).await?;
    let (_, leaders) = writer.check().await?;
    assert!(leaders <= 2, "{leaders} leaders");
    assert_eq!(zoo.members().await?, members, "no server was replaced");
    assert_eq!(harness::claims(up).await?, claims, "every server has the volume that it had");
    let after = pods.get(&leader).await?.spec.and_then(|it| it.node_name);
    assert_eq!(after, Some(node), "a server stays where its volume is");
    Ok(())
}

/// A server that hangs is restarted first: every other one would leave too few.
#[tokio::test]
async fn a_server_that_hangs_is_restarted_first() -> Result<()> {
    let up = Up::start(1).await?;
    let zoo = ensemble(&up, "zoo", json!({"size": 3, "version": "3.8.6"})).await?;
    zoo.settled(3).await?;
    let members = zoo.members().await?;
    let (ill, leader) = (zoo.followers().await?.pop().context("no follower")?, leader(&zoo).await?);
    let writer = ZnodeWriter::start(&up, "zoo", "w").await?;
    let pods: Api<Pod> = Api::default_namespaced(up.client().await?);
    let old = pods.list(&ListParams::default()).await?;
    freeze(claim_process(&claims(&up).await?[&format!("data-{ill}")])?)?;
    zoo.patch(json!({"spec": {"version": "3.9.5"}})).await?;
    zoo.observed().await?;
    zoo.settled(3).await?;
    let (_, leaders) = writer.check().await?;
    assert!(leaders <= 2, "{leaders} leaders");
    assert_eq!(zoo.members().await?, members, "no server was replaced");
    let mut made: Vec<_> = pods.list(&ListParams::default()).await?.items;
    assert!(made.iter().all(|it| old.iter().all(|other| other.uid() != it.uid())));
    made.sort_by_key(|it| it.metadata.creation_timestamp.clone());
    let order: Vec<_> = made.iter().map(ResourceExt::name_any).collect();
    assert_eq!((order.first(), order.last()), (Some(&ill), Some(&leader)), "{order:?}");
    up.stop().await
}

#[tokio::test]
async fn a_wiped_follower_is_replaced_and_the_loss_of_all_is_reported() -> Result<()> {
    let up = Up::start(1).await?;
    let zoo = ensemble(&up, "zoo", json!({"size": 3, "version": "3.9.5"})).await?;
    zoo.settled(3).await?;
    let writer = ZnodeWriter::start(&up, "zoo", "w").await?;
    let follower = zoo.followers().await?.remove(0);
    kill_and_wipe(&up, &follower, &[]).await?;
    let start = std::time::Instant::now();
    zoo.without(&follower).await?;
    zoo.settled(3).await?;
    eprintln!("redundant {:?} after a follower was killed and wiped", start.elapsed());
    let (_, leaders) = writer.check().await?;
    assert_eq!(leaders, 1);
    lose_every_volume(&up, &zoo).await?;
    up.stop().await
}

/// There is nothing to go on from. It is said, and nobody begins an empty ensemble in the place of the one that was.
async fn lose_every_volume(up: &Up, zoo: &Cluster) -> Result<()> {
    let (members, claims) = (zoo.members().await?, claims(up).await?);
    // No one may copy its data to a blank one in between.
    let processes: Vec<_> = claims.values().map(|it| claim_process(it)).collect::<Result<_>>()?;
    processes.iter().try_for_each(|it| freeze(*it))?;
    for claim in claims.values() {
        empty(&claim_folder(up.state(), claim)?)?;
    }
    processes.iter().try_for_each(|it| kill(*it))?;
    zoo.until("report the loss", |it| is_true(it, "QuorumLost")).await?;
    // Every server's start was refused, and the operator was made to look again, twice.
    let pods: Api<Pod> = Api::default_namespaced(up.client().await?);
    for member in &members {
        let refused = await_condition(pods.clone(), member, |it: Option<&Pod>| {
            it.is_none_or(|it| {
                json!(it.status).to_string().contains("data lost, refusing to start blank")
            })
        });
        let refused = tokio::time::timeout(Duration::from_secs(60), refused).await;
        refused.with_context(|| format!("{member} is not refused its start"))??;
    }
    for size in [1, 3] {
        zoo.resize(size).await?;
        zoo.observed().await?;
    }
    for claim in claims.values() {
        let folder = claim_folder(up.state(), claim)?.join("version-2");
        assert!(!folder.exists(), "{} was initialized", folder.display());
    }
    let object = zoo.object().await?;
    assert!(is_true(&object, "QuorumLost") && !is_true(&object, "Available"));
    assert_eq!(harness::claims(up).await?, claims, "no other volumes");
    assert_eq!(zoo.members().await?, members, "no other servers");
    Ok(())
}

/// The blank majority elects nobody, and no empty ensemble takes the place of the one that was. A person leads on.
#[tokio::test]
async fn two_of_three_wiped_stop_and_the_survivors_data_is_gone_on_with() -> Result<()> {
    let up = Up::start(1).await?;
    let zoo = ensemble(&up, "zoo", json!({"size": 3, "version": "3.9.5"})).await?;
    zoo.settled(3).await?;
    let (names, _) = ZnodeWriter::start(&up, "zoo", "precious").await?.check().await?;
    let survivor = zoo.followers().await?.remove(0);
    for member in zoo.members().await?.iter().filter(|it| **it != survivor) {
        kill_and_wipe(&up, member, &[]).await?;
    }
    zoo.until("report the loss", |it| {
        is_true(it, "QuorumLost") && status(it)["waiting"].to_string().contains("recover-from")
    })
    .await?;
    zoo.patch(json!({"metadata": {"annotations": {"endstate.dev/consent": format!("recover-from {survivor}")}}}))
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

pub(crate) fn status(object: &DynamicObject) -> &Value {
    &object.data["status"]
}

fn ready(object: &DynamicObject) -> u64 {
    status(object)["ready"].as_u64().unwrap_or_default()
}

async fn uids(pods: &Api<Pod>) -> Result<Vec<String>> {
    let pods = pods.list(&ListParams::default()).await?;
    Ok(pods.iter().filter_map(ResourceExt::uid).collect())
}

async fn leader(zoo: &Cluster) -> Result<String> {
    let object = zoo.object().await?;
    Ok(status(&object)["leader"].as_str().context("nobody leads")?.to_owned())
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.iter().flat_map(|it| it.conditions.iter().flatten());
    conditions.into_iter().any(|it| it.type_ == "Ready" && it.status == "True")
}
