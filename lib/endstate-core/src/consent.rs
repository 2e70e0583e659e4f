//! What only a person may decide, and how: one annotation on the cluster object, checked by the planner, counted once.

use std::fmt::{Display, Formatter};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::exit::Words;
use crate::id::{MemberName, Uid};

/// The annotation by which a person decides what the operator must not decide alone. The status names the choices when
/// there are any; its value is a [`Choice`]. It counts once: until it is taken away, or says something else.
pub const CONSENT_ANNOTATION: &str = "endstate.dev/consent";

const RECOVER_FROM: &str = "recover-from";
const REMOVE: &str = "remove";
const REPLACE: &str = "replace";
const RESUME: &str = "resume";
const ADOPT: &str = "adopt";

/// What a person decided.
///
/// ```
/// use endstate_core::Choice;
/// let choice: Choice = "recover-from example-x7k2p".into();
/// assert_eq!(choice, Choice::RecoverFrom("example-x7k2p".into()));
/// assert_eq!(choice.to_string(), "recover-from example-x7k2p");
/// assert!(matches!(Choice::from("go on"), Choice::Unknown(_)));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(from = "String", into = "String")]
#[schemars(with = "String")]
#[non_exhaustive]
pub enum Choice {
    /// `recover-from MEMBER`: go on with what this member has, and give up what only lost members had.
    RecoverFrom(MemberName),
    /// `remove MEMBER`: take this member off the list, which nobody here added.
    Remove(MemberName),
    /// `replace MEMBER`: the data of this member is what is wrong where an alarm names nobody. It is replaced like one
    /// that an alarm names.
    Replace(MemberName),
    /// `resume`: start the members whose volumes are there, of which no record says whether they belong to one cluster.
    Resume,
    /// `adopt` or `adopt UID`: go on with the volumes that a deleted cluster of this name left, by the uid of its
    /// object if there are several. It is heard as long as nothing was started.
    Adopt(Option<Uid>),
    /// Something else. It is told, and does nothing.
    Unknown(Words),
}

impl Choice {
    /// The choices, as they are written.
    pub const ALL: [&str; 5] =
        ["recover-from MEMBER", "remove MEMBER", "replace MEMBER", "resume", "adopt [UID]"];

    /// How a person says that something is to be done.
    pub(crate) fn asked_for(&self, to: &str) -> String {
        format!("{to}, set the annotation {CONSENT_ANNOTATION} to \"{self}\"")
    }
}

impl From<&str> for Choice {
    fn from(text: &str) -> Self {
        let words: Vec<_> = text.split_whitespace().collect();
        match words[..] {
            [RECOVER_FROM, member] => Self::RecoverFrom(member.into()),
            [REMOVE, member] => Self::Remove(member.into()),
            [REPLACE, member] => Self::Replace(member.into()),
            [RESUME] => Self::Resume,
            [ADOPT] => Self::Adopt(None),
            [ADOPT, uid] => Self::Adopt(Some(uid.into())),
            _ => Self::Unknown(Words::of(text)),
        }
    }
}

impl From<String> for Choice {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<Choice> for String {
    fn from(choice: Choice) -> Self {
        choice.to_string()
    }
}

impl Display for Choice {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::RecoverFrom(member) => write!(f, "{RECOVER_FROM} {member}"),
            Self::Remove(member) => write!(f, "{REMOVE} {member}"),
            Self::Replace(member) => write!(f, "{REPLACE} {member}"),
            Self::Resume => f.write_str(RESUME),
            Self::Adopt(None) => f.write_str(ADOPT),
            Self::Adopt(Some(uid)) => write!(f, "{ADOPT} {uid}"),
            Self::Unknown(text) => write!(f, "{text}"),
        }
    }
}
