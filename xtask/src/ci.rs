//! `cargo xtask ci`: what a change must pass. The order is cheapest first.

use anyhow::Result;

use crate::{run, test, tidy, tools};

pub(crate) fn run() -> Result<()> {
    step("format", || run::check(run::cargo().args(["fmt", "--all", "--check"])))?;
    step("tools", tools::setup)?;
    step("tidy", || tidy::run(&tidy::Args::default()))?;
    step("lints", || {
        let lints = ["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"];
        run::check(run::cargo().args(lints))
    })?;
    step("docs", || {
        let docs = [
            "doc",
            "--no-deps",
            "--locked",
            "-p",
            "endstate",
            "-p",
            "endstate-archive",
            "-p",
            "endstate-check",
            "-p",
            "endstate-core",
            "-p",
            "endstate-etcd",
            "-p",
            "endstate-linear",
            "-p",
            "endstate-zookeeper",
            "-p",
            "etcd-plan",
            "-p",
            "zookeeper-plan",
        ];
        run::check(run::cargo().args(docs).env("RUSTDOCFLAGS", "-D warnings"))
    })?;
    step("dependencies", || {
        tools::cargo_deny()?;
        // Advisories come from a git repository that not every machine can reach: the rest must hold everywhere.
        let checks = ["deny", "check", "bans", "licenses", "sources"];
        run::check(run::cargo().args(checks))
    })?;
    step("tests", || test::run(&test::Args::default()))
}

fn step(name: &str, step: impl FnOnce() -> Result<()>) -> Result<()> {
    let start = std::time::Instant::now();
    eprintln!("== {name}");
    step()?;
    eprintln!("== {name}: {:.0} s", start.elapsed().as_secs_f64());
    Ok(())
}
