//! An open place: where its objects lie, and reading and writing of manifests.

use std::path::PathBuf;

use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt, PutMode};

use crate::entry::{Entry, MANIFEST_BYTES_MAX};
use crate::error::{ArchiveError, Doing};
use crate::name::{DATA, EntryName, Lineage};
use crate::site::Site;
use crate::store::Store;

pub(crate) struct Shelf {
    pub(crate) store: Store,
    pub(crate) site: Site,
    /// How an object is made that must not be there yet.
    pub(crate) create: PutMode,
    /// The folder, if it is one.
    pub(crate) folder: Option<PathBuf>,
}

impl Shelf {
    /// An error of the store while something of the place as a whole was done.
    pub(crate) fn error(&self, doing: Doing, error: &object_store::Error) -> ArchiveError {
        self.site.error(doing, None, error)
    }

    /// Whose histories there are. Folders that are named otherwise are somebody else's.
    pub(crate) async fn lineages(&self) -> Result<Vec<Lineage>, ArchiveError> {
        let found = self.store.list_with_delimiter(None).await;
        let found = found.map_err(|it| self.error(Doing::List, &it))?;
        let names = found.common_prefixes.iter().filter_map(|it| it.filename());
        Ok(names.filter_map(|it| it.parse().ok()).collect())
    }

    /// The objects in a lineage's folder, without its data.
    pub(crate) async fn manifests(
        &self,
        lineage: &Lineage,
    ) -> Result<Vec<ObjectMeta>, ArchiveError> {
        let found = self.store.list_with_delimiter(Some(&Path::from(lineage.as_str()))).await;
        Ok(found.map_err(|it| self.error(Doing::List, &it))?.objects)
    }

    /// The data of a lineage.
    pub(crate) async fn data(&self, lineage: &Lineage) -> Result<Vec<ObjectMeta>, ArchiveError> {
        let folder = Path::from(format!("{lineage}/{DATA}"));
        let found = self.store.list(Some(&folder)).try_collect().await;
        found.map_err(|it| self.error(Doing::List, &it))
    }

    /// Reads a manifest.
    pub(crate) async fn entry(&self, name: &EntryName) -> Result<Entry, ArchiveError> {
        let error = |it| self.site.error(Doing::Read, Some(&name.to_string()), &it);
        let got = self.store.get(&Path::from(name.manifest())).await.map_err(error)?;
        if got.meta.size > MANIFEST_BYTES_MAX {
            let what = format!("its manifest has {} bytes", got.meta.size);
            return Err(ArchiveError::Foreign { name: name.to_string(), what });
        }
        Entry::parse(name, &got.bytes().await.map_err(error)?)
    }

    /// Writes the manifest of an entry whose data is there: from then on the entry is.
    pub(crate) async fn commit(&self, entry: &Entry) -> Result<(), ArchiveError> {
        let text = serde_json::to_vec_pretty(entry)
            .map_err(|it| ArchiveError::settings(format!("the entry has no JSON: {it}")))?;
        if text.len() as u64 > MANIFEST_BYTES_MAX {
            return Err(ArchiveError::settings("the facts of the entry are too long: give fewer"));
        }
        let path = Path::from(entry.name.manifest());
        match self.store.put_opts(&path, text.into(), self.create.clone().into()).await {
            Ok(_) => Ok(()),
            // An attempt whose answer was lost may have succeeded before the one that says so.
            Err(object_store::Error::AlreadyExists { .. })
                if self.entry(&entry.name).await.is_ok_and(|it| it == *entry) =>
            {
                Ok(())
            }
            Err(error) => Err(self.error(Doing::Write, &error)),
        }
    }

    /// Deletes an object; one that is not there is deleted.
    pub(crate) async fn delete(&self, path: &Path) -> Result<(), ArchiveError> {
        match self.store.delete(path).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.error(Doing::Delete, &error)),
        }
    }
}
