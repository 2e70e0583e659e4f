//! Every legal change of etcd's version, on real processes under a writer.

use std::time::Instant;

use anyhow::{Result, ensure};
use harness::{EtcdCluster, Up, Writer};
use kube::api::DynamicObject;
use serde_json::json;

/// Up to the newest minor, and down as far as etcd goes.
const WAY: [&str; 5] = ["3.5.35", "3.6.16", "3.7.3", "3.6.16", "3.5.35"];

/// Members keep their data and their names; no write is lost, and none fails for good.
#[tokio::test]
async fn a_cluster_goes_up_every_minor_and_back() -> Result<()> {
    let up = Up::start(3).await?;
    up.endstate(&["install", "etcd"]).await?;
    let spec = json!({"size": 3, "version": "3.4.23"});
    let cluster = EtcdCluster::etcd(&up, "versions", spec).await?;
    cluster.settled(3).await?;
    let members = cluster.members().await?;
    let writer = Writer::start(&up, "versions").await?;
    for version in WAY {
        let start = Instant::now();
        writer.slowest();
        cluster.patch(json!({"spec": {"version": version}})).await?;
        cluster.settled(3).await?;
        let took = start.elapsed();
        println!("to {version}: {took:.1?}, the slowest write {:.2?}", writer.slowest());
        ensure!(all_run(&cluster.object().await?, version), "all run {version}");
        ensure!(cluster.members().await? == members, "nobody was replaced on the way to {version}");
    }
    println!("{} writes were acknowledged, and are there", writer.check().await?);
    up.stop().await
}

fn all_run(object: &DynamicObject, version: &str) -> bool {
    let members = object.data["status"]["members"].as_array().cloned().unwrap_or_default();
    !members.is_empty() && members.iter().all(|it| it["version"] == version)
}
