//! What is published about a cluster: conditions, members, waits and the record.
//!
//! A status is a function of one snapshot and the plan made from it. It is written before the plan's
//! actions are carried out, and not written when nothing in it changed.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{MemberId, MemberName, RoleName};
use crate::position::Position;
use crate::record::Record;
use crate::view::Standing;

/// The status of a cluster object.
///
/// ```
/// use endstate_core::{Phase, Status};
/// assert_eq!(Status::<u32>::default().phase, Phase::Pending);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", bound(deserialize = "S: Deserialize<'de>"))]
pub struct Status<S> {
    /// The generation this status was made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// One word for people and for the historical object.
    #[serde(default)]
    pub phase: Phase,
    /// Available, Progressing, Degraded, QuorumLost, SpecAccepted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// How many voting members the cluster has now (the scale subresource's replicas).
    #[serde(default)]
    pub size: u32,
    /// How many of them are healthy and ready for clients.
    #[serde(default)]
    pub ready: u32,
    /// How many members run what the accepted spec asks for.
    #[serde(default)]
    pub updated_members: u32,
    /// The label selector of the member pods, as text (the scale subresource's selector).
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub selector: String,
    /// The lowest version that a member runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_version: Option<String>,
    /// The version of the accepted spec.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_version: Option<String>,
    /// The member that leads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leader: Option<MemberName>,
    /// Every member, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<MemberRow>,
    /// What is not finished, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waiting: Vec<WaitRow>,
    /// The intent log. Not for people.
    #[serde(default)]
    pub record: Record<S>,
}

impl<S> Default for Status<S> {
    fn default() -> Self {
        Self {
            observed_generation: None,
            phase: Phase::default(),
            conditions: vec![],
            size: 0,
            ready: 0,
            updated_members: 0,
            selector: String::new(),
            current_version: None,
            target_version: None,
            leader: None,
            members: vec![],
            waiting: vec![],
            record: Record::default(),
        }
    }
}

impl<S> Status<S> {
    /// The condition of this type.
    ///
    /// ```
    /// use endstate_core::{ConditionType, Status};
    /// assert!(Status::<u32>::default().condition(ConditionType::Available).is_none());
    /// ```
    pub fn condition(&self, kind: ConditionType) -> Option<&Condition> {
        self.conditions.iter().find(|it| it.kind == kind)
    }
}

/// One word about a cluster.
///
/// ```
/// assert_eq!(endstate_core::Phase::Running.to_string(), "Running");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Phase {
    /// Nothing was done yet.
    #[default]
    Pending,
    /// The first members start.
    Creating,
    /// It serves, and is as declared.
    Running,
    /// It serves, and is being changed or repaired.
    Updating,
    /// It does not serve: too few members are healthy.
    Failed,
    /// The user asked to leave it alone.
    Paused,
    /// No member runs, by its size; the data is kept.
    Hibernating,
    /// It is being deleted.
    Deleting,
}

impl std::fmt::Display for Phase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Debug::fmt(self, f)
    }
}

/// A Kubernetes condition.
///
/// ```
/// use endstate_core::{Condition, ConditionType, Truth};
/// let condition = Condition {
///     kind: ConditionType::Available,
///     status: Truth::True,
///     reason: "QuorumHealthy".into(),
///     message: "3 of 3 voters are healthy".into(),
///     observed_generation: Some(1),
///     last_transition_time: "2026-01-01T00:00:00Z".parse().unwrap(),
/// };
/// assert!(serde_json::to_string(&condition).unwrap().contains("\"type\":\"Available\""));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// What it is about.
    #[serde(rename = "type")]
    pub kind: ConditionType,
    /// Whether it holds.
    pub status: Truth,
    /// One word why, for programs.
    pub reason: String,
    /// A sentence why, for people.
    pub message: String,
    /// The generation it was made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// When `status` changed last.
    #[schemars(with = "String")]
    pub last_transition_time: Timestamp,
}

/// What a condition is about.
///
/// ```
/// assert_eq!(endstate_core::ConditionType::QuorumLost.to_string(), "QuorumLost");
/// ```
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum ConditionType {
    /// A majority of the voters is healthy and has a leader.
    Available,
    /// Something is under way.
    Progressing,
    /// A member is missing or not healthy.
    Degraded,
    /// A majority of the voters is known not to be healthy.
    QuorumLost,
    /// The spec is valid and can be reached from here.
    SpecAccepted,
}

impl std::fmt::Display for ConditionType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Debug::fmt(self, f)
    }
}

/// Whether a condition holds.
///
/// ```
/// assert_eq!(endstate_core::Truth::from(true), endstate_core::Truth::True);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Truth {
    /// It holds.
    True,
    /// It does not.
    False,
    /// It cannot be told from what was seen.
    Unknown,
}

impl From<bool> for Truth {
    fn from(it: bool) -> Self {
        if it { Self::True } else { Self::False }
    }
}

/// One member, as published.
///
/// ```
/// use endstate_core::MemberRow;
/// assert!(!MemberRow::new("example-x7k2p", "server").healthy);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MemberRow {
    /// Its name, and that of its pod.
    pub name: MemberName,
    /// Its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<MemberId>,
    /// Its role.
    #[serde(default)]
    pub role: RoleName,
    /// Its standing in the quorum.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standing: Option<Standing>,
    /// Whether it is healthy.
    pub healthy: bool,
    /// Why not, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
    /// Whether it runs what the accepted spec asks for.
    pub updated: bool,
    /// The version it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The node it runs on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// How much of the history it had when the status was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
    /// How far it was behind the furthest member then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag: Option<u64>,
    /// Whether the application reported then that its data is corrupt.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub corrupt: bool,
    /// Bytes on disk then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_size: Option<u64>,
}

impl MemberRow {
    /// A member of which nothing but the name is known.
    pub fn new(name: impl Into<MemberName>, role: impl Into<RoleName>) -> Self {
        Self {
            name: name.into(),
            id: None,
            role: role.into(),
            standing: None,
            healthy: false,
            trouble: None,
            updated: false,
            version: None,
            node: None,
            position: None,
            lag: None,
            corrupt: false,
            data_size: None,
        }
    }
}

/// One wait, as published: "waiting for `for` because `because`".
///
/// ```
/// let row = endstate_core::WaitRow { what: "a leader".into(), because: "none was elected".into() };
/// assert_eq!(row.to_string(), "waiting for a leader because none was elected");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WaitRow {
    /// What is awaited.
    #[serde(rename = "for")]
    pub what: String,
    /// Why it has not come.
    pub because: String,
}

impl std::fmt::Display for WaitRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "waiting for {} because {}", self.what, self.because)
    }
}
