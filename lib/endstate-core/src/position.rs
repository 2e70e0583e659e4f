//! How much of a history a member has: a partial order.
//!
//! A log index, a transaction id with its epoch, an offset under a replication id and a set of transaction ids
//! (GTIDs) are all sets of numbered entries of named histories. One member is as far as another if it has all
//! that the other has. Two members may each have what the other lacks: then neither is further, and neither can
//! be the source of a recovery for both.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Serialize};

/// The entries that a member has, by history. How it is written ([`hexadecimal`](Self::hexadecimal)) makes no
/// difference between two.
///
/// ```
/// use endstate_core::Position;
/// let (behind, ahead) = (Position::at(7), Position::at(9));
/// assert!(behind < ahead);
/// assert_eq!(behind.behind(&ahead), Some(2));
///
/// let (a, b): (Position, Position) = ("u1:1-5:7".parse().unwrap(), "u1:1-6".parse().unwrap());
/// assert_eq!(a.partial_cmp(&b), None, "each has what the other lacks");
/// ```
#[derive(Clone, Debug, Default)]
pub struct Position {
    histories: Histories,
    notation: Notation,
}

type Histories = BTreeMap<String, Vec<Range>>;

/// The first and the last entry of a run without a gap.
type Range = (u64, u64);

/// How the last entry of the only history is written.
#[derive(Clone, Copy, Debug, Default)]
enum Notation {
    #[default]
    Decimal,
    Hexadecimal,
}

impl Position {
    /// All entries up to this one of the only history there is.
    pub fn at(last: u64) -> Self {
        Self::of("", 0, last)
    }

    /// The same, written as those write it who number entries by an epoch and a counter in one number.
    ///
    /// ```
    /// use endstate_core::Position;
    /// let position = Position::hexadecimal(0x2_0000_0003);
    /// assert_eq!(position.to_string(), "0x200000003");
    /// assert_eq!(position, Position::at(0x2_0000_0003));
    /// ```
    pub fn hexadecimal(last: u64) -> Self {
        Self { notation: Notation::Hexadecimal, ..Self::at(last) }
    }

    /// The entries `first` to `last` of a history.
    ///
    /// ```
    /// use endstate_core::Position;
    /// let old = Position::of("8f3c", 0, 100);
    /// assert_eq!(old.partial_cmp(&Position::of("77aa", 0, 100)), None, "another replication id");
    /// ```
    pub fn of(history: impl Into<String>, first: u64, last: u64) -> Self {
        Self::from(BTreeMap::from([(history.into(), vec![(first, last)])]))
    }

    /// Both together.
    ///
    /// ```
    /// use endstate_core::Position;
    /// let both = Position::of("u1", 1, 5).and(&Position::of("u1", 6, 9));
    /// assert_eq!(both, Position::of("u1", 1, 9));
    /// ```
    #[must_use]
    pub fn and(mut self, other: &Self) -> Self {
        for (history, ranges) in &other.histories {
            let own = self.histories.entry(history.clone()).or_default();
            own.extend(ranges);
            *own = merged(std::mem::take(own));
        }
        self
    }

    /// Whether it has all that the other has.
    pub fn dominates(&self, other: &Self) -> bool {
        let has = |(history, ranges): (&String, &Vec<Range>)| {
            let own = self.histories.get(history).map_or(&[][..], Vec::as_slice);
            let inside = |it: &Range| own.iter().any(|own| own.0 <= it.0 && it.1 <= own.1);
            ranges.iter().all(inside)
        };
        other.histories.iter().all(has)
    }

    /// How many entries it lacks of one that has all that it has; `None` if that one has not.
    pub fn behind(&self, ahead: &Self) -> Option<u64> {
        ahead.dominates(self).then(|| ahead.count().saturating_sub(self.count()))
    }

    /// Whether it lacks no more than so many entries of another. Who has all that one has, and more, lacks none.
    ///
    /// ```
    /// use endstate_core::Position;
    /// assert!(Position::at(90).keeps_up(&Position::at(100), 10));
    /// assert!(!Position::at(89).keeps_up(&Position::at(100), 10));
    /// assert!(Position::at(101).keeps_up(&Position::at(100), 0), "the other answered a moment before");
    /// ```
    pub fn keeps_up(&self, ahead: &Self, entries: u64) -> bool {
        self.dominates(ahead) || self.behind(ahead).is_some_and(|it| it <= entries)
    }

    /// How many entries there are. Who has all that another has, has as many or more, so that sorting by it never
    /// contradicts the partial order.
    pub fn count(&self) -> u64 {
        let lengths =
            self.histories.values().flatten().map(|(first, last)| (last - first).saturating_add(1));
        lengths.fold(0, u64::saturating_add)
    }
}

/// Sorted, without overlaps and without neighbours that touch.
fn merged(mut ranges: Vec<Range>) -> Vec<Range> {
    ranges.sort_unstable();
    let mut all: Vec<Range> = Vec::with_capacity(ranges.len());
    for (first, last) in ranges {
        match all.last_mut() {
            Some(before) if first <= before.1.saturating_add(1) => before.1 = before.1.max(last),
            _ => all.push((first, last)),
        }
    }
    all
}

impl From<Histories> for Position {
    fn from(histories: Histories) -> Self {
        Self { histories, notation: Notation::default() }
    }
}

