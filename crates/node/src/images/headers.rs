//! A limit on the headers of a tar file: a long name comes in headers of its own, which are read into memory whole,
//! however large they say they are.

use std::cell::Cell;
use std::io::{self, Read};

/// The most bytes of headers before one entry: far more than any path or attribute takes.
const HEADER_BYTES_MAX: u64 = 1 << 20;
const BLOCK_BYTES: u64 = 512;

/// How many bytes may be read before the next entry is there.
pub(super) struct Allowance(Cell<u64>);

impl Allowance {
    pub(super) fn new() -> Self {
        Self(Cell::new(HEADER_BYTES_MAX))
    }

    /// For the content of an entry that was just found, and the headers of the one after it.
    pub(super) fn renew<R: Read>(&self, entry: &tar::Entry<'_, R>) {
        // A sparse file is smaller in the archive than it says it is.
        let header = entry.header();
        let sparse = header.entry_type().is_gnu_sparse();
        let size = if sparse { header.entry_size().unwrap_or(0) } else { entry.size() };
        let blocks = size.div_ceil(BLOCK_BYTES).saturating_mul(BLOCK_BYTES);
        self.0.set(blocks.saturating_add(HEADER_BYTES_MAX));
    }

    /// For what follows the last entry and is only counted.
    pub(super) fn lift(&self) {
        self.0.set(u64::MAX);
    }
}

/// The bytes of a tar file, as far as they are allowed.
pub(super) struct Allowed<'a, R> {
    pub(super) inner: R,
    pub(super) allowance: &'a Allowance,
}

impl<R: Read> Read for Allowed<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.allowance.0.get();
        if left == 0 {
            return Err(io::Error::other("the headers of an entry are larger than 1 MiB"));
        }
        let count = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let count = self.inner.read(&mut buffer[..count])?;
        self.allowance.0.set(left - count as u64);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The header of a long name, which follows.
    fn long_name(size: u64) -> io::Cursor<Vec<u8>> {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::GNULongName);
        header.set_size(size);
        header.set_cksum();
        io::Cursor::new(header.as_bytes().to_vec())
    }

    /// One empty file, and the end.
    fn file() -> io::Cursor<Vec<u8>> {
        let mut header = tar::Header::new_gnu();
        header.set_size(0);
        header.set_cksum();
        io::Cursor::new([&header.as_bytes()[..], &[0; 1024]].concat())
    }

    fn names(archive: impl Read) -> io::Result<Vec<usize>> {
        let allowance = Allowance::new();
        let mut archive = tar::Archive::new(Allowed { inner: archive, allowance: &allowance });
        let mut names = Vec::new();
        for entry in archive.entries()? {
            let entry = entry?;
            allowance.renew(&entry);
            names.push(entry.path_bytes().len());
        }
        Ok(names)
    }

    #[test]
    fn a_header_that_never_ends_is_refused() {
        let name = io::repeat(b'a').take(512);
        assert_eq!(names(long_name(512).chain(name).chain(file())).unwrap(), [512]);
        let error = names(long_name(20 << 30).chain(io::repeat(b'a'))).unwrap_err().to_string();
        assert!(error.contains("larger than 1 MiB"), "{error}");
    }

    #[test]
    fn content_of_any_size_is_no_header() {
        let mut archive = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(3 << 20);
        for name in ["a", "b"] {
            archive.append_data(&mut header, name, io::repeat(7).take(3 << 20)).unwrap();
        }
        assert_eq!(names(&*archive.into_inner().unwrap()).unwrap(), [1, 1]);
    }
}
