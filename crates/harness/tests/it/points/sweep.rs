//! Workloads at all of their points, one after the other.

use anyhow::{Context, Result, ensure};

use super::page::Page;
use super::run::{Ran, Stage};
use super::workloads::Workload;

pub(super) const WAYS: [&str; 3] = ["before", "after", "lost"];

/// A run without a crash.
pub(super) async fn undisturbed(stage: &mut Stage, workload: &Workload) -> Result<Ran> {
    let ran = Box::pin(stage.run(workload, None)).await.context("undisturbed")?;
    ensure!(ran.failed.is_none(), "undisturbed: {:?}\n{}", ran.failed, ran.evidence);
    ensure!(!ran.calls.is_empty(), "nothing was to be done\n{}", ran.evidence);
    Ok(ran)
}

/// A run with one, and how it differs.
pub(super) async fn point(
    stage: &mut Stage,
    (workload, expected): (&Workload, &Ran),
    at: &str,
) -> Result<(Ran, Vec<String>)> {
    let ran = Box::pin(stage.run(workload, Some(at))).await.with_context(|| at.to_owned())?;
    let mut what: Vec<_> = ran.failed.iter().cloned().collect();
    what.extend(ran.end.differs(&expected.end, &ran.doubtful));
    Ok((ran, what))
}

/// Takes workloads until none is left.
pub(super) async fn lane((all, step): (&[Workload], usize), page: &Page) -> Result<()> {
    let mut stage = Box::pin(Stage::set()).await?;
    while let Some(workload) = page.next(all) {
        if let Err(error) = Box::pin(sweep(&mut stage, (workload, step), page)).await {
            page.failed(workload.name, &error)?;
            // Nobody knows what is left in this one.
            stage = Box::pin(Stage::set()).await?;
        }
    }
    Box::pin(stage.strike()).await
}

/// Every point of a workload.
async fn sweep(stage: &mut Stage, (workload, step): (&Workload, usize), page: &Page) -> Result<()> {
    let expected = Box::pin(undisturbed(stage, workload)).await?;
    page.begun(workload.name, &expected)?;
    // Runs differ in how often they tell of what they see, so the last call is where no run gets to the next one.
    let last = 2 * expected.calls.len() + 10;
    for call in (1..=last).step_by(step.max(1)) {
        let mut reached = false;
        for way in WAYS {
            let at = format!("{call}:{way}");
            let point = Box::pin(point(stage, (workload, &expected), &at)).await;
            let (ran, what) = point?;
            reached |= ran.cut;
            page.ran(workload.name, (&at, &ran, &expected), &what)?;
        }
        if !reached {
            return Ok(());
        }
    }
    ensure!(step > 1, "an operator that is cut short makes more than {last} calls before");
    Ok(())
}
