//! A client that writes without pause and remembers every acknowledged write.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use etcd_client::GetOptions;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Child;
use tokio::task::JoinHandle;

use crate::{EtcdReach, Up};

const PREFIX: &str = "writer/";
/// A write that is not acknowledged by then counts as unknown.
const WRITE_MAX: Duration = Duration::from_secs(2);
/// How long a client waits before it tries again.
const AGAIN: Duration = Duration::from_millis(20);
/// How long the first write and the check may take.
const ANSWER_MAX: Duration = Duration::from_secs(60);

pub struct Writer {
    task: JoinHandle<BTreeMap<String, String>>,
    state: Arc<State>,
    reach: EtcdReach,
    _forward: Child,
}

/// What the writer and who watches it share.
#[derive(Default)]
struct State {
    end: AtomicBool,
    /// The longest time that a write took since it was asked for, its retries included, in microseconds.
    slowest_us: AtomicU64,
}

impl Writer {
    /// Starts to write through the cluster's client service. Returns after the first acknowledged write.
    pub async fn start(up: &Up, cluster: &str) -> Result<Self> {
        let (forward, address) = forward(up, cluster, 2379).await?;
        let reach = EtcdReach::new(up, cluster, &address).await?;
        let state = Arc::new(State::default());
        let (first, started) = tokio::sync::oneshot::channel();
        let task = tokio::spawn(write(reach.clone(), Arc::clone(&state), first));
        tokio::time::timeout(ANSWER_MAX, started).await.context("no write was acknowledged")??;
        Ok(Self { task, state, reach, _forward: forward })
    }

    /// The longest time that a write took, its retries included, since this was asked for before.
    pub fn slowest(&self) -> Duration {
        Duration::from_micros(self.state.slowest_us.swap(0, Ordering::Relaxed))
    }

    /// Stops writing, and fails unless every acknowledged write can be read. Gives their number.
    pub async fn check(self) -> Result<usize> {
        self.state.end.store(true, Ordering::Relaxed);
        let acknowledged = self.task.await?;
        let found =
            tokio::time::timeout(ANSWER_MAX, read(&self.reach)).await.context("no answer")??;
        let lost: Vec<_> =
            acknowledged.iter().filter(|(key, value)| found.get(*key) != Some(value)).collect();
        ensure!(
            lost.is_empty(),
            "{} of {} acknowledged writes are lost: {lost:?}",
            lost.len(),
            acknowledged.len()
        );
        Ok(acknowledged.len())
    }
}

/// Runs `endstate forward`; each new connection through it finds a pod that is ready then.
pub async fn forward(up: &Up, cluster: &str, port: u16) -> Result<(Child, String)> {
    let (service, ports) = (format!("service/{cluster}-client"), format!("0:{port}"));
    let mut forward = up.spawn(&["forward", &service, &ports])?;
    let stdout = forward.stdout.take().context("its output is piped")?;
    let line = BufReader::new(stdout).lines().next_line().await?.context("no forwarding")?;
    let address = line.split_whitespace().nth(1).context("forwarding tells its address")?;
    Ok((forward, address.to_owned()))
}

async fn write(
    reach: EtcdReach,
    state: Arc<State>,
    first: tokio::sync::oneshot::Sender<()>,
) -> BTreeMap<String, String> {
    let mut acknowledged = BTreeMap::new();
    let mut first = Some(first);
    let mut number = 0;
    let mut since = Instant::now();
    while !state.end.load(Ordering::Relaxed) {
        let Ok(Ok(mut client)) = tokio::time::timeout(ANSWER_MAX, reach.connect()).await else {
            continue;
        };
        // A connection that fails once is given up: the next one may find another member.
        loop {
            number += 1;
            let (key, value) = (format!("{PREFIX}{number:08}"), format!("value {number}"));
            let put = client.put(key.clone(), value.clone(), None);
            let Ok(Ok(_)) = tokio::time::timeout(WRITE_MAX, put).await else {
                tokio::time::sleep(AGAIN).await;
                break;
            };
            acknowledged.insert(key, value);
            let took = u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX);
            state.slowest_us.fetch_max(took, Ordering::Relaxed);
            since = Instant::now();
            if let Some(first) = first.take() {
                let _ = first.send(());
            }
            if state.end.load(Ordering::Relaxed) {
                break;
            }
        }
    }
    acknowledged
}

/// Reads everything that was written; tries until a member answers.
async fn read(reach: &EtcdReach) -> Result<BTreeMap<String, String>> {
    loop {
        let Ok(mut client) = reach.connect().await else { continue };
        let Ok(answer) = client.get(PREFIX, Some(GetOptions::new().with_prefix())).await else {
            continue;
        };
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec());
        let pairs = answer.kvs().iter().map(|it| Ok((text(it.key())?, text(it.value())?)));
        return pairs.collect();
    }
}
