//! Fingerprints of states.

/// A fast hash of words into 128 bits: two folded multiplications that know nothing of each other.
///
/// ```
/// use endstate_check::Print;
/// assert_eq!(Print::of([1, 2]), Print::of([1, 2]));
/// assert_ne!(Print::of([1, 2]), Print::of([2, 1]));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Print {
    left: u64,
    right: u64,
}

impl Default for Print {
    fn default() -> Self {
        Self { left: 0x6c62_272e_07bb_0142, right: 0x62b8_2175_6295_c58d }
    }
}

impl Print {
    /// Adds a word; the order matters.
    #[inline]
    pub fn add(&mut self, word: u64) {
        self.left = folded(self.left ^ word, 0xda94_2042_e4dd_58b5);
        self.right = folded(self.right.rotate_left(23) ^ word, 0x9e37_79b9_7f4a_7c15);
    }

    /// The fingerprint of all that was added.
    #[inline]
    pub fn finish(self) -> u128 {
        u128::from(self.left) << 64 | u128::from(self.right)
    }

    /// The fingerprint of these words.
    pub fn of(words: impl IntoIterator<Item = u64>) -> u128 {
        let mut print = Self::default();
        words.into_iter().for_each(|word| print.add(word));
        print.finish()
    }
}

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "both halves of the product are used")]
fn folded(word: u64, factor: u64) -> u64 {
    let product = u128::from(word) * u128::from(factor);
    product as u64 ^ (product >> 64) as u64
}
