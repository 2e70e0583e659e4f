//! Why: the closed lists of what can be wrong with a member, and of what a step lacks. How each is put in words is
//! in `words`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::exit::{Survey, Words};
use crate::id::{ClusterId, MemberName};

/// Why a member does not work, or a try to start one came to nothing.
///
/// ```
/// use endstate_core::Cause;
/// assert_eq!(Cause::NodeLost.to_string(), "its node is lost");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type")]
#[non_exhaustive]
pub enum Cause {
    /// The pods could not be listed.
    PodsUnknown,
    /// It was not asked.
    NotAsked,
    /// It answers nobody without a user, and serves nothing.
    NeedsUser,
    /// It refuses to answer.
    Refuses,
    /// It does not answer.
    Silent,
    /// It answers, and says nothing.
    EmptyAnswer,
    /// It answers under another id.
    AnotherMember,
    /// It answers as a member of another cluster.
    AnotherCluster {
        /// Which.
        cluster: ClusterId,
    },
    /// It answers although its pod is gone: the list of pods may be older than the answer.
    AnswersWithoutPod,
    /// It is listed, and nothing else is known of it.
    NothingKnown,
    /// It runs another version than its pod asks for, and will be restarted.
    VersionMismatch {
        /// Which versions.
        #[serde(flatten)]
        versions: VersionMismatch,
    },
    /// It follows no leader, or another one.
    Leaderless,
    /// It serves, and says no more without a user.
    Guarded,
    /// Its data is corrupt, by the application's own alarm, or since a majority has other data.
    Corrupt,
    /// It has data that the leader lacks.
    Diverged,
    /// Somebody else has an object of a name that it needs.
    NameTaken,
    /// Its pod was not asked for yet.
    NoPodYet,
    /// Its pod was asked for and is not seen yet.
    PodAwaited,
    /// Its pod starts.
    PodStarting,
    /// Its container ended, and is started again.
    Crashed {
        /// How it ended.
        #[serde(flatten)]
        end: End,
    },
    /// Its image cannot be had.
    NoImage {
        /// What the node says.
        message: Words,
    },
    /// No node can take its pod.
    Unschedulable {
        /// What the scheduler says.
        message: Words,
    },
    /// Its pod waits for something else.
    Waiting {
        /// The node's reason.
        reason: String,
        /// What the node says.
        message: Words,
    },
    /// Its node is lost.
    NodeLost,
    /// Its container ended again and again.
    CrashLoop {
        /// How it ended last.
        #[serde(flatten)]
        end: End,
    },
    /// It does not run, and is made from an older spec.
    OutdatedAndDown,
    /// Its pod is gone from a node that somebody empties, and its volume is there.
    VolumeOnEmptied,
    /// Its pod is gone; its volume is not.
    PodGoneVolumeKept,
    /// Its pod is gone, and its data with it.
    PodGone,
    /// A claim that its pod waits for is gone, and its data with it.
    VolumeGone,
    /// Its pod was replaced by another of the same name.
    PodReplaced,
    /// Its pod is being deleted.
    PodDeleting,
    /// Its pod has ended.
    PodEnded,
    /// It works, and its volume is being deleted: its data goes with its pod.
    VolumeDeleting,
    /// Its data directory is empty although it was filled before, by its launcher's evidence.
    DataLost {
        /// What the member said when it ended before that.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before: Option<Words>,
    },
    /// Its data directory holds another member's data, by its launcher's evidence.
    ForeignData {
        /// What the launcher said.
        message: Words,
    },
    /// The API refused to make its pod.
    PodRefused {
        /// What the API said.
        message: Words,
    },
    /// Somebody took it off the list of members.
    Unlisted,
    /// The first members cannot form a cluster any more.
    CannotForm,
}

