//! Nodes are emptied as people do it, under writers: with `kubectl drain`, which cordons a node and then evicts.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, ensure};
use harness::{Cluster, EtcdCluster, Up, Writer, ZnodeWriter};
use kube::api::DynamicObject;
use serde_json::json;

const NODES: u16 = 3;

/// How many members of a cluster are on each node.
fn placed(object: &DynamicObject) -> BTreeMap<String, usize> {
    let mut placed = BTreeMap::new();
    for member in object.data["status"]["members"].as_array().into_iter().flatten() {
        let node = member["node"].as_str().unwrap_or_default();
        *placed.entry(node.to_owned()).or_default() += 1;
    }
    placed
}

/// On which nodes the members of a cluster are.
fn nodes(object: &DynamicObject) -> BTreeSet<String> {
    placed(object).into_keys().filter(|it| !it.is_empty()).collect()
}

/// No node has two more than another.
fn is_spread(object: &DynamicObject, size: usize) -> bool {
    let placed = placed(object);
    let (least, most) = (placed.values().min(), placed.values().max());
    let even = least.zip(most).is_some_and(|(least, most)| most - least <= 1);
    even && nodes(object).len() == size.min(NODES.into()) && placed.values().sum::<usize>() == size
}

struct Drained {
    cluster: Cluster,
    size: usize,
}

impl Drained {
    async fn etcd(up: &Up, size: u32) -> Result<Self> {
        let cluster = EtcdCluster::apply(up, &format!("size-{size}"), size).await?;
        Ok(Self { cluster, size: size as usize })
    }

    async fn settles(&self) -> Result<()> {
        self.cluster.settled(self.size).await
    }

    async fn spreads(&self) -> Result<()> {
        let size = self.size;
        self.cluster.until("spread", move |it| is_spread(it, size)).await?;
        self.settles().await
    }
}

/// One node after the other, that of a leader among them: each drain ends, and members spread again.
async fn drain_each(up: &Up, clusters: &[Drained]) -> Result<()> {
    for it in clusters {
        it.spreads().await?;
    }
    let listed = up.kubectl(&["get", "nodes", "-o", "name"]).await?;
    let all: Vec<_> = listed.lines().filter_map(|it| it.strip_prefix("node/")).collect();
    ensure!(all.len() == usize::from(NODES), "{listed}");
    for node in all {
        let flags = ["--ignore-daemonsets", "--delete-emptydir-data", "--force", "--timeout=90s"];
        up.kubectl(&[&["drain", node], &flags[..]].concat()).await?;
        for it in clusters {
            // The status may be that of before the last pod went.
            let drained = node.to_owned();
            it.cluster.until("off the node", move |it| !nodes(it).contains(&drained)).await?;
            it.settles().await?;
        }
        up.kubectl(&["uncordon", node]).await?;
        for it in clusters {
            it.spreads().await?;
        }
    }
    Ok(())
}

/// Etcd clusters of these sizes on three nodes; no acknowledged write is lost.
async fn etcd_survives_drains(sizes: &[u32]) -> Result<()> {
    let up = Up::with_operator(NODES, "etcd").await?;
    let (mut clusters, mut writers) = (vec![], vec![]);
    for size in sizes {
        clusters.push(Drained::etcd(&up, *size).await?);
    }
    for it in &clusters {
        it.settles().await?;
        writers.push(Writer::start(&up, &it.cluster.name).await?);
    }
    drain_each(&up, &clusters).await?;
    for writer in writers {
        assert!(writer.check().await? > 0);
    }
    up.stop().await
}

#[tokio::test]
async fn a_drain_of_any_node_ends_and_members_spread_again() -> Result<()> {
    etcd_survives_drains(&[1, 2, 3]).await
}

/// Nodes have two members, and a drain may take both only one after the other.
#[tokio::test]
async fn a_drain_of_nodes_with_two_members_ends_and_they_spread_again() -> Result<()> {
    etcd_survives_drains(&[4, 5]).await
}

#[tokio::test]
async fn an_ensemble_survives_the_drain_of_any_node() -> Result<()> {
    let up = Up::with_operator(NODES, "zookeeper").await?;
    let spec = json!({"size": 3, "version": "3.9.5", "heapMib": 64});
    let cluster = Cluster::zookeeper(&up, "drained", Some(spec)).await?;
    cluster.settled(3).await?;
    let writer = ZnodeWriter::start(&up, "drained", "w").await?;
    drain_each(&up, &[Drained { cluster, size: 3 }]).await?;
    let (names, _) = writer.check().await?;
    ensure!(!names.is_empty());
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
        it.data["status"]["waiting"].to_string().contains("cordoned, tainted or not ready")
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
