//! Makes the data of a cluster's first member of a backup.
//!
//! All of it is made in a folder beside, and put in its place by one rename when it is whole: a start that was
//! interrupted finds nothing, and begins anew.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use endstate_archive::{
    Archive, ArchiveError, Chain, Entry, Identity, Lineage, Place, PlainFile, Stop, Target, chain,
};
use endstate_core::Version;
use etcd_plan::Made;
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;

use crate::error::AgentError;
use crate::full;
use crate::record::{Reader, What};
use crate::replay::Replay;
use crate::scratch::{Member, Scratch, unsynced};
use crate::task::{Folders, RestoreTask};
use crate::tool::{Making, Tool};

/// The folder in which data is made, in the one in which it is to be.
const WORK: &str = ".restore";

/// What was restored.
#[derive(Clone, Debug)]
pub struct Restored {
    /// Of whom, as the folder in the archive is called; of a file its place.
    pub of: String,
    /// The last revision, as it was when it was backed up; at least that where no delta was read.
    pub revision: u64,
    /// How far it was raised.
    pub raised: u64,
}

/// An archive and how to read it.
#[derive(Debug)]
pub(crate) struct Source {
    /// The archive.
    pub archive: Archive,
    /// The key that it is encrypted for, if there is one.
    pub identity: Option<Identity>,
}

impl Source {
    /// Opens an archive, and reads the key that it is encrypted for.
    pub(crate) async fn open(
        place: &Place,
        encrypted: bool,
        folders: &Folders,
    ) -> Result<Self, AgentError> {
        let archive = Archive::open(place, folders.keys())?;
        let identity = match encrypted {
            true => Some(Identity::read(&folders.identity).await?),
            false => None,
        };
        Ok(Self { archive, identity })
    }

    /// What is kept of the one whose data is there, or of the one that is named.
    async fn kept(&self, named: Option<&Lineage>) -> Result<(Lineage, Vec<Entry>), AgentError> {
        let listed = self.archive.list(named).await?;
        if let Some(unread) = listed.unread.into_iter().next() {
            return Err(AgentError::Unread { path: unread.path, why: unread.why });
        }
        let entries = listed.entries;
        let known: BTreeSet<_> = entries.iter().map(|it| it.lineage().clone()).collect();
        let mut known = known.into_iter();
        match (known.next(), known.next()) {
            (None, _) => Err(AgentError::NoBackup),
            (Some(lineage), None) => Ok((lineage, entries)),
            (Some(one), Some(other)) => {
                Err(AgentError::Several([one, other].into_iter().chain(known).collect()))
            }
        }
    }
}

/// What is read to get to a moment. Of a full backup it is known at which revision it is at the latest.
fn wanted(entries: &mut Vec<Entry>, task: &RestoreTask) -> Result<Target, AgentError> {
    if let Some(revision) = task.revision {
        let fulls = entries.iter().filter(|it| it.kind.is_full());
        let oldest = fulls.map(full::up_to).min();
        entries.retain(|it| !it.kind.is_full() || full::up_to(it) <= revision);
        if let Some(oldest) = oldest.filter(|it| *it > revision) {
            return Err(AgentError::TooOld { oldest });
        }
    }
    Ok(match (task.revision, task.time) {
        (Some(revision), _) => Target::Revision(revision),
        (None, Some(time)) => Target::Time(time),
        (None, None) => Target::Latest,
    })
}

/// Data of a later minor cannot be opened.
fn may_open(entry: &Entry, wanted: Version) -> Result<(), AgentError> {
    match full::version_of(entry) {
        Some(by) if by.minor > wanted.minor => Err(AgentError::Newer { by, wanted }),
        _ => Ok(()),
    }
}

/// The last revision that is read. etcd notes no time with a write, so nothing is read of a delta that goes beyond a
/// moment.
fn stop(chain: &mut Chain<'_>) -> u64 {
    match chain.stop {
        None => u64::MAX,
        Some(Stop::Revision(revision)) => revision,
        Some(Stop::Time(_)) => {
            chain.deltas.pop();
            u64::MAX
        }
    }
}

/// What there is to restore.
enum Found {
    /// What is kept of somebody.
    Kept(Source, Lineage, Vec<Entry>),
    /// A snapshot that somebody saved, at the place itself.
    File(PlainFile),
}

/// Looks what is there: of a file and a folder of the same name neither is chosen.
async fn find(task: &RestoreTask, folders: &Folders) -> Result<Found, AgentError> {
    let file = PlainFile::find(&task.from, folders.keys()).await;
    if let (Place::Path { .. }, Ok(Some(_))) = (&task.from, &file) {
        return Ok(Found::File(task.whole(file?)?));
    }
    let source = Source::open(&task.from, task.encrypted, folders).await?;
    match (source.kept(task.lineage.as_ref()).await, file) {
        (Err(AgentError::NoBackup), file) => Ok(Found::File(task.whole(file?)?)),
        (Ok(_), Ok(Some(_))) => Err(AgentError::FileAndFolder(task.from.to_string())),
        // Whoever may only look into the folder is told so of what is beside it.
        (kept, _) => kept.map(|(lineage, entries)| Found::Kept(source, lineage, entries)),
    }
}

