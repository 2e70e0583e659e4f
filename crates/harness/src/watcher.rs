//! A watcher of all keys below a prefix, that resumes after what it was told last.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use endstate_linear::kv::{Event, Revision};
use etcd_client::{EventType, WatchOptions, WatchStream};
use tokio::task::JoinHandle;

use crate::EtcdReach;

/// How long it waits for a word before it asks another member: somebody writes all the time.
const SILENCE_MAX: Duration = Duration::from_secs(3);
/// How long a client waits before it tries again.
const AGAIN: Duration = Duration::from_millis(50);
/// How long it may take to be told the rest.
const REST_MAX: Duration = Duration::from_secs(120);

/// The watcher.
pub struct Watcher {
    task: JoinHandle<Result<()>>,
    told: Arc<Told>,
}

struct Told {
    events: Mutex<Vec<Event>>,
    /// The highest revision that it was told of.
    last: AtomicU64,
    resumed: AtomicU64,
}

impl Watcher {
    /// Starts one; what is written from now on it will be told.
    pub async fn start(reach: &EtcdReach, prefix: &str) -> Result<Self> {
        let status = reach.connect_in_time().await?.status().await?;
        let now = status.header().context("a status without a header")?.revision();
        let last = AtomicU64::new(u64::try_from(now)?);
        let told = Arc::new(Told { events: Mutex::default(), last, resumed: AtomicU64::new(0) });
        let task = tokio::spawn(watch(reach.clone(), prefix.to_owned(), Arc::clone(&told)));
        Ok(Self { task, told })
    }

    /// Waits until it was told of this revision, and gives all that it was told and how often it resumed.
    pub async fn end(self, last: Revision) -> Result<(Vec<Event>, u64)> {
        let Self { task, told } = self;
        let all = async {
            while told.last.load(Ordering::Relaxed) < last.0 && !task.is_finished() {
                tokio::time::sleep(AGAIN).await;
            }
        };
        let in_time = tokio::time::timeout(REST_MAX, all).await;
        if task.is_finished() {
            task.await??;
            bail!("the watcher ended");
        }
        task.abort();
        in_time.with_context(|| format!("the watcher is not told of revision {}", last.0))?;
        let events =
            std::mem::take(&mut *told.events.lock().unwrap_or_else(PoisonError::into_inner));
        Ok((events, told.resumed.load(Ordering::Relaxed)))
    }
}

/// Watches for ever; an error is one that no other member would mend.
async fn watch(reach: EtcdReach, prefix: String, told: Arc<Told>) -> Result<()> {
    loop {
        if let Ok(Ok(stream)) =
            tokio::time::timeout(SILENCE_MAX, resume(&reach, &prefix, &told)).await
        {
            follow(stream, &told).await?;
            told.resumed.fetch_add(1, Ordering::Relaxed);
        }
        tokio::time::sleep(AGAIN).await;
    }
}

async fn resume(reach: &EtcdReach, prefix: &str, told: &Told) -> Result<WatchStream> {
    let from = i64::try_from(told.last.load(Ordering::Relaxed))? + 1;
    let options = WatchOptions::new().with_prefix().with_start_revision(from);
    // The deadline of the usual client is one of the whole stream, too.
    let mut client = reach.connect_for_long().await?;
    Ok(client.watch(prefix, Some(options)).await?)
}

/// Writes down what it is told, until the stream ends or is silent.
async fn follow(mut stream: WatchStream, told: &Told) -> Result<()> {
    while let Ok(Ok(Some(answer))) = tokio::time::timeout(SILENCE_MAX, stream.message()).await {
        if answer.compact_revision() > 0 {
            let last = told.last.load(Ordering::Relaxed);
            bail!("told of {last}, and all before {} is compacted", answer.compact_revision());
        }
        if answer.canceled() {
            return Ok(());
        }
        let events = answer.events().iter().map(event).collect::<Result<Vec<_>>>()?;
        if let Some(event) = events.last() {
            told.last.store(event.revision.0, Ordering::Relaxed);
        }
        told.events.lock().unwrap_or_else(PoisonError::into_inner).extend(events);
    }
    Ok(())
}

fn event(event: &etcd_client::Event) -> Result<Event> {
    let pair = event.kv().context("an event without a key")?;
    let value = match event.event_type() {
        EventType::Put => Some(pair.value_str()?.to_owned()),
        EventType::Delete => None,
    };
    let revision = Revision(u64::try_from(pair.mod_revision())?);
    Ok(Event { revision, key: pair.key_str()?.to_owned(), value })
}
