//! An archive: its entries, listed, written, read and deleted.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path as File;
use std::sync::{Arc, Mutex, PoisonError};

use futures::StreamExt;
use jiff::Timestamp;
use object_store::ObjectMeta;
use object_store::path::Path;

use crate::crypt::Identity;
use crate::entry::{Entry, Packing};
use crate::error::ArchiveError;
use crate::keys::Keys;
use crate::name::{EntryName, Lineage};
use crate::place::Place;
use crate::reader::Reader;
use crate::shelf::Shelf;
use crate::site::Site;
use crate::store;
use crate::sweep;
use crate::writer::Writer;

/// Of manifests, while entries are listed.
const READS_AT_A_TIME: usize = 16;

/// An archive that is open. Clones share it.
#[derive(Clone)]
pub struct Archive {
    shelf: Arc<Shelf>,
    known: Arc<Mutex<Known>>,
}

/// Entries whose manifests were read: one that is there never changes.
type Known = BTreeMap<EntryName, (Version, Entry)>;

/// What tells an object from another one of its name.
type Version = (i64, u64, Option<String>);

/// What an archive holds.
#[derive(Debug, Default)]
pub struct Listing {
    /// Its entries: by lineage, then by the revision that they lead to, then by when they were taken.
    pub entries: Vec<Entry>,
    /// Manifests that are none of this version, or damaged.
    pub unread: Vec<Unread>,
}

/// A manifest that could not be understood.
#[derive(Debug)]
pub struct Unread {
    /// Where it lies in the archive.
    pub path: String,
    /// Why not.
    pub why: ArchiveError,
}

impl Archive {
    /// Opens an archive. No request is made yet: whether the place answers is seen by the first one.
    ///
    /// `keys` is a folder of files, as a secret of Kubernetes is mounted. Without one the client takes what its
    /// environment offers, such as the identity of its workload.
    ///
    /// | place | files |
    /// |---|---|
    /// | S3, OSS | `access-key-id`, `secret-access-key`, optionally `session-token`; `accessKeyID`, `accessKeySecret`; or Amazon's `credentials` (section `default`), optionally with `config` for the region |
    /// | GCS | `service-account.json` or `credentials.json`; or `access-token` |
    /// | Azure | `storage-key`, and `storage-account` unless the place names it; optionally `cloud`, such as `AzureChinaCloud` |
    /// | all | optionally `ca.crt`: the authorities to trust *instead* of the system's |
    ///
    /// Keys are read once: after they have changed, open it again.
    pub fn open(place: &Place, keys: Option<&File>) -> Result<Self, ArchiveError> {
        let keys = keys.map(Keys::read).transpose()?;
        let secrets = keys.as_ref().map(Keys::secrets).unwrap_or_default();
        let site = Site::new(place.to_string(), secrets);
        let (store, create) = store::open(place, keys.as_ref(), &site)?;
        let folder = match place {
            Place::Path { path } => Some(path.clone()),
            _ => None,
        };
        let shelf = Arc::new(Shelf { store, site, create, folder });
        Ok(Self { shelf, known: Arc::default() })
    }

    pub(crate) fn shelf(&self) -> Arc<Shelf> {
        Arc::clone(&self.shelf)
    }

    /// All entries, or those of one lineage.
    ///
    /// Manifests that were read before are not read again.
    pub async fn list(&self, lineage: Option<&Lineage>) -> Result<Listing, ArchiveError> {
        let lineages = match lineage {
            Some(lineage) => vec![lineage.clone()],
            None => self.shelf.lineages().await?,
        };
        let mut listing = Listing::default();
        for lineage in lineages {
            self.list_lineage(&lineage, &mut listing).await?;
        }
        listing.entries.sort_by(|a, b| order(a).cmp(&order(b)));
        Ok(listing)
    }

    async fn list_lineage(
        &self,
        lineage: &Lineage,
        listing: &mut Listing,
    ) -> Result<(), ArchiveError> {
        let mut names = Vec::new();
        for found in self.shelf.manifests(lineage).await? {
            match found.location.filename().and_then(|it| EntryName::of_manifest(lineage, it)) {
                Some(Ok(name)) => names.push((name, version(&found))),
                Some(Err(why)) => {
                    listing.unread.push(Unread { path: found.location.to_string(), why });
                }
                None => {}
            }
        }
        self.forget_others(lineage, &names);
        let read = futures::stream::iter(names).map(|(name, version)| async move {
            let entry = self.known_or_read(&name, version).await;
            (name, entry)
        });
        let mut read = read.buffered(READS_AT_A_TIME);
        while let Some((name, entry)) = read.next().await {
            match entry {
                Ok(entry) => listing.entries.push(entry),
                // Deleted since it was listed.
                Err(ArchiveError::NotFound { .. }) => {}
                Err(why @ (ArchiveError::Foreign { .. } | ArchiveError::Damaged { .. })) => {
                    listing.unread.push(Unread { path: name.manifest(), why });
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn known_or_read(
        &self,
        name: &EntryName,
        version: Version,
    ) -> Result<Entry, ArchiveError> {
        if let Some(known) = self.known().get(name).filter(|it| it.0 == version) {
            return Ok(known.1.clone());
        }
        let entry = self.shelf.entry(name).await?;
        self.known().insert(name.clone(), (version, entry.clone()));
        Ok(entry)
    }

    fn forget_others(&self, lineage: &Lineage, names: &[(EntryName, Version)]) {
        let there: BTreeSet<_> = names.iter().map(|(name, _)| name).collect();
        self.known().retain(|name, _| name.lineage() != lineage || there.contains(name));
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        // Each change is one call that leaves it whole.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The entry of a name.
    pub async fn entry(&self, name: &EntryName) -> Result<Entry, ArchiveError> {
        self.shelf.entry(name).await
    }

    /// Begins an entry.
    ///
    /// It must be called within a runtime of tokio.
    pub fn write(&self, lineage: &Lineage, packing: &Packing) -> Result<Writer, ArchiveError> {
        Writer::start(Arc::clone(&self.shelf), lineage.clone(), packing.clone())
    }

    /// Begins to read an entry.
    pub async fn read(
        &self,
        entry: &Entry,
        identity: Option<&Identity>,
    ) -> Result<Reader, ArchiveError> {
        Reader::start(Arc::clone(&self.shelf), entry, identity).await
    }

    /// Deletes an entry: its manifest first, so that no half of it is ever an entry. One that is not there is deleted.
    pub async fn delete(&self, entry: &Entry) -> Result<(), ArchiveError> {
        self.shelf.delete(&Path::from(entry.name.manifest())).await?;
        self.shelf.delete(&Path::from(entry.data())).await
    }

    /// Deletes what writers left that never finished, if it is older than a day at this moment, and gives its paths.
    ///
    /// Parts of uploads that a server has not put together are not seen by this: give the bucket a rule that aborts
    /// incomplete uploads after some days.
    pub async fn sweep(&self, now: Timestamp) -> Result<Vec<String>, ArchiveError> {
        sweep::sweep(&self.shelf, now).await
    }
}

fn version(found: &ObjectMeta) -> Version {
    (found.last_modified.timestamp(), found.size, found.e_tag.clone())
}

fn order(entry: &Entry) -> (&Lineage, u64, Timestamp, &EntryName) {
    (entry.lineage(), entry.kind.last(), entry.taken, &entry.name)
}

impl std::fmt::Debug for Archive {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Archive").field(&self.shelf.site.place).finish()
    }
}
