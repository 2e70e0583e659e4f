//! Where a data file is, and what fails there.
//!
//! redb says *that* an operation failed, and refuses all later ones; whether the store may go on depends on *which*
//! failed, so that is noted here. A write that found no room changed nothing that counts: the newest commit's pages are
//! never written over. After a failed sync nobody knows what the disk has, whatever the reason, so that stays the end.

use std::fmt::Debug;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::ops::Bound;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use redb::backends::FileBackend;
use redb::{BackendError, StorageBackend};
use rustix::fs::{FallocateFlags, fallocate};

/// What is kept of the disk for deletes: some hundred commits' pages.
const RESERVE_BYTES: u64 = 4 << 20;

/// What is free beside the reserve when it is taken again, so that the next write does not spend it at once.
const HEADROOM_BYTES: u64 = 4 << 20;

/// Where a data file is, and room that is kept beside it.
pub(super) trait Place: Debug + Send {
    fn open(&self) -> io::Result<Box<dyn StorageBackend>>;

    /// Takes room that others cannot have then; nothing if it is held already.
    fn take_reserve(&self) -> io::Result<()>;

    /// Gives it to the data file, or to whoever is first.
    fn spend_reserve(&self) -> io::Result<()>;
}

/// A data file, and a file of nothing beside it.
#[derive(Debug)]
pub(super) struct Files {
    pub(super) data: PathBuf,
    pub(super) reserve: PathBuf,
}

impl Place for Files {
    fn open(&self) -> io::Result<Box<dyn StorageBackend>> {
        Ok(Box::new(open(&self.data)?))
    }

    fn take_reserve(&self) -> io::Result<()> {
        let file = private(&self.reserve)?;
        if file.metadata()?.blocks() * 512 >= RESERVE_BYTES {
            return Ok(());
        }
        let taken = allocate(&file, RESERVE_BYTES + HEADROOM_BYTES);
        // Also what was got before there was no more.
        file.set_len(if taken.is_ok() { RESERVE_BYTES } else { 0 })?;
        taken
    }

    fn spend_reserve(&self) -> io::Result<()> {
        private(&self.reserve)?.set_len(0)
    }
}

/// The data file, made if it is not there.
pub(super) fn open(path: &Path) -> io::Result<FileBackend> {
    FileBackend::new(private(path)?).map_err(io::Error::other)
}

/// A file that nobody else can read: it holds secrets.
fn private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

fn allocate(mut file: &File, bytes: u64) -> io::Result<()> {
    match fallocate(file, FallocateFlags::empty(), 0, bytes) {
        // Some network file systems cannot.
        Err(rustix::io::Errno::OPNOTSUPP) => {
            let block = vec![0; 64 << 10];
            (0..bytes / block.len() as u64).try_for_each(|_| file.write_all(&block))
        }
        result => Ok(result?),
    }
}

/// Whether there was no room for a write: of the disk, of the user's quota, or of a file.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge
    )
}

/// The worst that happened to a file since it was opened or last asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    Full,
    Broken,
}

/// What a [`Noting`] backend noted.
#[derive(Clone, Debug, Default)]
pub(super) struct Faults(Arc<Mutex<Option<Fault>>>);

impl Faults {
    fn note(&self, fault: Fault) {
        let mut worst = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *worst = (*worst).max(Some(fault));
    }

    fn worst(&self) -> Option<Fault> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Some writes found no room, and nothing else went wrong.
    pub(super) fn are_full(&self) -> bool {
        self.worst() == Some(Fault::Full)
    }

    /// Forgets the writes that found no room: what relied on them has been made, or not.
    pub(super) fn settle(&self) {
        let mut worst = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        worst.take_if(|fault| *fault == Fault::Full);
    }
}

/// A backend that notes what fails.
#[derive(Debug)]
pub(super) struct Noting {
    pub(super) inner: Box<dyn StorageBackend>,
    pub(super) faults: Faults,
}

impl Noting {
    fn changing<T>(&self, result: io::Result<T>) -> io::Result<T> {
        result.inspect_err(|error| {
            self.faults.note(if is_full(error) { Fault::Full } else { Fault::Broken });
        })
    }

    fn other<T>(&self, result: io::Result<T>) -> io::Result<T> {
        result.inspect_err(|_| self.faults.note(Fault::Broken))
    }
}

impl StorageBackend for Noting {
    fn len(&self) -> io::Result<u64> {
        self.other(self.inner.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.other(self.inner.read(offset, out))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.changing(self.inner.set_len(len))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.other(self.inner.sync_data())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.changing(self.inner.write(offset, data))
    }

    fn close(&self) -> io::Result<()> {
        self.inner.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.inner.try_lock_range(start, end)
    }

    fn try_lock_shared_range(
        &self,
        start: Bound<u64>,
        end: Bound<u64>,
    ) -> Result<bool, BackendError> {
        self.inner.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.inner.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.inner.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.inner.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.inner.query_lock_range(start, end)
    }
}
