//! What can go wrong, and what to do next. No text here holds a secret.

use std::fmt;

/// Why an archive did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// What was asked for makes no sense, or a file of the keys is missing.
    #[error("{what}")]
    Settings {
        /// What, and what to do.
        what: String,
    },
    /// The bucket, the folder or the entry is not there.
    #[error("{what} is not there: create it, or correct its name")]
    NotFound {
        /// What is missing.
        what: String,
        /// What the store says.
        #[source]
        cause: Cause,
    },
    /// The store does not let us.
    #[error("may not {doing} in {place}: check the keys and what they permit")]
    Denied {
        /// What was tried.
        doing: Doing,
        /// Where.
        place: String,
        /// What the store says.
        #[source]
        cause: Cause,
    },
    /// The store gives no answer.
    #[error(
        "cannot {doing} in {place}, which does not answer: check its address and the network, and try again"
    )]
    Unreachable {
        /// What was tried.
        doing: Doing,
        /// Where.
        place: String,
        /// What happened.
        #[source]
        cause: Cause,
    },
    /// There is no room.
    #[error("cannot {doing} in {place}, which is full: delete old entries, or make it larger")]
    Full {
        /// What was tried.
        doing: Doing,
        /// Where.
        place: String,
        /// What happened.
        #[source]
        cause: Cause,
    },
    /// The store answers with an error of its own.
    #[error("cannot {doing} in {place}: see what it says, and try again")]
    Failed {
        /// What was tried.
        doing: Doing,
        /// Where.
        place: String,
        /// What the store says.
        #[source]
        cause: Cause,
    },
    /// Data is not what was written.
    #[error("{name} is damaged ({what}): use another entry")]
    Damaged {
        /// Which entry.
        name: String,
        /// How one sees it.
        what: String,
    },
    /// An object that is no entry of this format.
    #[error("{name} is no entry that this version can read: {what}")]
    Foreign {
        /// Which object.
        name: String,
        /// Why not.
        what: String,
    },
    /// It is encrypted, and no identity that was given reads it.
    #[error("{name} is encrypted: give the identity of one of {}", recipients.join(", "))]
    NoKey {
        /// Which entry.
        name: String,
        /// Whose identities read it.
        recipients: Vec<String>,
    },
    /// The work ended early: the writer or the runtime was shut down, or it has failed before.
    #[error("the work has ended before it was done: start again")]
    Interrupted,
}

impl ArchiveError {
    pub(crate) fn settings(what: impl Into<String>) -> Self {
        Self::Settings { what: what.into() }
    }

    pub(crate) fn damaged(name: impl fmt::Display, what: impl Into<String>) -> Self {
        Self::Damaged { name: name.to_string(), what: what.into() }
    }
}

/// What was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// Connecting, before any request.
    Open,
    /// Listing entries.
    List,
    /// Writing an entry.
    Write,
    /// Reading an entry.
    Read,
    /// Deleting an entry, or what is left of one.
    Delete,
}

impl fmt::Display for Doing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "open anything",
            Self::List => "list",
            Self::Write => "write",
            Self::Read => "read",
            Self::Delete => "delete",
        })
    }
}

/// What a store or the system says, without the secrets that it may have repeated.
pub struct Cause(String);

impl Cause {
    pub(crate) fn new(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl std::error::Error for Cause {}
