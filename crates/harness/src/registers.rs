//! Registers in etcd that count up: whoever reads one finds no less than was acknowledged before, or a write was lost
//! or a read stale.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::process::Child;
use tokio::task::JoinHandle;

use crate::{EtcdReach, Up, forward};

const REGISTERS: u64 = 64;
const READERS: usize = 2;
/// A call that is not answered by then counts as unknown.
const CALL_MAX: Duration = Duration::from_secs(2);
/// How long a client rests after each call.
const PACE: Duration = Duration::from_millis(4);

/// A writer and its readers.
pub struct Registers {
    state: Arc<State>,
    tasks: Vec<JoinHandle<()>>,
    reach: EtcdReach,
    _forward: Child,
}

#[derive(Default)]
struct State {
    end: AtomicBool,
    acknowledged: Vec<AtomicU64>,
    writes: AtomicU64,
    reads: AtomicU64,
    /// Reads of less than was acknowledged before they were asked for.
    stale: Mutex<Vec<String>>,
}

impl Registers {
    /// Starts to write and to read through the cluster's client service.
    pub async fn start(up: &Up, cluster: &str) -> Result<Self> {
        let (forward, address) = forward(up, cluster, 2379).await?;
        let reach = EtcdReach::new(up, cluster, &address).await?;
        let acknowledged = (0..REGISTERS).map(|_| AtomicU64::new(0)).collect();
        let state = Arc::new(State { acknowledged, ..State::default() });
        let mut tasks = vec![tokio::spawn(write(reach.clone(), Arc::clone(&state)))];
        for reader in 0..READERS {
            tasks.push(tokio::spawn(read(reach.clone(), Arc::clone(&state), reader as u64)));
        }
        Ok(Self { state, tasks, reach, _forward: forward })
    }

    /// How many writes were acknowledged and reads answered.
    pub fn count(&self) -> (u64, u64) {
        let of = |it: &AtomicU64| it.load(Ordering::Relaxed);
        (of(&self.state.writes), of(&self.state.reads))
    }

    /// Ends them, and fails if a write was lost or a read stale. Gives the numbers of writes and reads.
    pub async fn check(self) -> Result<(u64, u64)> {
        self.state.end.store(true, Ordering::Relaxed);
        let (writes, reads) = self.count();
        for task in self.tasks {
            task.await?;
        }
        let stale = self.state.stale.lock().unwrap_or_else(PoisonError::into_inner).clone();
        ensure!(stale.is_empty(), "{} of {reads} reads were stale: {stale:?}", stale.len());
        let client = tokio::time::timeout(Duration::from_secs(60), connect(&self.reach)).await;
        let mut client = client.context("nobody answers")?;
        for (register, acknowledged) in (0..).zip(&self.state.acknowledged) {
            let found = value(&mut client, register).await?;
            let least = acknowledged.load(Ordering::SeqCst);
            ensure!(
                found >= least,
                "register {register} has {found}, and {least} was acknowledged"
            );
        }
        Ok((writes, reads))
    }
}

async fn connect(reach: &EtcdReach) -> etcd_client::Client {
    loop {
        if let Ok(client) = reach.connect().await {
            return client;
        }
    }
}

async fn value(client: &mut etcd_client::Client, register: u64) -> Result<u64> {
    let answer = tokio::time::timeout(CALL_MAX, client.get(key(register), None)).await??;
    let Some(pair) = answer.kvs().first() else { return Ok(0) };
    Ok(pair.value_str()?.parse()?)
}

fn key(register: u64) -> String {
    format!("register/{register:02}")
}

async fn write(reach: EtcdReach, state: Arc<State>) {
    let mut number = 0;
    while !state.end.load(Ordering::Relaxed) {
        let Ok(mut client) = reach.connect().await else { continue };
        loop {
            number += 1;
            let register = number % REGISTERS;
            let put = client.put(key(register), number.to_string(), None);
            if !matches!(tokio::time::timeout(CALL_MAX, put).await, Ok(Ok(_))) {
                break;
            }
            let index = usize::try_from(register).expect("few registers");
            state.acknowledged[index].store(number, Ordering::SeqCst);
            state.writes.fetch_add(1, Ordering::Relaxed);
            if state.end.load(Ordering::Relaxed) {
                return;
            }
            tokio::time::sleep(PACE).await;
        }
    }
}

async fn read(reach: EtcdReach, state: Arc<State>, first: u64) {
    let mut register = first;
    while !state.end.load(Ordering::Relaxed) {
        let Ok(mut client) = reach.connect().await else { continue };
        loop {
            register = (register + READERS as u64) % REGISTERS;
            let index = usize::try_from(register).expect("few registers");
            let least = state.acknowledged[index].load(Ordering::SeqCst);
            let Ok(found) = value(&mut client, register).await else { break };
            state.reads.fetch_add(1, Ordering::Relaxed);
            if found < least {
                let told = format!("register {register} had {found} after {least}");
                state.stale.lock().unwrap_or_else(PoisonError::into_inner).push(told);
            }
            if state.end.load(Ordering::Relaxed) {
                return;
            }
            tokio::time::sleep(PACE).await;
        }
    }
}
