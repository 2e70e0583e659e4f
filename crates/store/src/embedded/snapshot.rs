//! A store's objects at one revision, as a stream of bytes: what a backup holds.
//!
//! ```text
//! "endstate store 1\n" | revision: u64 | rows: u64 | per row: revision u64, key, record | "end\n"
//! key, record: u32 length, bytes          (all numbers little-endian; the record as on the disk)
//! ```

use std::fs::{DirBuilder, File};
use std::io::{self, BufRead, Read, Seek as _, SeekFrom, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;

use super::disk::Disk;
use super::{DATA_FILE, OpenError, Options, io_error, place, record, refused};
use crate::versions::Change;
use crate::{Draft, Event, Object, Revision};

const START: &[u8] = b"endstate store 1\n";
const END: &[u8] = b"end\n";

/// The API's limit of a body is far below.
const RECORD_BYTES_MAX: u32 = 64 << 20;

/// How much is restored in one transaction.
const GROUP_BYTES: usize = 4 << 20;

/// The objects of a store at one revision. They are shared with the store, so it costs no memory by their size.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub(super) revision: Revision,
    pub(super) objects: Vec<Arc<Object>>,
}

impl Snapshot {
    pub fn revision(&self) -> Revision {
        self.revision
    }

    pub fn objects(&self) -> usize {
        self.objects.len()
    }

    /// Whether a file has a snapshot's end; what is before it is checked when it is restored.
    pub fn is_whole(file: &mut File) -> io::Result<bool> {
        let length = file.seek(SeekFrom::End(0))?;
        file.seek(SeekFrom::Start(length.saturating_sub(END.len() as u64)))?;
        let mut end = Vec::new();
        file.read_to_end(&mut end)?;
        Ok(length > START.len() as u64 && end == END)
    }

    pub fn write_to(&self, out: &mut impl Write) -> io::Result<()> {
        out.write_all(START)?;
        out.write_all(&self.revision.0.to_le_bytes())?;
        out.write_all(&(self.objects.len() as u64).to_le_bytes())?;
        let mut buffer = Vec::new();
        for object in &self.objects {
            record::encode(object, &mut buffer);
            out.write_all(&object.revision().0.to_le_bytes())?;
            write_bytes(out, object.key().as_str().as_bytes())?;
            write_bytes(out, &buffer)?;
        }
        out.write_all(END)
    }
}

fn write_bytes(out: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
    out.write_all(&length.to_le_bytes())?;
    out.write_all(bytes)
}

/// Why a snapshot was not made a store of.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    #[error("it is not a snapshot of a store of this version")]
    Foreign,
    #[error("it ends too early")]
    Short,
    #[error("it is damaged: {0}")]
    Damaged(String),
    #[error("cannot read it")]
    Read(#[source] io::Error),
    #[error(transparent)]
    Store(#[from] OpenError),
}

/// What was restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restored {
    /// Of the snapshot.
    pub taken: Revision,
    /// Of the new store, and of every object in it.
    pub revision: Revision,
    pub objects: usize,
}

