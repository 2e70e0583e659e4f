//! What is wrong with a history of a key-value store.

use std::fmt;

use crate::verdict::{Shown, Violation};

/// What is wrong with a history of a key-value store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// No order of the operations of a key explains their answers.
    Order(Violation),
    /// Answers that contradict each other by their revisions, or a serializable read that none explains.
    Revisions(Contradiction),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Order(it) => it.fmt(f),
            Self::Revisions(it) => it.fmt(f),
        }
    }
}

/// An answer that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contradiction {
    /// Which.
    pub rule: Rule,
    /// The operation that it contradicts, if it is one, then its own.
    pub operations: Vec<Shown>,
}

impl fmt::Display for Contradiction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}:", self.rule)?;
        self.operations.iter().try_for_each(|it| writeln!(f, "  {it}"))
    }
}

/// A rule of revisions. Its text says what is wrong when it does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// The store's revision does not fall.
    Monotonic,
    /// A write has a revision that no answer from before its call has.
    New,
    /// A write has a revision that no other has.
    Unique,
    /// An entry was last written at the revision of its answer at the latest.
    NotFromLater,
    /// An entry is what the write at its revision wrote.
    AsWritten,
    /// A serializable read tells what somebody has written before it returned.
    Written,
    /// A serializable read tells what was there at its revision.
    AtItsRevision,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Monotonic => "the revision is lower than that of an answer from before the call",
            Self::New => "a write has the revision of an answer from before its call",
            Self::Unique => "two writes have one revision",
            Self::NotFromLater => "an entry was written later than the revision of its answer",
            Self::AsWritten => "an entry is not what the write at its revision wrote",
            Self::Written => "a serializable read tells what nobody can have written by then",
            Self::AtItsRevision => "a serializable read tells what was not there at its revision",
        })
    }
}
