//! Data on its way to a store: parts of one size, few of them in flight.

use std::sync::Arc;

use bytes::Bytes;
use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStoreExt};
use tokio::sync::mpsc::Receiver;
use tokio::task::JoinSet;

use crate::error::{ArchiveError, Doing};
use crate::shelf::Shelf;

/// Stores take no smaller ones than 5 MiB, and no more than 10,000: 58 GiB. Four of them are in memory: one that is
/// filled, one that waits and those in flight.
pub(crate) const PART_BYTES: usize = 6 << 20;

const IN_FLIGHT: usize = 2;

pub(crate) enum Part {
    /// All but the last have [`PART_BYTES`].
    Data(Bytes),
    /// That was all. Whoever goes away without saying so has not written all.
    End,
}

/// Writes what comes, and gives its length; `None` if it ends without an end: then nothing is there.
pub(crate) async fn upload(
    shelf: Arc<Shelf>,
    path: String,
    mut parts: Receiver<Part>,
) -> Result<Option<u64>, ArchiveError> {
    let path = Path::from(path);
    let first = match parts.recv().await {
        Some(Part::Data(first)) => first,
        Some(Part::End) => return whole(&shelf, &path, Bytes::new()).await,
        None => return Ok(None),
    };
    match parts.recv().await {
        Some(Part::Data(second)) => in_parts(&shelf, &path, [first, second], parts).await,
        Some(Part::End) => whole(&shelf, &path, first).await,
        None => Ok(None),
    }
}

/// One request for what fits in one part.
async fn whole(shelf: &Shelf, path: &Path, data: Bytes) -> Result<Option<u64>, ArchiveError> {
    let stored = data.len() as u64;
    let put = shelf.store.put(path, data.into()).await;
    put.map_err(|it| shelf.error(Doing::Write, &it))?;
    Ok(Some(stored))
}

async fn in_parts(
    shelf: &Shelf,
    path: &Path,
    first: [Bytes; 2],
    rest: Receiver<Part>,
) -> Result<Option<u64>, ArchiveError> {
    let error = |it| shelf.error(Doing::Write, &it);
    let mut upload = shelf.store.put_multipart(path).await.map_err(error)?;
    match send(&mut *upload, first, rest).await {
        Ok(Some(stored)) => {
            upload.complete().await.map_err(error)?;
            Ok(Some(stored))
        }
        unfinished => {
            // What is left if this fails is swept later.
            let _ = upload.abort().await;
            unfinished.map_err(|it| it.map_or(ArchiveError::Interrupted, error))
        }
    }
}

/// The error is the store's, or `None` if the runtime ends.
async fn send(
    upload: &mut dyn MultipartUpload,
    first: [Bytes; 2],
    mut rest: Receiver<Part>,
) -> Result<Option<u64>, Option<object_store::Error>> {
    let mut running = JoinSet::new();
    let mut first = first.into_iter().map(Part::Data);
    let mut stored = 0;
    loop {
        // Wait for a place before taking a part, so that none waits here in memory.
        if running.len() >= IN_FLIGHT {
            next(&mut running).await?;
        }
        let part = match first.next() {
            Some(part) => Some(part),
            None => rest.recv().await,
        };
        match part {
            Some(Part::Data(data)) => {
                stored += data.len() as u64;
                running.spawn(upload.put_part(data.into()));
            }
            Some(Part::End) => break,
            None => return Ok(None),
        }
    }
    while !running.is_empty() {
        next(&mut running).await?;
    }
    Ok(Some(stored))
}

async fn next(
    running: &mut JoinSet<object_store::Result<()>>,
) -> Result<(), Option<object_store::Error>> {
    match running.join_next().await {
        Some(Ok(result)) => result.map_err(Some),
        Some(Err(_)) => Err(None),
        None => Ok(()),
    }
}
