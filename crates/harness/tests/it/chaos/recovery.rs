//! A majority loses its data again and again, and nobody is asked: the cluster goes on from the member that is left.
//! What two of three acknowledged and the third had not got yet is lost then, so that this is judged apart: by which
//! writes are, and how long before the loss they were acknowledged.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use etcd_client::GetOptions;
use harness::{
    EtcdCluster, EtcdReach, Line, Up, freeze, is_true, kill, kill_and_wipe, member_process, thaw,
};
use serde_json::json;
use tokio::task::JoinHandle;

use super::dice::Dice;
use super::operations::OVER_MAX;
use super::report;
use super::strike::{healed, kill_operator};

const PREFIX: &str = "acknowledged/";
/// A write that is not acknowledged by then is not counted.
const CALL_MAX: Duration = Duration::from_secs(2);
const AGAIN: Duration = Duration::from_millis(50);
/// How long before the loss a write may be acknowledged that is lost with it. A heartbeat is 0.1 s; the machine may be
/// busy.
const LOST_WITHIN: Duration = Duration::from_secs(2);
/// How long an answer may take from a member to who asked.
const UNDER_WAY_MAX: Duration = Duration::from_secs(1);
/// How long the one that is left stands still.
const PAUSE: Duration = Duration::from_secs(3);

/// What strikes while the cluster recovers.
#[derive(Clone, Copy, Debug)]
enum Beside {
    Nothing,
    KillOperator,
    PauseSurvivor,
    KillSurvivor,
}

const BESIDE: [Beside; 4] =
    [Beside::Nothing, Beside::KillOperator, Beside::PauseSurvivor, Beside::KillSurvivor];

/// Who writes one key after the other, and when each was acknowledged.
struct Acknowledged {
    end: Arc<AtomicBool>,
    all: Arc<Mutex<Vec<(String, Instant)>>>,
    task: JoinHandle<()>,
}

