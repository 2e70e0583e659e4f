//! What is remembered of one member.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::exit::Words;
use crate::id::{MemberId, MemberName, RoleName, Uid};
use crate::pod::Pod;

/// A member that belongs to the cluster, or will.
///
/// ```
/// use endstate_core::MemberRecord;
/// let member = MemberRecord::new("example-x7k2p", "member");
/// assert!(member.pod.is_none(), "nobody has seen its pod yet");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MemberRecord {
    /// Its name.
    pub name: MemberName,
    /// Its role.
    #[serde(default)]
    pub role: RoleName,
    /// Its group within the role, counted from 0.
    #[serde(default, skip_serializing_if = "is_first")]
    pub group: u32,
    /// Its id: allocated before its start, or given by the application, once known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<MemberId>,
    /// Whether the application was certainly never asked to list it, while it joins.
    #[serde(default, skip_serializing_if = "is_no")]
    pub unrequested: bool,
    /// Whether it had a vote when a quorum listed it last. Its role may not be asked for any more.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub votes: bool,
    /// When its pod was asked for, as long as it was not seen. That happens once: a pod that is not
    /// there may have come and gone, so its name is not started empty again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub asked: Option<Timestamp>,
    /// The uid of its pod, once seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<Uid>,
    /// That it was told to restart in place, until it says that it runs what is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restarted: Option<Restarted>,
    /// Since when it is not healthy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub failing_since: Option<Timestamp>,
    /// Since when its data is certainly lost and its process not there, while nothing proves a quorum.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub lost_since: Option<Timestamp>,
    /// How often its pod was made again since it worked, because it crashed.
    #[serde(default, skip_serializing_if = "is_none")]
    pub renewals: u32,
    /// Since when it has data that the leader lacks, while it joins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub diverged_since: Option<Timestamp>,
    /// When it was last seen healthy again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub recovered_at: Option<Timestamp>,
    /// What its container said when it ended last, other than that its data is lost. For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_termination_message: Option<Words>,
}

fn is_none(count: &u32) -> bool {
    *count == 0
}

pub(super) fn is_first(group: &u32) -> bool {
    *group == 0
}

fn yes() -> bool {
    true
}

fn is_yes(it: &bool) -> bool {
    *it
}

pub(super) fn is_no(it: &bool) -> bool {
    !it
}

impl MemberRecord {
    /// A member of which nothing but the name is known.
    pub fn new(name: impl Into<MemberName>, role: impl Into<RoleName>) -> Self {
        Self {
            name: name.into(),
            role: role.into(),
            group: 0,
            id: None,
            unrequested: false,
            votes: true,
            asked: None,
            pod: None,
            restarted: None,
            failing_since: None,
            lost_since: None,
            renewals: 0,
            diverged_since: None,
            recovered_at: None,
            last_termination_message: None,
        }
    }
}

/// A member was told to restart in place: when, and what its pod showed then.
///
/// ```
/// use endstate_core::{Pod, Restarted};
/// let mut pod = Pod::<u32>::new("example-x7k2p", "9b1d", "41");
/// let told = Restarted::of(&pod, "2026-01-01T00:00:00Z".parse().unwrap());
/// assert!(!told.is_seen(&pod));
/// pod.restarts += 1;
/// assert!(told.is_seen(&pod));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Restarted {
    /// When it was told.
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// How often its container had been restarted before.
    pub restarts: u32,
    /// Since when its container had been running, by the node's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub running_since: Option<Timestamp>,
}

impl Restarted {
    /// A pod that is told now.
    pub fn of<S>(pod: &Pod<S>, at: Timestamp) -> Self {
        Self { at, restarts: pod.restarts, running_since: pod.running_since }
    }

    /// Whether the pod shows that its container was started since. Only what the node said is compared:
    /// its clock is not the operator's.
    pub fn is_seen<S>(&self, pod: &Pod<S>) -> bool {
        pod.restarts > self.restarts || pod.running_since > self.running_since
    }
}
