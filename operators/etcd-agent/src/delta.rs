//! Deltas: what was written between two revisions, from a watch of all keys.
//!
//! The watch begins one revision before, with the last one that is kept: what was written there must be what is kept,
//! or the cluster's history is another one by now, whose revisions mean something else.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use endstate_archive::{Archive, Entry, Kind, Lineage, NewEntry, Packing, Writer};
use endstate_etcd::client::{Connection, failure};
use etcd_client::{Event, EventType, LeaseClient, WatchOptions, WatchResponse, WatchStream};
use jiff::Timestamp;
use prost::Message;
use sha2::{Digest, Sha256};

use crate::error::AgentError;
use crate::record::{Lease, Record, Revision, What, Write};

/// The fact that says what was written at the last revision of an entry, in short.
const MARK: &str = "lastWrites";

/// How long nothing may come from a member.
pub(crate) const SILENCE_MAX: Duration = Duration::from_secs(60);

/// The longest answer. etcd cuts longer ones into pieces of about two megabytes if it is asked to.
const ANSWER_MAX: usize = 64 << 20;

/// The end of what is backed up already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct After {
    /// Its revision.
    pub revision: u64,
    /// When that was taken.
    pub taken: Timestamp,
    /// What was written at that revision, in short, if that is known.
    pub mark: Option<String>,
}

impl After {
    /// The end of an entry.
    pub(crate) fn of(entry: &Entry) -> Self {
        let mark = entry.facts.get(MARK).cloned();
        Self { revision: entry.kind.last(), taken: entry.taken, mark }
    }
}

/// The facts that a delta goes on from.
pub(crate) fn facts(mark: Option<String>) -> BTreeMap<String, String> {
    mark.into_iter().map(|it| (MARK.to_owned(), it)).collect()
}

/// Backs up what was written since; nothing if nothing was.
pub(crate) async fn take(
    member: &Connection,
    (archive, lineage, packing): (&Archive, &Lineage, &Packing),
    (after, by): (After, &str),
) -> Result<Option<Entry>, AgentError> {
    let (to, taken) = now(member).await?;
    if to < after.revision {
        return Err(AgentError::WentBack { now: to, before: after.revision });
    }
    if to == after.revision {
        return Ok(None);
    }
    let mut gathering = Gathering {
        writer: Some(archive.write(lineage, packing)?),
        leases: member.client().lease_client(),
        known: BTreeSet::new(),
        pending: None,
        last: after.revision,
        mark: after.mark,
    };
    let gathered = gathering.gather(member, (after.revision, to)).await;
    let Gathering { writer, last, mark, .. } = gathering;
    let Some(writer) = writer else { return Ok(None) };
    if let Err(error) = gathered {
        writer.abort().await;
        return Err(error);
    }
    let kind = Kind::Delta { first: after.revision + 1, last, from: after.taken };
    let new = NewEntry { kind, taken, by: by.to_owned(), facts: facts(mark) };
    Ok(Some(writer.finish(new).await?))
}

/// The revision that the cluster has now, as this member has it, and the time.
pub(crate) async fn now(member: &Connection) -> Result<(u64, Timestamp), AgentError> {
    member.read().await?;
    let revision = member.status().await?.revision;
    Ok((u64::try_from(revision).unwrap_or_default(), Timestamp::now()))
}

