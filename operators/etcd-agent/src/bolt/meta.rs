//! The two pages that a bbolt file begins with: each says where the newest tree was when it was written.
//!
//! Of those that are whole the one of the later transaction counts; the other is written over by the next one.

use super::page::{HEADER, u32_at, u64_at};

const MAGIC: u32 = 0xed0c_daed;
const VERSION: u32 = 2;
/// In the place of a list of free pages: there is none, and whoever opens the file looks for them.
const NO_FREELIST: u64 = u64::MAX;
/// Of a page, with its header.
pub(super) const BYTES: usize = HEADER + 64;
/// Of what the checksum is of.
const SUMMED: usize = 56;
const META: u16 = 4;

/// What one of the pages says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Meta {
    pub(super) page_bytes: u32,
    flags: u32,
    /// The page that the tree of buckets begins with.
    pub(super) root: u64,
    sequence: u64,
    freelist: u64,
    /// The first page that was never used.
    pub(super) high: u64,
    pub(super) transaction: u64,
}

impl Meta {
    /// Reads one, if it is whole.
    pub(super) fn read(page: &[u8]) -> Option<Self> {
        let of = page.get(HEADER..BYTES)?;
        let is_whole = u32_at(of, 0)? == MAGIC
            && u32_at(of, 4)? == VERSION
            && u64_at(of, SUMMED)? == checksum(&of[..SUMMED]);
        let meta = Self {
            page_bytes: u32_at(of, 8)?,
            flags: u32_at(of, 12)?,
            root: u64_at(of, 16)?,
            sequence: u64_at(of, 24)?,
            freelist: u64_at(of, 32)?,
            high: u64_at(of, 40)?,
            transaction: u64_at(of, 48)?,
        };
        is_whole.then_some(meta)
    }

    /// One of a file with pages of 4 KiB.
    #[cfg(test)]
    pub(super) fn of(root: u64, high: u64, transaction: u64) -> Self {
        let (flags, sequence, freelist) = (0, 0, NO_FREELIST);
        Self { page_bytes: 4_096, flags, root, sequence, freelist, high, transaction }
    }

    /// The next one, with another tree.
    pub(super) fn next(self, root: u64, high: u64) -> Self {
        let transaction = self.transaction + 1;
        Self { root, high, transaction, freelist: NO_FREELIST, ..self }
    }

    /// Which of the two pages it is written to.
    pub(super) fn page(self) -> u64 {
        self.transaction % 2
    }

    pub(super) fn written(self) -> [u8; BYTES] {
        let mut page = [0; BYTES];
        page[..8].copy_from_slice(&self.page().to_ne_bytes());
        page[8..10].copy_from_slice(&META.to_ne_bytes());
        let words = [MAGIC, VERSION, self.page_bytes, self.flags];
        for (slot, word) in page[HEADER..].chunks_exact_mut(4).zip(words) {
            slot.copy_from_slice(&word.to_ne_bytes());
        }
        let longs = [self.root, self.sequence, self.freelist, self.high, self.transaction];
        for (slot, long) in page[HEADER + 16..].chunks_exact_mut(8).zip(longs) {
            slot.copy_from_slice(&long.to_ne_bytes());
        }
        let sum = checksum(&page[HEADER..HEADER + SUMMED]);
        page[HEADER + SUMMED..].copy_from_slice(&sum.to_ne_bytes());
        page
    }
}

/// FNV-1a of 64 bits.
fn checksum(of: &[u8]) -> u64 {
    let (offset, prime) = (0xcbf2_9ce4_8422_2325, 0x0100_0000_01b3);
    of.iter().fold(offset, |sum: u64, it| (sum ^ u64::from(*it)).wrapping_mul(prime))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checksum_is_that_of_fnv_1a() {
        assert_eq!(checksum(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(checksum(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(checksum(b"foobar"), 0x8594_4171_f739_67e8);
    }
}
