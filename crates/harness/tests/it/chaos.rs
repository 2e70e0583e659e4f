//! Faults at random, by themselves and into operations, on several clusters at once while clients write, read, watch
//! and hold leases: nothing acknowledged is lost, no read is stale, watchers are told everything once, leases last as
//! long as they should, every fault heals, and members have the same data in the end. Here a few; `cargo xtask chaos`
//! makes as many as it is told to.

mod dice;
mod kinds;
mod lane;
mod ledger;
mod load;
mod operations;
mod recovery;
mod report;
mod strike;

use std::cell::{Cell, RefCell};
use std::time::Instant;

use anyhow::{Result, ensure};
use harness::Up;

use self::lane::{Run, lane};
use self::ledger::Ledger;

/// How many faults there are unless the environment says otherwise.
const FAULTS: u64 = 8;

fn asked(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[tokio::test]
async fn faults_at_random_heal_and_lose_nothing() -> Result<()> {
    let run = Run {
        up: Up::with_operator(3, "etcd").await?,
        begin: Instant::now(),
        seed: asked("ENDSTATE_CHAOS_SEED").unwrap_or(1),
        faults: u32::try_from(asked("ENDSTATE_CHAOS_FAULTS").unwrap_or(FAULTS))?,
        clusters: asked("ENDSTATE_CHAOS_CLUSTERS").unwrap_or(1),
        is_root: harness::is_root(),
        ledger: RefCell::new(Ledger::new()),
        operator_killed: Cell::new(None),
    };
    let lanes = (0..run.clusters).map(|it| Box::pin(lane(&run, it)));
    futures::future::join_all(lanes).await;
    report::write(&run)?;
    let page = run.ledger.borrow().page("");
    eprintln!("{page}");
    let failures = run.ledger.borrow().failures.len();
    run.up.stop().await?;
    ensure!(failures == 0, "{failures} failures");
    Ok(())
}

/// How many times a quorum is lost unless the environment says otherwise.
const RECOVERIES: u64 = 0;

#[tokio::test]
async fn quorums_that_are_lost_come_back_without_asking() -> Result<()> {
    let rounds = u32::try_from(asked("ENDSTATE_CHAOS_RECOVERIES").unwrap_or(RECOVERIES))?;
    // Only where they are asked for: one is among the tests of `etcd_volumes`.
    if rounds == 0 {
        return Ok(());
    }
    let seed = asked("ENDSTATE_CHAOS_SEED").unwrap_or(1);
    let up = Up::with_operator(3, "etcd").await?;
    let page = Box::pin(recovery::recoveries(&up, rounds, seed)).await?;
    report::keep(&page)?;
    eprintln!("{page}");
    up.stop().await
}
