//! A ZooKeeper client that writes without pause and remembers every acknowledged write.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::process::Child;
use tokio::task::JoinHandle;
use zookeeper_client::{Acls, Client, CreateMode};

use crate::Up;
use crate::writer::forward;

/// A write that is not acknowledged by then counts as unknown.
const WRITE_MAX: Duration = Duration::from_secs(2);
/// How long the first write and the check may take.
const ANSWER_MAX: Duration = Duration::from_secs(60);
/// Between attempts to connect, and between writes: each is on the disk of every server.
const PAUSE: Duration = Duration::from_millis(10);

#[derive(Default)]
struct Acknowledged {
    names: BTreeSet<String>,
    /// A leader's transactions have its epoch in their number.
    epochs: BTreeSet<i64>,
}

pub struct ZnodeWriter {
    task: JoinHandle<Acknowledged>,
    end: Arc<AtomicBool>,
    address: String,
    _forward: Child,
}

impl ZnodeWriter {
    /// Starts to create nodes through the ensemble's client service. Returns after the first acknowledged write.
    pub async fn start(up: &Up, cluster: &str, prefix: &'static str) -> Result<Self> {
        let (forward, address) = forward(up, cluster, 2181).await?;
        let end = Arc::new(AtomicBool::new(false));
        let (first, started) = tokio::sync::oneshot::channel();
        let task = tokio::spawn(write(address.clone(), prefix, Arc::clone(&end), first));
        tokio::time::timeout(ANSWER_MAX, started).await.context("no write was acknowledged")??;
        Ok(Self { task, end, address, _forward: forward })
    }

    /// Stops writing, and fails unless every acknowledged write can be read. Gives the names, and how many leaders had
    /// acknowledged some.
    pub async fn check(self) -> Result<(BTreeSet<String>, usize)> {
        self.end.store(true, Ordering::Relaxed);
        let acknowledged = self.task.await?;
        let found = read(&self.address);
        let found = tokio::time::timeout(ANSWER_MAX, found).await.context("no answer")?;
        let lost: Vec<_> = acknowledged.names.difference(&found).collect();
        let all = acknowledged.names.len();
        ensure!(lost.is_empty(), "{} of {all} acknowledged writes are lost: {lost:?}", lost.len());
        Ok((acknowledged.names, acknowledged.epochs.len()))
    }

    /// Every node that is there.
    pub async fn found(&self) -> BTreeSet<String> {
        read(&self.address).await
    }
}

async fn connect(address: &str) -> Option<Client> {
    let connector = Client::connector().with_fail_eagerly().with_connection_timeout(WRITE_MAX);
    let connect = connector.with_session_timeout(Duration::from_secs(6)).connect(address);
    match tokio::time::timeout(WRITE_MAX, connect).await {
        Ok(Ok(client)) => Some(client),
        _ => {
            tokio::time::sleep(PAUSE).await;
            None
        }
    }
}

async fn write(
    address: String,
    prefix: &'static str,
    end: Arc<AtomicBool>,
    first: tokio::sync::oneshot::Sender<()>,
) -> Acknowledged {
    let mut acknowledged = Acknowledged::default();
    let mut first = Some(first);
    let mut number = 0;
    while !end.load(Ordering::Relaxed) {
        let Some(client) = connect(&address).await else { continue };
        // A session that fails once is given up: the next one may find another server.
        while !end.load(Ordering::Relaxed) {
            number += 1;
            let name = format!("{prefix}{number:08}");
            let (path, options) =
                (format!("/{name}"), CreateMode::Persistent.with_acls(Acls::anyone_all()));
            let create = client.create(&path, b"x", &options);
            let Ok(Ok((stat, _))) = tokio::time::timeout(WRITE_MAX, create).await else { break };
            acknowledged.epochs.insert(stat.czxid >> 32);
            acknowledged.names.insert(name);
            if let Some(first) = first.take() {
                let _ = first.send(());
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
    acknowledged
}

/// The names at the root, by a synced read; tries until the server answers.
pub async fn read(address: &str) -> BTreeSet<String> {
    loop {
        let Some(client) = connect(address).await else { continue };
        let Ok(Ok(())) = tokio::time::timeout(WRITE_MAX, client.sync("/")).await else { continue };
        let list = client.list_children("/");
        let Ok(Ok(names)) = tokio::time::timeout(WRITE_MAX, list).await else { continue };
        return names.into_iter().collect();
    }
}
