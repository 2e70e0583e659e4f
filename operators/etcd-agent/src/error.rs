//! Why something could not be done.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use endstate_archive::{ArchiveError, Lineage, NoChain};
use endstate_core::Version;
use endstate_etcd::client::Failure;
use tokio::process::Command;

use crate::bolt::BoltError;
use crate::log::LogError;
use crate::record::RecordError;

/// Why something could not be done.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// The archive.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// What is kept does not lead there.
    #[error(transparent)]
    Chain(#[from] NoChain),
    /// A member of etcd.
    #[error("etcd: {0}")]
    Etcd(#[from] Failure),
    /// A file.
    #[error("cannot use {}: {source}", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A program that is not in the image, or cannot run.
    #[error("cannot run {}: {source}", .program.display())]
    Run {
        /// Which.
        program: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// What makes a data directory of a snapshot did not.
    #[error("etcd's program made no data of the snapshot ({status}): {said}")]
    Tool {
        /// How it ended.
        status: ExitStatus,
        /// What it said.
        said: String,
    },
    /// No port on loopback.
    #[error("no port on loopback: {0}")]
    Port(io::Error),
    /// A certificate for loopback.
    #[error("no certificate for loopback: {0}")]
    Certificate(#[from] rcgen::Error),
    /// A record of a delta.
    #[error("a delta cannot be read: {0}")]
    Record(#[from] RecordError),
    /// A write-ahead log that history is to be written to.
    #[error("etcd's write-ahead log: {0}")]
    Log(#[from] LogError),
    /// A database whose revision is to be raised.
    #[error("etcd's database: {0}")]
    Database(#[from] BoltError),
    /// A database that lacks what etcd said it has.
    #[error(
        "etcd's database is at revision {at} after etcd was at {said} and ended: start it again, or look at its disk"
    )]
    Behind {
        /// Where it is.
        at: u64,
        /// Where etcd was.
        said: u64,
    },
    /// A log that goes back to the beginning still.
    #[error("etcd made no snapshot of its data: start it again, or look at its disk")]
    Whole,
    /// The process is to end before its work is done.
    #[error("it was asked to end before its work was done")]
    Asked,
    /// A delta ends within a record.
    #[error("the delta {0} ends within a record")]
    CutOff(String),
    /// Something is missing between two revisions.
    #[error("what was written between the revisions {after} and {next} is missing")]
    Gap {
        /// The last that is there.
        after: u64,
        /// The one that comes.
        next: u64,
    },
    /// What was written anew led to another revision.
    #[error(
        "what leads to revision {wanted} led to {made}: something else was written, such as the end of a lease; try again"
    )]
    Diverged {
        /// The revision that it led to once.
        wanted: u64,
        /// The one that it led to now.
        made: u64,
    },
    /// A full backup holds more than is wanted.
    #[error(
        "the backup is at revision {at} already: restore that, or an earlier one than {wanted}"
    )]
    Beyond {
        /// Where it is.
        at: u64,
        /// What was wanted.
        wanted: u64,
    },
    /// History that is gone.
    #[error("the cluster's history after revision {after} is gone: it was compacted to {to}")]
    Compacted {
        /// What was wanted.
        after: u64,
        /// What is there.
        to: u64,
    },
    /// Revisions that were given out twice.
    #[error(
        "the cluster is at revision {now}, and {before} is backed up already: its data was replaced by older data"
    )]
    WentBack {
        /// Where it is.
        now: u64,
        /// Where it was.
        before: u64,
    },
    /// A watch ended.
    #[error("etcd ended the watch: {0}")]
    WatchEnded(String),
    /// A stream that nothing comes from.
    #[error("nothing came from the member for {0} s")]
    Stalled(u64),
    /// The cluster's history is another than the one that is backed up.
    #[error(
        "what the cluster wrote at revision {at} is not what is backed up: its history began anew"
    )]
    Forked {
        /// The revision.
        at: u64,
    },
    /// A revision of before the first backup.
    #[error("the oldest full backup is at revision {oldest} or later: choose that or a later one")]
    TooOld {
        /// The oldest.
        oldest: u64,
    },
    /// An entry that cannot be read.
    #[error(
        "{path} cannot be read, so nobody knows what it says: {why}; move it elsewhere to go without it"
    )]
    Unread {
        /// Its path in the archive.
        path: String,
        /// Why not.
        why: ArchiveError,
    },
    /// Data of a version that the wanted one cannot open.
    #[error(
        "etcd {by} wrote the backup, and {wanted} cannot open its data: declare {by} or a later minor"
    )]
    Newer {
        /// The version that wrote it.
        by: Version,
        /// The version that is to read it.
        wanted: Version,
    },
    /// Revisions that cannot be raised.
    #[error("etcd {0} cannot raise revisions: use 3.5.10 or later, or set bumpRevision to 0")]
    CannotRaise(Version),
    /// A snapshot that is not whole.
    #[error(
        "the member's snapshot does not end with its digest: it was cut off or damaged on the way"
    )]
    Snapshot,
    /// A member on loopback that ended.
    #[error("etcd ended on loopback: {0}")]
    Ended(String),
    /// A member on loopback that does not answer.
    #[error("etcd did not answer on loopback")]
    Silent,
    /// No member can be asked.
    #[error(
        "no voter of the cluster answers, has a leader, is not far behind and has no alarm of corrupt data"
    )]
    NoMember,
    /// Nothing is kept there.
    #[error("no backup is there: check the place, or wait for the first")]
    NoBackup,
    /// A file that is no whole snapshot.
    #[error(
        "{0} is no snapshot of etcd, or is damaged: it does not end with its digest, as what `etcdctl snapshot save` writes"
    )]
    NoSnapshot(String),
    /// A file is restored as it is.
    #[error(
        "{0} is one snapshot: it has no lineage, no other revision or time, and no encryption; remove them"
    )]
    WholeFile(String),
    /// A snapshot and an archive in one place.
    #[error(
        "{0} is a snapshot, and there are backups in a folder of the same name: move away what is not meant"
    )]
    FileAndFolder(String),
    /// A step that took too long.
    #[error("it took longer than the {0} s that it may take")]
    TooLong(u64),
    /// Several clusters' backups.
    #[error("there are backups of several clusters: name one in `lineage`: {}", .0.iter().map(Lineage::as_str).collect::<Vec<_>>().join(", "))]
    Several(Vec<Lineage>),
    /// A version that is none.
    #[error("{0} is no version of etcd")]
    Version(String),
    /// What is asked for cannot be understood.
    #[error("the agent does not understand what it is asked for: {0}")]
    Task(#[from] serde_json::Error),
    /// An address at which nothing can be served.
    #[error("cannot serve at {address}: {source}")]
    Serve {
        /// Where.
        address: std::net::SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// A call that the agent does not know.
    #[error(
        "usage: agent etcd restore WHAT MEMBER | agent etcd keep WHAT | agent etcd mend PROGRAMS DATA [LOG]"
    )]
    Usage,
}

impl AgentError {
    pub(crate) fn file(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { path, source }
    }

    pub(crate) fn run(command: &Command) -> impl FnOnce(io::Error) -> Self {
        let program = command.as_std().get_program().into();
        move |source| Self::Run { program, source }
    }

    /// Whether what was written since the last backup cannot be backed up alone any more.
    pub(crate) fn is_cut(&self) -> bool {
        matches!(self, Self::Compacted { .. } | Self::Gap { .. })
    }

    /// Whether the cluster's history is another than the one that is backed up.
    pub(crate) fn is_forked(&self) -> bool {
        matches!(self, Self::WentBack { .. } | Self::Forked { .. })
    }
}
