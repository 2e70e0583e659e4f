//! The objects in redb: one table, ordered by the revision that last wrote an object.
//!
//! That order makes new objects land in the last pages of the file, however their keys are spread; ordered by key, each
//! would rewrite a page of its own (measured: 31,000 against 108,000 creates per second).
//!
//! Invariants:
//! - each key has at most one row, that of its newest state;
//! - exactly one row is a marker, `(revision, "")`, of the newest commit: without it the revision of a commit that only
//!   deleted would be handed out again after a restart;
//! - one redb transaction per group of commits, durable when it returns. redb never retries a failed write or sync.

use std::io::{self, ErrorKind};
use std::sync::Arc;

use redb::{
    Database, ReadableDatabase, ReadableTable, StorageBackend, StorageError, Table,
    TableDefinition, TableHandle,
};

use super::record;
use crate::versions::Change;
use crate::{Object, Revision};

/// A row is at `(revision, key)`, so the name also says the format.
const OBJECTS: TableDefinition<(u64, &str), &[u8]> = TableDefinition::new("objects.v1");

/// What no object has for a key.
const MARKER: &str = "";

/// Why the disk did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub(super) enum DiskError {
    #[error("{0}")]
    Damaged(String),
    #[error("{0}")]
    Format(String),
    #[error(transparent)]
    Io(io::Error),
}

/// What is on the disk when it is opened.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) revision: Revision,
    pub(super) objects: Vec<Arc<Object>>,
}

/// An open data file.
#[derive(Debug)]
pub(super) struct Disk {
    database: Database,
    marker: Revision,
    /// Kept for its allocation.
    buffer: Vec<u8>,
}

impl Disk {
    /// Makes a new store on an empty backend.
    pub(super) fn create(
        backend: impl StorageBackend,
        cache_bytes: usize,
    ) -> Result<(), DiskError> {
        let database =
            Database::builder().set_cache_size(cache_bytes).create_with_backend(backend)?;
        let transaction = database.begin_write().map_err(redb::Error::from)?;
        {
            let mut table = transaction.open_table(OBJECTS).map_err(redb::Error::from)?;
            table.insert((Revision::FIRST.0, MARKER), &[][..])?;
        }
        transaction.commit().map_err(redb::Error::from)?;
        Ok(())
    }

    /// Opens a store, checking every page: one that rotted is refused, never believed.
    pub(super) fn open(
        backend: impl StorageBackend,
        cache_bytes: usize,
    ) -> Result<(Self, Loaded), DiskError> {
        let database = checked(backend, cache_bytes)?;
        let loaded = load(&database)?;
        let marker = loaded.revision;
        Ok((Self { database, marker, buffer: Vec::new() }, loaded))
    }

    /// Opens a store whose objects are in memory already: its newest revision says which they are. All that it is found
    /// to hold is durable: redb marks a file as in use when it opens it, and syncs.
    pub(super) fn reopen(
        backend: impl StorageBackend,
        cache_bytes: usize,
    ) -> Result<(Self, Revision), DiskError> {
        let database = checked(backend, cache_bytes)?;
        let marker = newest(&database)?;
        Ok((Self { database, marker, buffer: Vec::new() }, marker))
    }

    /// Makes changes durable, all or none. After an error nothing may be asked of this disk again.
    pub(super) fn write(&mut self, changes: &[Arc<Change>]) -> Result<(), DiskError> {
        let Some(newest) = changes.last() else { return Ok(()) };
        let transaction = self.database.begin_write().map_err(redb::Error::from)?;
        {
            let mut table = transaction.open_table(OBJECTS).map_err(redb::Error::from)?;
            table.remove((self.marker.0, MARKER))?;
            for change in changes {
                write_change(&mut table, change, &mut self.buffer)?;
            }
            table.insert((newest.revision.0, MARKER), &[][..])?;
        }
        transaction.commit().map_err(redb::Error::from)?;
        self.marker = newest.revision;
        Ok(())
    }
}

