//! How fast a gigabyte of etcd's data is backed up and restored, beside etcd's own programs in the same run.
//!
//! ```text
//! cargo run --release -p etcd-agent --example throughput -- PROGRAMS FOLDER [MEGABYTES] [DELTAS]
//! ```
//!
//! `PROGRAMS` is a folder with `etcd`, `etcdctl` and `etcdutl` of one version, `FOLDER` one with room for five times
//! the data.

#![expect(clippy::print_stdout, reason = "it is run by hand, and prints a table")]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use endstate::client::Endpoint;
use endstate_core::backup::Report;
use endstate_etcd::client::Connection;
use etcd_agent::{Folders, KeepTask, Keeper, RestoreTask, When, restore};
use etcd_client::Client;
use etcd_plan::Made;
use serde_json::json;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const VALUE_BYTES: usize = 64 << 10;
const WRITERS: usize = 16;

struct Etcd(Child);

impl Drop for Etcd {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn port() -> Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

async fn start(programs: &Path, data: &Path) -> Result<(Etcd, String)> {
    let (url, peer) =
        (format!("http://127.0.0.1:{}", port()?), format!("http://127.0.0.1:{}", port()?));
    let log = std::fs::File::create(data.with_extension("log"))?;
    let mut command = Command::new(programs.join("etcd"));
    command.arg("--data-dir").arg(data).args(["--name", "demo-a", "--unsafe-no-fsync"]);
    command.args(["--listen-client-urls", &url, "--advertise-client-urls", &url]);
    command.args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer]);
    command.args(["--initial-cluster", &format!("demo-a={peer}")]);
    command.args(["--quota-backend-bytes", "8589934592"]);
    let child = command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn()?;
    let etcd = Etcd(child);
    let begun = Instant::now();
    while connect(&url).await?.read().await.is_err() {
        if begun.elapsed() > Duration::from_secs(120) {
            return Err("etcd does not serve".into());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok((etcd, url))
}

async fn connect(url: &str) -> Result<Connection> {
    Ok(Connection::to(&Endpoint::plain(url.trim_start_matches("http://"))).await?)
}

/// Values of which half is noise, as the data of a Kubernetes is: a compressor halves it.
async fn fill(client: &Client, megabytes: usize) -> Result<()> {
    let values = megabytes * (1 << 20) / VALUE_BYTES;
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let mut client = client.clone();
        writers.spawn(async move {
            for number in (writer..values).step_by(WRITERS) {
                let mut state = number as u64 + 1;
                let value: Vec<u8> = (0..VALUE_BYTES)
                    .map(|at| {
                        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                        if at % 2 == 0 { (state >> 56) as u8 } else { b'x' }
                    })
                    .collect();
                client.put(format!("value-{number:08}"), value, None).await?;
            }
            Ok::<_, etcd_client::Error>(())
        });
    }
    while let Some(done) = writers.join_next().await {
        done??;
    }
    Ok(())
}

struct World {
    programs: PathBuf,
    folder: PathBuf,
    url: String,
}

impl World {
    fn folders(&self) -> Folders {
        Folders {
            keys: self.folder.join("no-keys"),
            identity: self.folder.join("no-identity"),
            programs: self.programs.clone(),
            scratch: self.folder.join("scratch"),
        }
    }

    fn task(&self, by: &str, compression: &str, when: When) -> Result<KeepTask> {
        let compression =
            if compression == "none" { json!("none") } else { json!({"zstd": {"level": 1}}) };
        let task = json!({"to": {"path": {"path": self.folder.join("archive")}}, "of": format!("default.{by}"),
            "by": by, "endpoint": self.url, "version": "3.5.16", "compression": compression, "when": when});
        Ok(serde_json::from_value(task)?)
    }

    async fn keep(&self, by: &str, compression: &str) -> Result<Duration> {
        let begun = Instant::now();
        let report = Arc::new(Mutex::new(Report::default()));
        let task = self.task(by, compression, When::default())?;
        Keeper::open(task, self.folders(), Arc::clone(&report)).await?.run().await;
        Ok(begun.elapsed())
    }

    async fn restore(&self, by: &str, name: &str) -> Result<Duration> {
        let begun = Instant::now();
        let data = self.folder.join(name);
        std::fs::create_dir_all(&data)?;
        let cluster = connect(&self.url).await?.status().await?.cluster;
        let task = json!({"from": {"path": {"path": self.folder.join("archive")}}, "bumpRevision": 0,
            "lineage": format!("default.{by}.{cluster:x}")});
        let task: RestoreTask = serde_json::from_value(task)?;
        let made = Made {
            name: "demo-a".into(),
            peer_url: "http://127.0.0.1:1".into(),
            token: "bench".into(),
            data_dir: data.display().to_string(),
            wal_dir: None,
            version: "3.5.16".into(),
        };
        restore(&task, &made, &self.folders()).await?;
        let took = begun.elapsed();
        std::fs::remove_dir_all(data)?;
        Ok(took)
    }