impl RestoreTask {
    /// The file, of which all is restored or nothing.
    fn whole(&self, file: Option<PlainFile>) -> Result<PlainFile, AgentError> {
        let file = file.ok_or(AgentError::NoBackup)?;
        let part = self.lineage.is_some() || self.revision.is_some() || self.time.is_some();
        match part || self.encrypted {
            true => Err(AgentError::WholeFile(self.from.to_string())),
            false => Ok(file),
        }
    }
}

/// Whose data is made, and where.
struct Bench<'a> {
    tool: &'a Tool,
    making: &'a Making<'a>,
    scratch: Scratch<'a>,
    work: &'a Path,
}

/// Restores, and says what.
pub async fn restore(
    task: &RestoreTask,
    made: &Made,
    folders: &Folders,
) -> Result<Restored, AgentError> {
    let found = find(task, folders).await?;
    let version = version(&made.version)?;
    let tool = Tool::new(&folders.programs, version);
    let raised = task.bump_revision;
    if raised > 0 && !tool.raises() {
        return Err(AgentError::CannotRaise(version));
    }
    let room = Room::new(made);
    room.clear()?;
    let (data, wal, beside) = (room.data(), room.wal(), room.work.join("beside"));
    let making = Making { made, data: &data, wal: wal.as_deref(), bump: raised };
    let (programs, wal, peer_url) = (folders.programs.as_path(), making.wal, &made.peer_url);
    let flags = unsynced(version);
    let scratch = Scratch { programs, data: &data, wal, peer_url, flags, beside: &beside };
    let bench = Bench { tool: &tool, making: &making, scratch, work: &room.work };
    let (of, revision) = match found {
        Found::Kept(source, lineage, entries) => {
            let revision = Box::pin(of_kept(&source, entries, task, bench)).await?;
            (lineage.to_string(), revision)
        }
        Found::File(file) => {
            let of = task.from.to_string();
            let revision = Box::pin(of_file(&file, &of, bench)).await?;
            (of, revision)
        }
    };
    sync(&data)?;
    making.wal.map_or(Ok(()), sync)?;
    room.finish()?;
    Ok(Restored { of, revision, raised })
}

/// Makes the data of what is kept. Gives the revision that it leads to.
async fn of_kept(
    source: &Source,
    mut entries: Vec<Entry>,
    task: &RestoreTask,
    bench: Bench<'_>,
) -> Result<u64, AgentError> {
    let target = wanted(&mut entries, task)?;
    let mut chain = chain(&entries, target)?;
    let stop_at = stop(&mut chain);
    may_open(chain.full, bench.tool.version())?;
    tracing::info!(entry = %chain.full.name, deltas = chain.deltas.len(), "restores");
    make(source, chain.full, (bench.tool, bench.making), bench.work).await?;
    // Where there are no deltas, etcd has nothing to do but to withdraw an alarm, which would refuse writes for ever.
    if chain.deltas.is_empty() && !full::has_alarms(chain.full) {
        return Ok(chain.full.kind.last());
    }
    let raised = bench.making.bump;
    let replayed = Box::pin(replay(source, &chain, bench.scratch, (raised, stop_at))).await;
    let (member, revision) = replayed?;
    member.stop().await?;
    Ok(revision)
}

/// Makes the data of a snapshot that somebody saved. Which version wrote it is not known, nor whether an alarm is in
/// it: a member shows that it can be opened, and withdraws that.
async fn of_file(file: &PlainFile, of: &str, bench: Bench<'_>) -> Result<u64, AgentError> {
    tracing::info!(of, bytes = file.bytes(), "restores a snapshot");
    let snapshot = bench.work.join("snapshot.db");
    full::save(file, of, &snapshot).await?;
    bench.tool.restore(&snapshot, bench.making).await?;
    fs::remove_file(&snapshot).map_err(AgentError::file(&snapshot))?;
    let member = Member::start(&bench.scratch).await?;
    let revision = member.revision().await?;
    member.stop().await?;
    Ok(revision.saturating_sub(bench.making.bump))
}

pub(crate) fn version(text: &str) -> Result<Version, AgentError> {
    text.parse().map_err(|_| AgentError::Version(text.to_owned()))
}

