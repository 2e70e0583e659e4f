//! What is asked of a key-value store, and answered.

use std::fmt;

/// The revision of the store: how many writes there were, or any other number that each write raises.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(pub u64);

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What is asked for.
///
/// ```
/// use endstate_linear::kv::{Action, Condition, Input, Revision};
///
/// let text = |action| Input::new("a", action).to_string();
/// assert_eq!(text(Action::put("1")), r#"put a = "1""#);
/// let unchanged = Condition::ModifiedAt(Revision(7));
/// assert_eq!(text(Action::put_if(unchanged, "2")), r#"put a = "2" if modified at 7"#);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Input {
    /// Of which key.
    pub key: String,
    /// What.
    pub action: Action,
}

impl Input {
    /// An action on a key.
    pub fn new(key: &str, action: Action) -> Self {
        Self { key: key.to_owned(), action }
    }
}

/// What is done with a key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// A linearizable read.
    Get,
    /// A read that one member answers by itself: it may be stale, and has no place in the order.
    GetSerializable,
    /// A write, whatever is there.
    Put(String),
    /// The end of an entry.
    Delete,
    /// A write if the condition holds: a compare-and-swap.
    PutIf(Condition, String),
}

impl Action {
    /// A write of this value.
    pub fn put(value: &str) -> Self {
        Self::Put(value.to_owned())
    }

    /// A write of this value if the condition holds.
    pub fn put_if(condition: Condition, value: &str) -> Self {
        Self::PutIf(condition, value.to_owned())
    }
}

/// What a write compares with.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Condition {
    /// There is no entry.
    Absent,
    /// There is one with this value.
    Value(String),
    /// There is one that was last written at this revision. For "at 0", as etcd says that there is none, use
    /// [`Condition::Absent`].
    ModifiedAt(Revision),
}

/// What is answered.
///
/// ```
/// use endstate_linear::kv::{Entry, Outcome, Output, Revision};
///
/// let entry = Entry::new("1").modified_at(Revision(7));
/// let output = Output::new(Outcome::Read(Some(entry))).at(Revision(9));
/// assert_eq!(output.to_string(), r#""1" modified at 7, revision 9"#);
/// assert_eq!(Output::new(Outcome::Refused).to_string(), "refused");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// What came of the action.
    pub outcome: Outcome,
    /// The revision of the store after it, if the answer tells that: of a write its own, of all else that of the last
    /// write before it.
    pub revision: Option<Revision>,
}

impl Output {
    /// An answer that tells no revision.
    pub fn new(outcome: Outcome) -> Self {
        Self { outcome, revision: None }
    }

    /// The same with the store's revision.
    #[must_use]
    pub fn at(self, revision: Revision) -> Self {
        Self { revision: Some(revision), ..self }
    }

    /// The entry that was read, if there was one.
    pub fn entry(&self) -> Option<&Entry> {
        match &self.outcome {
            Outcome::Read(entry) => entry.as_ref(),
            _ => None,
        }
    }
}

/// What came of an action. One that does not fit the action is a violation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Of a read: the entry, or that there is none.
    Read(Option<Entry>),
    /// Of a put, or one whose condition held.
    Written,
    /// Of a put whose condition did not hold.
    Refused,
    /// Of a delete that ended an entry.
    Deleted,
    /// Of a delete that found none.
    NotFound,
}

/// What is there under a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The value.
    pub value: String,
    /// The revision of its last write, if that is told.
    pub modified: Option<Revision>,
}

impl Entry {
    /// An entry of which the answer did not tell when it was written.
    pub fn new(value: &str) -> Self {
        Self { value: value.to_owned(), modified: None }
    }

    /// The same with the revision of its last write.
    #[must_use]
    pub fn modified_at(self, revision: Revision) -> Self {
        Self { modified: Some(revision), ..self }
    }
}

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, action } = self;
        match action {
            Action::Get => write!(f, "get {key}"),
            Action::GetSerializable => write!(f, "get {key} (serializable)"),
            Action::Put(value) => write!(f, "put {key} = {value:?}"),
            Action::Delete => write!(f, "delete {key}"),
            Action::PutIf(condition, value) => write!(f, "put {key} = {value:?} if {condition}"),
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => write!(f, "absent"),
            Self::Value(value) => write!(f, "{value:?}"),
            Self::ModifiedAt(revision) => write!(f, "modified at {revision}"),
        }
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.outcome {
            Outcome::Read(Some(entry)) => write!(f, "{entry}")?,
            Outcome::Read(None) => write!(f, "absent")?,
            Outcome::Written => write!(f, "written")?,
            Outcome::Refused => write!(f, "refused")?,
            Outcome::Deleted => write!(f, "deleted")?,
            Outcome::NotFound => write!(f, "not found")?,
        }
        self.revision.map_or(Ok(()), |it| write!(f, ", revision {it}"))
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.value)?;
        self.modified.map_or(Ok(()), |it| write!(f, " modified at {it}"))
    }
}
