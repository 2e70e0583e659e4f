//! Nodes are emptied as people do it, under writers: with `kubectl drain`, which cordons a node and then evicts.

use std::collections::BTreeSet;
use std::time::Instant;

use anyhow::{Result, ensure};
use harness::{EtcdCluster, Up, Writer};
use kube::api::DynamicObject;

const SIZES: [u32; 3] = [1, 2, 3];

/// On which nodes the members of a cluster are.
fn nodes(object: &DynamicObject) -> BTreeSet<String> {
    let members = object.data["status"]["members"].as_array().into_iter().flatten();
    members.filter_map(|it| Some(it["node"].as_str()?.to_owned())).collect()
}

/// Clusters of one, two and three, on three nodes.
async fn clusters(up: &Up) -> Result<Vec<EtcdCluster>> {
    up.endstate(&["install", "etcd"]).await?;
    let mut clusters = vec![];
    for size in SIZES {
        clusters.push(EtcdCluster::apply(up, &format!("size-{size}"), size).await?);
    }
    for (cluster, size) in clusters.iter().zip(SIZES) {
        cluster.settled(size as usize).await?;
    }
    Ok(clusters)
}

/// All have as many nodes as members.
async fn are_spread(clusters: &[EtcdCluster]) -> Result<()> {
    for (cluster, size) in clusters.iter().zip(SIZES) {
        let spread = |it: &DynamicObject| nodes(it).len() == size as usize;
        cluster.until("a node for each member", spread).await?;
        cluster.settled(size as usize).await?;
    }
    Ok(())
}

/// One node after the other: each drain ends, no acknowledged write is lost, and members spread again. The node of a
/// leader is among them.
#[tokio::test]
async fn a_drain_of_any_node_ends_and_members_spread_again() -> Result<()> {
    let up = Up::start(3).await?;
    let clusters = clusters(&up).await?;
    let mut writers = vec![];
    for cluster in &clusters {
        writers.push(Writer::start(&up, &cluster.name).await?);
    }
    are_spread(&clusters).await?;
    let all = nodes(&clusters[2].object().await?);
    assert_eq!(all.len(), 3);
    for node in &all {
        let start = Instant::now();
        let flags = ["--ignore-daemonsets", "--delete-emptydir-data", "--force", "--timeout=90s"];
        up.kubectl(&[&["drain", node.as_str()], &flags[..]].concat()).await?;
        eprintln!("{node} was drained in {:?}", start.elapsed());
        for (cluster, size) in clusters.iter().zip(SIZES) {
            cluster.settled(size as usize).await?;
            let left = nodes(&cluster.object().await?);
            ensure!(!left.contains(node), "{} is on {node} still", cluster.name);
        }
        up.kubectl(&["uncordon", node]).await?;
        let start = Instant::now();
        are_spread(&clusters).await?;
        eprintln!("and spread {:?} after it came back", start.elapsed());
    }
    for (writer, cluster) in writers.into_iter().zip(&clusters) {
        eprintln!("{}: slowest write {:?}", cluster.name, writer.slowest());
        assert!(writer.check().await? > 0);
    }
    up.stop().await
}

/// Where no node takes anybody members stay, and say what they wait for; with a node again they move.
#[tokio::test]
async fn where_no_node_takes_a_member_it_stays_and_says_so() -> Result<()> {
    let up = Up::start(2).await?;
    up.endstate(&["install", "etcd"]).await?;
    let cluster = EtcdCluster::apply(&up, "stuck", 1).await?;
    cluster.settled(1).await?;
    let members = cluster.members().await?;
    let here = nodes(&cluster.object().await?).pop_first().unwrap_or_default();
    let listed = up.kubectl(&["get", "nodes", "-o", "name"]).await?;
    let all: Vec<_> = listed.lines().filter_map(|it| it.strip_prefix("node/")).collect();
    up.kubectl(&[&["cordon"], &all[..]].concat()).await?;
    let stays = |it: &DynamicObject| {
        it.data["status"]["waiting"].to_string().contains("cordoned or tainted")
    };
    cluster.until("a wait for room", stays).await?;
    assert_eq!(cluster.members().await?, members);
    let other = all.iter().find(|it| **it != here).copied().unwrap_or_default();
    up.kubectl(&["uncordon", other]).await?;
    let moved = move |it: &DynamicObject| !nodes(it).contains(&here) && !nodes(it).is_empty();
    cluster.until("another node", moved).await?;
    cluster.settled(1).await?;
    up.stop().await
}