/// What was written at a revision, in short; nothing if that is not known any more.
pub(crate) async fn mark(member: &Connection, revision: u64) -> Result<Option<String>, AgentError> {
    // The first revision is that of an empty cluster: nothing was written there.
    if revision <= 1 {
        return Ok(None);
    }
    let mut gathering = Gathering {
        writer: None,
        leases: member.client().lease_client(),
        known: BTreeSet::new(),
        pending: None,
        last: revision.saturating_sub(1),
        mark: None,
    };
    match gathering.gather(member, (revision, revision)).await {
        Ok(()) => Ok(gathering.mark),
        Err(AgentError::Compacted { .. } | AgentError::Gap { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

struct Gathering {
    /// Without one nothing is kept but the mark.
    writer: Option<Writer>,
    leases: LeaseClient,
    known: BTreeSet<i64>,
    pending: Option<Revision>,
    /// The last revision that is whole.
    last: u64,
    /// What was written there, in short.
    mark: Option<String>,
}

impl Gathering {
    /// Gathers these revisions, the last included.
    async fn gather(
        &mut self,
        member: &Connection,
        (from, to): (u64, u64),
    ) -> Result<(), AgentError> {
        let from = i64::try_from(from.max(1)).unwrap_or(i64::MAX);
        let options = WatchOptions::new().with_all_keys().with_start_revision(from).with_fragment();
        let client = member.client().watch_client();
        let mut client = client.max_decoding_message_size(ANSWER_MAX);
        let mut watch = client.watch("", Some(options)).await.map_err(failure)?;
        let mut asked = false;
        while self.last < to {
            let answer = next(&mut watch).await?;
            self.take_in(&answer, to).await?;
            // What belongs to the last revision may come in pieces: progress is told when all of them were.
            let at_last = self.pending.as_ref().is_some_and(|it| it.revision == to);
            if at_last && !asked {
                watch.request_progress().await.map_err(failure)?;
                asked = true;
            }
            let told = answer.events().is_empty() && !answer.created();
            if at_last && told || self.is_beyond(&answer, to) {
                self.flush().await?;
            }
        }
        Ok(())
    }

    fn is_beyond(&self, answer: &WatchResponse, to: u64) -> bool {
        answer.events().iter().any(|it| revision_of(it).is_some_and(|it| it > to))
    }

    async fn take_in(&mut self, answer: &WatchResponse, to: u64) -> Result<(), AgentError> {
        if answer.compact_revision() > 0 {
            let to = u64::try_from(answer.compact_revision()).unwrap_or_default();
            return Err(AgentError::Compacted { after: self.last, to });
        }
        if answer.canceled() {
            return Err(AgentError::WatchEnded(answer.cancel_reason().to_owned()));
        }
        let wanted = |it: &&Event| revision_of(it).is_some_and(|it| it <= to);
        for event in answer.events().iter().filter(wanted) {
            self.add(event).await?;
        }
        Ok(())
    }

    async fn add(&mut self, event: &Event) -> Result<(), AgentError> {
        let (Some(kv), Some(revision)) = (event.kv(), revision_of(event)) else { return Ok(()) };
        if self.pending.as_ref().is_some_and(|it| it.revision != revision) {
            self.flush().await?;
        }
        let is_new = revision > self.last && self.writer.is_some();
        if is_new && kv.lease() != 0 && self.known.insert(kv.lease()) {
            self.lease(kv.lease()).await?;
        }
        let write = Write {
            key: kv.key().to_vec().into(),
            value: kv.value().to_vec().into(),
            lease: kv.lease(),
            deleted: event.event_type() == EventType::Delete,
        };
        let pending = || Revision { revision, writes: vec![] };
        self.pending.get_or_insert_with(pending).writes.push(write);
        Ok(())
    }

    /// A revision is whole.
    async fn flush(&mut self) -> Result<(), AgentError> {
        let Some(revision) = self.pending.take() else { return Ok(()) };
        let (at, mark) = (revision.revision, digest(&revision));
        if at == self.last {
            // Of before there is nothing but its mark.
            let forked = self.mark.as_ref().is_some_and(|it| *it != mark);
            return if forked { Err(AgentError::Forked { at }) } else { Ok(()) };
        }
        if at != self.last + 1 {
            return Err(AgentError::Gap { after: self.last, next: at });
        }
        (self.last, self.mark) = (at, Some(mark));
        match &mut self.writer {
            Some(writer) => Ok(writer.push(Record::packed(What::Revision(revision))).await?),
            None => Ok(()),
        }
    }

    async fn lease(&mut self, id: i64) -> Result<(), AgentError> {
        let ttl = self.leases.time_to_live(id, None).await.map_err(failure)?.granted_ttl();
        match &mut self.writer {
            Some(writer) => Ok(writer.push(Record::packed(What::Lease(Lease { id, ttl }))).await?),
            None => Ok(()),
        }
    }
}

async fn next(watch: &mut WatchStream) -> Result<WatchResponse, AgentError> {
    let answer = tokio::time::timeout(SILENCE_MAX, watch.message()).await;
    let answer = answer.map_err(|_| AgentError::Stalled(SILENCE_MAX.as_secs()))?;
    let ended = || AgentError::WatchEnded("no reason was given".to_owned());
    answer.map_err(failure)?.ok_or_else(ended)
}

fn revision_of(event: &Event) -> Option<u64> {
    u64::try_from(event.kv()?.mod_revision()).ok()
}

fn digest(revision: &Revision) -> String {
    let digest = Sha256::digest(revision.encode_to_vec());
    digest.iter().map(|it| format!("{it:02x}")).collect()
}
