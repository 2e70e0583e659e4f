//! Raises the revision that a database of etcd's is at, as `etcdutl snapshot restore --bump-revision --mark-compacted`
//! does in one that it restores [src: `etcdutl/snapshot/v3_snapshot.go`, `modifyLatestRevision`].
//!
//! One key is written, the empty one, at the new revision: etcd goes on after the last revision that it finds. A
//! compaction to there is scheduled, which etcd does when it starts, so that no older revision can be read or watched.

use std::path::Path;

use crate::bolt::{Bolt, BoltError};

/// By how much. No cluster writes as much between what one member has and what another had; etcd's own guide says so
/// [src: etcd.io, "Disaster recovery", "Restoring with revision bump"].
pub const RAISED_BY: u64 = 1_000_000_000;

/// Of keys, by revision.
const KEYS: &str = "key";
const META: &str = "meta";
const SCHEDULED: &[u8] = b"scheduledCompactRev";
const FINISHED: &[u8] = b"finishedCompactRev";
/// The last index of the log that is in the database.
const APPLIED: &[u8] = b"consistent_index";

/// The last index of the log that is in a database which no process uses, and the revision that it is at.
pub(crate) fn reach(database: &Path) -> Result<(u64, u64), BoltError> {
    let bolt = Bolt::open(database)?;
    let applied = bolt.get(META, APPLIED)?.and_then(|it| it.try_into().ok());
    Ok((applied.map_or(0, u64::from_be_bytes), revision(&bolt, database)?))
}

/// Raises the revision of a database that no process uses by [`RAISED_BY`], and gives the one that it was at and the
/// new one. It is durable then; interrupted anywhere, the database is as it was, or as it is to be. Before, all that
/// the member's log holds has to be in the database: what is done later gets revisions after the new one, and a
/// transaction that asks for a revision which the log's earlier entries were given would be done otherwise than it was
/// acknowledged.
///
/// Once more raises it once more: a database at a revision that nothing followed may be that of a member which missed
/// what others gave after it.
///
/// # Errors
///
/// Where the file cannot be used, is in use, is damaged, or is no database of etcd's. It is left as it is then.
pub fn raise(database: &Path) -> Result<(u64, u64), BoltError> {
    let mut bolt = Bolt::open(database)?;
    let before = revision(&bolt, database)?;
    let after = before.checked_add(RAISED_BY).filter(|it| i64::try_from(*it).is_ok());
    let after = after.ok_or_else(|| BoltError::Damaged {
        path: database.to_owned(),
        why: "its revision cannot be raised any more",
    })?;
    bolt.put(KEYS, &written(after), &[])?;
    bolt.put(META, SCHEDULED, &written(after))?;
    bolt.commit()?;
    Ok((before, after))
}

/// The revision that a database is at. The last of its keys may be a deletion that was compacted away.
fn revision(bolt: &Bolt, database: &Path) -> Result<u64, BoltError> {
    let last = bolt.last(KEYS)?;
    let compacted = [bolt.get(META, SCHEDULED)?, bolt.get(META, FINISHED)?];
    let known = [last].into_iter().chain(compacted).flatten();
    let known = known.map(|it| number(&it)).collect::<Option<Vec<_>>>();
    let known = known.ok_or_else(|| BoltError::Damaged {
        path: database.to_owned(),
        why: "it has a revision that is none",
    })?;
    // An empty one is at 1.
    Ok(known.into_iter().max().unwrap_or_default().max(1))
}

/// A revision as etcd writes it: eight bytes of the number, a separator, and eight of the place in its transaction.
fn written(revision: u64) -> [u8; 17] {
    let mut bytes = [0; 17];
    bytes[..8].copy_from_slice(&revision.to_be_bytes());
    bytes[8] = b'_';
    bytes
}

/// The number of a revision, behind which a deletion is marked.
fn number(bytes: &[u8]) -> Option<u64> {
    let is_one = matches!(bytes.len(), 17 | 18) && bytes[8] == b'_';
    let main = bytes.first_chunk().map(|it| u64::from_be_bytes(*it))?;
    (is_one && i64::try_from(main).is_ok()).then_some(main)
}
