//! `cargo xtask test`: everything that must hold, with what the tests need.

mod real;

use std::fs;
use std::process::Command;

use anyhow::Result;

use crate::{build, images, run, s3};

/// Arguments of `test`.
#[derive(clap::Args, Default)]
pub(crate) struct Args {
    /// Only tests whose name contains this
    filter: Option<String>,
    /// Only this crate
    #[arg(long, short)]
    package: Option<String>,
    /// The operators' stories on a whole real Kubernetes instead, which is started for them: see `oracle`
    #[arg(long, conflicts_with = "package")]
    real: bool,
}

/// Arguments of `chaos`.
#[derive(clap::Args)]
pub(crate) struct Chaos {
    /// How many faults
    #[arg(long, default_value_t = 1_000)]
    faults: u32,
    /// Which; another seed gives others
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// On how many clusters at once
    #[arg(long, default_value_t = 3)]
    clusters: u32,
    /// Instead, the loss of a majority's data and the recovery, so many times: what that may lose is counted apart
    #[arg(long)]
    recoveries: Option<u32>,
    /// Instead, the operator killed before, after and with a lost answer at every call of every workload, on so many
    /// control planes at once as there are clusters
    #[arg(long, conflicts_with = "recoveries")]
    crash_points: bool,
    /// Of these, only workloads whose name contains this
    #[arg(long, requires = "crash_points")]
    only: Option<String>,
    /// Only at every so manieth call
    #[arg(long, requires = "crash_points", default_value_t = 1)]
    every: u32,
}

impl Chaos {
    /// The test that it is, and what its page is called.
    fn test(&self) -> (&'static str, String) {
        match self.recoveries {
            _ if self.crash_points => ("points::a_crash_at_any_call", "crash-points".to_owned()),
            Some(_) => ("chaos::quorums", format!("recoveries-{}", self.seed)),
            None => ("chaos::faults", format!("seed-{}", self.seed)),
        }
    }
}

/// The figures are written to `target/chaos` while it goes on.
pub(crate) fn chaos(args: &Chaos) -> Result<()> {
    let (test, page) = args.test();
    let only =
        Args { filter: Some(test.to_owned()), package: Some("harness".to_owned()), real: false };
    let folder = run::target().join("chaos");
    fs::create_dir_all(&folder)?;
    let report = folder.join(format!("{page}.md"));
    let mut test = prepared(&only)?;
    test.args(["--", "--nocapture"])
        .env("ENDSTATE_CHAOS_FAULTS", args.faults.to_string())
        .env("ENDSTATE_CHAOS_SEED", args.seed.to_string())
        .env("ENDSTATE_CHAOS_CLUSTERS", args.clusters.to_string())
        .env("ENDSTATE_CHAOS_RECOVERIES", args.recoveries.unwrap_or_default().to_string())
        .env("ENDSTATE_CHAOS_REPORT", &report);
    if args.crash_points {
        test.env("ENDSTATE_POINTS_EVERY", args.every.to_string())
            .env("ENDSTATE_POINTS_ONLY", args.only.as_deref().unwrap_or_default());
    }
    let checked = run::check(&mut test);
    println!("figures: {}", report.display());
    checked
}

pub(crate) fn run(args: &Args) -> Result<()> {
    if args.real {
        return real::run(args.filter.as_deref());
    }
    run::check(&mut prepared(args)?)
}

/// The tests with what they need.
fn prepared(args: &Args) -> Result<Command> {
    let endstate = build::endstate()?;
    images::ensure(&endstate, &images::store(), images::Wanted::All)?;
    let mut test = run::cargo();
    test.args(["test", "--locked", "--no-fail-fast"]);
    match &args.package {
        Some(package) => test.args(["--package", package]),
        None => test.arg("--workspace"),
    };
    test.args(&args.filter);
    test.env("ENDSTATE_BIN", &endstate)
        .env("ENDSTATE_IMAGE_STORE", images::store())
        .env("ENDSTATE_TEST_ETCD", images::etcd::executable()?)
        .env("ENDSTATE_TEST_ETCD_VERSIONS", images::etcd::programs_of_all()?)
        .env("ENDSTATE_TEST_S3", s3::server()?)
        .env("ENDSTATE_TEST_ZOOKEEPER", images::zookeeper_servers()?);
    Ok(test)
}
