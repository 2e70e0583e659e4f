//! Reading an entry: a stream of plain data, verified at its end.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::{Stream, StreamExt};
use object_store::path::Path;
use tokio::sync::mpsc::{self, Receiver};

use crate::crypt::Identity;
use crate::decode::{self, Stored};
use crate::download::{self, Source};
use crate::entry::{Compression, Encryption, Entry};
use crate::error::ArchiveError;
use crate::shelf::Shelf;
use crate::verify;

/// Between two threads: decoded pieces, or parts as they were downloaded.
const PIECES_WAITING: usize = 3;

/// The plain data of an entry, piece by piece.
///
/// **Until it has ended with `None`, what it gave is not verified**: a wrong byte in the middle may be told of at the
/// end.
/// It holds less than 40 MB, however much is read.
#[derive(Debug)]
pub struct Reader {
    output: Receiver<Result<Option<Bytes>, ArchiveError>>,
    over: bool,
}

impl Reader {
    pub(crate) async fn start(
        shelf: Arc<Shelf>,
        entry: &Entry,
        identity: Option<&Identity>,
    ) -> Result<Self, ArchiveError> {
        if identity.is_none() && matches!(entry.encryption, Encryption::Age { .. }) {
            return Err(decode::no_key(entry));
        }
        let (name, path) = (entry.name.to_string(), Path::from(entry.data()));
        let source = Source { shelf, name, path, bytes: entry.stored };
        download::check(&source).await?;
        let (downloaded, stored) = mpsc::channel(1);
        tokio::spawn(download::download(source, downloaded));
        let plain = match (&entry.compression, &entry.encryption) {
            (Compression::None, Encryption::None) => as_it_is(stored, entry)?,
            _ => decoded(stored, entry, identity),
        };
        let (verified, output) = mpsc::channel(PIECES_WAITING);
        let entry = entry.clone();
        tokio::task::spawn_blocking(move || verify::verify(plain, &entry, &verified));
        Ok(Self { output, over: false })
    }

    /// The next piece; `None` once all of it was there and is what was written; an error is the last.
    pub async fn next(&mut self) -> Option<Result<Bytes, ArchiveError>> {
        StreamExt::next(self).await
    }
}

type Pieces = Receiver<Result<Bytes, ArchiveError>>;

/// What is not packed is plain as it is stored.
fn as_it_is(stored: Pieces, entry: &Entry) -> Result<Pieces, ArchiveError> {
    match entry.stored == entry.bytes {
        true => Ok(stored),
        false => {
            let what = format!("{} of its {} bytes", entry.stored, entry.bytes);
            Err(ArchiveError::damaged(&entry.name, what))
        }
    }
}

fn decoded(stored: Pieces, entry: &Entry, identity: Option<&Identity>) -> Pieces {
    let (decoded, plain) = mpsc::channel(PIECES_WAITING);
    let (entry, identity) = (entry.clone(), identity.cloned());
    tokio::task::spawn_blocking(move || {
        let stored = Stored::new(stored, entry.stored);
        decode::decode(stored, &entry, identity.as_ref(), &decoded);
    });
    plain
}

impl Stream for Reader {
    type Item = Result<Bytes, ArchiveError>;

    fn poll_next(mut self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.over {
            return Poll::Ready(None);
        }
        let piece = match self.output.poll_recv(ctx) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Some(piece)) => piece,
            // Whoever sends it does not go away without a word, unless something has ended it.
            Poll::Ready(None) => Err(ArchiveError::Interrupted),
        };
        self.over = !matches!(piece, Ok(Some(_)));
        Poll::Ready(piece.transpose())
    }
}