/// Makes a store of a snapshot, in a directory that is not there yet. All its objects are at one revision, no less than
/// `at_least` and beyond the snapshot's, so that with the right `at_least` none of them carries one that was ever
/// handed out: who knew a later state of an object does not take this one for older.
pub fn restore(
    snapshot: &mut impl BufRead,
    dir: &Path,
    at_least: Revision,
) -> Result<Restored, RestoreError> {
    if take(snapshot, START.len())? != START {
        return Err(RestoreError::Foreign);
    }
    let (taken, rows) = (Revision(take_u64(snapshot)?), take_u64(snapshot)?);
    let revision = at_least.max(Revision(taken.0.saturating_add(1)));
    DirBuilder::new().mode(0o700).create(dir).map_err(io_error("create", dir))?;
    let file = dir.join(DATA_FILE);
    let cache_bytes = Options::default().cache_bytes;
    let open = || place::open(&file).map_err(io_error("make", &file));
    Disk::create(open()?, cache_bytes).map_err(|error| refused(dir, error))?;
    let (mut disk, _) = Disk::open(open()?, cache_bytes).map_err(|error| refused(dir, error))?;
    let mut objects = 0;
    while objects < rows {
        let events = group(snapshot, rows - objects, revision)?;
        objects += events.len() as u64;
        let change = Arc::new(Change { revision, events });
        disk.write(&[change]).map_err(|error| refused(dir, error))?;
    }
    // Also of a snapshot of nothing the revision counts.
    let last = Arc::new(Change { revision, events: Vec::new() });
    disk.write(&[last]).map_err(|error| refused(dir, error))?;
    if take(snapshot, END.len())? != END {
        return Err(RestoreError::Damaged("it goes on after its last object".to_owned()));
    }
    drop(disk);
    // What was made must open as it will be opened.
    let (disk, loaded) = Disk::open(open()?, cache_bytes).map_err(|error| refused(dir, error))?;
    drop(disk);
    if loaded.objects.len() as u64 != rows {
        return Err(RestoreError::Damaged("an object is in it twice".to_owned()));
    }
    let synced = File::open(dir).and_then(|dir| dir.sync_all());
    synced.map_err(io_error("sync", dir))?;
    Ok(Restored { taken, revision, objects: loaded.objects.len() })
}

/// Some megabytes of objects, as if they were created at a revision.
fn group(
    snapshot: &mut impl BufRead,
    rows: u64,
    revision: Revision,
) -> Result<Vec<Arc<Event>>, RestoreError> {
    let (mut events, mut bytes) = (Vec::new(), 0);
    while bytes < GROUP_BYTES && (events.len() as u64) < rows {
        let object = Arc::new(take_object(snapshot)?.at(revision));
        bytes += object.bytes().len();
        events.push(Arc::new(Event { revision, object: Some(object), previous: None }));
    }
    Ok(events)
}

fn take_object(snapshot: &mut impl BufRead) -> Result<Object, RestoreError> {
    let revision = Revision(take_u64(snapshot)?);
    let key = String::from_utf8(take_bytes(snapshot)?)
        .map_err(|_| RestoreError::Damaged("a key is not UTF-8".to_owned()))?;
    let record = take_bytes(snapshot)?;
    record::decode(revision, &key, &record)
        .map_err(|error| RestoreError::Damaged(format!("{key:?} {error}")))
}

fn take_u64(snapshot: &mut impl BufRead) -> Result<u64, RestoreError> {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&take(snapshot, 8)?);
    Ok(u64::from_le_bytes(bytes))
}

fn take_bytes(snapshot: &mut impl BufRead) -> Result<Vec<u8>, RestoreError> {
    let mut bytes = [0; 4];
    bytes.copy_from_slice(&take(snapshot, 4)?);
    let length = u32::from_le_bytes(bytes);
    if length > RECORD_BYTES_MAX {
        return Err(RestoreError::Damaged(format!("an object of {length} bytes")));
    }
    take(snapshot, length as usize)
}

/// Memory for what is there, not for what a length claims.
fn take(snapshot: &mut impl BufRead, length: usize) -> Result<Vec<u8>, RestoreError> {
    let mut bytes = Vec::new();
    let read = snapshot.take(length as u64).read_to_end(&mut bytes);
    match read.map_err(RestoreError::Read)? == length {
        true => Ok(bytes),
        false => Err(RestoreError::Short),
    }
}

impl Object {
    /// As if it was written at another revision.
    fn at(&self, revision: Revision) -> Self {
        let number = self.revision().to_string().len();
        let (before, rest) = self.bytes().split_at(self.hole());
        let (before, after) = (before.to_vec(), rest[number..].to_vec());
        let index = self.index().clone();
        Self::new(self.key().clone(), revision, Draft { before, after, index })
    }
}
