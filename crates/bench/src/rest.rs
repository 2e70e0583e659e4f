//! What an operator does while nothing changes.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use harness::{EtcdCluster, Operator, Up, example};

use crate::Args;
use crate::report::Report;

/// Longer than an operator waits between two reconciles of a cluster that is as declared.
const SETTLE: Duration = Duration::from_secs(35);

/// How long it is watched: two reconciles of each cluster, or nearly.
const WATCHED: Duration = Duration::from_secs(60);

/// How many clusters come into being at once.
const AT_ONCE: usize = 10;

/// Linux tells processor time in hundredths of a second.
const TICKS_PER_SECOND: f64 = 100.0;

/// Requests that change nothing.
const READS: [&str; 2] = ["get", "list"];

pub(crate) async fn measure(args: &Args, report: &mut Report) -> Result<()> {
    let up = Up::start_executable(&args.endstate, 1).await?;
    up.endstate(&["install", "etcd"]).await?;
    let names: Vec<_> = (0..args.clusters).map(|it| format!("c{it}")).collect();
    for some in names.chunks(AT_ONCE) {
        let objects: Vec<_> = some.iter().map(|it| example(it, 1)).collect();
        up.apply(&objects.join("---\n")).await?;
        for name in some {
            EtcdCluster::existing(&up, name).await?.settled(1).await?;
        }
    }
    tokio::time::sleep(SETTLE).await;
    let operator = Operator::find(&up, "etcd").await?;
    let (start, before) = (Instant::now(), done(&up, &operator).await?);
    tokio::time::sleep(WATCHED).await;
    let after = done(&up, &operator).await?;
    let seconds = start.elapsed().as_secs_f64();
    let what = |it: &str| format!("{} clusters at rest: {it}", args.clusters);
    for (name, was, is) in [
        ("writes of the operator's reconciles", before.writes, after.writes),
        ("writes of everybody, leases among them", before.revision, after.revision),
        ("reconciles of the operator", before.reconciles, after.reconciles),
        ("their requests", before.requests, after.requests),
    ] {
        report.add(what(name), (is - was) * 60.0 / seconds, "a minute");
    }
    let load = (after.processor_s - before.processor_s) / seconds;
    report.add(what("processor time of the operator"), load * 100.0, "% of a core");
    up.stop().await
}

/// What the operator has done since it was started, and the API's revision, which every write raises by one.
struct Done {
    writes: f64,
    revision: f64,
    reconciles: f64,
    requests: f64,
    processor_s: f64,
}

async fn done(up: &Up, operator: &Operator) -> Result<Done> {
    let text = operator.metrics().await?;
    let requests = counters(&text, "endstate_requests_total", "verb=\"");
    let writes = requests.iter().filter(|(verb, _)| !READS.contains(&verb.as_str()));
    Ok(Done {
        writes: writes.map(|(_, count)| count).sum(),
        revision: up.revision().await?,
        requests: requests.values().sum(),
        reconciles: counters(&text, "endstate_reconciles_total", "controller=\"").values().sum(),
        processor_s: processor_s(operator.process)?,
    })
}

/// The values of a counter, by one of its labels.
fn counters(text: &str, name: &str, label: &str) -> BTreeMap<String, f64> {
    let mut sums = BTreeMap::new();
    for line in text.lines().filter(|it| it.starts_with(name)) {
        let of = line.split_once(label).and_then(|(_, it)| it.split_once('"'));
        let value = line.rsplit_once(' ').and_then(|(_, it)| it.parse::<f64>().ok());
        let Some(((of, _), value)) = of.zip(value) else { continue };
        *sums.entry(of.to_owned()).or_default() += value;
    }
    sums
}

/// What a process and its threads took of processors, in user and in kernel mode.
fn processor_s(process: u32) -> Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    // Its name, in parentheses, may hold spaces.
    let (_, fields) = stat.rsplit_once(") ").context("no stat of a process")?;
    let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<f64>);
    Ok(ticks.sum::<Result<f64, _>>()? / TICKS_PER_SECOND)
}
