//! A data file that is opened again after its disk was full.
//!
//! redb takes nothing more after a failed operation, so the file is closed and opened, which checks every page. What it
//! then holds is either what was acknowledged last, or that and the group that was being written: one transaction, all
//! or none. Anything else ends the store.
//!
//! While room is short, what makes the file grow is refused, so that the reserve is there for deletes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::disk::{Disk, DiskError, Loaded};
use super::place::{Faults, Noting, Place, is_full};
use crate::Revision;
use crate::versions::Change;

/// How often it is tried whether there is room again. Opening costs some milliseconds per MB.
const RETRY: Duration = Duration::from_secs(1);

/// What may be written now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    All,
    /// Nothing that needs more room than what it replaces.
    Deletes,
    Nothing,
}

#[derive(Clone, Copy, Debug)]
enum Space {
    Plenty,
    /// Since a write found no room, or the reserve could not be taken. Until `retry` it stays so.
    Short {
        room: Room,
        retry: Instant,
    },
}

/// What became of a group.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Written {
    Made,
    /// There was no room. Nothing of it is on the disk.
    Refused,
    /// There was no room, not even to see what is on the disk. [`Medium::ready`] tells later.
    Unknown,
}

#[derive(Debug)]
struct Open {
    disk: Disk,
    faults: Faults,
}

#[derive(Debug)]
pub(super) struct Medium {
    place: Box<dyn Place>,
    cache_bytes: usize,
    open: Option<Open>,
    /// The newest that was acknowledged.
    revision: Revision,
    /// A group that is on the disk as a whole, or not at all.
    undecided: Vec<Arc<Change>>,
    space: Space,
    retry: Duration,
}

impl Medium {
    pub(super) fn open(
        place: Box<dyn Place>,
        cache_bytes: usize,
    ) -> Result<(Self, Loaded), DiskError> {
        let open = || {
            let (backend, faults) = backend(&*place)?;
            let (disk, loaded) = Disk::open(backend, cache_bytes)?;
            Ok((Open { disk, faults }, loaded))
        };
        let (open, loaded) = match open() {
            // Opening writes a little.
            Err(DiskError::Io(error)) if is_full(&error) => {
                place.spend_reserve().map_err(DiskError::Io)?;
                open()?
            }
            result => result?,
        };
        let (revision, undecided) = (loaded.revision, Vec::new());
        let (space, retry) = (Space::Plenty, RETRY);
        let open = Some(open);
        let mut medium = Self { place, cache_bytes, open, revision, undecided, space, retry };
        medium.space = medium.measure();
        Ok((medium, loaded))
    }

    #[cfg(test)]
    pub(super) fn retry_at_once(&mut self) {
        self.retry = Duration::ZERO;
    }

    pub(super) fn is_short(&self) -> bool {
        matches!(self.space, Space::Short { .. })
    }

    /// What may be written now, and what turned out to have been written before.
    pub(super) fn ready(&mut self) -> Result<(Room, Vec<Arc<Change>>), DiskError> {
        match self.space {
            Space::Plenty => return Ok((Room::All, Vec::new())),
            Space::Short { room, retry } if Instant::now() < retry => {
                return Ok((room, Vec::new()));
            }
            Space::Short { .. } => {}
        }
        let made = match self.open {
            Some(_) => Vec::new(),
            None => match self.reopen()? {
                Some(made) => made,
                None => {
                    self.space = self.short(Room::Nothing);
                    return Ok((Room::Nothing, Vec::new()));
                }
            },
        };
        self.space = self.measure();
        match self.space {
            Space::Plenty => {
                tracing::info!("the store has room again and takes all writes");
                Ok((Room::All, made))
            }
            Space::Short { room, .. } => Ok((room, made)),
        }
    }

    /// Makes changes durable, all or none. After an error nothing may be asked of this again.
    pub(super) fn write(&mut self, changes: &[Arc<Change>]) -> Result<Written, DiskError> {
        let Some(newest) = changes.last() else { return Ok(Written::Made) };
        let Some(open) = &mut self.open else { return Ok(Written::Refused) };
        match open.disk.write(changes) {
            Ok(()) => {
                open.faults.settle();
                self.revision = newest.revision;
                Ok(Written::Made)
            }
            Err(DiskError::Io(error)) if open.faults.are_full() => {
                self.undecided = changes.to_vec();
                self.run_short(&error)?;
                Ok(match self.reopen()? {
                    None => Written::Unknown,
                    Some(made) if made.is_empty() => Written::Refused,
                    Some(_) => Written::Made,
                })
            }
            Err(error) => Err(error),
        }
    }

    fn run_short(&mut self, error: &std::io::Error) -> Result<(), DiskError> {
        let room = if self.is_short() {
            Room::Nothing
        } else {
            tracing::error!(%error, "the store's disk is full: until there is room it takes deletes only");
            self.place.spend_reserve().map_err(DiskError::Io)?;
            Room::Deletes
        };
        self.space = self.short(room);
        Ok(())
    }

    fn short(&self, room: Room) -> Space {
        Space::Short { room, retry: Instant::now() + self.retry }
    }

    /// Whether there is room for the reserve, and so for anything.
    fn measure(&self) -> Space {
        match self.place.take_reserve() {
            Ok(()) => Space::Plenty,
            Err(error) if is_full(&error) => self.short(Room::Deletes),
            Err(error) => {
                tracing::warn!(%error, "the store keeps no room for deletes on a full disk");
                Space::Plenty
            }
        }
    }

    /// Closes the file and opens it again. Gives what of the undecided is on it, or nothing while there is no room even
    /// to look.
    fn reopen(&mut self) -> Result<Option<Vec<Arc<Change>>>, DiskError> {
        self.open = None;
        let (backend, faults) = backend(&*self.place)?;
        let (disk, revision) = match Disk::reopen(backend, self.cache_bytes) {
            Err(DiskError::Io(_)) if faults.are_full() => return Ok(None),
            result => result?,
        };
        let undecided = std::mem::take(&mut self.undecided);
        let made = match undecided.last() {
            _ if revision == self.revision => Vec::new(),
            Some(newest) if revision == newest.revision => undecided,
            _ => {
                let acknowledged = self.revision;
                return Err(DiskError::Damaged(format!(
                    "revision {acknowledged} was acknowledged, {revision} is on the disk"
                )));
            }
        };
        faults.settle();
        self.revision = revision;
        self.open = Some(Open { disk, faults });
        Ok(Some(made))
    }
}

fn backend(place: &dyn Place) -> Result<(Noting, Faults), DiskError> {
    let faults = Faults::default();
    let inner = place.open().map_err(DiskError::Io)?;
    Ok((Noting { inner, faults: faults.clone() }, faults))
}
