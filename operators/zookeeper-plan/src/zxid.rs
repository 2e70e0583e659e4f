//! How far a server is.

use std::fmt;
use std::str::FromStr;

/// The number of a transaction: the epoch of the leader that proposed it, and its place in that epoch. A later leader's
/// transactions come after all of an earlier one's. The version of a configuration is the zxid of its change.
///
/// A server that has just started may say 0 until the first transaction reaches it, and has all its data none the less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Zxid(u64);

impl Zxid {
    /// The transaction `counter` of `epoch`.
    #[must_use]
    pub fn new(epoch: u32, counter: u32) -> Self {
        Self(u64::from(epoch) << 32 | u64::from(counter))
    }

    /// Whose leader proposed it.
    #[must_use]
    pub fn epoch(self) -> u32 {
        u32::try_from(self.0 >> 32).unwrap_or(u32::MAX)
    }

    /// Its place in the epoch.
    #[must_use]
    pub fn counter(self) -> u32 {
        u32::try_from(self.0 & u64::from(u32::MAX)).unwrap_or(u32::MAX)
    }

    /// As ZooKeeper's protocol has it.
    #[must_use]
    pub fn to_wire(self) -> i64 {
        self.0.cast_signed()
    }
}

impl From<u64> for Zxid {
    fn from(number: u64) -> Self {
        Self(number)
    }
}

impl From<Zxid> for u64 {
    fn from(zxid: Zxid) -> Self {
        zxid.0
    }
}

impl fmt::Display for Zxid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// A text that is no zxid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a zxid is a hexadecimal number of at most 64 bits")]
pub struct NotAZxid;

/// Of a hexadecimal number, with or without `0x`: ZooKeeper writes both.
impl FromStr for Zxid {
    type Err = NotAZxid;

    fn from_str(text: &str) -> Result<Self, NotAZxid> {
        let digits = text.strip_prefix("0x").unwrap_or(text);
        let is_hexadecimal = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = u64::from_str_radix(digits, 16).ok().filter(|_| is_hexadecimal);
        number.map(Self).ok_or(NotAZxid)
    }
}

#[cfg(test)]
mod tests {
    use super::{NotAZxid, Zxid};

    #[test]
    fn a_zxid_is_an_epoch_and_a_counter_in_either_form() {
        for (text, epoch, counter) in [
            ("0x100000003", 1, 3),
            ("20000002a", 2, 42),
            ("0x0", 0, 0),
            ("ffffffffffffffff", u32::MAX, u32::MAX),
        ] {
            let zxid: Zxid = text.parse().unwrap();
            assert_eq!((zxid.epoch(), zxid.counter()), (epoch, counter), "{text}");
            assert_eq!(zxid, Zxid::new(epoch, counter));
            assert_eq!(zxid.to_string().parse(), Ok(zxid));
        }
        assert_eq!(Zxid::new(1, 3).to_string(), "0x100000003");
        for text in ["", "0x", "+1", "-1", "x", "0x0x1", "10000000000000000", " 1"] {
            assert_eq!(text.parse::<Zxid>(), Err(NotAZxid), "{text}");
        }
    }

    #[test]
    fn a_later_epoch_is_after_every_transaction_of_an_earlier_one() {
        assert!(Zxid::new(2, 0) > Zxid::new(1, u32::MAX));
        assert!(Zxid::new(1, 2) > Zxid::new(1, 1));
    }
}
