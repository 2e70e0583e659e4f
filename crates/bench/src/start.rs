//! How fast the embedded cluster starts, and what it costs to have it around.

use std::time::Duration;

use anyhow::Result;

use crate::Args;
use harness::Up;

use crate::report::Report;
use crate::samples::Samples;

/// After a start, caches fill and lists come in; then nothing should happen any more.
const SETTLE: Duration = Duration::from_secs(5);

pub(crate) async fn measure(args: &Args, report: &mut Report) -> Result<()> {
    let mut times = Vec::new();
    for _ in 0..args.runs {
        let up = Up::start_executable(&args.endstate, 1).await?;
        times.push(up.started_in);
        up.stop().await?;
    }
    let times = Samples::new(times);
    report.add("process start → ready, median", times.median_ms(), "ms");
    report.add("process start → ready, slowest", times.percentile_ms(100), "ms");
    let size = std::fs::metadata(&args.endstate)?.len();
    report.add("executable", size as f64 / 1e6, "MB");
    Ok(())
}

pub(crate) async fn memory(args: &Args, report: &mut Report) -> Result<()> {
    let up = Up::start_executable(&args.endstate, 1).await?;
    tokio::time::sleep(SETTLE).await;
    report.add("memory when idle, all processes (PSS)", up.memory_mb()?, "MB");
    up.stop().await
}
