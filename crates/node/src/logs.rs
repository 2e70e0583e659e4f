//! Container logs: files of lines `TIME STREAM FLAG TEXT`, as the kubelet's runtimes write them.
//!
//! `FLAG` is `F` for a whole line and `P` for a part of one too long for the buffer. A file that has grown beyond
//! [`ROTATE_BYTES`] becomes `NAME.1`, replacing the one before; readers see both as one log.

mod read;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use jiff::Timestamp;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::{broadcast, watch};

pub(crate) use self::read::{Reader, Selection, tail};

const ROTATE_BYTES: u64 = 10 * 1024 * 1024;
/// Pieces of output that someone attached may be behind.
const OUTPUT_QUEUE: usize = 256;
/// The longest text of one line of the file.
const PART_BYTES_MAX: usize = 16 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    Stdout,
    Stderr,
}

impl Stream {
    fn name(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

/// The log of one run of a container, shared by its streams.
#[derive(Clone)]
pub(crate) struct Log {
    inner: Arc<Mutex<Inner>>,
    /// Counts writes, for followers.
    written: watch::Sender<u64>,
    /// The raw output, for those attached; the slow lose some of it.
    output: broadcast::Sender<(Stream, Bytes)>,
    path: PathBuf,
}

struct Inner {
    file: File,
    size: u64,
}

/// The file of a run, and what a rotated one is called.
pub(crate) fn path_of(dir: &Path, attempt: i32) -> PathBuf {
    dir.join(format!("{attempt}.log"))
}

fn rotated(path: &Path) -> PathBuf {
    path.with_extension("log.1")
}

impl Log {
    pub(crate) fn create(dir: &Path, attempt: i32) -> io::Result<Self> {
        fs::create_dir_all(dir)?;
        let path = path_of(dir, attempt);
        let file = OpenOptions::new().create(true).append(true).open(&path)?;
        let size = file.metadata()?.len();
        let inner = Arc::new(Mutex::new(Inner { file, size }));
        let (output, _) = broadcast::channel(OUTPUT_QUEUE);
        Ok(Self { inner, written: watch::Sender::new(0), output, path })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.written.subscribe()
    }

    pub(crate) fn output(&self) -> broadcast::Receiver<(Stream, Bytes)> {
        self.output.subscribe()
    }

    fn share(&self, stream: Stream, bytes: &[u8]) {
        if self.output.receiver_count() > 0 {
            let _ = self.output.send((stream, Bytes::copy_from_slice(bytes)));
        }
    }

    fn append(&self, bytes: &[u8]) -> io::Result<()> {
        // A disk that others keep busy may hold the write up.
        tokio::task::block_in_place(|| self.append_now(bytes))
    }

    fn append_now(&self, bytes: &[u8]) -> io::Result<()> {
        let mut inner = self.inner.lock().expect("no panic while held");
        if inner.size > ROTATE_BYTES {
            fs::rename(&self.path, rotated(&self.path))?;
            inner.file = OpenOptions::new().create(true).append(true).open(&self.path)?;
            inner.size = 0;
        }
        inner.file.write_all(bytes)?;
        inner.size += bytes.len() as u64;
        drop(inner);
        self.written.send_modify(|count| *count += 1);
        Ok(())
    }

    /// Copies a stream into the log until it ends. A full disk loses lines but never blocks the container.
    pub(crate) async fn pump(self, stream: Stream, mut from: impl AsyncRead + Unpin) {
        let mut framer = Framer::new(stream);
        let mut buffer = vec![0; 8 * 1024];
        loop {
            let count = from.read(&mut buffer).await.unwrap_or(0);
            self.share(stream, &buffer[..count]);
            let lines = framer.feed(&buffer[..count], Timestamp::now());
            if !lines.is_empty() && self.append(&lines).is_err() {
                tracing::warn!(path = %self.path.display(), "cannot write a container's log");
            }
            if count == 0 {
                return;
            }
        }
    }

    /// The same for bytes that come from elsewhere: a terminal.
    pub(crate) fn framer(&self) -> Framer {
        Framer::new(Stream::Stdout)
    }

    pub(crate) fn feed(&self, framer: &mut Framer, bytes: &[u8]) {
        self.share(Stream::Stdout, bytes);
        let lines = framer.feed(bytes, Timestamp::now());
        if !lines.is_empty() && self.append(&lines).is_err() {
            tracing::warn!(path = %self.path.display(), "cannot write a container's log");
        }
    }
}

/// Cuts bytes into lines of the file.
pub(crate) struct Framer {
    stream: Stream,
    pending: Vec<u8>,
}

impl Framer {
    fn new(stream: Stream) -> Self {
        Self { stream, pending: Vec::new() }
    }

    /// Empty `bytes` mean the end: what is pending is flushed as a part.
    fn feed(&mut self, bytes: &[u8], now: Timestamp) -> Vec<u8> {
        let mut out = Vec::new();
        for byte in bytes {
            if *byte == b'\n' {
                self.flush(&mut out, "F", now);
            } else {
                self.pending.push(*byte);
                if self.pending.len() >= PART_BYTES_MAX {
                    self.flush(&mut out, "P", now);
                }
            }
        }
        if bytes.is_empty() && !self.pending.is_empty() {
            self.flush(&mut out, "P", now);
        }
        out
    }

    fn flush(&mut self, out: &mut Vec<u8>, flag: &str, now: Timestamp) {
        let head = format!("{now:.9} {} {flag} ", self.stream.name());
        out.extend_from_slice(head.as_bytes());
        out.append(&mut self.pending);
        out.push(b'\n');
    }
}