impl Acknowledged {
    fn start(reach: EtcdReach, round: u32) -> Self {
        let (end, all) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::default()));
        let task = tokio::spawn(write(reach, round, Arc::clone(&end), Arc::clone(&all)));
        Self { end, all, task }
    }

    fn count(&self) -> usize {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    async fn end(self) -> Result<Vec<(String, Instant)>> {
        self.end.store(true, Ordering::Relaxed);
        self.task.await?;
        Ok(std::mem::take(&mut *self.all.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

async fn write(
    reach: EtcdReach,
    round: u32,
    end: Arc<AtomicBool>,
    all: Arc<Mutex<Vec<(String, Instant)>>>,
) {
    let mut number = 0;
    while !end.load(Ordering::Relaxed) {
        let connecting = tokio::time::timeout(CALL_MAX, reach.connect()).await;
        let Ok(Ok(mut client)) = connecting else {
            tokio::time::sleep(AGAIN).await;
            continue;
        };
        while !end.load(Ordering::Relaxed) {
            number += 1;
            let key = format!("{PREFIX}{round:04}/{number:06}");
            let put = client.put(key.clone(), "", None);
            let Ok(Ok(_)) = tokio::time::timeout(CALL_MAX, put).await else { break };
            all.lock().unwrap_or_else(PoisonError::into_inner).push((key, Instant::now()));
        }
    }
}

/// Of one recovery.
struct Recovered {
    beside: Beside,
    acknowledged: usize,
    lost: usize,
    /// How long before the loss the oldest was acknowledged of those that are lost.
    oldest: Duration,
    serves: Duration,
    whole: Duration,
}

/// So many recoveries of one cluster. Gives a page of figures.
pub(super) async fn recoveries(up: &Up, rounds: u32, seed: u64) -> Result<String> {
    let spec = json!({"size": 3, "version": "3.5.16", "quorumRecovery": "Auto"});
    let cluster = EtcdCluster::etcd(up, "recovers", spec).await?.patient(OVER_MAX);
    cluster.settled(3).await?;
    let (mut dice, mut all) = (Dice(seed), vec![]);
    for round in 0..rounds {
        let recovered = Box::pin(recovery(up, &cluster, (round, &mut dice))).await;
        let recovered = recovered.with_context(|| format!("recovery {round}"));
        if recovered.is_err() {
            report::evidence(up, &cluster.name).await;
        }
        all.push(recovered?);
    }
    Ok(page(&all))
}

fn page(all: &[Recovered]) -> String {
    let mut page = "| struck beside | acknowledged | lost | the oldest of them, before the loss | serves after | whole after |\n\
                    |---|---|---|---|---|---|\n"
        .to_owned();
    for it in all {
        let Recovered { beside, acknowledged, lost, oldest, serves, whole } = it;
        let _ = writeln!(
            page,
            "| {beside:?} | {acknowledged} | {lost} | {oldest:.1?} | {serves:.1?} | {whole:.1?} |"
        );
    }
    page
}

async fn recovery(
    up: &Up,
    cluster: &EtcdCluster,
    (round, dice): (u32, &mut Dice),
) -> Result<Recovered> {
    let line = Line::to(up, &cluster.name).await?;
    let reach = EtcdReach::new(up, &cluster.name, &line.address).await?;
    let writes = Acknowledged::start(reach.clone(), round);
    while writes.count() < 100 {
        tokio::time::sleep(AGAIN).await;
    }
    let members = cluster.members().await?;
    let survivor = members.get(dice.roll(members.len())).context("there are members")?;
    let others: Vec<_> = members.iter().filter(|it| *it != survivor).collect();
    for other in &others {
        freeze(member_process(other)?)?;
    }
    let lost = Instant::now();
    for other in &others {
        kill_and_wipe(up, other, &[]).await?;
    }
    let beside = dice.pick(&BESIDE).unwrap_or(Beside::Nothing);
    strike(up, cluster, (beside, survivor)).await?;
    cluster.until("lose its quorum", |it| is_true(it, "QuorumLost")).await?;
    cluster.until("serve again", |it| is_true(it, "Available")).await?;
    let serves = lost.elapsed();
    healed(cluster, 3, OVER_MAX).await?;
    let whole = lost.elapsed();
    let acknowledged = writes.end().await?;
    let found = read(&reach, round).await?;
    let missing: Vec<_> = acknowledged.iter().filter(|it| !found.contains(&it.0)).collect();
    let before = missing.iter().map(|it| lost.saturating_duration_since(it.1)).max();
    let oldest = before.unwrap_or_default();
    // An answer may be under way when those that gave it are frozen.
    let in_time = |it: &&&(String, Instant)| it.1 <= lost + UNDER_WAY_MAX;
    let late = missing.iter().filter(|it| !in_time(it)).count();
    ensure!(
        oldest < LOST_WITHIN && late == 0,
        "what was acknowledged {oldest:?} before the loss, or after it, is lost: {missing:?}"
    );
    let (acknowledged, lost) = (acknowledged.len(), missing.len());
    Ok(Recovered { beside, acknowledged, lost, oldest, serves, whole })
}

async fn strike(up: &Up, cluster: &EtcdCluster, (beside, survivor): (Beside, &str)) -> Result<()> {
    match beside {
        Beside::Nothing => Ok(()),
        Beside::KillOperator => {
            cluster.changed().await?;
            kill_operator(up).await
        }
        Beside::PauseSurvivor => {
            let process = member_process(survivor)?;
            freeze(process)?;
            tokio::time::sleep(PAUSE).await;
            thaw(process)
        }
        Beside::KillSurvivor => kill(member_process(survivor)?),
    }
}

async fn read(reach: &EtcdReach, round: u32) -> Result<std::collections::BTreeSet<String>> {
    let end = Instant::now() + OVER_MAX;
    let (prefix, options) =
        (format!("{PREFIX}{round:04}/"), GetOptions::new().with_prefix().with_keys_only());
    loop {
        if let Ok(mut client) = reach.connect().await
            && let Ok(answer) = client.get(prefix.clone(), Some(options.clone())).await
        {
            return answer.kvs().iter().map(|it| Ok(it.key_str()?.to_owned())).collect();
        }
        ensure!(Instant::now() < end, "nobody answers");
        tokio::time::sleep(AGAIN).await;
    }
}