impl PartialEq for Position {
    fn eq(&self, other: &Self) -> bool {
        self.histories == other.histories
    }
}

impl Eq for Position {}

impl Hash for Position {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.histories.hash(state);
    }
}

impl PartialOrd for Position {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        match (self.dominates(other), other.dominates(self)) {
            (true, true) => Some(Ordering::Equal),
            (true, false) => Some(Ordering::Greater),
            (false, true) => Some(Ordering::Less),
            (false, false) => None,
        }
    }
}

/// `42` or `0x2a` for the entries 0 to 42 of the only history, else `history:first-last:...,history:...`, as GTID sets
/// are written.
impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let only = self.histories.get("").filter(|_| self.histories.len() == 1);
        if let Some([(0, last)]) = only.map(Vec::as_slice) {
            return match self.notation {
                Notation::Decimal => write!(f, "{last}"),
                Notation::Hexadecimal => write!(f, "{last:#x}"),
            };
        }
        for (index, (history, ranges)) in self.histories.iter().enumerate() {
            f.write_str(if index == 0 { "" } else { "," })?;
            f.write_str(history)?;
            for (first, last) in ranges {
                write!(f, ":{first}-{last}")?;
            }
        }
        Ok(())
    }
}

/// A text is no position.
///
/// ```
/// assert!("u1:x".parse::<endstate_core::Position>().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PositionError(String);

impl fmt::Display for PositionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not a position: {:?}", self.0)
    }
}

impl std::error::Error for PositionError {}

impl FromStr for Position {
    type Err = PositionError;

    fn from_str(text: &str) -> Result<Self, PositionError> {
        let parsed = match text {
            "" => Some(Self::default()),
            _ if text.bytes().all(|it| it.is_ascii_digit()) => text.parse().ok().map(Self::at),
            _ => hexadecimal(text).map(Self::hexadecimal).or_else(|| {
                text.split(',').map(history).collect::<Option<Histories>>().map(Self::from)
            }),
        };
        parsed.ok_or_else(|| PositionError(text.to_owned()))
    }
}

fn hexadecimal(text: &str) -> Option<u64> {
    let digits = text.strip_prefix("0x")?;
    // `from_str_radix` takes a sign, too.
    let plain = digits.bytes().all(|it| it.is_ascii_hexdigit());
    u64::from_str_radix(digits, 16).ok().filter(|_| plain)
}

fn history(text: &str) -> Option<(String, Vec<Range>)> {
    let mut parts = text.split(':');
    let name = parts.next()?.to_owned();
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (first.parse().ok()?, last.parse().ok()?);
        (first <= last).then_some((first, last))
    };
    let ranges = parts.map(range).collect::<Option<Vec<_>>>()?;
    (!ranges.is_empty()).then(|| (name, merged(ranges)))
}

impl Serialize for Position {
    fn serialize<S: serde::Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Position {
    fn deserialize<D: serde::Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        String::deserialize(input)?.parse().map_err(D::Error::custom)
    }
}

impl JsonSchema for Position {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Position".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "maxLength": 4096 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(text: &str) -> Position {
        text.parse().unwrap()
    }

    #[test]
    fn who_has_all_that_another_has_is_as_far() {
        let cases = [
            ("5", "5", Some(Ordering::Equal)),
            ("5", "6", Some(Ordering::Less)),
            ("", "5", Some(Ordering::Less)),
            ("u1:1-5", "u1:1-9,u2:1-1", Some(Ordering::Less)),
            ("u1:1-9,u2:1-1", "u1:1-5", Some(Ordering::Greater)),
            ("u1:1-5:7-7", "u1:1-6", None),
            ("u1:1-5", "u2:1-5", None),
            ("u1:1-5,u2:1-1", "u1:1-6", None),
        ];
        for (a, b, order) in cases {
            assert_eq!(position(a).partial_cmp(&position(b)), order, "{a} {b}");
            assert_eq!(position(b).partial_cmp(&position(a)), order.map(Ordering::reverse));
        }
    }

    #[test]
    fn counting_never_contradicts_the_order() {
        let all = ["", "3", "4", "u1:1-5", "u1:1-5:7-7", "u1:1-7", "u1:1-7,u2:1-1"].map(position);
        for (a, b) in all.iter().flat_map(|a| all.iter().map(move |b| (a, b))) {
            let less = a.partial_cmp(b) == Some(Ordering::Less);
            assert!(!less || a.count() < b.count(), "{a} {b}");
        }
    }

    #[test]
    fn a_position_is_written_as_it_is_read() {
        for text in
            ["0", "42", "0x0", "0x200000003", "u1:1-5", "u1:1-5:7-7,u2:2-3", ":3-4", "0x:1-5"]
        {
            assert_eq!(position(text).to_string(), text);
        }
        assert_eq!(position("0x2a"), position("42"));
        assert_eq!(position("u1:7:1-5:6").to_string(), "u1:1-7");
        for text in [
            "x",
            "u1",
            "u1:",
            "u1:5-1",
            "u1:1-5,",
            "-1",
            "99999999999999999999",
            "0x",
            "0x-1",
            "0xg",
        ] {
            assert!(text.parse::<Position>().is_err(), "{text}");
        }
    }
}
