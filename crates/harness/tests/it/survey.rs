//! What became of a member's data, when its process ends again and again: the launcher surveys it before each start,
//! and the status says what is known, and no more.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use harness::{EtcdCluster, Up, Writer, claim_folder, claim_process, claims, empty, freeze, kill};
use kube::api::DynamicObject;

/// The folder of a member's claim.
async fn folder(up: &Up, member: &str) -> Result<PathBuf> {
    let key = claims(up).await?.remove(&format!("data-{member}")).context("it has no claim")?;
    claim_folder(up.state(), &key)
}

/// What is done to the data of a member, whose process is frozen meanwhile and killed after that.
async fn harmed(up: &Up, member: &str, harm: impl Fn(&Path) -> Result<()>) -> Result<()> {
    let key = claims(up).await?.remove(&format!("data-{member}")).context("it has no claim")?;
    let process = claim_process(&key)?;
    freeze(process)?;
    harm(&claim_folder(up.state(), &key)?)?;
    kill(process)
}

/// The status says this of a member, and another takes its place.
async fn told(cluster: &EtcdCluster, member: &str, words: &str) -> Result<()> {
    let says = |it: &DynamicObject| {
        let rows = it.data["status"]["members"].as_array();
        let row = rows.into_iter().flatten().find(|it| it["name"] == member);
        row.is_some_and(|it| it.to_string().contains(words))
    };
    cluster.until(&format!("say {words:?} of {member}"), says).await?;
    cluster.without(member).await?;
    cluster.settled(3).await
}

fn unreadable(data: &Path) -> Result<()> {
    let status = Command::new("chmod").arg("000").arg(data.join("member/snap")).status()?;
    ensure!(status.success(), "chmod: {status}");
    Ok(())
}

fn truncated(data: &Path) -> Result<()> {
    for entry in fs::read_dir(data.join("member/wal"))? {
        fs::File::options().write(true).open(entry?.path())?.set_len(0)?;
    }
    Ok(())
}

/// All of it, as a copy of a volume has it.
fn copied(from: &Path, to: &Path) -> Result<()> {
    empty(to)?;
    let all = from.join(".");
    let status = Command::new("cp").arg("-a").args([&all, to]).status()?;
    ensure!(status.success(), "cp: {status}");
    Ok(())
}

#[tokio::test]
async fn what_is_known_of_the_data_of_a_member_that_ends_is_said_and_no_more() -> Result<()> {
    let up = Up::with_operator(3, "etcd").await?;
    let cluster = EtcdCluster::apply(&up, "surveyed", 3).await?;
    cluster.settled(3).await?;
    let writer = Writer::start(&up, "surveyed").await?;
    let victim = async || anyhow::Ok(cluster.followers().await?.remove(0));

    let lost = victim().await?;
    harmed(&up, &lost, empty).await?;
    told(&cluster, &lost, "its data is lost").await?;

    let unread = victim().await?;
    harmed(&up, &unread, unreadable).await?;
    told(&cluster, &unread, "(its data cannot be read)").await?;

    // Only etcd can tell that it cannot use what is there, whole and its own.
    let torn = victim().await?;
    harmed(&up, &torn, truncated).await?;
    told(&cluster, &torn, "(its launcher found its data as it should be)").await?;

    // One process more with the identity of another would vote twice.
    let moved = victim().await?;
    let others = cluster.members().await?;
    let other = others.iter().find(|it| **it != moved).context("it is not alone")?.clone();
    let (from, kept) = (folder(&up, &other).await?, folder(&up, &moved).await?);
    harmed(&up, &moved, |data| copied(&from, data)).await?;
    told(&cluster, &moved, &format!("holds the data of {other}")).await?;
    ensure!(cluster.members().await?.contains(&other), "whose data it is goes on");
    ensure!(kept.join("member/wal").exists(), "nobody deletes the data of another member");

    ensure!(writer.check().await? > 0);
    up.stop().await
}
