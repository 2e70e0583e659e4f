//! `cargo xtask bench`: builds and runs the benchmarks.
//!
//! What needs the operator is timed here with the demo's own steps; the rest is the `bench` crate's.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::demo::{Application, Cluster};
use crate::{build, images, run};

/// Arguments of `bench`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Another `endstate` executable to measure in turns with this one: for `access` and `heal`
    #[arg(long)]
    beside: Option<PathBuf>,
    /// Only these: start, memory, memory-under-load, access, writes, reads, watches, heal, zookeeper, rest
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// How often each is repeated
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// How many clusters are at rest, for `rest`: it takes minutes, and about 160 MB of disk a cluster, so it is never
    /// measured by default
    #[arg(long, default_value_t = 100)]
    clusters: usize,
}

const STEP_MAX: Duration = Duration::from_secs(120);

pub(crate) fn run(args: &Args) -> Result<()> {
    let endstate = build::endstate()?;
    run::check(run::cargo().args(["build", "--release", "--package", "bench"]))?;
    let mut rows = Vec::new();
    let heal = args.only.is_empty() || args.only.iter().any(|it| it == "heal");
    let rest: Vec<_> = args.only.iter().filter(|it| *it != "heal").map(String::as_str).collect();
    let plain = [
        "start",
        "memory",
        "memory-under-load",
        "access",
        "writes",
        "reads",
        "watches",
        "zookeeper",
    ];
    let rest = if args.only.is_empty() { plain.to_vec() } else { rest };
    if heal || rest.iter().any(|it| ["zookeeper", "rest"].contains(it)) {
        images::ensure(&endstate, &images::store(), images::Wanted::Packaged)?;
    }
    if !rest.is_empty() {
        rows.extend(measured(&endstate, &rest.join(","), args, args.runs)?);
    }
    if heal {
        rows.extend(operator(&endstate, args)?);
    }
    if args.json {
        println!("{}", serde_json::to_string_pretty(&rows)?);
    } else {
        rows.iter().for_each(|row| println!("{}", line(row)));
    }
    Ok(())
}

/// What the `bench` crate measures.
fn measured(endstate: &Path, only: &str, args: &Args, runs: usize) -> Result<Vec<Value>> {
    let mut bench = run::command(build::executable("bench"));
    bench.args(["--json", "--only", only, "--runs", &runs.to_string()]);
    bench.args(["--clusters", &args.clusters.to_string()]);
    if let Some(other) = &args.beside {
        bench.arg("--beside").arg(other);
    }
    bench.env("ENDSTATE_BIN", endstate).env("ENDSTATE_TEST_ETCD", images::etcd::executable()?);
    bench.env("ENDSTATE_TEST_ZOOKEEPER", images::zookeeper_servers()?);
    bench.env("ENDSTATE_IMAGE_STORE", images::store()).stderr(std::process::Stdio::inherit());
    let output = bench.output().context("cannot start the benchmarks")?;
    ensure!(output.status.success(), "the benchmarks ended with {}", output.status);
    serde_json::from_slice(&output.stdout).context("the benchmarks printed no JSON")
}

/// Three members from nothing, a lost member back, and seven from nothing; in turns with the same by hand, and with
/// another executable if there is one.
fn operator(endstate: &Path, args: &Args) -> Result<Vec<Value>> {
    let mut sides = vec![Side::start("bench", endstate)?];
    if let Some(other) = &args.beside {
        sides.push(Side::start("bench-beside", other)?);
    }
    let mut by_hand = [vec![], vec![]];
    for number in 0..args.runs {
        eprintln!("operator: run {} of {}", number + 1, args.runs);
        let rows = measured(endstate, "by-hand", args, 1)?;
        ensure!(rows.len() == by_hand.len(), "one figure for three by hand, and one for seven");
        for (times, row) in by_hand.iter_mut().zip(rows) {
            let ms = row["value"].as_f64().context("a figure is a number")?;
            times.push(Duration::from_secs_f64(ms / 1e3));
        }
        sides.iter_mut().try_for_each(Side::run)?;
    }
    let by_hand_ms = by_hand.map(median_ms);
    let mut medians = sides.into_iter().map(Side::end);
    let [created, healed, seven] = medians.next().context("there is one")??;
    let created_row = "apply → 3 members ready, median";
    let seven_row = "apply → 7 members ready, median";
    let healed_row = "member killed and wiped → full redundancy, median";
    let beside = |what: &str, value: f64, baseline: f64, of: &str| {
        json!({"what": what, "value": value, "unit": "ms", "baseline": baseline,
            "ratio": value / baseline, "of": of})
    };
    let mut rows = vec![
        beside(created_row, created, by_hand_ms[0], "started by hand"),
        beside(seven_row, seven, by_hand_ms[1], "started by hand"),
    ];
    match medians.next().transpose()? {
        None => rows.push(json!({"what": healed_row, "value": healed, "unit": "ms"})),
        Some(other) => {
            for (row, own, other) in [
                (created_row, created, other[0]),
                (healed_row, healed, other[1]),
                (seven_row, seven, other[2]),
            ] {
                rows.push(beside(row, own, other, "the other executable"));
            }
        }
    }
    Ok(rows)
}

/// An embedded cluster of one executable, and what it took so far.
struct Side {
    cluster: Cluster,
    created: Vec<Duration>,
    healed: Vec<Duration>,
    seven: Vec<Duration>,
}

impl Side {
    fn start(name: &str, endstate: &Path) -> Result<Self> {
        let state = crate::demo::fresh_state_dir(name)?;
        let cluster = Cluster::start(Application::Etcd, endstate, &state, &images::store())?;
        cluster.endstate(&["install", "etcd"])?;
        Ok(Self { cluster, created: Vec::new(), healed: Vec::new(), seven: Vec::new() })
    }

    fn run(&mut self) -> Result<()> {
        let cluster = &self.cluster;
        let start = Instant::now();
        cluster.apply(&Application::Etcd.example()?)?;
        cluster.settled(3, STEP_MAX, |_| {})?;
        self.created.push(start.elapsed());
        let victim = cluster.follower()?;
        let start = Instant::now();
        cluster.kill_and_wipe(&victim)?;
        cluster.replaced(&victim, STEP_MAX, |_| {})?;
        cluster.settled(3, STEP_MAX, |_| {})?;
        self.healed.push(start.elapsed());
        cluster.delete()?;
        let start = Instant::now();
        cluster.apply(&Application::Etcd.example()?.replace("size: 3", "size: 7"))?;
        cluster.settled(7, STEP_MAX, |_| {})?;
        self.seven.push(start.elapsed());
        cluster.delete()
    }

    /// The medians, in milliseconds.
    fn end(self) -> Result<[f64; 3]> {
        let state = self.cluster.state.clone();
        self.cluster.stop()?;
        std::fs::remove_dir_all(&state)?;
        Ok([median_ms(self.created), median_ms(self.healed), median_ms(self.seven)])
    }
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
