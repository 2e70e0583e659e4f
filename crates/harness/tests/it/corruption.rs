//! Bytes that are wrong on one member's disk: named, led away from and replaced, while a client goes on.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use harness::{EtcdCluster, EtcdReach, Up, Writer, claim_folder, claims, forward};
use kube::api::DynamicObject;

/// What no other bytes of a database are.
const VALUE: &str = "what-was-written-and-is-to-be-read";
/// From the first wrong byte until it is said whose they are.
const NAMED_MAX: Duration = Duration::from_secs(90);

/// Overwrites the value in a database, beneath the process that has it open. Whether it was there.
fn spoil(database: &Path) -> Result<bool> {
    let bytes = fs::read(database)?;
    let found = |at: &usize| bytes[*at..].starts_with(VALUE.as_bytes());
    let file = File::options().write(true).open(database)?;
    let mut spoilt = false;
    for at in (0..bytes.len()).filter(found) {
        file.write_all_at(b"W", at as u64)?;
        spoilt = true;
    }
    Ok(spoilt)
}

/// Whether the status says this of the cluster's data.
fn says(object: &DynamicObject, words: &str) -> bool {
    let conditions = object.data["status"]["conditions"].as_array();
    let degraded = conditions.into_iter().flatten().find(|it| it["type"] == "Degraded");
    degraded.is_some_and(|it| it["reason"] == "DataCorrupt" && it.to_string().contains(words))
}

/// How long it takes, from the first wrong byte, until the status says so. The process writes its database meanwhile,
/// and may put the right bytes back.
async fn named(cluster: &EtcdCluster, database: &Path, words: &str) -> Result<Duration> {
    let (start, mut first) = (Instant::now(), None);
    while !says(&cluster.object().await?, words) {
        let spoilt = spoil(database)?;
        first = first.or_else(|| spoilt.then(Instant::now));
        ensure!(
            start.elapsed() < NAMED_MAX * 2,
            "nothing was said: {:?}",
            first.map(|it| it.elapsed())
        );
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    first.map(|it| it.elapsed()).context("the value did not get to disk")
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
    let database = claim_folder(up.state(), &claim)?.join("member/snap/db");
    let words = format!("the data of {leader} is not that of a majority");
    let named = named(&cluster, &database, &words).await?;
    ensure!(named <= NAMED_MAX, "it was named after {named:?}");
    cluster.without(leader).await?;
    cluster.settled(3).await?;
    let read = reach.connect().await?.get("kept", None).await?;
    assert_eq!(read.kvs()[0].value(), VALUE.as_bytes());
    assert!(writer.check().await? > 0);
    up.stop().await
}
