//! An ensemble of three from nothing, in turns with the same three started by hand, and a lost follower back.
//!
//! By hand: the command, the settings and the jars of the operator's pods, all three at once on this machine's own
//! addresses, as ZooKeeper's distribution is started: with the archive of classes that Java brings, not with the one of
//! ZooKeeper's that our images hold. They are ready when a synced read through each one has been answered.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use endstate_core::{App, Identity, LaunchOf, MemberRecord, Start};
use harness::{Cluster, Up, kill_and_wipe, znodes};
use serde_json::json;
use tempfile::TempDir;
use tokio::process::{Child, Command};
use zookeeper_plan::{DATA_DIR, INITIALIZE, SERVER, ZooKeeper, ZookeeperClusterSpec, files};

use crate::Args;
use crate::etcd::free_ports;
use crate::report::Report;
use crate::samples::Samples;

const READY_MAX: Duration = Duration::from_secs(60);
const SIZE: usize = 3;
const VERSION: &str = "3.9.5";
const HEAP_MIB: u32 = 64;
const KIND: &str = "zookeeperclusters.zookeeper.endstate.dev";
const NAME: &str = "bench";

pub(crate) async fn measure(args: &Args, report: &mut Report) -> Result<()> {
    let (mut created, mut by_hand, mut healed) = (vec![], vec![], vec![]);
    let up = Up::start_executable(&args.endstate, 1).await?;
    up.endstate(&["install", "zookeeper"]).await?;
    for number in 0..args.runs {
        eprintln!("zookeeper: run {} of {}", number + 1, args.runs);
        by_hand.push(started_by_hand(&args.zookeeper).await?);
        let start = Instant::now();
        let spec = json!({"size": SIZE, "version": VERSION, "heapMib": HEAP_MIB});
        let ensemble = Cluster::zookeeper(&up, NAME, Some(spec)).await?;
        ensemble.settled(SIZE).await?;
        created.push(start.elapsed());
        healed.push(heal(&up, &ensemble).await?);
        up.endstate(&["delete", &format!("{KIND}/{NAME}"), "--wait"]).await?;
    }
    up.stop().await?;
    let by_hand = (Samples::new(by_hand).median_ms(), "started by hand");
    let created = Samples::new(created).median_ms();
    report.add_ratio("apply → 3 ZooKeeper servers ready, median", created, "ms", by_hand);
    let healed = Samples::new(healed).median_ms();
    report.add("follower killed and wiped → redundant, median", healed, "ms");
    Ok(())
}

/// From the loss of a follower and its data until three work again.
async fn heal(up: &Up, ensemble: &Cluster) -> Result<Duration> {
    let follower = ensemble.followers().await?.into_iter().next().context("no follower")?;
    let start = Instant::now();
    kill_and_wipe(up, &follower, &[]).await?;
    ensemble.without(&follower).await?;
    ensemble.settled(SIZE).await?;
    Ok(start.elapsed())
}

/// From the start of the first of three processes until every one serves.
async fn started_by_hand(servers: &Path) -> Result<Duration> {
    let root = tempfile::tempdir()?;
    let ports = free_ports(3 * SIZE)?;
    let list = (1..).zip(ports.chunks(3)).map(line).collect::<Vec<_>>().join("\n");
    let commands: Vec<_> =
        (1..=SIZE).map(|id| by_hand(servers, &root, id, &list)).collect::<Result<_>>()?;
    let start = Instant::now();
    let spawn = |mut it: Command| it.spawn().context("cannot start java");
    let _processes: Vec<Child> = commands.into_iter().map(spawn).collect::<Result<_>>()?;
    for ports in ports.chunks(3) {
        let client = client(ports);
        let answer = tokio::time::timeout(READY_MAX, znodes(&client)).await;
        answer.with_context(|| format!("ZooKeeper at {client} is not ready"))?;
    }
    Ok(start.elapsed())
}

/// Where clients find a server.
fn client(ports: &[u16]) -> String {
    format!("127.0.0.1:{}", ports[2])
}

/// A server's line in the list of members.
fn line((id, ports): (usize, &[u16])) -> String {
    format!("server.{id}=127.0.0.1:{}:{}:participant;{}", ports[0], ports[1], client(ports))
}

/// One server's files, and its command: the operator's, with other paths.
fn by_hand(servers: &Path, root: &TempDir, id: usize, list: &str) -> Result<Command> {
    let folder = root.path().join(id.to_string());
    let here = |text: &str| text.replace(DATA_DIR, &folder.display().to_string());
    let object = Identity::new("default", NAME, "0");
    let spec = ZookeeperClusterSpec { heap_mib: HEAP_MIB, ..ZookeeperClusterSpec::new(3, VERSION) };
    let member = MemberRecord::new(format!("{NAME}-{id}"), SERVER);
    let start = Start::New { token: String::new(), members: vec![] };
    let [my_id, config, members] = files(&spec, &member.name, &start);
    fs::create_dir_all(folder.join("conf"))?;
    fs::write(here(INITIALIZE), "")?;
    fs::write(here(&my_id.0), id.to_string())?;
    fs::write(here(&config.0), here(&config.1))?;
    fs::write(here(&members.0), list)?;
    let words = ZooKeeper.launch(&LaunchOf::new(&object, &spec, &member).start(&start)).command;
    let conf = format!("={}/conf/", servers.display());
    let mut java = Command::new(servers.join("jre/bin/java"));
    java.env("CLASSPATH", servers.join("lib").join(VERSION).join("*"));
    for word in &words[1..] {
        match word.as_str() {
            // The password that allows to change the membership.
            it if it.starts_with('@') => continue,
            it if it.starts_with(DATA_DIR) => java.arg(here(it)),
            it => java.arg(it.replace("=/conf/", &conf)),
        };
    }
    java.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    Ok(java)
}
