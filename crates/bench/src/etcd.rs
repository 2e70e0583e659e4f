//! etcd started by hand: the baseline.

mod tls;

use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use etcd_client::{Client, ConnectOptions};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::Args;
use crate::report::Report;
use crate::samples::Samples;

/// How many members are started by hand.
const COUNTS: [usize; 2] = [3, 7];
const READY_MAX: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Members started by hand, in parallel, with TLS by certificates that are there already: what the operator is held
/// against.
pub(crate) async fn by_hand(args: &Args, report: &mut Report) -> Result<()> {
    for count in COUNTS {
        let mut times = Vec::new();
        for _ in 0..args.runs {
            times.push(Members::start(&args.etcd, count, Link::Secured).await?.ready_in);
        }
        let what = format!("{count} etcd members started by hand, median");
        report.add(&what, Samples::new(times).median_ms(), "ms");
    }
    Ok(())
}

/// One etcd alone.
pub(crate) struct Bare {
    members: Members,
}

impl Bare {
    pub(crate) async fn start(executable: &Path) -> Result<Self> {
        Ok(Self { members: Members::start(executable, 1, Link::Plain).await? })
    }

    /// Puts as many clients can, each on its own connection.
    pub(crate) async fn load(
        &self,
        clients: usize,
        length: Duration,
        value: String,
    ) -> Result<(f64, Samples)> {
        let mut connections = Vec::new();
        for _ in 0..clients {
            connections.push(Client::connect([&self.members.urls[0]], None).await?);
        }
        let start = Instant::now();
        let tasks = connections.into_iter().enumerate().map(|(number, mut client)| {
            let value = value.clone();
            tokio::spawn(async move {
                let mut times = Vec::new();
                while start.elapsed() < length {
                    let put = Instant::now();
                    client
                        .put(format!("c{clients}-{number}-{}", times.len()), value.clone(), None)
                        .await?;
                    times.push(put.elapsed());
                }
                anyhow::Ok(times)
            })
        });
        let mut times = Vec::new();
        for task in tasks.collect::<Vec<_>>() {
            times.extend(task.await??);
        }
        Ok((times.len() as f64 / start.elapsed().as_secs_f64(), Samples::new(times)))
    }
}

/// How members are talked to.
pub(crate) enum Link {
    Plain,
    Secured,
}

/// Some members, started at once.
pub(crate) struct Members {
    _processes: Vec<Child>,
    _data: TempDir,
    urls: Vec<String>,
    /// From the start of the first process until every member answers a linearizable read.
    pub(crate) ready_in: Duration,
}

impl Members {
    pub(crate) async fn start(executable: &Path, count: usize, link: Link) -> Result<Self> {
        let data = tempfile::tempdir()?;
        let (scheme, flags, options) = match link {
            Link::Plain => ("http", vec![], None),
            Link::Secured => {
                tls::issue(data.path())?;
                ("https", tls::flags(data.path()), Some(tls::options(data.path())?))
            }
        };
        let ports = free_ports(2 * count)?;
        let urls: Vec<_> =
            ports.iter().map(|port| format!("{scheme}://127.0.0.1:{port}")).collect();
        let (client_urls, peer_urls) = urls.split_at(count);
        let initial: Vec<_> =
            peer_urls.iter().enumerate().map(|(it, url)| format!("m{it}={url}")).collect();
        let start = Instant::now();
        let mut processes = Vec::new();
        for (number, urls) in client_urls.iter().zip(peer_urls).enumerate() {
            let folder = data.path().join(number.to_string());
            let mut command = member(executable, number, urls, &initial.join(","));
            command.arg(format!("--data-dir={}", folder.display())).args(&flags);
            processes.push(command.spawn().context("cannot start etcd")?);
        }
        for url in client_urls {
            answers(url, options.as_ref()).await?;
        }
        let ready_in = start.elapsed();
        Ok(Self { _processes: processes, _data: data, urls: client_urls.to_vec(), ready_in })
    }
}

fn member(
    executable: &Path,
    number: usize,
    (client, peer): (&String, &String),
    initial: &str,
) -> Command {
    let mut command = Command::new(executable);
    command
        .arg(format!("--name=m{number}"))
        .arg(format!("--listen-client-urls={client}"))
        .arg(format!("--advertise-client-urls={client}"))
        .arg(format!("--listen-peer-urls={peer}"))
        .arg(format!("--initial-advertise-peer-urls={peer}"))
        .arg(format!("--initial-cluster={initial}"))
        .arg("--logger=zap")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    command
}

async fn answers(url: &str, options: Option<&ConnectOptions>) -> Result<()> {
    let wait = async {
        loop {
            if let Ok(mut client) = Client::connect([url], options.cloned()).await
                && client.get("ready", None).await.is_ok()
            {
                return;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    tokio::time::timeout(READY_MAX, wait)
        .await
        .with_context(|| format!("etcd at {url} is not ready"))
}

pub(crate) fn free_ports(count: usize) -> Result<Vec<u16>> {
    let listeners =
        (0..count).map(|_| TcpListener::bind("127.0.0.1:0")).collect::<Result<Vec<_>, _>>()?;
    listeners.iter().map(|it| Ok(it.local_addr()?.port())).collect()
}
