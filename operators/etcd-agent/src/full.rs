//! Full backups: a member's database as it streams it.

use std::path::Path;

use bytes::{Bytes, BytesMut};
use endstate_archive::{Archive, Entry, Kind, Lineage, NewEntry, Packing, PlainFile};
use endstate_core::Version;
use endstate_etcd::client::{Connection, failure};
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use tokio::fs::File;
use tokio::io::AsyncWriteExt;

use crate::delta::{self, SILENCE_MAX};
use crate::error::AgentError;

/// The fact that says at which revision a full backup is at the latest. The member that streams it does not say; it is
/// asked before, and when it has begun.
const UP_TO: &str = "upTo";

/// The fact that says which version of etcd wrote it.
const VERSION: &str = "version";

/// The fact that says that an alarm stood when it was written.
const ALARMS: &str = "alarms";

/// What etcd appends to the database: its digest.
const DIGEST_BYTES: usize = 32;

/// The revision at which a full backup is at the latest.
pub fn up_to(entry: &Entry) -> u64 {
    let known = entry.facts.get(UP_TO).and_then(|it| it.parse().ok());
    known.unwrap_or(entry.kind.last())
}

/// The revision of a full backup, if it is known without a look into it. What is written on it needs that, and no alarm
/// that refuses it.
pub(crate) fn revision(entry: &Entry) -> Option<u64> {
    let revision = entry.kind.last();
    (up_to(entry) == revision && !has_alarms(entry)).then_some(revision)
}

/// Backs a member's data up.
pub(crate) async fn take(
    member: &Connection,
    (archive, lineage, packing): (&Archive, &Lineage, &Packing),
    by: &str,
) -> Result<Entry, AgentError> {
    let (before, _) = delta::now(member).await?;
    let mark = delta::mark(member, before).await?;
    let status = member.status().await?;
    // A complaint is an alarm, and alarms are in the data.
    let mut alarms = status.complains;
    let mut stream = member.client().maintenance_client().snapshot().await.map_err(failure)?;
    let mut writer = archive.write(lineage, packing)?;
    let (mut digest, mut moment) = (Tail::default(), None);
    loop {
        let message = tokio::time::timeout(SILENCE_MAX, stream.message()).await;
        let message = message.map_err(|_| AgentError::Stalled(SILENCE_MAX.as_secs()))?;
        let Some(message) = message.map_err(failure)? else { break };
        if moment.is_none() {
            moment = Some(delta::now(member).await?);
            alarms |= member.status().await?.complains;
        }
        let chunk = Bytes::copy_from_slice(message.blob());
        digest.push(&chunk);
        writer.push(chunk).await?;
    }
    let (after, taken) = moment.unwrap_or((before, Timestamp::now()));
    if !digest.ends_well() {
        writer.abort().await;
        return Err(AgentError::Snapshot);
    }
    let mut facts = delta::facts(mark);
    facts.insert(UP_TO.to_owned(), after.to_string());
    facts.insert(VERSION.to_owned(), status.version);
    facts.extend(alarms.then(|| (ALARMS.to_owned(), "true".to_owned())));
    let kind = Kind::Full { revision: before };
    Ok(writer.finish(NewEntry { kind, taken, by: by.to_owned(), facts }).await?)
}

/// Writes a snapshot that somebody saved into a file, and verifies it by the digest at its end.
pub(crate) async fn save(file: &PlainFile, of: &str, to: &Path) -> Result<(), AgentError> {
    let (mut pieces, mut digest) = (file.read(), Tail::default());
    let mut output = File::create(to).await.map_err(AgentError::file(to))?;
    let mut bytes = 0;
    while let Some(piece) = pieces.recv().await {
        let piece = piece?;
        bytes += piece.len() as u64;
        digest.push(&piece);
        output.write_all(&piece).await.map_err(AgentError::file(to))?;
    }
    output.flush().await.map_err(AgentError::file(to))?;
    match bytes == file.bytes() && digest.ends_well() {
        true => Ok(()),
        false => Err(AgentError::NoSnapshot(of.to_owned())),
    }
}

/// Whether an alarm may be in its data.
pub(crate) fn has_alarms(entry: &Entry) -> bool {
    entry.facts.contains_key(ALARMS)
}

/// The version of the member that wrote a full backup, where it is known.
pub(crate) fn version_of(entry: &Entry) -> Option<Version> {
    entry.facts.get(VERSION)?.parse().ok()
}

/// The digest of all but the end, which is the digest.
#[derive(Default)]
struct Tail {
    digest: Sha256,
    end: BytesMut,
}

impl Tail {
    fn push(&mut self, chunk: &[u8]) {
        self.end.extend_from_slice(chunk);
        let known = self.end.len().saturating_sub(DIGEST_BYTES);
        self.digest.update(self.end.split_to(known));
    }

    fn ends_well(self) -> bool {
        self.end.len() == DIGEST_BYTES && self.digest.finalize()[..] == self.end[..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_whole_if_it_ends_with_its_digest_however_it_is_cut() {
        let data = vec![9; 1_000];
        let whole: Vec<u8> = data.iter().copied().chain(Sha256::digest(&data)).collect();
        for size in [1, 31, 32, 33, 2_000] {
            let mut tail = Tail::default();
            whole.chunks(size).for_each(|it| tail.push(it));
            assert!(tail.ends_well(), "{size}");
        }
        for cut in [0, 20, 32, whole.len() - 1] {
            let mut tail = Tail::default();
            tail.push(&whole[..cut]);
            assert!(!tail.ends_well(), "{cut}");
        }
        let mut tail = Tail::default();
        tail.push(&[&whole[..5], &[1], &whole[6..]].concat());
        assert!(!tail.ends_well());
    }
}
