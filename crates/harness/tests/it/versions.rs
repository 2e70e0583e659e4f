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
    let up = Up::with_operator(3, "etcd").await?;
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

/// A person thinks again while members follow: up, where the newer minor was not agreed on yet, and down, where etcd
/// was asked for a downgrade.
#[tokio::test]
async fn a_change_of_the_minor_is_turned_back_on_the_way() -> Result<()> {
    let up = Up::with_operator(3, "etcd").await?;
    let spec = json!({"size": 3, "version": "3.6.16"});
    let cluster = EtcdCluster::etcd(&up, "turned", spec).await?;
    cluster.settled(3).await?;
    let members = cluster.members().await?;
    let writer = Writer::start(&up, "turned").await?;
    let to = async |version| cluster.patch(json!({"spec": {"version": version}})).await;
    for (before, after) in [("3.6.16", "3.7.3"), ("3.7.3", "3.6.16")] {
        to(before).await?;
        cluster.settled(3).await?;
        to(after).await?;
        let begun = move |it: &DynamicObject| versions(it).iter().any(|it| it == after);
        cluster.until(&format!("one of {after}"), begun).await?;
        to(before).await?;
        cluster.settled(3).await?;
        ensure!(all_run(&cluster.object().await?, before), "all run {before} again");
    }
    ensure!(cluster.members().await? == members, "nobody was replaced");
    writer.check().await?;
    up.stop().await
}

/// From 3.6 on two learners are listed at once, which 3.5 would refuse when it reads such a log. The cluster goes down
/// to 3.5 all the same, and starts there again with the same members. That each snapshots before is shown by the
/// planner's stories: etcd also does by itself, as long as it does not crash.
#[tokio::test]
async fn a_cluster_that_grew_by_two_at_once_goes_down_and_starts_again() -> Result<()> {
    let up = Up::with_operator(3, "etcd").await?;
    let spec = json!({"size": 3, "version": "3.6.16"});
    let cluster = EtcdCluster::etcd(&up, "learners", spec).await?;
    cluster.settled(3).await?;
    let writer = Writer::start(&up, "learners").await?;
    let start = Instant::now();
    cluster.patch(json!({"spec": {"size": 5}})).await?;
    cluster.settled(5).await?;
    println!("3 to 5: {:.1?}, the slowest write {:.2?}", start.elapsed(), writer.slowest());
    let members = cluster.members().await?;
    cluster.patch(json!({"spec": {"version": "3.5.35"}})).await?;
    cluster.settled(5).await?;
    ensure!(all_run(&cluster.object().await?, "3.5.35"), "all run 3.5.35");
    println!("{} writes were acknowledged, and are there", writer.check().await?);
    // All start again, and read what they logged.
    cluster.resize(0).await?;
    cluster.until("hibernate", |it| it.data["status"]["phase"] == "Hibernating").await?;
    cluster.resize(5).await?;
    cluster.settled(5).await?;
    ensure!(cluster.members().await? == members, "nobody was replaced");
    up.stop().await
}

fn all_run(object: &DynamicObject, version: &str) -> bool {
    let versions = versions(object);
    !versions.is_empty() && versions.iter().all(|it| it == version)
}

/// What the members run, by its status.
fn versions(object: &DynamicObject) -> Vec<String> {
    let members = object.data["status"]["members"].as_array().cloned().unwrap_or_default();
    members.iter().map(|it| it["version"].as_str().unwrap_or_default().to_owned()).collect()
}
