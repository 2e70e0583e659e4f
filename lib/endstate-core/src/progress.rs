//! How far an object is that is carried out once, as its status remembers it.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::MemberName;

/// How far an operation is: what its status remembers.
///
/// ```
/// assert!(!endstate_core::Progress::default().is_started());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// `Waiting` before it was started, `Running`, then `Complete` or `Failed`.
    #[serde(default)]
    pub state: State,
    /// When it was started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub start_time: Option<Timestamp>,
    /// When it was over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub completion_time: Option<Timestamp>,
    /// Who led when it was started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub former_leader: Option<MemberName>,
    /// The members it was begun at, of an operation on members.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<Part>,
}

impl Progress {
    /// Whether it was started.
    pub fn is_started(&self) -> bool {
        self.start_time.is_some()
    }

    /// Whether it is over for a member.
    pub fn is_done(&self, member: &MemberName) -> bool {
        self.members.iter().any(|it| it.name == *member && it.completion_time.is_some())
    }
}

/// The state of an operation.
///
/// ```
/// use endstate_core::State;
/// assert!(State::Failed.is_over() && !State::default().is_over());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum State {
    /// Nothing was done yet.
    #[default]
    Waiting,
    /// It was started.
    Running,
    /// What it asked for is so.
    Complete,
    /// It came to nothing.
    Failed,
}

impl State {
    /// Whether nobody looks at it any more.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Complete | Self::Failed)
    }
}

/// One member of an operation on members.
///
/// ```
/// let part = endstate_core::Part::new("example-x7k2p", 4_096);
/// assert!(part.completion_time.is_none(), "it was begun");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Part {
    /// Which.
    pub name: MemberName,
    /// How much it had on disk before, in bytes.
    pub size_before: u64,
    /// The same afterwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_after: Option<u64>,
    /// When it was over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub completion_time: Option<Timestamp>,
}

impl Part {
    /// A member that was begun at, with so much on disk.
    pub fn new(name: impl Into<MemberName>, size_before: u64) -> Self {
        Self { name: name.into(), size_before, size_after: None, completion_time: None }
    }
}

/// Kubernetes writes times in whole seconds.
pub(crate) fn seconds(now: Timestamp) -> Timestamp {
    Timestamp::from_second(now.as_second()).expect("whole seconds of a valid time are valid")
}
