//! What is kept: entries, and the manifest that says of each what it is.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::crypt::Recipient;
use crate::error::ArchiveError;
use crate::name::{EntryName, Lineage};

/// The version of manifests that this library writes and reads.
pub const FORMAT: u32 = 1;

/// The largest manifest that is read.
pub(crate) const MANIFEST_BYTES_MAX: u64 = 1 << 20;

/// Part of an application's history, whole and verified when it was written.
///
/// ```
/// use endstate_archive::{Entry, Kind};
///
/// fn told(entry: &Entry) -> String {
///     match entry.kind {
///         Kind::Full { revision } => format!("{}: all at {revision}", entry.name),
///         Kind::Delta { first, last, .. } => format!("{}: {first} to {last}", entry.name),
///     }
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// The version of the manifest's form: [`FORMAT`].
    pub format: u32,
    /// Its name in the archive, unique for ever.
    pub name: EntryName,
    /// All of the application's data, or a part of its history.
    #[serde(flatten)]
    pub kind: Kind,
    /// The moment whose state it leads to: all that was committed until then is in it or before it, and nothing later.
    pub taken: Timestamp,
    /// The uid of the object that asked for it.
    pub by: String,
    /// What else its writer knows: the application's version, digests.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub facts: BTreeMap<String, String>,
    /// Length of the plain data.
    pub bytes: u64,
    /// Length as stored.
    pub stored: u64,
    /// SHA-256 of the plain data, in hexadecimal digits.
    pub sha256: String,
    /// How it is compressed.
    pub compression: Compression,
    /// How it is encrypted, after compression.
    pub encryption: Encryption,
}

/// What an entry holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum Kind {
    /// All of the data at one revision.
    Full {
        /// Which.
        revision: u64,
    },
    /// What happened in a range of revisions.
    ///
    /// One whose `first` is `last + 1` holds no revision: it says that nothing happened until it was taken.
    Delta {
        /// The first revision that is in it.
        first: u64,
        /// The last revision that is in it.
        last: u64,
        /// All of its revisions were committed after this moment.
        from: Timestamp,
    },
}

impl Kind {
    /// The first revision that is in it; of a full entry its one.
    pub fn first(&self) -> u64 {
        match self {
            Self::Full { revision } => *revision,
            Self::Delta { first, .. } => *first,
        }
    }

    /// The revision that it leads to.
    pub fn last(&self) -> u64 {
        match self {
            Self::Full { revision } => *revision,
            Self::Delta { last, .. } => *last,
        }
    }

    /// Whether it is all of the data.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Full { .. })
    }

    /// As names have it.
    pub(crate) fn span(&self) -> (bool, u64, u64) {
        (self.is_full(), self.first(), self.last())
    }

    pub(crate) fn is_sound(&self) -> bool {
        self.last().checked_add(1).is_some_and(|it| self.first() <= it)
    }
}

/// What a writer says of an entry when all of its data is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEntry {
    /// All of the application's data, or a part of its history.
    pub kind: Kind,
    /// See [`Entry::taken`].
    pub taken: Timestamp,
    /// The uid of the object that asked for it.
    pub by: String,
    /// What else is to be known of it.
    pub facts: BTreeMap<String, String>,
}

/// How data is packed when it is written: compressed, then encrypted.
///
/// ```
/// use endstate_archive::{Compression, Encryption, Packing};
///
/// let usual = Packing::default();
/// assert_eq!(usual.compression, Compression::Zstd { level: 1 });
/// assert_eq!(usual.encryption, Encryption::None);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Packing {
    /// How it is compressed.
    pub compression: Compression,
    /// How it is encrypted.
    pub encryption: Encryption,
}

/// How data is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Compression {
    /// Not at all.
    None,
    /// By Zstandard.
    Zstd {
        /// From 1, the fastest, to 19. A writer takes less than 40 MB of memory up to level 3.
        level: i32,
    },
}

impl Default for Compression {
    fn default() -> Self {
        Self::Zstd { level: 1 }
    }
}

/// How data is encrypted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Encryption {
    /// Not at all.
    #[default]
    None,
    /// By age, to each of these recipients: any one's identity reads it.
    Age {
        /// Their public keys.
        recipients: Vec<Recipient>,
    },
}

impl Packing {
    /// The ending of a file's name that tells people which tools read it.
    pub(crate) fn extension(&self) -> &'static str {
        match (&self.compression, &self.encryption) {
            (Compression::None, Encryption::None) => "",
            (Compression::Zstd { .. }, Encryption::None) => ".zst",
            (Compression::None, Encryption::Age { .. }) => ".age",
            (Compression::Zstd { .. }, Encryption::Age { .. }) => ".zst.age",
        }
    }

    /// What is wrong with it, if anything.
    pub(crate) fn check(&self) -> Result<(), ArchiveError> {
        match &self.compression {
            Compression::Zstd { level } if !(1..=19).contains(level) => {
                return Err(ArchiveError::settings(format!(
                    "zstd has no level {level} here: choose one from 1 to 19"
                )));
            }
            _ => {}
        }
        match &self.encryption {
            Encryption::Age { recipients } if recipients.is_empty() => {
                Err(ArchiveError::settings("encryption needs at least one recipient"))
            }
            _ => Ok(()),
        }
    }
}

impl Entry {
    /// Whose history it is part of.
    pub fn lineage(&self) -> &Lineage {
        self.name.lineage()
    }

    /// How its data is packed.
    pub fn packing(&self) -> Packing {
        Packing { compression: self.compression, encryption: self.encryption.clone() }
    }

    /// Where its data lies.
    pub(crate) fn data(&self) -> String {
        self.name.data(self.packing().extension())
    }

    /// Reads a manifest that lies where the name says.
    pub(crate) fn parse(name: &EntryName, manifest: &[u8]) -> Result<Self, ArchiveError> {
        let foreign = |what: String| ArchiveError::Foreign { name: name.to_string(), what };
        let Format { format } =
            serde_json::from_slice(manifest).map_err(|it| foreign(format!("no manifest: {it}")))?;
        if format != FORMAT {
            return Err(foreign(format!("its format is {format}, and {FORMAT} is understood")));
        }
        let entry: Self =
            serde_json::from_slice(manifest).map_err(|it| foreign(format!("no manifest: {it}")))?;
        match entry.flaw(name) {
            None => Ok(entry),
            Some(what) => Err(foreign(what.to_owned())),
        }
    }

    fn flaw(&self, name: &EntryName) -> Option<&'static str> {
        let digits = |it: &str| it.len() == 64 && it.bytes().all(|it| it.is_ascii_hexdigit());
        if self.name != *name || name.span() != self.kind.span() {
            return Some("its manifest is of another entry");
        }
        if !self.kind.is_sound() {
            return Some("its revisions end before they begin");
        }
        (!digits(&self.sha256)).then_some("its digest is none of SHA-256")
    }
}

#[derive(Deserialize)]
struct Format {
    format: u32,
}
