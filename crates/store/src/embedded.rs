//! The engine on a disk: a commit is acknowledged after it is durable, and survives `kill -9` at any moment.
//!
//! One directory, one process: `store.lock` is held as long as the store is open. `store.redb` is the data, made under
//! another name and renamed when it is whole, so that a crash on first start leaves nothing that cannot be opened.
//! `store.reserve` is room on the disk, given up when there is no more, so that deletes still find some.
//!
//! See docs/design/0002-store.md for the choice of redb and what its crash images look like.

#[cfg(test)]
mod crash;
mod disk;
#[cfg(test)]
mod full;
mod medium;
mod place;
mod record;
mod snapshot;
mod writer;

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot};

use crate::resident::{Limits, Resident};
use crate::versions::Versions;
use crate::{Commit, Error, Key, ListOptions, Object, Page, Prefix, Revision, Store, Watch, Write};

use disk::{Disk, DiskError, Loaded};
use medium::Medium;
use place::Files;
pub use snapshot::{RestoreError, Restored, Snapshot, restore};
use writer::{Request, Writer};

const LOCK_FILE: &str = "store.lock";
const DATA_FILE: &str = "store.redb";
const UNFINISHED_FILE: &str = "store.redb.new";
const RESERVE_FILE: &str = "store.reserve";

/// How every file that redb made begins.
const MAGIC: &[u8] = b"redb\x1A\x0A\xA9\x0D\x0A";

/// How many commits may wait for the writer before others wait to be queued.
const QUEUE_COMMITS: usize = 4096;

/// How an embedded store uses memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    pub limits: Limits,
    /// Pages of the file kept in memory. Reads never need them, so they only have to cover one group of commits.
    pub cache_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { limits: Limits::default(), cache_bytes: 4 << 20 }
    }
}

/// Why a store did not open. Nothing was changed on disk.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("the store in {} is in use by another process: stop that one, or choose another directory", dir.display())]
    InUse { dir: PathBuf },
    #[error("the store {} is damaged ({reason}): keep the file, and restore a backup into another state directory (`endstate restore`)", file.display())]
    Damaged { file: PathBuf, reason: String },
    #[error(
        "the store {} is empty, 0 bytes, as a copy that was cut short leaves it; no object is in it. Restore a backup into another state directory (`endstate restore`), or move the file away to start anew",
        file.display()
    )]
    Empty { file: PathBuf },
    #[error("{} is not a store of Endstate: something else was put in its place. Move it away, and put the store back", file.display())]
    Foreign { file: PathBuf },
    #[error("{} is not a file: something else was put in the store's place. Move it away, and put the store back", file.display())]
    NotAFile { file: PathBuf },
    #[error("the store {} was written by another version ({found}): open it with that one", file.display())]
    Format { file: PathBuf, found: String },
    #[error("there is no room on the disk to open the store {}: free some, a few MB are enough", file.display())]
    Full {
        file: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("cannot {action} {}", path.display())]
    Io {
        action: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// A store in a directory.
#[derive(Debug)]
pub struct EmbeddedStore {
    resident: Arc<Resident>,
    /// `None` only while dropping.
    requests: Option<mpsc::Sender<Request>>,
    writer: Option<JoinHandle<()>>,
}

impl EmbeddedStore {
    /// Opens a directory, made if it is not there. Reads all objects: some milliseconds per 10 MB.
    ///
    /// History does not survive: after opening, the newest revision is the oldest that can be listed or watched.
    pub fn open(dir: impl AsRef<Path>, options: Options) -> Result<Self, OpenError> {
        let dir = dir.as_ref();
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700).create(dir).map_err(io_error("create", dir))?;
        let lock = lock(dir)?;
        let data = dir.join(DATA_FILE);
        if !data.try_exists().map_err(io_error("look at", &data))? {
            create(dir, options)?;
        }
        look_at(&data)?;
        let place = Box::new(Files { data, reserve: dir.join(RESERVE_FILE) });
        let (medium, loaded) =
            Medium::open(place, options.cache_bytes).map_err(|error| refused(dir, error))?;
        Self::start(medium, loaded, options.limits, Some(lock))
            .map_err(io_error("start a thread for", dir))
    }

    /// Everything at the newest revision.
    pub fn snapshot(&self) -> Result<Snapshot, Error> {
        let everything = Prefix::new(&[]).expect("no segment is invalid");
        let Page { revision, objects, .. } =
            self.resident.list(&everything, &ListOptions::default())?;
        Ok(Snapshot { revision, objects })
    }

    /// Whether a directory has a store, whole or not.
    pub fn exists(dir: impl AsRef<Path>) -> bool {
        dir.as_ref().join(DATA_FILE).exists()
    }

    /// `lock` is released when the disk is closed.
    fn start(
        medium: Medium,
        loaded: Loaded,
        limits: Limits,
        lock: Option<File>,
    ) -> io::Result<Self> {
        let Loaded { revision, objects } = loaded;
        let versions = Versions::new(revision, objects, limits.history);
        let resident = Arc::new(Resident::new(versions, limits.backlog));
        let (requests, queue) = mpsc::channel(QUEUE_COMMITS);
        let writer = Writer::new(queue, resident.clone(), medium);
        let writer = std::thread::Builder::new().name("store".to_owned()).spawn(move || {
            writer.run();
            drop(lock);
        })?;
        Ok(Self { resident, requests: Some(requests), writer: Some(writer) })
    }
}