type Objects<'t> = Table<'t, (u64, &'static str), &'static [u8]>;

fn write_change(
    table: &mut Objects<'_>,
    change: &Change,
    buffer: &mut Vec<u8>,
) -> Result<(), DiskError> {
    for event in &change.events {
        if let Some(previous) = &event.previous {
            table.remove((previous.revision().0, previous.key().as_str()))?;
        }
        if let Some(object) = &event.object {
            record::encode(object, buffer);
            table.insert((object.revision().0, object.key().as_str()), &**buffer)?;
        }
    }
    Ok(())
}

/// A database of which every page is whole.
fn checked(backend: impl StorageBackend, cache_bytes: usize) -> Result<Database, DiskError> {
    let builder = &mut Database::builder();
    builder.set_cache_size(cache_bytes).set_check_integrity_on_open(true);
    Ok(builder.create_with_backend(backend)?)
}

/// The revision of the marker, which is in the last place that has one.
fn newest(database: &Database) -> Result<Revision, DiskError> {
    let transaction = database.begin_read().map_err(redb::Error::from)?;
    let table = transaction.open_table(OBJECTS).map_err(redb::Error::from)?;
    let last = table.last()?.map(|(place, _)| place.value().0);
    match last {
        Some(number) if table.get((number, MARKER))?.is_some() => Ok(Revision(number)),
        _ => Err(DiskError::Damaged("its revision is missing".to_owned())),
    }
}

fn load(database: &Database) -> Result<Loaded, DiskError> {
    let transaction = database.begin_read().map_err(redb::Error::from)?;
    let names = transaction.list_tables().map_err(redb::Error::from)?;
    let found: Vec<_> = names.map(|table| table.name().to_owned()).collect();
    if found != [OBJECTS.name()] {
        return Err(DiskError::Format(format!("tables {found:?}, not {:?}", OBJECTS.name())));
    }
    let table = transaction.open_table(OBJECTS).map_err(redb::Error::from)?;
    let mut objects = Vec::new();
    let mut revision = None;
    for row in table.iter()? {
        let (place, value) = row?;
        match place.value() {
            (number, MARKER) if revision.is_none() => revision = Some(Revision(number)),
            (number, key) => {
                let object = record::decode(Revision(number), key, value.value());
                objects.push(Arc::new(object.map_err(|error| {
                    DiskError::Damaged(format!("{key:?} at revision {number} {error}"))
                })?));
            }
        }
    }
    let Some(revision) = revision else {
        return Err(DiskError::Damaged("its revision is missing".to_owned()));
    };
    check(&objects, revision)?;
    Ok(Loaded { revision, objects })
}

/// Checks what no checksum can: that the rows are those of one state.
fn check(objects: &[Arc<Object>], revision: Revision) -> Result<(), DiskError> {
    let mut keys: Vec<_> = objects.iter().map(|object| object.key()).collect();
    keys.sort_unstable();
    if let Some(twice) = keys.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(DiskError::Damaged(format!("{} is stored twice", twice[0])));
    }
    match objects.last() {
        Some(newest) if newest.revision() > revision => {
            Err(DiskError::Damaged(format!("{} is newer than the store", newest.key())))
        }
        _ => Ok(()),
    }
}

impl From<redb::Error> for DiskError {
    fn from(error: redb::Error) -> Self {
        match error {
            // Not written by redb at all, or shorter than it was.
            redb::Error::Io(source)
                if matches!(source.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof) =>
            {
                Self::Damaged(source.to_string())
            }
            redb::Error::Io(source) => Self::Io(source),
            redb::Error::UpgradeRequired(_)
            | redb::Error::TableTypeMismatch { .. }
            | redb::Error::TypeDefinitionChanged { .. } => Self::Format(error.to_string()),
            redb::Error::Corrupted(reason) => Self::Damaged(reason),
            other => Self::Io(io::Error::other(other)),
        }
    }
}

impl From<redb::DatabaseError> for DiskError {
    fn from(error: redb::DatabaseError) -> Self {
        redb::Error::from(error).into()
    }
}

impl From<StorageError> for DiskError {
    fn from(error: StorageError) -> Self {
        redb::Error::from(error).into()
    }
}
