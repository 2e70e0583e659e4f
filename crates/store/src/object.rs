//! Encoded objects, with a hole where the revision goes.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use crate::Key;

/// The number of a commit; a `resourceVersion`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(pub u64);

impl Revision {
    /// The revision of a store that nothing was ever written to: not 0, which Kubernetes reads as "any".
    pub const FIRST: Self = Self(1);
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What selectors look at, so that no list or watch has to decode objects: labels, and the kind's selectable fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Index {
    pub labels: Box<[(Box<str>, Box<str>)]>,
    pub fields: Box<[(Box<str>, Box<str>)]>,
}

/// An object to be stored: its encoding before and after the place of its revision.
#[derive(Clone, Debug)]
pub struct Draft {
    pub before: Vec<u8>,
    pub after: Vec<u8>,
    pub index: Index,
}

/// A stored object.
#[derive(Clone, Debug)]
pub struct Object {
    key: Key,
    revision: Revision,
    bytes: Bytes,
    hole: Range<usize>,
    index: Arc<Index>,
}

impl Object {
    /// The object that a draft becomes at a revision.
    pub fn new(key: Key, revision: Revision, draft: Draft) -> Self {
        let number = revision.to_string();
        let hole = draft.before.len()..draft.before.len() + number.len();
        let bytes = [&*draft.before, number.as_bytes(), &*draft.after].concat().into();
        Self { key, revision, bytes, hole, index: Arc::new(draft.index) }
    }

    /// An object read back: its encoding, and where in it the revision is. `None` if it is not there.
    pub(crate) fn restore(
        key: Key,
        revision: Revision,
        (bytes, hole): (Bytes, usize),
        index: Index,
    ) -> Option<Self> {
        let number = revision.to_string();
        let filled = bytes.get(hole..).is_some_and(|rest| rest.starts_with(number.as_bytes()));
        let hole = hole..hole + number.len();
        filled.then(|| Self { key, revision, bytes, hole, index: Arc::new(index) })
    }

    /// Where in the encoding the revision is.
    pub(crate) fn hole(&self) -> usize {
        self.hole.start
    }

    pub fn key(&self) -> &Key {
        &self.key
    }

    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// The encoding, its revision filled in.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    pub fn index(&self) -> &Index {
        &self.index
    }

    /// The encoding at a revision, in parts that share its memory: before the place of the revision, the revision, and
    /// what follows it. At its own revision the first part is all of it.
    pub fn parts_at(&self, revision: Revision) -> [Bytes; 3] {
        if revision == self.revision {
            return [self.bytes.clone(), Bytes::new(), Bytes::new()];
        }
        let (before, after) =
            (self.bytes.slice(..self.hole.start), self.bytes.slice(self.hole.end..));
        [before, revision.to_string().into(), after]
    }

    /// The encoding with another revision: what the event of a deletion carries.
    pub fn bytes_at(&self, revision: Revision) -> Bytes {
        let (before, after) = (&self.bytes[..self.hole.start], &self.bytes[self.hole.end..]);
        [before, revision.to_string().as_bytes(), after].concat().into()
    }
}
