//! How an operation stands.

use crate::progress::State;

/// How an operation stands.
pub(super) enum Standing {
    /// What is done, for people.
    Running(String),
    /// It is over: in this state, for this reason, and in a sentence.
    Over(State, &'static str, String),
}

pub(super) fn failed(reason: &'static str, message: impl Into<String>) -> Standing {
    Standing::Over(State::Failed, reason, message.into())
}

pub(super) fn complete(message: impl Into<String>) -> Standing {
    Standing::Over(State::Complete, "Complete", message.into())
}
