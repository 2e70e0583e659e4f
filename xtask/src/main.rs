//! Automation of the repository: `cargo xtask --help`.
//!
//! Light on purpose: it has to be built before anything else, so it depends on none of the workspace's crates and runs
//! the `endstate` executable like a user would.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line tool prints")]

mod bench;
mod build;
mod ci;
mod debian;
mod demo;
mod go;
mod images;
mod maven;
mod oracle;
mod run;
mod s3;
mod test;
mod tidy;
mod tools;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Automation of the Endstate repository
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// The main job: an etcd cluster from YAML, damaged, healed, grown and shrunk
    Demo(demo::Args),
    /// Everything that must hold: unit tests, the model checker, real processes
    Test(test::Args),
    /// Faults at random on real processes, while clients write, read, watch and hold leases
    Chaos(test::Chaos),
    /// What a change must pass: format, lints, dependencies, layers, tests
    Ci,
    /// Measure, as ratios against a baseline of the same run where there is one
    Bench(bench::Args),
    /// Make the OCI images that demo and tests run, from Debian packages
    Images(images::Args),
    /// A whole real Kubernetes on this machine, to hold ours against: until Ctrl-C, or the end of its input
    Oracle(oracle::Args),
    /// What runs in the namespaces of `oracle`
    #[command(hide = true)]
    OracleInside(oracle::InsideArgs),
    /// Fetch the tools that the build and the tests need, into `target/tools`
    Setup,
    /// Check layers, pure crates and sizes
    Tidy(tidy::Args),
}

fn main() -> ExitCode {
    let result = match Args::parse().command {
        Command::Demo(args) => demo::run(&args),
        Command::Test(args) => test::run(&args),
        Command::Chaos(args) => test::chaos(&args),
        Command::Ci => ci::run(),
        Command::Bench(args) => bench::run(&args),
        Command::Images(args) => images::run(&args),
        Command::Oracle(args) => oracle::run(&args),
        Command::OracleInside(args) => oracle::run_inside(&args),
        Command::Setup => tools::setup(),
        Command::Tidy(args) => tidy::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
