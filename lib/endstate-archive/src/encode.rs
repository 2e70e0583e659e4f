//! Plain data to packed data, on a thread of its own: digest, compression, encryption, parts.

use std::io::{self, Write};

use age::stream::StreamWriter;
use bytes::Bytes;
use ring::digest::{Context, SHA256};
use tokio::sync::mpsc::{Receiver, Sender};

use crate::crypt::Recipient;
use crate::entry::{Compression, Encryption, Packing};
use crate::error::ArchiveError;
use crate::upload::{PART_BYTES, Part};

pub(crate) enum Input {
    Data(Bytes),
    /// That was all. Whoever goes away without saying so has not written all.
    End,
}

/// What went in.
pub(crate) struct Plain {
    pub(crate) bytes: u64,
    pub(crate) sha256: String,
}

/// Packs what comes; `None` if it ends without an end.
pub(crate) fn encode(
    mut input: Receiver<Input>,
    packing: &Packing,
    output: Sender<Part>,
) -> Result<Option<Plain>, ArchiveError> {
    // Only an upload that has failed takes no more, and it says itself why.
    let gone = |_: io::Error| ArchiveError::Interrupted;
    let mut pipe = Pipe::new(packing, Parts::new(output))?;
    let (mut bytes, mut digest) = (0, Context::new(&SHA256));
    loop {
        match input.blocking_recv() {
            Some(Input::Data(data)) => {
                bytes += data.len() as u64;
                digest.update(&data);
                pipe.write_all(&data).map_err(gone)?;
            }
            Some(Input::End) => break,
            None => return Ok(None),
        }
    }
    pipe.finish().map_err(gone)?;
    Ok(Some(Plain { bytes, sha256: digits(digest) }))
}

/// A digest in hexadecimal digits.
pub(crate) fn digits(digest: Context) -> String {
    digest.finish().as_ref().iter().map(|it| format!("{it:02x}")).collect()
}

enum Pipe {
    Plain(Sealed),
    Zstd(zstd::stream::write::Encoder<'static, Sealed>),
}

impl Pipe {
    fn new(packing: &Packing, parts: Parts) -> Result<Self, ArchiveError> {
        let sealed = Sealed::new(&packing.encryption, parts)?;
        let Compression::Zstd { level } = packing.compression else {
            return Ok(Self::Plain(sealed));
        };
        let no = |it: io::Error| ArchiveError::settings(format!("zstd does not start: {it}"));
        let mut encoder = zstd::stream::write::Encoder::new(sealed, level).map_err(no)?;
        // So that the zstd tool verifies it, too.
        encoder.include_checksum(true).map_err(no)?;
        Ok(Self::Zstd(encoder))
    }

    fn write_all(&mut self, data: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(it) => it.write_all(data),
            Self::Zstd(it) => it.write_all(data),
        }
    }

    fn finish(self) -> io::Result<()> {
        match self {
            Self::Plain(it) => it.finish(),
            Self::Zstd(it) => it.finish()?.finish(),
        }
    }
}

enum Sealed {
    Plain(Parts),
    Age(StreamWriter<Parts>),
}

impl Sealed {
    fn new(encryption: &Encryption, parts: Parts) -> Result<Self, ArchiveError> {
        let Encryption::Age { recipients } = encryption else { return Ok(Self::Plain(parts)) };
        let keys: Vec<_> = recipients.iter().map(Recipient::key).collect::<Result<_, _>>()?;
        let keys = keys.iter().map(|it| it as &dyn age::Recipient);
        let encryptor = age::Encryptor::with_recipients(keys)
            .map_err(|it| ArchiveError::settings(format!("the recipients do not fit: {it}")))?;
        let writer = encryptor.wrap_output(parts).map_err(|_| ArchiveError::Interrupted)?;
        Ok(Self::Age(writer))
    }

    fn finish(self) -> io::Result<()> {
        match self {
            Self::Plain(it) => it.finish(),
            Self::Age(it) => it.finish()?.finish(),
        }
    }
}

impl Write for Sealed {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(it) => it.write(data),
            Self::Age(it) => it.write(data),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Cuts a stream into parts.
struct Parts {
    part: Vec<u8>,
    output: Sender<Part>,
}

impl Parts {
    fn new(output: Sender<Part>) -> Self {
        Self { part: Vec::new(), output }
    }

    fn send(&mut self) -> io::Result<()> {
        let part = Part::Data(std::mem::take(&mut self.part).into());
        self.output.blocking_send(part).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    fn finish(mut self) -> io::Result<()> {
        if !self.part.is_empty() {
            self.send()?;
        }
        self.output.blocking_send(Part::End).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

impl Write for Parts {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        if self.part.capacity() == 0 {
            self.part.reserve_exact(PART_BYTES);
        }
        let taken = data.len().min(PART_BYTES - self.part.len());
        self.part.extend_from_slice(&data[..taken]);
        if self.part.len() == PART_BYTES {
            self.send()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
