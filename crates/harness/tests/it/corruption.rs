//! Bytes that are wrong on one member's disk: named, led away from and replaced, while a client goes on.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use harness::{EtcdCluster, EtcdReach, Up, Writer, claim_folder, claims, database, forward, spoil};
use kube::api::DynamicObject;
use tokio::sync::oneshot;

/// What no other bytes of a database are.
const VALUE: &str = "what-was-written-and-is-to-be-read";
/// From the first wrong byte until it is said whose they are.
const NAMED_MAX: Duration = Duration::from_secs(90);

/// Whether the status says this of the cluster's data.
fn says(object: &DynamicObject, words: &str) -> bool {
    let conditions = object.data["status"]["conditions"].as_array();
    let degraded = conditions.into_iter().flatten().find(|it| it["type"] == "Degraded");
    degraded.is_some_and(|it| it["reason"] == "DataCorrupt" && it.to_string().contains(words))
}

/// Overwrites the value until the database is gone: the process writes it meanwhile, and may put the right bytes back.
async fn keep_spoiling(database: PathBuf, first: oneshot::Sender<Instant>) {
    let mut first = Some(first);
    while let Ok(spoilt) = spoil(&database, VALUE) {
        let told = if spoilt { first.take() } else { None };
        told.map(|it| it.send(Instant::now()));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn a_member_with_wrong_bytes_on_disk_is_named_and_replaced() -> Result<()> {
    let up = Up::with_operator(3, "etcd").await?;
    let cluster = EtcdCluster::apply(&up, "bytes", 3).await?;
    cluster.settled(3).await?;
    let (_forward, address) = forward(&up, "bytes", 2379).await?;
    let reach = EtcdReach::new(&up, "bytes", &address).await?;
    reach.connect().await?.put("kept", VALUE, None).await?;
    let writer = Writer::start(&up, "bytes").await?;
    let (members, followers) = (cluster.members().await?, cluster.followers().await?);
    let leader = members.iter().find(|it| !followers.contains(it)).context("nobody leads")?;
    let claim = claims(&up).await?.remove(&format!("data-{leader}")).context("it has no claim")?;
    let database = database(&claim_folder(up.state(), &claim)?);
    let words = format!("the data of {leader} is not that of a majority");
    let (first, spoilt) = oneshot::channel();
    let spoils = tokio::spawn(keep_spoiling(database, first));
    cluster.until("name the member", move |it| says(it, &words)).await?;
    let named = spoilt.await?.elapsed();
    eprintln!("the first wrong byte was named after {named:.1?}");
    ensure!(named <= NAMED_MAX, "that is too late");
    cluster.without(leader).await?;
    cluster.settled(3).await?;
    spoils.await?;
    let read = reach.connect().await?.get("kept", None).await?;
    assert_eq!(read.kvs()[0].value(), VALUE.as_bytes());
    assert!(writer.check().await? > 0);
    up.stop().await
}
