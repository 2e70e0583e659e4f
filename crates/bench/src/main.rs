//! The benchmarks: the shipped executable measured from outside, beside a baseline of the same run where there is one.
//!
//! Speed is judged here and nowhere else. Absolute figures belong to a machine; ratios travel.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line tool prints")]

mod access;
mod connection;
mod etcd;
mod memory;
mod reads;
mod report;
mod rest;
mod samples;
mod start;
mod watches;
mod writes;
mod zookeeper;

use std::path::PathBuf;

use anyhow::Result;
use clap::Parser;

use harness::Up;
use report::Report;

/// Measure the embedded cluster
#[derive(Parser)]
struct Args {
    /// The `endstate` executable
    #[arg(long, env = "ENDSTATE_BIN")]
    endstate: PathBuf,
    /// The etcd executable, for baselines
    #[arg(long, env = "ENDSTATE_TEST_ETCD")]
    etcd: PathBuf,
    /// A folder with `jre`, `conf` and `lib/VERSION/*.jar`: ZooKeeper's servers, for baselines
    #[arg(long, env = "ENDSTATE_TEST_ZOOKEEPER")]
    zookeeper: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Another `endstate` executable, measured in turns with the first where that tells more: access
    #[arg(long)]
    beside: Option<PathBuf>,
    /// Only these: start, memory, memory-under-load, access, writes, reads, watches, by-hand, zookeeper, rest
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// How often each is repeated
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// How many clusters are at rest, for `rest`
    #[arg(long, default_value_t = 100)]
    clusters: usize,
}

#[tokio::main]
async fn main() -> Result<()> {
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        unreachable!("nothing else installs a TLS provider");
    }
    let args = Args::parse();
    let wanted = |name: &str| args.only.is_empty() || args.only.iter().any(|it| it == name);
    let mut report = Report::default();
    if wanted("start") {
        start::measure(&args, &mut report).await?;
    }
    if wanted("memory") {
        start::memory(&args, &mut report).await?;
    }
    if wanted("memory-under-load") {
        memory::measure(&args, &mut report).await?;
    }
    if wanted("access") {
        access::measure(&args, &mut report).await?;
    }
    if wanted("writes") || wanted("reads") || wanted("watches") {
        let up = Up::start_executable(&args.endstate, 1).await?;
        if wanted("writes") {
            writes::measure(&args, &up, &mut report).await?;
        }
        if wanted("reads") {
            reads::measure(&up, &mut report).await?;
        }
        if wanted("watches") {
            watches::measure(&up, &mut report).await?;
        }
        up.stop().await?;
    }
    if wanted("by-hand") {
        etcd::by_hand(&args, &mut report).await?;
    }
    if wanted("zookeeper") {
        zookeeper::measure(&args, &mut report).await?;
    }
    // Never by default: it takes minutes, and much of a disk.
    if args.only.iter().any(|it| it == "rest") {
        rest::measure(&args, &mut report).await?;
    }
    report.print(args.json)
}
