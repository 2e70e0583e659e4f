//! Who uses a cluster under test, and how that is judged.

use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use endstate_linear::kv::{self, Event, Input, Output, Revision};
use endstate_linear::{Budget, Operation, Verdict};
use harness::{Calm, Clients, ClientsHistory, EtcdCluster, EtcdReach, Leases, Line, Up, Watcher};
use serde_json::Value;

use super::ledger::Judged;
use super::strike::VALUE;

/// How long a client rests: all clusters share a machine.
const PACE: Duration = Duration::from_millis(15);
/// How often members are asked whether they have the same.
const LOOK: Duration = Duration::from_millis(500);
const SAME_MAX: Duration = Duration::from_secs(60);

/// What a store promises, and what clients were told instead.
#[derive(Debug)]
pub(super) struct Broken(anyhow::Error);

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a promise is broken: {:#}", self.0)
    }
}

impl std::error::Error for Broken {}

/// Clients, a watcher of what they write, and holders of leases.
pub(super) struct Load {
    clients: Clients,
    watcher: Watcher,
    leases: Leases,
    _line: Line,
}

impl Load {
    /// Starts them; each has its number, and keys of its own by that.
    pub(super) async fn start(
        up: &Up,
        cluster: &EtcdCluster,
        (calm, number): (&Calm, u32),
    ) -> Result<Self> {
        let line = Line::to(up, &cluster.name).await?;
        let reach = EtcdReach::new(up, &cluster.name, &line.address).await?;
        reach.connect_in_time().await?.put("kept", VALUE, None).await?;
        let keys = format!("clients/{number:04}/");
        let watcher = Watcher::start(&reach, &keys).await?;
        let clients = Clients::below(&reach, &keys, PACE);
        let leases = Leases::start(&reach, &format!("leases/{number:04}/"), calm);
        Ok(Self { clients, watcher, leases, _line: line })
    }

    /// Ends all of them, and fails if anybody was told what is not so.
    pub(super) async fn judge(self, up: &Up, cluster: &EtcdCluster) -> Result<Judged> {
        let (writes, reads) = self.clients.count();
        let history = self.clients.end().await?;
        let leases = self.leases.check().await?;
        let last = history.operations().iter().filter_map(revision).max();
        let (events, resumed) = self.watcher.end(last.context("nothing was answered")?).await?;
        let unknown = history.operations().iter().filter(|it| it.answer.is_none()).count();
        let judged = Judged {
            histories: 1,
            writes,
            reads,
            unknown: unknown as u64,
            events: events.len() as u64,
            resumed,
            leases: leases as u64,
            hashes: 1,
        };
        let explained = tokio::task::spawn_blocking(move || explained(&history, &events)).await?;
        explained.map_err(Broken)?;
        same(up, cluster).await?;
        Ok(judged)
    }
}

/// The revision of the last write that somebody was told of.
fn revision(operation: &Operation<Input, Output>) -> Option<Revision> {
    let output = operation.output()?;
    let written = matches!(output.outcome, kv::Outcome::Written).then_some(output.revision)?;
    written.max(output.entry().and_then(|it| it.modified))
}

fn explained(history: &ClientsHistory, events: &[Event]) -> Result<()> {
    match kv::check(history, Budget::USUAL) {
        Verdict::Linearizable => {}
        verdict => bail!("clients were answered what no order explains: {verdict}"),
    }
    kv::watched(history, events).context("the watcher")
}

/// Whether all members have the same data at the same revision, by etcd's own hash.
async fn same(up: &Up, cluster: &EtcdCluster) -> Result<()> {
    let end = tokio::time::Instant::now() + SAME_MAX;
    loop {
        let mut hashes = vec![];
        for member in cluster.members().await? {
            let ask = [
                "exec", &member, "-c", "etcd", "--", "etcdctl", "endpoint", "hashkv", "-w", "json",
            ];
            let answer: Value = serde_json::from_str(&up.endstate(&ask).await?)?;
            hashes.push(hash(&answer[0]["HashKV"]).context("an answer without a hash")?);
        }
        if hashes.windows(2).all(|it| it[0] == it[1]) {
            return Ok(());
        }
        // Compactions end one member after the other.
        if tokio::time::Instant::now() > end {
            bail!(Broken(anyhow!("members have other data: {hashes:?}")));
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Revision, hash, and up to where it is compacted.
fn hash(answer: &Value) -> Option<[i64; 3]> {
    let compacted = answer["compact_revision"].as_i64().unwrap_or(0);
    Some([answer["header"]["revision"].as_i64()?, answer["hash"].as_i64()?, compacted])
}
