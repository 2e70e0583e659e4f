//! Names: of histories and of entries, and where the objects of an entry lie.
//!
//! ```text
//! <lineage>/full-<first>-<last>-<id>.json     the manifest, written last
//! <lineage>/delta-<first>-<last>-<id>.json
//! <lineage>/data/<id>.zst.age                 the data
//! ```

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::ArchiveError;

/// The folder of a lineage's data.
pub(crate) const DATA: &str = "data";

const MANIFEST: &str = ".json";

/// Whose history it is: the identity of one cluster, whose revisions can be compared with each other.
///
/// ```
/// use endstate_archive::Lineage;
///
/// assert!("8f1c2d3e4a5b6c7d".parse::<Lineage>().is_ok());
/// assert!("../other".parse::<Lineage>().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Lineage(String);

impl Lineage {
    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Lineage {
    type Err = ArchiveError;

    fn from_str(text: &str) -> Result<Self, ArchiveError> {
        let known = |it: u8| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'_' | b'.');
        let fits = (1..=200).contains(&text.len()) && !text.starts_with('.');
        if fits && text.bytes().all(known) {
            return Ok(Self(text.to_owned()));
        }
        Err(ArchiveError::settings(format!(
            "{text:?} is no name of a lineage: use up to 200 letters, digits, dots, dashes and underscores, and no dot first"
        )))
    }
}

impl TryFrom<String> for Lineage {
    type Error = ArchiveError;

    fn try_from(text: String) -> Result<Self, ArchiveError> {
        text.parse()
    }
}

impl From<Lineage> for String {
    fn from(lineage: Lineage) -> Self {
        lineage.0
    }
}

impl fmt::Display for Lineage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What tells an entry from any other, whatever they hold: when its writer began, and a random number.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Id(String);

impl Id {
    pub(crate) fn new(now: Timestamp, random: u64) -> Self {
        Self(format!("{}-{random:016x}", now.strftime("%Y%m%dT%H%M%SZ")))
    }

    fn parse(text: &str) -> Option<Self> {
        let (time, random) = text.split_once('-')?;
        let time = time.len() == 16 && time.bytes().all(|it| it.is_ascii_alphanumeric());
        let random = random.len() == 16 && random.bytes().all(|it| it.is_ascii_hexdigit());
        (time && random).then(|| Self(text.to_owned()))
    }

    /// Whose data a file of the folder is, if it is one of ours.
    pub(crate) fn of_data(file: &str) -> Option<Self> {
        Self::parse(file.split_once('.').map_or(file, |(id, _)| id))
    }

    /// Where data lies.
    pub(crate) fn data(&self, lineage: &Lineage, extension: &str) -> String {
        format!("{lineage}/{DATA}/{}{extension}", self.0)
    }
}

/// The name of an entry, unique for ever: `lineage/kind-first-last-id`.
///
/// ```
/// use endstate_archive::EntryName;
///
/// let text = "8f1c/full-00000000000000000042-00000000000000000042-20261130T085700Z-00c0ffee00c0ffee";
/// let name: EntryName = text.parse()?;
/// assert_eq!(name.lineage().as_str(), "8f1c");
/// assert_eq!(name.to_string(), text);
/// # Ok::<(), endstate_archive::ArchiveError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EntryName {
    lineage: Lineage,
    first: u64,
    last: u64,
    full: bool,
    id: Id,
}

impl EntryName {
    pub(crate) fn new(lineage: Lineage, span: (bool, u64, u64), id: Id) -> Self {
        let (full, first, last) = span;
        Self { lineage, first, last, full, id }
    }

    /// Whose history it is part of.
    pub fn lineage(&self) -> &Lineage {
        &self.lineage
    }

    pub(crate) fn id(&self) -> &Id {
        &self.id
    }

    pub(crate) fn span(&self) -> (bool, u64, u64) {
        (self.full, self.first, self.last)
    }

    /// Where its manifest lies.
    pub(crate) fn manifest(&self) -> String {
        format!("{self}{MANIFEST}")
    }

