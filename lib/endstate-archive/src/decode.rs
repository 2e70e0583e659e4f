//! Packed data to plain data, on a thread of its own: decryption, decompression.

use std::io::{self, BufRead, BufReader, Read};

use age::DecryptError;
use bytes::{Buf, Bytes};
use tokio::sync::mpsc::{Receiver, Sender};

use crate::crypt::Identity;
use crate::entry::{Compression, Encryption, Entry};
use crate::error::ArchiveError;

const PIECE_BYTES: usize = 256 << 10;

/// Of what is encrypted, before it is decompressed: age's own pieces.
const CLEAR_BYTES: usize = 64 << 10;

/// The logarithm of the largest window that zstd may ask for: level 19 needs 8 MiB.
const WINDOW_LOG_MAX: u32 = 23;

/// Sends the entry's plain data in pieces, or an error as the last.
pub(crate) fn decode(
    stored: Stored,
    entry: &Entry,
    identity: Option<&Identity>,
    output: &Sender<Result<Bytes, ArchiveError>>,
) {
    let copied = opened(stored, entry, identity).and_then(|it| copy(it, entry, output));
    if let Err(error) = copied {
        drop(output.blocking_send(Err(error)));
    }
}

fn opened(
    stored: Stored,
    entry: &Entry,
    identity: Option<&Identity>,
) -> Result<Box<dyn Read>, ArchiveError> {
    let clear: Box<dyn BufRead> = match (&entry.encryption, identity) {
        (Encryption::None, _) => Box::new(stored),
        (Encryption::Age { .. }, None) => return Err(no_key(entry)),
        (Encryption::Age { .. }, Some(identity)) => {
            let clear = decrypted(stored, identity).map_err(|it| of_age(it, entry))?;
            Box::new(BufReader::with_capacity(CLEAR_BYTES, clear))
        }
    };
    let Compression::Zstd { .. } = entry.compression else { return Ok(Box::new(clear)) };
    let no = |it: io::Error| ArchiveError::settings(format!("zstd does not start: {it}"));
    let mut plain = zstd::stream::read::Decoder::with_buffer(clear).map_err(no)?;
    plain.window_log_max(WINDOW_LOG_MAX).map_err(no)?;
    Ok(Box::new(plain))
}

fn decrypted(stored: Stored, identity: &Identity) -> Result<impl Read + use<>, DecryptError> {
    age::Decryptor::new_buffered(stored)?.decrypt(identity.keys())
}

fn of_age(error: DecryptError, entry: &Entry) -> ArchiveError {
    match error {
        DecryptError::NoMatchingKeys => no_key(entry),
        DecryptError::Io(error) => of_io(error, entry),
        error => ArchiveError::damaged(&entry.name, error.to_string()),
    }
}

/// That an entry is encrypted, and nothing that was given reads it.
pub(crate) fn no_key(entry: &Entry) -> ArchiveError {
    let recipients = match &entry.encryption {
        Encryption::None => Vec::new(),
        Encryption::Age { recipients } => recipients.iter().map(ToString::to_string).collect(),
    };
    ArchiveError::NoKey { name: entry.name.to_string(), recipients }
}

/// What is read is wrong, unless it could not be read.
fn of_io(error: io::Error, entry: &Entry) -> ArchiveError {
    match error.downcast::<ArchiveError>() {
        Ok(error) => error,
        Err(error) => ArchiveError::damaged(&entry.name, error.to_string()),
    }
}

/// Sends as much as the entry has, if there is no more and no less.
fn copy(
    mut plain: Box<dyn Read>,
    entry: &Entry,
    output: &Sender<Result<Bytes, ArchiveError>>,
) -> Result<(), ArchiveError> {
    let mut bytes = 0;
    loop {
        let mut piece = Vec::with_capacity(PIECE_BYTES);
        let read = plain.by_ref().take(PIECE_BYTES as u64).read_to_end(&mut piece);
        read.map_err(|it| of_io(it, entry))?;
        bytes += piece.len() as u64;
        if bytes > entry.bytes {
            let what = format!("more than its {} bytes", entry.bytes);
            return Err(ArchiveError::damaged(&entry.name, what));
        }
        if piece.is_empty() {
            break;
        }
        if output.blocking_send(Ok(piece.into())).is_err() {
            // Nobody reads on.
            return Ok(());
        }
    }
    match bytes == entry.bytes {
        true => Ok(()),
        false => {
            let what = format!("{bytes} of its {} bytes", entry.bytes);
            Err(ArchiveError::damaged(&entry.name, what))
        }
    }
}

/// What is downloaded, as a file to read.
pub(crate) struct Stored {
    input: Receiver<Result<Bytes, ArchiveError>>,
    part: Bytes,
    /// How much is still to come.
    left: u64,
}

impl Stored {
    pub(crate) fn new(input: Receiver<Result<Bytes, ArchiveError>>, bytes: u64) -> Self {
        Self { input, part: Bytes::new(), left: bytes }
    }
}

impl BufRead for Stored {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.part.is_empty() && self.left > 0 {
            let part = self.input.blocking_recv().unwrap_or(Err(ArchiveError::Interrupted));
            self.part = part.map_err(io::Error::other)?;
            self.left = self.left.saturating_sub(self.part.len() as u64);
        }
        Ok(&self.part)
    }

    fn consume(&mut self, bytes: usize) {
        self.part.advance(bytes.min(self.part.len()));
    }
}

impl Read for Stored {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let from = self.fill_buf()?;
        let taken = from.len().min(into.len());
        into[..taken].copy_from_slice(&from[..taken]);
        self.consume(taken);
        Ok(taken)
    }
}
