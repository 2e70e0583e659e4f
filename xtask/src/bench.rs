//! `cargo xtask bench`: builds and runs the benchmarks.
//!
//! What needs the operator is timed here with the demo's own steps; the rest is the `bench` crate's.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::demo::{Cluster, damage};
use crate::{build, images, run};

/// Arguments of `bench`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Another `endstate` executable to measure in turns with this one: for `access`
    #[arg(long)]
    beside: Option<PathBuf>,
    /// Only these: start, memory, memory-under-load, access, writes, reads, watches, heal
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// How often each is repeated
    #[arg(long, default_value_t = 5)]
    runs: usize,
}

const STEP_MAX: Duration = Duration::from_secs(120);

pub(crate) fn run(args: &Args) -> Result<()> {
    let endstate = build::endstate()?;
    run::check(run::cargo().args(["build", "--release", "--package", "bench"]))?;
    let mut rows = Vec::new();
    let heal = args.only.is_empty() || args.only.iter().any(|it| it == "heal");
    let rest: Vec<_> = args.only.iter().filter(|it| *it != "heal").map(String::as_str).collect();
    let plain = ["start", "memory", "memory-under-load", "access", "writes", "reads", "watches"];
    let rest = if args.only.is_empty() { plain.to_vec() } else { rest };
    if !rest.is_empty() {
        rows.extend(measured(&endstate, &rest.join(","), args)?);
    }
    if heal {
        images::ensure(&endstate, &images::store())?;
        let by_hand = measured(&endstate, "by-hand", args)?;
        rows.extend(by_hand.iter().cloned());
        let by_hand = by_hand[0]["value"].as_f64().context("a figure is a number")?;
        rows.extend(operator(&endstate, by_hand, args.runs)?);
    }
    if args.json {
        println!("{}", serde_json::to_string_pretty(&rows)?);
    } else {
        rows.iter().for_each(|row| println!("{}", line(row)));
    }
    Ok(())
}

/// What the `bench` crate measures.
fn measured(endstate: &Path, only: &str, args: &Args) -> Result<Vec<Value>> {
    let mut bench = run::command(build::executable("bench"));
    bench.args(["--json", "--only", only, "--runs", &args.runs.to_string()]);
    if let Some(other) = &args.beside {
        bench.arg("--beside").arg(other);
    }
    bench.env("ENDSTATE_BIN", endstate).env("ENDSTATE_TEST_ETCD", images::etcd_binary()?);
    bench.env("ENDSTATE_IMAGE_STORE", images::store()).stderr(std::process::Stdio::inherit());
    let output = bench.output().context("cannot start the benchmarks")?;
    anyhow::ensure!(output.status.success(), "the benchmarks ended with {}", output.status);
    serde_json::from_slice(&output.stdout).context("the benchmarks printed no JSON")
}

/// Three members from nothing, and a lost member back.
fn operator(endstate: &Path, by_hand_ms: f64, runs: usize) -> Result<Vec<Value>> {
    let state = crate::demo::fresh_state_dir("bench")?;
    let cluster = Cluster::start(endstate, &state, &images::store())?;
    cluster.endstate(&["install", "etcd"])?;
    let example = crate::demo::example()?;
    let (mut created, mut healed) = (Vec::new(), Vec::new());
    for number in 0..runs {
        eprintln!("operator: run {} of {runs}", number + 1);
        let start = Instant::now();
        cluster.apply(&example)?;
        cluster.settled(3, STEP_MAX, |_| {})?;
        created.push(start.elapsed());
        let victim = cluster.member_to_kill()?;
        let start = Instant::now();
        damage::kill_and_wipe(&cluster.state, &victim)?;
        cluster.replaced(&victim, STEP_MAX, |_| {})?;
        cluster.settled(3, STEP_MAX, |_| {})?;
        healed.push(start.elapsed());
        cluster.delete()?;
    }
    cluster.stop()?;
    std::fs::remove_dir_all(&state)?;
    let created = median_ms(created);
    Ok(vec![
        json!({"what": "apply → 3 members ready, median", "value": created, "unit": "ms",
            "baseline": by_hand_ms, "ratio": created / by_hand_ms, "of": "started by hand"}),
        json!({"what": "member killed and wiped → full redundancy, median", "value": median_ms(healed), "unit": "ms"}),
    ])
}

fn median_ms(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1e3
}

fn line(row: &Value) -> String {
    let number = |name: &str| row[name].as_f64().unwrap_or_default();
    let text = |name: &str| row[name].as_str().unwrap_or_default();
    let own = format!("{:<52} {:>10.2} {}", text("what"), number("value"), text("unit"));
    match row["of"].as_str() {
        Some(of) => format!("{own}   = {:.2} × {of} ({:.2})", number("ratio"), number("baseline")),
        None => own,
    }
}
