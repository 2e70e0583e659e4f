//! How large an image may become: whoever names an image decides what its layers hold, and a few kilobytes of them can
//! decompress to more than any disk.

use std::cell::Cell;
use std::io::{self, Read, Write};

/// The most bytes that an image may unpack to, or an archive that is imported.
pub(super) const UNPACKED_BYTES_MAX: u64 = 64 << 30;
/// The most bytes of an image's layers that are pulled.
pub(super) const PULLED_BYTES_MAX: u64 = 32 << 30;
/// What an entry of an archive counts for beside its content: it costs a block and an inode, however empty it is.
const ENTRY_BYTES: u64 = 4096;

/// Bytes that may still be spent.
pub(super) struct Budget {
    max: u64,
    left: Cell<u64>,
    is_exceeded: Cell<bool>,
}

impl Budget {
    pub(super) fn new(max: u64) -> Self {
        Self { max, left: Cell::new(max), is_exceeded: Cell::new(false) }
    }

    pub(super) fn spend(&self, bytes: u64) -> io::Result<()> {
        match self.left.get().checked_sub(bytes) {
            Some(left) => {
                self.left.set(left);
                Ok(())
            }
            None => {
                self.is_exceeded.set(true);
                Err(io::Error::other(format!("it holds more than {}", shown(self.max))))
            }
        }
    }

    pub(super) fn spend_entry(&self) -> io::Result<()> {
        self.spend(ENTRY_BYTES)
    }

    pub(super) fn is_exceeded(&self) -> bool {
        self.is_exceeded.get()
    }

    pub(super) fn max(&self) -> u64 {
        self.max
    }
}

/// A reader or writer whose bytes are paid for.
pub(super) struct Metered<'a, T> {
    pub(super) inner: T,
    pub(super) budget: &'a Budget,
}

impl<T: Read> Read for Metered<'_, T> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.budget.spend(count as u64)?;
        Ok(count)
    }
}

impl<T: Write> Write for Metered<'_, T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.budget.spend(bytes.len() as u64)?;
        self.inner.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// `64 GiB`, `1 MiB`, `10 bytes`: limits are round.
pub(super) fn shown(bytes: u64) -> String {
    for (shift, unit) in [(30, "GiB"), (20, "MiB"), (10, "KiB")] {
        if bytes >= 1 << shift {
            return format!("{} {unit}", bytes >> shift);
        }
    }
    format!("{bytes} bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_spent_once() {
        let budget = Budget::new(10);
        let mut to = Metered { inner: Vec::new(), budget: &budget };
        assert_eq!(io::copy(&mut io::repeat(7).take(10), &mut to).unwrap(), 10);
        assert!(!budget.is_exceeded());
        let error = to.write_all(b"x").unwrap_err();
        assert!(budget.is_exceeded());
        assert_eq!(error.to_string(), "it holds more than 10 bytes");
        assert_eq!(to.inner.len(), 10, "nothing beyond it is written");
    }

    #[test]
    fn limits_are_shown_in_their_unit() {
        assert_eq!(
            [64 << 30, 1 << 20, 2048, 3].map(shown),
            ["64 GiB", "1 MiB", "2 KiB", "3 bytes"]
        );
    }
}
