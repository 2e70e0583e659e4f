//! What etcd's members say that no other application's do: versions, whether their data is the same, and how
//! full they are.

use crate::auth::AuthFacts;
use endstate_core::{Facts, Fullness, MemberName, Version, View};
use serde::{Deserialize, Serialize};

/// What one member says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MemberFacts {
    /// The version of etcd that runs.
    pub version: Option<Version>,
    /// The version that the members have agreed on: of the oldest of them, or the one that a downgrade goes to. Asked
    /// for only while the minor changes.
    pub cluster_version: Option<Version>,
    /// The version that can open its data. 3.6 and newer say so.
    pub storage_version: Option<Version>,
    /// The version that a downgrade under way goes to. 3.6 and newer say so.
    pub downgrade: Option<Version>,
    /// How full its database is, if it says so. What its quota is members say from 3.6 on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<Fullness>,
}

/// What is known where a member has no space left by its alarm.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NoSpace {
    /// The ids of those members; they may have left.
    pub full: Vec<String>,
    /// The revision that the leader has.
    pub revision: u64,
    /// Whether there is no history before it to give up, or it was given up a moment ago; nothing if that is not known.
    pub compacted: Option<bool>,
}

/// What all members say together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterFacts {
    /// Whether every member that answered has the same data at one revision; nothing if that was not asked for, or if
    /// not all could say. Asked for only before the minor changes, and before authentication is turned on.
    pub same_data: Option<bool>,
    /// What etcd says of users, where anybody declares one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<AuthFacts>,
    /// What is known if a member has no space left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_space: Option<NoSpace>,
    /// The step that takes long and that a member is at work on, and which member.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_work: Option<(String, MemberName)>,
}

/// What is known of the versions of a cluster.
pub(crate) struct Versions {
    members: Vec<MemberFacts>,
    /// Whether all that are listed answered.
    complete: bool,
    same_data: Option<bool>,
}

impl Versions {
    pub(crate) fn of(view: &View) -> Self {
        let facts = |facts: &Facts| facts.read::<MemberFacts>();
        let listed = view.membership.iter().flat_map(|it| &it.members);
        let told: Vec<_> = listed
            .map(|it| {
                view.targets.iter().filter_map(|it| it.status.as_ref()).find(|s| s.id == it.id)
            })
            .map(|it| it.and_then(|it| facts(&it.facts)))
            .collect();
        Self {
            complete: !told.is_empty() && told.iter().all(Option::is_some),
            members: told.into_iter().flatten().collect(),
            same_data: view.facts.read::<ClusterFacts>().and_then(|it| it.same_data),
        }
    }

    /// Whether every listed member says that the members have agreed on this minor.
    pub(crate) fn agreed_on(&self, minor: u32) -> bool {
        let agreed = |it: &MemberFacts| it.cluster_version.is_some_and(|it| it.minor == minor);
        self.complete && self.members.iter().all(agreed)
    }

    /// Whether every listed member's data can be opened by this minor.
    pub(crate) fn stored_for(&self, minor: u32) -> bool {
        let stored = |it: &MemberFacts| it.storage_version.is_some_and(|it| it.minor == minor);
        self.complete && self.members.iter().all(stored)
    }

    /// Whether the members cannot have agreed on a newer minor yet: one still runs this, and says that this is the
    /// version agreed on.
    pub(crate) fn still_at(&self, minor: u32) -> bool {
        let is = |it: &Option<Version>| it.is_some_and(|it| it.minor == minor);
        self.members.iter().any(|it| is(&it.version) && is(&it.cluster_version))
    }

    /// Whether a downgrade to this minor is under way.
    pub(crate) fn goes_down_to(&self, minor: u32) -> bool {
        self.members.iter().any(|it| it.downgrade.is_some_and(|it| it.minor == minor))
    }

    /// Whether any downgrade is.
    pub(crate) fn goes_down(&self) -> bool {
        self.members.iter().any(|it| it.downgrade.is_some())
    }

    pub(crate) fn same_data(&self) -> Option<bool> {
        self.same_data
    }
}
