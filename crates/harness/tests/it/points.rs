//! The operator killed before, after, and with a lost response at its calls, on real processes: in the end all is as in
//! a run that was not disturbed, with as many objects created and deleted: docs/design/0022-crash-points.md. Here at a
//! few calls; `cargo xtask chaos --crash-points` is at all of them.

mod ends;
mod etcd;
mod events;
mod operators;
mod page;
mod run;
mod sweep;
mod watch;
mod workloads;

use anyhow::{Result, ensure};

use self::page::Page;
use self::run::Stage;
use self::sweep::{WAYS, lane, point, undisturbed};
use self::workloads::workloads;

/// What the test of the suite does.
const WORKLOAD: &str = "start of 3";
/// Where the operator is cut short, in fifths of its calls: at none of these are names given up, which takes ten
/// seconds. Runs differ in how often they tell what they see, so it is nowhere near the end.
const PARTS: [usize; 3] = [0, 3, 3];

#[tokio::test]
async fn a_crash_at_a_few_calls_changes_nothing_in_the_end() -> Result<()> {
    let all = workloads();
    let workload = all.iter().find(|it| it.name == WORKLOAD);
    let workload = workload.expect("it is in the table");
    let mut stage = Box::pin(Stage::set()).await?;
    let expected = Box::pin(undisturbed(&mut stage, workload)).await?;
    let calls = expected.calls.len();
    for (way, part) in WAYS.into_iter().zip(PARTS) {
        let call = 1 + (calls - 1) * part / 5;
        let (ran, what) =
            Box::pin(point(&mut stage, (workload, &expected), &format!("{call}:{way}"))).await?;
        let what = what.join("\n");
        ensure!(what.is_empty(), "{call}:{way}: {what}\n{}\n{}", ran.evidence, expected.evidence);
        ensure!(ran.cut, "{call}:{way} was not reached: {}", ran.evidence);
    }
    Box::pin(stage.strike()).await
}

fn asked(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|it| !it.is_empty())
}

#[tokio::test]
async fn a_crash_at_any_call_changes_nothing_in_the_end() -> Result<()> {
    // Only where it is asked for: it takes hours.
    let Some(every) = asked("ENDSTATE_POINTS_EVERY") else { return Ok(()) };
    let clusters = asked("ENDSTATE_CHAOS_CLUSTERS").unwrap_or("1".to_owned());
    let only = asked("ENDSTATE_POINTS_ONLY").unwrap_or_default();
    let all: Vec<_> = workloads().into_iter().filter(|it| it.name.contains(&only)).collect();
    ensure!(!all.is_empty(), "no workload has {only:?} in its name");
    let page = Page::new((&only, &every), &clusters);
    let step = every.parse()?;
    let lanes = (0..clusters.parse()?).map(|_| Box::pin(lane((&all, step), &page)));
    let ended = futures::future::join_all(lanes).await;
    ended.into_iter().collect::<Result<()>>()?;
    let differences = page.differences();
    ensure!(differences == 0, "{differences} differences");
    Ok(())
}
