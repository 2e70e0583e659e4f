//! Keys: `/GROUP/RESOURCE/[NAMESPACE/]NAME`, the core group being `core`.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

/// The name of one object: never empty segments, so that no key is a prefix of another's directory by accident.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Arc<str>);

impl Key {
    /// Joins segments. `None` if one is empty or has a slash or a control character.
    pub fn new(segments: &[&str]) -> Option<Self> {
        join(segments).map(|path| Self(path.into()))
    }

    /// A key from its text, as [`Key::as_str`] gives it.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let segments: Vec<_> = text.strip_prefix('/')?.split('/').collect();
        Self::new(&segments)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Keys compare as their text does, so maps of them can be searched by text.
impl Borrow<str> for Key {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// A directory of keys; always ends in a slash.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Prefix(Arc<str>);

impl Prefix {
    /// Joins segments. `None` if one is empty or has a slash or a control character.
    pub fn new(segments: &[&str]) -> Option<Self> {
        join(segments).map(|path| Self((path + "/").into()))
    }

    pub fn contains(&self, key: &Key) -> bool {
        key.0.starts_with(&*self.0)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Prefix {
    fn borrow(&self) -> &str {
        &self.0
    }
}

fn join(segments: &[&str]) -> Option<String> {
    let valid = |segment: &&str| {
        !segment.is_empty() && !segment.contains(|c: char| c == '/' || c.is_control())
    };
    segments
        .iter()
        .all(valid)
        .then(|| segments.iter().flat_map(|segment| ["/", *segment]).collect())
}
