//! Plain data on its way to its reader: counted, and its digest compared at the end, on a thread of its own.

use bytes::Bytes;
use ring::digest::{Context, SHA256};
use tokio::sync::mpsc::{Receiver, Sender};

use crate::encode::digits;
use crate::entry::Entry;
use crate::error::ArchiveError;

/// Passes plain data on, and then `None` once it is verified, or else an error.
pub(crate) fn verify(
    mut plain: Receiver<Result<Bytes, ArchiveError>>,
    entry: &Entry,
    output: &Sender<Result<Option<Bytes>, ArchiveError>>,
) {
    let (mut bytes, mut digest) = (0, Context::new(&SHA256));
    while let Some(piece) = plain.blocking_recv() {
        if let Ok(piece) = &piece {
            bytes += piece.len() as u64;
            digest.update(piece);
        }
        let failed = piece.is_err();
        if output.blocking_send(piece.map(Some)).is_err() || failed {
            return;
        }
    }
    drop(output.blocking_send(end(entry, bytes, digest)));
}

fn end(entry: &Entry, bytes: u64, digest: Context) -> Result<Option<Bytes>, ArchiveError> {
    if bytes < entry.bytes {
        // Whoever sends it does not go away without a word, unless something has ended it.
        return Err(ArchiveError::Interrupted);
    }
    match digits(digest) == entry.sha256.to_ascii_lowercase() {
        true => Ok(None),
        false => Err(ArchiveError::damaged(&entry.name, "its SHA-256 is another")),
    }
}