/// Closes the store: commits that were queued are still made, then watches end.
impl Drop for EmbeddedStore {
    fn drop(&mut self) {
        self.requests = None;
        if let Some(writer) = self.writer.take() {
            // The writer turns its panics into a stop; there is nothing to hand on.
            drop(writer.join());
        }
    }
}

#[async_trait]
impl Store for EmbeddedStore {
    fn revision(&self) -> Revision {
        self.resident.versions().revision()
    }

    async fn get(&self, key: &Key) -> Result<Option<Arc<Object>>, Error> {
        Ok(self.resident.get(key))
    }

    async fn list(&self, prefix: &Prefix, options: ListOptions) -> Result<Page, Error> {
        self.resident.list(prefix, &options)
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<Commit, Error> {
        let (reply, answer) = oneshot::channel();
        if let Some(requests) = &self.requests
            && requests.send(Request { writes, reply }).await.is_ok()
            && let Ok(result) = answer.await
        {
            return result;
        }
        Err(self.resident.watchers().ended())
    }

    async fn watch(&self, prefix: &Prefix, after: Revision) -> Result<Watch, Error> {
        self.resident.watch(prefix, after)
    }

    async fn compact(&self, revision: Revision) -> Result<(), Error> {
        self.resident.compact(revision)
    }
}

fn lock(dir: &Path) -> Result<File, OpenError> {
    let path = dir.join(LOCK_FILE);
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    let file = options.open(&path).map_err(io_error("create", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse { dir: dir.to_owned() }),
        Err(TryLockError::Error(source)) => Err(OpenError::Io { action: "lock", path, source }),
    }
}

/// Makes an empty data file, durably, or none.
fn create(dir: &Path, options: Options) -> Result<(), OpenError> {
    let (unfinished, data) = (dir.join(UNFINISHED_FILE), dir.join(DATA_FILE));
    match std::fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(io_error("remove", &unfinished)(error));
        }
        _ => {}
    }
    let created = Disk::create(
        place::open(&unfinished).map_err(io_error("make", &unfinished))?,
        options.cache_bytes,
    );
    created.map_err(|error| refused(dir, error))?;
    std::fs::rename(&unfinished, &data).map_err(io_error("rename", &unfinished))?;
    let synced = File::open(dir).and_then(|dir| dir.sync_all());
    synced.map_err(io_error("sync", dir))
}

/// Tells what is not a store before redb is asked, which has one word for all of it.
fn look_at(data: &Path) -> Result<(), OpenError> {
    let file = data.to_owned();
    let metadata = std::fs::metadata(data).map_err(io_error("look at", data))?;
    if !metadata.is_file() {
        return Err(OpenError::NotAFile { file });
    }
    if metadata.len() == 0 {
        return Err(OpenError::Empty { file });
    }
    let mut start = Vec::new();
    let read = File::open(data).and_then(|it| it.take(MAGIC.len() as u64).read_to_end(&mut start));
    read.map_err(io_error("read", data))?;
    if MAGIC.starts_with(&start) && start.len() < MAGIC.len() {
        let reason = format!("it ends after {} bytes", start.len());
        return Err(OpenError::Damaged { file, reason });
    }
    if start != MAGIC { Err(OpenError::Foreign { file }) } else { Ok(()) }
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> OpenError {
    let path = path.to_owned();
    move |source| OpenError::Io { action, path, source }
}

fn refused(dir: &Path, error: DiskError) -> OpenError {
    let file = dir.join(DATA_FILE);
    match error {
        DiskError::Damaged(reason) => OpenError::Damaged { file, reason },
        DiskError::Format(found) => OpenError::Format { file, found },
        DiskError::Io(source) if place::is_full(&source) => OpenError::Full { file, source },
        DiskError::Io(source) => OpenError::Io { action: "read the store", path: file, source },
    }
}