/// How a container ended, for people.
///
/// ```
/// use endstate_core::{End, Words};
/// let end = End { code: Some(2), message: Words::of("unknown flag"), ..End::default() };
/// assert_eq!(end.to_string(), "exit code 2, \"unknown flag\" (nothing is known of its data)");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// Its exit code, where it is known.
    pub code: Option<i32>,
    /// The last termination message.
    pub message: Words,
    /// What is known of its data.
    #[serde(default)]
    pub data: Survey,
}

/// What a member runs, and what its pod asks for. An image may hold another version than its tag says.
///
/// ```
/// use endstate_core::VersionMismatch;
/// let versions = VersionMismatch { runs: "1.0".into(), asked: "1.1".into() };
/// assert_eq!(versions.to_string(), "it runs version 1.0 instead of 1.1");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionMismatch {
    /// The version that it reports.
    pub runs: String,
    /// The version that its pod asks for.
    pub asked: String,
}

/// What a step lacks to be safe.
///
/// ```
/// use endstate_core::Shortage;
/// let shortage = Shortage::TooFewVoters { left: 1, needed: 2 };
/// assert_eq!(shortage.to_string(), "1 healthy voters would be left and 2 are needed");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Shortage {
    /// Voters that would work when these members have stopped.
    TooFewVoters {
        /// How many.
        left: usize,
        /// How many a quorum needs.
        needed: usize,
    },
    /// A member that does not run what is asked for yet.
    Outdated {
        /// Which.
        member: MemberName,
    },
    /// A member that lacks too much of what its leader has, as far as is known.
    Behind {
        /// Which.
        member: MemberName,
    },
    /// Another role has fewer working members than it needs for others to go on.
    RoleDown {
        /// Which.
        role: crate::RoleName,
    },
    /// Another member does not work already.
    AnotherIsDown {
        /// Which.
        member: MemberName,
    },
    /// Clients are not sent to another member yet, which runs what is asked for.
    NotReady {
        /// Which.
        member: MemberName,
    },
    /// Voters that work beside one that is to leave.
    TooFewOthers {
        /// How many others there are.
        others: usize,
        /// How many of them must work.
        needed: usize,
    },
    /// Voters that would work with one more.
    TooFewWithIt {
        /// How many.
        working: usize,
        /// How many a quorum of them needs.
        needed: usize,
    },
    /// Another role has to be complete, or up to date, before.
    RoleBefore {
        /// Which.
        role: crate::RoleName,
    },
    /// A copy of what its group has, beside a member that is to stop or to leave.
    LastOfGroup {
        /// The role.
        role: crate::RoleName,
        /// The group within the role.
        group: u32,
    },
    /// The application's own reason.
    Application {
        /// A sentence, for people: the status shows it.
        message: String,
    },
}

/// Why a member, or only its pod, goes.
///
/// ```
/// use endstate_core::LeaveReason;
/// assert_eq!(LeaveReason::Dead.to_string(), "it did not recover");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum LeaveReason {
    /// Fewer members are asked for.
    ScaleDown,
    /// Its data is gone, or it has not worked for so long that the others, which do, get another.
    Dead,
    /// It works but was made from an older spec; its successor has joined already.
    Outdated,
    /// Its data is corrupt. It leaves before its successor joins, which might copy it.
    Corrupt,
    /// It works, and its volume is being deleted; its successor has joined already.
    VolumeDeleted,
    /// It works, and somebody empties its node; its successor has joined already.
    Vacated,
    /// It works, and an operation wants another in its place; its successor has joined already.
    Requested,
    /// It never caught up; another try follows under another name.
    FailedJoin,
    /// It belongs to nothing: a pod or a member that nobody asked for.
    Stray,
    /// It is listed, nobody here added it, and a person wants it off the list.
    Stranger,
    /// Only its pod goes; another one is made on the same volume.
    Recreated,
    /// Only its pod goes: no member is to run.
    Hibernates,
    /// Only its pod goes, for a recovery: the source's is made again on its volume as the only member, and the others
    /// are not to form a cluster without it.
    Recovered,
    /// Only its pod goes: its cluster begins anew with the data of a backup.
    Restored,
}
