//! A trial: what is kept is restored into a member that is thrown away, and its data compared with the cluster's at the
//! same revision.

use std::fs;
use std::path::Path;

use endstate_archive::{Entry, EntryName, Target, chain};
use endstate_core::Digest;
use endstate_etcd::client::Connection;
use etcd_client::CompactionOptions;
use etcd_plan::Made;

use crate::error::AgentError;
use crate::restore::{Source, make, replay};
use crate::scratch::{Scratch, unsynced};
use crate::task::Folders;
use crate::tool::{Making, Tool};

/// What a trial found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trial {
    /// The full backup that it began with.
    pub full: EntryName,
    /// The revision at which the data was compared.
    pub revision: u64,
    /// Whether it is the same.
    pub same: bool,
}

/// Restores what is kept, and compares it with what a member has.
pub(crate) async fn run(
    (source, entries): (&Source, &[Entry]),
    cluster: &Connection,
    (folders, version): (&Folders, &str),
) -> Result<Trial, AgentError> {
    let work = folders.scratch.join("trial");
    let tried = Box::pin(attempt((source, entries), cluster, (folders, version), &work)).await;
    let _ = fs::remove_dir_all(&work);
    tried
}

async fn attempt(
    (source, entries): (&Source, &[Entry]),
    cluster: &Connection,
    (folders, version): (&Folders, &str),
    work: &Path,
) -> Result<Trial, AgentError> {
    let _ = fs::remove_dir_all(work);
    fs::create_dir_all(work).map_err(AgentError::file(work))?;
    let made = Made {
        name: "trial".into(),
        peer_url: "http://127.0.0.1:1".into(),
        token: "trial".into(),
        data_dir: work.join("data").display().to_string(),
        wal_dir: None,
        version: version.to_owned(),
    };
    let version = crate::restore::version(version)?;
    let chain = chain(entries, Target::Latest)?;
    let last = chain.deltas.last().copied().unwrap_or(chain.full);
    // At once: the cluster's history may be compacted beyond that while it is restored.
    let revision = last.kind.last();
    let theirs = digest(cluster, revision).await?;
    let data = work.join("data");
    let making = Making { made: &made, data: &data, wal: None, bump: 0 };
    let tool = Tool::new(&folders.programs, version);
    make(source, chain.full, (&tool, &making), work).await?;
    let scratch = Scratch {
        programs: &folders.programs,
        data: &data,
        wal: None,
        peer_url: &made.peer_url,
        flags: unsynced(version),
        beside: &work.join("beside"),
    };
    let (member, _) = replay(source, &chain, scratch, (0, u64::MAX)).await?;
    let trial = member.connect().await?;
    let mut same = is_same(theirs, &trial, revision).await?;
    if !same {
        // A member may be at work on its history while it is asked.
        same = is_same(digest(cluster, revision).await?, &trial, revision).await?;
    }
    member.stop().await?;
    Ok(Trial { full: chain.full.name.clone(), revision, same })
}

/// Whether a member has the same at a revision, from the one on that the cluster's history begins at.
async fn is_same(theirs: Digest, trial: &Connection, revision: u64) -> Result<bool, AgentError> {
    if theirs.since > 0 {
        let since = i64::try_from(theirs.since).unwrap_or(i64::MAX);
        let options = CompactionOptions::new().with_physical();
        // One that is refused is told by the digest, which begins elsewhere then.
        let _ = trial.client().kv_client().compact(since, Some(options)).await;
    }
    let own = digest(trial, revision).await?;
    match own.since == theirs.since {
        true => Ok(own == theirs),
        false => Err(AgentError::Compacted { after: theirs.since, to: own.since }),
    }
}

async fn digest(member: &Connection, revision: u64) -> Result<Digest, AgentError> {
    let status = member.status().await?;
    let revision = i64::try_from(revision).unwrap_or(i64::MAX);
    Ok(member.hash((status.cluster, status.member), revision).await?)
}