    fn own(&self, program: &str, arguments: &[&str]) -> Result<Duration> {
        let begun = Instant::now();
        let mut command = Command::new(self.programs.join(program));
        command.env("ETCDCTL_API", "3").args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
        if !command.status()?.success() {
            return Err(format!("{program} {arguments:?} failed").into());
        }
        Ok(begun.elapsed())
    }
}

fn memory_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|it| it.strip_prefix("VmHWM:"));
    let kilobytes = peak.and_then(|it| it.trim().trim_end_matches(" kB").parse::<f64>().ok());
    kilobytes.unwrap_or_default() / 1024.0
}

fn row(what: &str, took: Duration, beside: Duration) {
    let ratio = beside.as_secs_f64() / took.as_secs_f64();
    println!("{what:<44} {:>7.2} s  {ratio:.2} x", took.as_secs_f64());
}

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (Some(programs), Some(folder)) = (arguments.next(), arguments.next()) else {
        return Err("say PROGRAMS and FOLDER".into());
    };
    let number = |it: Option<String>, or: usize| it.map_or(Ok(or), |it| it.parse());
    let (megabytes, deltas) =
        (number(arguments.next(), 1_000)?, number(arguments.next(), 100_000)?);
    let folder = PathBuf::from(folder);
    for name in ["archive", "scratch"] {
        std::fs::create_dir_all(folder.join(name))?;
    }
    let programs = PathBuf::from(programs);
    let (_etcd, url) = start(&programs, &folder.join("source")).await?;
    let world = World { programs, folder, url };
    let client = connect(&world.url).await?.client().clone();
    fill(&client, megabytes).await?;
    let before = memory_mb();
    let snapshot = world.folder.join("snapshot.db").display().to_string();
    let endpoint = format!("--endpoints={}", world.url);
    for round in 0..3 {
        let saved = world.own("etcdctl", &[&endpoint, "snapshot", "save", &snapshot])?;
        row("etcdctl snapshot save", saved, saved);
        for compression in ["none", "zstd"] {
            let took = world.keep(&format!("{compression}{round}"), compression).await?;
            row(&format!("a full backup, compression {compression}"), took, saved);
        }
        let restored = world.folder.join("own").display().to_string();
        let data = format!("--data-dir={restored}");
        let made = world.own("etcdutl", &["snapshot", "restore", &snapshot, &data])?;
        std::fs::remove_dir_all(&restored)?;
        row("etcdutl snapshot restore", made, made);
        for compression in ["none", "zstd"] {
            let took = world.restore(&format!("{compression}{round}"), "restored").await?;
            row(&format!("a restore, compression {compression}"), took, made);
        }
    }
    println!("memory: at most {:.0} MB more than before", memory_mb() - before);
    with_deltas(&world, &client, deltas).await
}

/// A restore with deltas, beside one without.
async fn with_deltas(world: &World, client: &Client, deltas: usize) -> Result<()> {
    let when = When { full: Some(86_400), delta: Some(1), ..When::default() };
    let report = Arc::new(Mutex::new(Report::default()));
    let task = world.task("deltas", "zstd", when)?;
    let keeper = Keeper::open(task, world.folders(), Arc::clone(&report)).await?;
    let keeping = tokio::spawn(keeper.run());
    let reached = |revision: u64| {
        let report = report.lock().map(|it| it.clone()).unwrap_or_default();
        report.full.iter().chain(&report.delta).any(|it| it.revision >= revision)
    };
    while !reached(1) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let without = world.restore("deltas", "restored").await?;
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let mut client = client.clone();
        writers.spawn(async move {
            for number in (writer..deltas).step_by(WRITERS) {
                client.put(format!("later-{:05}", number % 20_000), vec![b'y'; 200], None).await?;
            }
            Ok::<_, etcd_client::Error>(())
        });
    }
    while let Some(done) = writers.join_next().await {
        done??;
    }
    let last = u64::try_from(connect(&world.url).await?.status().await?.revision)?;
    while !reached(last) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    keeping.abort();
    let took = world.restore("deltas", "restored").await?;
    row("a restore without deltas", without, without);
    row(&format!("a restore with {deltas} writes in deltas"), took, without);
    Ok(())
}
