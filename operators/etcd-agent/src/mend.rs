//! Makes the data of a member that does not run ready to go on alone: nothing that it has is lost, and no revision that
//! the others may have given is given again.
//!
//! Three steps, each of which can be repeated. All of the log is committed ([`commit`]). etcd does what of it is not in
//! the database yet, on loopback where no client is, and begins its log anew with a snapshot. Then the revision is
//! raised ([`raise`]), in the database alone. The order matters twice. A transaction of the log that asks for the
//! revision of a write before it, as Kubernetes' do, would find another one if the revision were raised between the
//! two, and what was acknowledged would be undone. And a member that joins is sent the log, if that goes back to its
//! beginning, and makes a database of it that was never raised; where the log begins with a snapshot it is sent the
//! database.

use std::path::Path;
use std::{fs, io};

use crate::error::AgentError;
use crate::log::{Log, LogError};
use crate::raise::{raise, reach};
use crate::scratch::{Member, Scratch};

/// The folder in the data directory in which etcd finds what it needs besides.
const BESIDE: &str = "mend";

/// What became of a member's data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mended {
    /// The last entry of its log.
    pub index: u64,
    /// The revision that it was at with all of that.
    pub before: u64,
    /// The revision that it is at now.
    pub after: u64,
}

/// Makes the data of a member ready that does not run and is to be started with `--force-new-cluster` next: all of its
/// log is committed and done, and its revision is [`RAISED_BY`](crate::RAISED_BY) higher, with all older ones
/// compacted. The folder of etcd's programs is for its own version; its log is in the data directory unless it is
/// apart. It may be repeated, and interrupted anywhere: then no revision is lower than it was, and nothing is missing.
///
/// # Errors
///
/// Where the log or the database cannot be used or is damaged, which is left as it is; where etcd does not start on
/// them.
pub async fn mend(programs: &Path, data: &Path, wal: Option<&Path>) -> Result<Mended, AgentError> {
    let log = wal.map_or_else(|| data.join("member/wal"), Path::to_owned);
    // What a run left beside that was killed: a key is in it.
    clear(&data.join(BESIDE))?;
    let database = data.join("member/snap/db");
    let (_, index) = commit(&log)?;
    if reach(&database)?.0 < index || !has_snapshot(data, &log)? {
        let said = Box::pin(apply(programs, data, wal)).await?;
        let (_, at) = reach(&database)?;
        if at < said {
            return Err(AgentError::Behind { at, said });
        }
        if !has_snapshot(data, &log)? {
            return Err(AgentError::Whole);
        }
    }
    let (before, after) = raise(&database)?;
    Ok(Mended { index, before, after })
}

/// Lets etcd do all of the log, and gives the revision that this led to.
async fn apply(programs: &Path, data: &Path, wal: Option<&Path>) -> Result<u64, AgentError> {
    let beside = data.join(BESIDE);
    // What it writes is durable: nobody else has this data.
    let flags = &["--force-new-cluster", "--snapshot-count=1"];
    let member =
        Member::serve(&Scratch { programs, data, wal, peer_url: "", flags, beside: &beside })
            .await?;
    let said = member.revision().await?;
    member.stop().await?;
    clear(&beside)?;
    Ok(said)
}

fn clear(folder: &Path) -> Result<(), AgentError> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(AgentError::file(folder)(error))
        }
        _ => Ok(()),
    }
}

/// Whether the log begins with a snapshot, and not with the cluster's first entry: etcd goes by one that the log names
/// and that is there. Names in earlier files of the log are not looked for: at worst another one is made.
fn has_snapshot(data: &Path, log: &Path) -> Result<bool, AgentError> {
    let folder = data.join("member/snap");
    let entries = fs::read_dir(&folder).map_err(AgentError::file(&folder))?;
    let mut paths = entries.flatten().map(|it| it.path());
    let is_there = paths.any(|it| it.extension().is_some_and(|it| it == "snap"));
    Ok(is_there && Log::open(log)?.snapshot() > 0)
}

/// Says in the log of a member that does not run that all of its entries are committed. One that is forced into a
/// cluster of its own drops what it does not know to be, and with it what was acknowledged last: a member learns of a
/// commit with the message after it, and notes it on its disk with the entry after that. Who is alone may take all that
/// it has: no entry before the last that was acknowledged is missing, and more was asked for, if anything, and never
/// refused. Gives the last index that was committed before, and is now.
///
/// # Errors
///
/// Where the log cannot be used or is damaged. It is left as it is then.
pub fn commit(folder: &Path) -> Result<(u64, u64), LogError> {
    let mut log = Log::open(folder)?;
    let (before, last) = log.reach();
    if before < last {
        log.commit()?;
        log.sync()?;
    }
    Ok((before, last))
}