/// Makes a data directory of a full backup.
pub(crate) async fn make(
    source: &Source,
    entry: &Entry,
    (tool, making): (&Tool, &Making<'_>),
    work: &Path,
) -> Result<(), AgentError> {
    let snapshot = work.join("snapshot.db");
    fetch(source, entry, &snapshot).await?;
    tool.restore(&snapshot, making).await?;
    fs::remove_file(&snapshot).map_err(AgentError::file(&snapshot))
}

/// Reads an entry into a file, and verifies it.
async fn fetch(source: &Source, entry: &Entry, to: &Path) -> Result<(), AgentError> {
    let mut reader = source.archive.read(entry, source.identity.as_ref()).await?;
    let (to, runtime) = (to.to_owned(), Handle::current());
    // On a thread of its own, which writes what it takes as it is: a gigabyte is copied no more often than it must be.
    let writing = spawn_blocking(move || {
        let mut file = File::create(&to).map_err(AgentError::file(&to))?;
        while let Some(piece) = runtime.block_on(reader.next()) {
            file.write_all(&piece?).map_err(AgentError::file(&to))?;
        }
        Ok(())
    });
    writing.await.unwrap_or(Err(AgentError::Archive(ArchiveError::Interrupted)))
}

/// Writes what happened after the full backup into the data that was made of it. Gives a member that has done it, and
/// to which revision it leads.
pub(crate) async fn replay(
    source: &Source,
    chain: &Chain<'_>,
    scratch: Scratch<'_>,
    (raised, stop_at): (u64, u64),
) -> Result<(Member, u64), AgentError> {
    let mut replay = Replay::begin(scratch, chain.full, raised).await?;
    if replay.at() > stop_at {
        return Err(AgentError::Beyond { at: replay.at(), wanted: stop_at });
    }
    for delta in &chain.deltas {
        write(source, delta, &mut replay, stop_at).await?;
    }
    replay.finish().await
}

/// Writes one delta.
async fn write(
    source: &Source,
    delta: &Entry,
    replay: &mut Replay<'_>,
    stop_at: u64,
) -> Result<(), AgentError> {
    let (mut reader, mut over) = (Reader::default(), false);
    let mut chunks = source.archive.read(delta, source.identity.as_ref()).await?;
    // All of it is read, so that it is verified.
    while let Some(chunk) = chunks.next().await {
        reader.push(&chunk?);
        while let Some(what) = reader.take()? {
            over |= matches!(&what, What::Revision(it) if it.revision > stop_at);
            if !over {
                replay.write(what).await?;
            }
        }
    }
    match reader.is_empty() {
        true => Ok(()),
        false => Err(AgentError::CutOff(delta.name.to_string())),
    }
}

/// Makes durable what is in a folder.
fn sync(folder: &Path) -> Result<(), AgentError> {
    for entry in fs::read_dir(folder).map_err(AgentError::file(folder))? {
        let path = entry.map_err(AgentError::file(folder))?.path();
        match path.is_dir() {
            true => sync(&path)?,
            false => {
                File::open(&path).and_then(|it| it.sync_all()).map_err(AgentError::file(&path))?
            }
        }
    }
    File::open(folder).and_then(|it| it.sync_all()).map_err(AgentError::file(folder))
}

/// Where the data is made, and where it is to be.
struct Room {
    work: PathBuf,
    data_dir: PathBuf,
    wal_dir: Option<PathBuf>,
}

impl Room {
    fn new(made: &Made) -> Self {
        let data_dir = PathBuf::from(&made.data_dir);
        Self { work: data_dir.join(WORK), data_dir, wal_dir: made.wal_dir.as_ref().map(Into::into) }
    }

    fn data(&self) -> PathBuf {
        self.work.join("data")
    }

    fn wal(&self) -> Option<PathBuf> {
        Some(self.wal_dir.as_ref()?.join(WORK).join("wal"))
    }

    /// Removes what an earlier attempt left.
    fn clear(&self) -> Result<(), AgentError> {
        let works = [Some(self.work.clone()), self.wal_dir.as_ref().map(|it| it.join(WORK))];
        for work in works.into_iter().flatten() {
            match fs::remove_dir_all(&work) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(AgentError::file(&work)(error));
                }
                _ => {}
            }
            fs::create_dir_all(&work).map_err(AgentError::file(&work))?;
        }
        Ok(())
    }

    /// Puts what is whole in its place, the data last.
    fn finish(&self) -> Result<(), AgentError> {
        if let (Some(wal), Some(folder)) = (self.wal(), &self.wal_dir) {
            put(&wal, &folder.join("wal"))?;
            fs::remove_dir_all(folder.join(WORK)).map_err(AgentError::file(folder))?;
        }
        put(&self.data().join("member"), &self.data_dir.join("member"))?;
        fs::remove_dir_all(&self.work).map_err(AgentError::file(&self.work))
    }
}

fn put(from: &Path, to: &Path) -> Result<(), AgentError> {
    fs::rename(from, to).map_err(AgentError::file(to))?;
    let folder = to.parent().unwrap_or(to);
    File::open(folder).and_then(|it| it.sync_all()).map_err(AgentError::file(folder))
}
