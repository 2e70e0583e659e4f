//! Holders of leases: each holds a key, renews it some times, and looks until it is gone.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use endstate_linear::{Found, Lease};
use etcd_client::{Client, PutOptions};
use tokio::task::JoinHandle;

use crate::{Calm, EtcdReach};

const HOLDERS: u32 = 3;
/// For how many seconds a lease is asked for.
const LASTS_S: i64 = 4;
/// How often holders look, and renew.
const PACE: Duration = Duration::from_millis(300);
/// How much longer than asked for a lease may last while the cluster is left alone.
const LATE_MAX: Duration = Duration::from_secs(5);
/// A call that is not answered by then counts as unknown.
const CALL_MAX: Duration = Duration::from_secs(2);
/// How long it may take until the last are gone.
const REST_MAX: Duration = Duration::from_secs(120);

/// The holders.
pub struct Leases {
    state: Arc<State>,
    tasks: Vec<JoinHandle<Result<()>>>,
}

struct State {
    begin: Instant,
    prefix: String,
    calm: Calm,
    end: AtomicBool,
    over: Mutex<Vec<Lease>>,
}

impl Leases {
    /// Starts holders of keys below a prefix.
    pub fn start(reach: &EtcdReach, prefix: &str, calm: &Calm) -> Self {
        let (begin, prefix, calm) = (Instant::now(), prefix.to_owned(), calm.clone());
        let (end, over) = (AtomicBool::new(false), Mutex::default());
        let state = Arc::new(State { begin, prefix, calm, end, over });
        let hold = |it| tokio::spawn(hold(reach.clone(), Arc::clone(&state), it));
        Self { tasks: (0..HOLDERS).map(hold).collect(), state }
    }

    /// Ends them when what they hold is gone. Fails if a lease went too early or too late; gives how many there were.
    pub async fn check(self) -> Result<usize> {
        self.state.end.store(true, Ordering::Relaxed);
        for task in self.tasks {
            tokio::time::timeout(REST_MAX, task).await.context("a lease does not end")???;
        }
        let over = self.state.over.lock().unwrap_or_else(PoisonError::into_inner);
        for lease in over.iter() {
            lease.judge(nanos(LATE_MAX)).with_context(|| format!("{lease:?}"))?;
        }
        Ok(over.len())
    }
}

impl State {
    fn now(&self) -> u64 {
        nanos(self.begin.elapsed())
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Holds one lease after the other.
async fn hold(reach: EtcdReach, state: Arc<State>, holder: u32) -> Result<()> {
    let mut number = 0;
    while !state.end.load(Ordering::Relaxed) {
        number += 1;
        let key = format!("{}{holder}/{number}", state.prefix);
        let Some((id, mut lease)) = granted(&reach, &state, &key).await else {
            tokio::time::sleep(PACE).await;
            continue;
        };
        for _ in 0..number % 4 {
            tokio::time::sleep(PACE).await;
            renew(&reach, &state, id, &mut lease).await;
        }
        gone(&reach, &state, &key, &mut lease).await?;
        state.over.lock().unwrap_or_else(PoisonError::into_inner).push(lease);
    }
    Ok(())
}

/// A lease, and the key that it holds; nothing if either is not certain.
async fn granted(reach: &EtcdReach, state: &State, key: &str) -> Option<(i64, Lease)> {
    let (called, mut client) = (state.now(), connected(reach).await?);
    let granting = client.lease_grant(LASTS_S, None);
    let grant = tokio::time::timeout(CALL_MAX, granting).await.ok()?.ok()?;
    let returned = state.now();
    let options = PutOptions::new().with_lease(grant.id());
    let put = client.put(key, "held", Some(options));
    tokio::time::timeout(CALL_MAX, put).await.ok()?.ok()?;
    let lasts = nanos(Duration::from_secs(u64::try_from(grant.ttl()).ok()?));
    Some((grant.id(), Lease { lasts, called, returned, found: None, gone: None }))
}

/// Renews it, unless that is not answered, or it is over already.
async fn renew(reach: &EtcdReach, state: &State, id: i64, lease: &mut Lease) {
    let Some(mut client) = connected(reach).await else { return };
    let called = state.now();
    let renewed = tokio::time::timeout(CALL_MAX, async {
        let (mut keeper, mut answers) = client.lease_keep_alive(id).await?;
        keeper.keep_alive().await?;
        let answer = answers.message().await?.context("no answer")?;
        ensure!(answer.ttl() > 0, "it is over");
        anyhow::Ok(())
    });
    if matches!(renewed.await, Ok(Ok(()))) {
        (lease.called, lease.returned) = (called, state.now());
    }
}

/// Looks until what it held is gone.
async fn gone(reach: &EtcdReach, state: &State, key: &str, lease: &mut Lease) -> Result<()> {
    let mut client = None;
    loop {
        tokio::time::sleep(PACE).await;
        if client.is_none() {
            client = connected(reach).await;
        }
        let Some(asked) = &mut client else { continue };
        let (called, before) = (state.now(), state.calm.since());
        let Ok(Ok(answer)) = tokio::time::timeout(CALL_MAX, asked.get(key, None)).await else {
            client = None;
            continue;
        };
        if answer.kvs().is_empty() {
            lease.gone = Some(state.now());
            return Ok(());
        }
        // Something may have been done to the cluster meanwhile.
        let calm = state.calm.since().filter(|it| Some(*it) == before);
        let calm_since = calm.map(|it| nanos(it.saturating_duration_since(state.begin)));
        lease.found = Some(Found { called, calm_since });
        lease.judge(nanos(LATE_MAX)).with_context(|| format!("{key}: {lease:?}"))?;
    }
}

async fn connected(reach: &EtcdReach) -> Option<Client> {
    tokio::time::timeout(CALL_MAX, reach.connect()).await.ok()?.ok()
}
