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
use crate::entry::{Encryption, Entry};
use crate::error::ArchiveError;
use crate::shelf::Shelf;

const PIECES_WAITING: usize = 8;

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
        let (decoded, output) = mpsc::channel(PIECES_WAITING);
        tokio::spawn(download::download(source, downloaded));
        let (entry, identity) = (entry.clone(), identity.cloned());
        tokio::task::spawn_blocking(move || {
            let stored = Stored::new(stored, entry.stored);
            decode::decode(stored, &entry, identity.as_ref(), &decoded);
        });
        Ok(Self { output, over: false })
    }

    /// The next piece; `None` once all of it was there and is what was written; an error is the last.
    pub async fn next(&mut self) -> Option<Result<Bytes, ArchiveError>> {
        StreamExt::next(self).await
    }
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
