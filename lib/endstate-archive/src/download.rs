//! Data on its way from a store: ranges, some of them ahead of what is read.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;
use object_store::ObjectStoreExt;
use object_store::path::Path;
use tokio::sync::mpsc::Sender;

use crate::error::{ArchiveError, Doing};
use crate::shelf::Shelf;

/// Seven of them are in memory: those ahead, one that is taken, one that waits and one that is decoded.
const RANGE_BYTES: usize = 2 << 20;

const AHEAD: usize = 4;

/// What is to be read.
#[derive(Clone)]
pub(crate) struct Source {
    pub(crate) shelf: Arc<Shelf>,
    /// Of the entry.
    pub(crate) name: String,
    pub(crate) path: Path,
    pub(crate) bytes: u64,
}

/// Whether all of it is there.
pub(crate) async fn check(source: &Source) -> Result<(), ArchiveError> {
    match source.shelf.store.head(&source.path).await {
        Ok(found) if found.size == source.bytes => Ok(()),
        Ok(found) => Err(ArchiveError::damaged(
            &source.name,
            format!("of {} stored bytes {} are there", source.bytes, found.size),
        )),
        Err(object_store::Error::NotFound { .. }) => {
            Err(ArchiveError::damaged(&source.name, "its data is not there"))
        }
        Err(error) => Err(source.shelf.error(Doing::Read, &error)),
    }
}

/// Sends all of it in order, or an error as the last.
pub(crate) async fn download(source: Source, output: Sender<Result<Bytes, ArchiveError>>) {
    let ranges = (0..source.bytes).step_by(RANGE_BYTES);
    let ranges = ranges.map(|it| it..source.bytes.min(it + RANGE_BYTES as u64));
    // Tasks of their own go on while nobody takes what came before.
    let tasks = ranges.map(|it| tokio::spawn(range(source.clone(), it)));
    let mut ready = futures::stream::iter(tasks).buffered(AHEAD);
    while let Some(part) = ready.next().await {
        let part = part.unwrap_or(Err(ArchiveError::Interrupted));
        let failed = part.is_err();
        if output.send(part).await.is_err() || failed {
            return;
        }
    }
}

async fn range(source: Source, range: Range<u64>) -> Result<Bytes, ArchiveError> {
    let expected = range.end - range.start;
    let Source { shelf, name, path, .. } = &source;
    let part = shelf.store.get_range(path, range).await;
    let part = part.map_err(|it| shelf.site.error(Doing::Read, Some(name), &it))?;
    match part.len() as u64 == expected {
        true => Ok(part),
        false => Err(ArchiveError::damaged(name, "its data ends early")),
    }
}
