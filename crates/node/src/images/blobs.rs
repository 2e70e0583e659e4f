//! Content-addressed files.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::PathBuf;

use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use super::{Error, Store};

/// The largest manifest or configuration that is read into memory.
pub(super) const DOCUMENT_BYTES_MAX: u64 = 4 * 1024 * 1024;

pub(super) fn is_digest(text: &str) -> bool {
    text.strip_prefix("sha256:").is_some_and(|hex| {
        hex.len() == 64 && hex.bytes().all(|it| it.is_ascii_digit() || (b'a'..=b'f').contains(&it))
    })
}

/// Reads a JSON blob, checking its digest.
pub(super) fn read_json<T: DeserializeOwned>(
    store: &Store,
    reference: &str,
    digest: &str,
) -> Result<T, Error> {
    let damaged = |why: String| Error::Damaged { reference: reference.to_owned(), why };
    if !is_digest(digest) {
        return Err(damaged(format!("{digest:?} is no sha256 digest")));
    }
    let path = store.blob(digest);
    let file = match File::open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(damaged(format!("blob {digest} is not in the store")));
        }
        other => other.map_err(Error::io(&path))?,
    };
    let mut bytes = Vec::new();
    file.take(DOCUMENT_BYTES_MAX).read_to_end(&mut bytes).map_err(Error::io(&path))?;
    if digest_of(&bytes) != digest {
        return Err(damaged(format!("blob {digest} has other content")));
    }
    serde_json::from_slice(&bytes).map_err(|error| damaged(format!("blob {digest}: {error}")))
}

pub(super) fn digest_of(bytes: &[u8]) -> String {
    format!("sha256:{}", hex(&Sha256::digest(bytes)))
}

pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// A blob being written: becomes visible under its digest by [`NewBlob::finish`], else is removed.
pub(super) struct NewBlob {
    file: Option<File>,
    path: PathBuf,
    hasher: Sha256,
    count: u64,
}

impl NewBlob {
    pub(super) fn create(store: &Store) -> Result<Self, Error> {
        use std::sync::atomic::{AtomicU64, Ordering};
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name =
            format!(".partial-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = store.blobs().join(name);
        let file = File::create(&path).map_err(Error::io(&path))?;
        Ok(Self { file: Some(file), path, hasher: Sha256::new(), count: 0 })
    }

    /// Gives the blob its name, which must be `expected` if that is given. Returns digest and size.
    pub(super) fn finish(
        mut self,
        store: &Store,
        expected: Option<&str>,
    ) -> Result<(String, u64), Error> {
        let digest = format!("sha256:{}", hex(&std::mem::take(&mut self.hasher).finalize()));
        if let Some(expected) = expected.filter(|expected| *expected != digest) {
            let why = format!("blob {expected} has the digest {digest}");
            return Err(Error::Damaged { reference: expected.to_owned(), why });
        }
        let file = self.file.take().expect("only finish takes it");
        file.sync_all().map_err(Error::io(&self.path))?;
        let target = store.blob(&digest);
        fs::rename(&self.path, &target).map_err(Error::io(target))?;
        // The index will name it: its name must be as durable as that.
        let folder = store.blobs();
        File::open(&folder).and_then(|it| it.sync_all()).map_err(Error::io(folder))?;
        Ok((digest, self.count))
    }
}

impl Write for NewBlob {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let file = self.file.as_mut().expect("open until finished");
        let count = file.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        self.count += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for NewBlob {
    fn drop(&mut self) {
        // Finished blobs have moved away; only a failed one is still here.
        let _ = fs::remove_file(&self.path);
    }
}

/// Stores bytes; returns digest and size.
pub(super) fn put(store: &Store, bytes: &[u8]) -> Result<(String, u64), Error> {
    let mut blob = NewBlob::create(store)?;
    blob.write_all(bytes).map_err(Error::io(store.blobs()))?;
    blob.finish(store, None)
}

/// Stores everything a reader gives; returns digest and size.
pub(super) fn copy(
    store: &Store,
    from: &mut impl Read,
    expected: Option<&str>,
) -> Result<(String, u64), Error> {
    let mut blob = NewBlob::create(store)?;
    io::copy(from, &mut blob).map_err(Error::io(store.blobs()))?;
    blob.finish(store, expected)
}
