//! Writing an entry: a stream of plain data, and what it is at the end.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use object_store::path::Path;
use tokio::sync::mpsc::{self, Sender};
use tokio::task::JoinHandle;

use crate::encode::{self, Input, Plain};
use crate::entry::{Entry, FORMAT, NewEntry, Packing};
use crate::error::ArchiveError;
use crate::name::{EntryName, Id, Lineage};
use crate::shelf::Shelf;
use crate::upload;

/// Data waits in pieces of at most this size, so that few of them bound what waits in memory.
const PIECE_BYTES: usize = 256 << 10;

const PIECES_WAITING: usize = 8;

/// An entry that is being written. Until [`Writer::finish`] has returned there is none: a writer that is dropped leaves
/// nothing, and one whose process dies leaves only what [`crate::Archive::sweep`] deletes.
///
/// It holds less than 40 MB, however much is written: what is pushed waits until the store has taken what came before.
#[must_use = "nothing is kept until it is finished"]
pub struct Writer {
    shelf: Arc<Shelf>,
    lineage: Lineage,
    id: Id,
    packing: Packing,
    input: Sender<Input>,
    /// Gone once it has been waited for.
    work: Option<Work>,
}

struct Work {
    encoder: JoinHandle<Result<Option<Plain>, ArchiveError>>,
    uploader: JoinHandle<Result<Option<u64>, ArchiveError>>,
}

impl Work {
    /// What went in and how much came out, if all did.
    async fn done(self) -> Result<Option<(Plain, u64)>, ArchiveError> {
        let stored = self.uploader.await.unwrap_or(Err(ArchiveError::Interrupted));
        let plain = self.encoder.await.unwrap_or(Err(ArchiveError::Interrupted));
        // If both fail, the encoder did because the upload was gone; if only the encoder does, it says why.
        let stored = stored?;
        Ok(plain?.zip(stored))
    }
}

impl Writer {
    pub(crate) fn start(
        shelf: Arc<Shelf>,
        lineage: Lineage,
        packing: Packing,
    ) -> Result<Self, ArchiveError> {
        packing.check()?;
        let random = getrandom::u64()
            .map_err(|it| ArchiveError::settings(format!("no random numbers: {it}")))?;
        let id = Id::new(Timestamp::now(), random);
        let (input, received) = mpsc::channel(PIECES_WAITING);
        let (encoded, parts) = mpsc::channel(1);
        let path = id.data(&lineage, packing.extension());
        let uploader = tokio::spawn(upload::upload(Arc::clone(&shelf), path, parts));
        let how = packing.clone();
        let encoder = tokio::task::spawn_blocking(move || encode::encode(received, &how, encoded));
        let work = Some(Work { encoder, uploader });
        Ok(Self { shelf, lineage, id, packing, input, work })
    }

    /// Writes on. After an error there is nothing left but to begin again.
    pub async fn push(&mut self, mut data: Bytes) -> Result<(), ArchiveError> {
        while !data.is_empty() {
            let piece = data.split_to(data.len().min(PIECE_BYTES));
            if self.input.send(Input::Data(piece)).await.is_err() {
                return Err(self.failure().await);
            }
        }
        Ok(())
    }

    async fn failure(&mut self) -> ArchiveError {
        match self.work.take() {
            Some(work) => work.done().await.err().unwrap_or(ArchiveError::Interrupted),
            None => ArchiveError::Interrupted,
        }
    }

    /// Waits until all data is kept, then says what it is: from then on the entry is there.
    pub async fn finish(mut self, new: NewEntry) -> Result<Entry, ArchiveError> {
        if !new.kind.is_sound() {
            self.abort().await;
            return Err(ArchiveError::settings("the revisions of an entry end before they begin"));
        }
        let work = self.work.take().ok_or(ArchiveError::Interrupted)?;
        // If nobody takes it, the work says why.
        let _ = self.input.send(Input::End).await;
        let (plain, stored) = work.done().await?.ok_or(ArchiveError::Interrupted)?;
        let shelf = Arc::clone(&self.shelf);
        let entry = self.entry(new, plain, stored);
        // If this fails the manifest may be there all the same, so the data stays; what is of no entry is swept.
        shelf.commit(&entry).await?;
        Ok(entry)
    }

    fn entry(self, new: NewEntry, plain: Plain, stored: u64) -> Entry {
        let NewEntry { kind, taken, by, facts } = new;
        Entry {
            format: FORMAT,
            name: EntryName::new(self.lineage, kind.span(), self.id),
            kind,
            taken,
            by,
            facts,
            bytes: plain.bytes,
            stored,
            sha256: plain.sha256,
            compression: self.packing.compression,
            encryption: self.packing.encryption,
        }
    }

    /// Gives up, and waits until what was written is gone.
    pub async fn abort(mut self) {
        let path = Path::from(self.id.data(&self.lineage, self.packing.extension()));
        let work = self.work.take();
        drop(self.input);
        if let Some(work) = work {
            // Why it failed matters to nobody any more.
            let _ = work.done().await;
        }
        let _ = self.shelf.delete(&path).await;
    }
}