    /// Where its data lies.
    pub(crate) fn data(&self, extension: &str) -> String {
        self.id.data(&self.lineage, extension)
    }

    /// Whose manifest a file in a lineage's folder is: `None` if it is none, an error if it is none of ours.
    pub(crate) fn of_manifest(lineage: &Lineage, file: &str) -> Option<Result<Self, ArchiveError>> {
        let name = file.strip_suffix(MANIFEST)?;
        Some(Self::parse(lineage.clone(), name).ok_or_else(|| ArchiveError::Foreign {
            name: format!("{lineage}/{file}"),
            what: "its name is of no entry".to_owned(),
        }))
    }

    fn parse(lineage: Lineage, text: &str) -> Option<Self> {
        let mut words = text.splitn(4, '-');
        let full = match words.next()? {
            "full" => true,
            "delta" => false,
            _ => return None,
        };
        let (first, last) = (revision(words.next()?)?, revision(words.next()?)?);
        Some(Self { lineage, first, last, full, id: Id::parse(words.next()?)? })
    }
}

fn revision(text: &str) -> Option<u64> {
    (text.len() == 20).then(|| text.parse().ok()).flatten()
}

impl fmt::Display for EntryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.full { "full" } else { "delta" };
        let Self { lineage, first, last, id, .. } = self;
        write!(f, "{lineage}/{kind}-{first:020}-{last:020}-{}", id.0)
    }
}

impl FromStr for EntryName {
    type Err = ArchiveError;

    fn from_str(text: &str) -> Result<Self, ArchiveError> {
        let parts = text.split_once('/').and_then(|(lineage, name)| {
            lineage.parse().ok().and_then(|lineage| Self::parse(lineage, name))
        });
        parts.ok_or_else(|| ArchiveError::settings(format!("{text:?} is no name of an entry")))
    }
}

impl TryFrom<String> for EntryName {
    type Error = ArchiveError;

    fn try_from(text: String) -> Result<Self, ArchiveError> {
        text.parse()
    }
}

impl From<EntryName> for String {
    fn from(name: EntryName) -> Self {
        name.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lineage() -> Lineage {
        "l".parse().expect("a name")
    }

    #[test]
    fn lineages_are_one_segment_of_a_path() {
        for good in ["a", "8f1c2d3e", "a.b_c-D"] {
            assert!(good.parse::<Lineage>().is_ok(), "{good}");
        }
        let long = "a".repeat(201);
        for bad in ["", ".", "..", ".a", "a/b", "a b", "ä", "a%2f", "a#1", &long] {
            assert!(bad.parse::<Lineage>().is_err(), "{bad}");
        }
    }

    #[test]
    fn manifests_are_told_from_other_files() {
        let zeros = "0".repeat(20);
        let ours = format!("delta-{zeros}-{zeros}-20261130T085700Z-00c0ffee00c0ffee");
        let of = |file: &str| EntryName::of_manifest(&lineage(), file);
        assert!(of(&format!("{ours}.json")).is_some_and(|it| it.is_ok()));
        assert!(of(&ours).is_none());
        for foreign in ["a.json".to_owned(), format!("{ours}-1.json"), format!("x{ours}.json")] {
            assert!(of(&foreign).is_some_and(|it| it.is_err()), "{foreign}");
        }
    }

    #[test]
    fn data_is_told_from_other_files() {
        let id = Id::new(Timestamp::UNIX_EPOCH, 7);
        assert_eq!(id.0, "19700101T000000Z-0000000000000007");
        for extension in ["", ".zst", ".zst.age"] {
            let path = id.data(&lineage(), extension);
            let file = path.strip_prefix("l/data/").expect("in the folder");
            assert_eq!(Id::of_data(file), Some(id.clone()));
        }
        for other in ["a", "readme.txt", "19700101T000000Z-1", ""] {
            assert_eq!(Id::of_data(other), None, "{other}");
        }
    }
}
