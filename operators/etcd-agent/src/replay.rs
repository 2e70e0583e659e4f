//! Writes history anew: each transaction as it was, so that every key has the revisions that it had.

use std::collections::BTreeSet;
use std::time::Duration;

use endstate_etcd::client::{Connection, failure};
use etcd_client::{LeaseClient, LeaseGrantOptions, PutOptions, Txn, TxnOp};
use tokio_util::task::AbortOnDropHandle;

use crate::error::AgentError;
use crate::record::{Lease, Revision, What, Write};

/// Leases that end sooner are kept alive meanwhile: nothing may be deleted that was not.
const SHORT: i64 = 3_600;

/// Between two rounds of that. etcd grants no lease for less than two seconds.
const ROUND: Duration = Duration::from_millis(300);

/// How long a lease is granted whose time is not known any more, in seconds.
const UNKNOWN_TTL: i64 = 60;

/// History that is being written anew.
#[derive(Debug)]
pub(crate) struct Replay {
    connection: Connection,
    /// How much higher revisions are than they were.
    raised: u64,
    /// The last revision, as it was.
    at: u64,
    leases: BTreeSet<i64>,
    /// Those whose ends are put off, from when they are known.
    kept: tokio::sync::mpsc::UnboundedSender<i64>,
    _keeping: AbortOnDropHandle<()>,
}

impl Replay {
    /// Goes on from what a member has, whose revisions were raised by so many.
    pub(crate) async fn begin(connection: Connection, raised: u64) -> Result<Self, AgentError> {
        let now = u64::try_from(connection.status().await?.revision).unwrap_or_default();
        let mut client = connection.client().lease_client();
        let (kept, known) = tokio::sync::mpsc::unbounded_channel();
        let keeping = AbortOnDropHandle::new(tokio::spawn(keep_alive(client.clone(), known)));
        let listed = client.leases().await.map_err(failure)?;
        let mut leases = BTreeSet::new();
        for id in listed.leases().iter().map(etcd_client::LeaseStatus::id) {
            leases.insert(id);
            let ttl = client.time_to_live(id, None).await.map_err(failure)?.granted_ttl();
            keep(&kept, Lease { id, ttl });
        }
        let at = now.saturating_sub(raised);
        Ok(Self { connection, raised, at, leases, kept, _keeping: keeping })
    }

    /// The last revision, as it was.
    pub(crate) fn at(&self) -> u64 {
        self.at
    }

    /// Writes one record. What is there already is passed over; what does not follow on what is there is an error.
    pub(crate) async fn write(&mut self, what: What) -> Result<(), AgentError> {
        match what {
            What::Lease(lease) => self.grant(lease).await,
            What::Revision(it) if it.revision <= self.at => Ok(()),
            What::Revision(it) if it.revision == self.at + 1 => self.transact(it).await,
            What::Revision(it) => Err(AgentError::Gap { after: self.at, next: it.revision }),
        }
    }

    async fn grant(&mut self, lease: Lease) -> Result<(), AgentError> {
        if !self.leases.insert(lease.id) {
            return Ok(());
        }
        let ttl = if lease.ttl > 0 { lease.ttl } else { UNKNOWN_TTL };
        let options = LeaseGrantOptions::new().with_id(lease.id);
        let granted = self.connection.client().lease_client().grant(ttl, Some(options)).await;
        granted.map_err(failure)?;
        keep(&self.kept, Lease { ttl, ..lease });
        Ok(())
    }

    async fn transact(&mut self, revision: Revision) -> Result<(), AgentError> {
        let lost: Vec<_> =
            revision.writes.iter().map(|it| it.lease).filter(|it| *it != 0).collect();
        for id in lost {
            self.grant(Lease { id, ttl: 0 }).await?;
        }
        let operations: Vec<_> = revision.writes.into_iter().map(operation).collect();
        let mut client = self.connection.client().kv_client();
        let done = client.txn(Txn::new().and_then(operations)).await.map_err(failure)?;
        let made = done.header().map_or(0, etcd_client::ResponseHeader::revision);
        if u64::try_from(made).ok() != Some(revision.revision + self.raised) {
            let (wanted, made) = (revision.revision, made);
            return Err(AgentError::Diverged { wanted, made });
        }
        self.at = revision.revision;
        Ok(())
    }
}

fn operation(write: Write) -> TxnOp {
    if write.deleted {
        return TxnOp::delete(write.key, None);
    }
    let options = (write.lease != 0).then(|| PutOptions::new().with_lease(write.lease));
    TxnOp::put(write.key, write.value, options)
}

fn keep(kept: &tokio::sync::mpsc::UnboundedSender<i64>, lease: Lease) {
    if lease.ttl < SHORT {
        let _ = kept.send(lease.id);
    }
}

async fn keep_alive(mut client: LeaseClient, mut known: tokio::sync::mpsc::UnboundedReceiver<i64>) {
    let mut streams = vec![];
    loop {
        while let Ok(id) = known.try_recv() {
            if let Ok((keeper, answers)) = client.keep_alive(id).await {
                streams.push((keeper, answers));
            }
        }
        for (keeper, answers) in &mut streams {
            let _ = keeper.keep_alive().await;
            let _ = answers.message().await;
        }
        tokio::time::sleep(ROUND).await;
    }
}
