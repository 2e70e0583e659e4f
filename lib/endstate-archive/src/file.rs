//! A file of somebody else's that lies at a place itself, where an archive would have its folder.

use std::path::Path as Folder;
use std::sync::Arc;

use bytes::Bytes;
use object_store::ObjectStoreExt;
use object_store::path::Path;
use tokio::sync::mpsc::{self, Receiver};

use crate::archive::Archive;
use crate::download::{self, Source};
use crate::error::{ArchiveError, Doing};
use crate::place::Place;

/// A file that lies at a place itself. Nothing is known of what is in it: whoever reads it verifies it.
///
/// ```
/// use endstate_archive::{PlainFile, Place};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("dump");
/// std::fs::write(&path, "as it is")?;
/// let place = Place::Path { path };
/// let file = PlainFile::find(&place, None).await?.ok_or("nothing is there")?;
/// let mut pieces = file.read();
/// assert_eq!(pieces.recv().await.ok_or("it is empty")??, "as it is");
/// # Ok(())
/// # }
/// ```
pub struct PlainFile {
    source: Source,
}

impl PlainFile {
    /// The file at a place, with keys as [`Archive::open`] reads them; `None` if there is none, or a folder.
    pub async fn find(place: &Place, keys: Option<&Folder>) -> Result<Option<Self>, ArchiveError> {
        let Some((folder, name)) = place.split() else { return Ok(None) };
        let shelf = Archive::open(&folder, keys)?.shelf();
        let path = Path::parse(&name)
            .map_err(|it| ArchiveError::settings(format!("the prefix is none: {it}")))?;
        match shelf.store.head(&path).await {
            Ok(found) => {
                let source = Source { shelf: Arc::clone(&shelf), name, path, bytes: found.size };
                Ok(Some(Self { source }))
            }
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(shelf.site.error(Doing::Read, Some(&name), &error)),
        }
    }

    /// Its length in bytes.
    pub fn bytes(&self) -> u64 {
        self.source.bytes
    }

    /// What is in it, in order; an error is the last. It is all there only if it is as long as [`Self::bytes`] says.
    pub fn read(&self) -> Receiver<Result<Bytes, ArchiveError>> {
        let (output, pieces) = mpsc::channel(1);
        tokio::spawn(download::download(self.source.clone(), output));
        pieces
    }
}

impl std::fmt::Debug for PlainFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("PlainFile").field(&self.source.name).field(&self.source.bytes).finish()
    }
}
