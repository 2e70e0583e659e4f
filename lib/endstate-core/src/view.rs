//! What the application says about itself: the driver fills it, the planner reads it.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{ClusterId, MemberId, MemberName};

/// The application's own view: one answer per member that was asked, and the list of members that
/// its voters agree on.
///
/// The driver asks every member that [`targets`](crate::targets) names. A member that
/// is missing in `targets` was not asked, which is the same as [`Reach::Unknown`].
///
/// ```
/// use endstate_core::{Reach, View};
/// assert_eq!(View::default().reach("example-x7k2p"), Reach::Unknown);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// What each member answered, in any order.
    pub targets: Vec<Target>,
    /// The list of members; `None` when no voter gave one.
    pub membership: Option<Membership>,
}

impl View {
    /// What the member of this name answered.
    pub fn target(&self, name: &str) -> Option<&Target> {
        self.targets.iter().find(|it| it.name.as_str() == name)
    }

    /// Whether the member of this name could be reached.
    pub fn reach(&self, name: &str) -> Reach {
        self.target(name).map_or(Reach::Unknown, |it| it.reach)
    }
}

/// One member's answer.
///
/// ```
/// use endstate_core::{Reach, Target};
/// let target = Target { name: "example-x7k2p".into(), reach: Reach::Unreachable, status: None };
/// assert!(target.status.is_none());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// Who was asked.
    pub name: MemberName,
    /// Whether there was an answer.
    pub reach: Reach,
    /// The answer, when `reach` is [`Reach::Reachable`].
    pub status: Option<MemberStatus>,
}

/// How far a question came. Only [`Reach::Reachable`] proves that a member is alive, and nothing here
/// proves that it is not: an unreachable member may serve others.
///
/// ```
/// use endstate_core::{Reach, Refusal};
/// assert_ne!(Reach::Refused(Refusal::Other), Reach::Unreachable);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reach {
    /// It answered for itself. Whether it works with the others is in its answer.
    Reachable,
    /// It answered, but not to this question.
    Refused(Refusal),
    /// No answer: no address, no connection, or no reply in time.
    Unreachable,
    /// It was not asked, or the asking failed on our side.
    #[default]
    Unknown,
}

/// Why a member does not answer a question, and what is known of it all the same.
///
/// ```
/// assert_ne!(endstate_core::Refusal::Guarded, endstate_core::Refusal::NeedsUser);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refusal {
    /// It asks who asks, and the driver has no user. It serves: it made a read that needs a quorum.
    Guarded,
    /// It asks who asks, and the driver has no user.
    NeedsUser,
    /// Not for learners, or not now.
    Other,
}

/// What a member says about itself.
///
/// ```
/// use endstate_core::{ClusterId, MemberId, MemberStatus, Role};
/// let status = MemberStatus {
///     id: MemberId(1),
///     cluster: ClusterId(9),
///     role: Role::Leader,
///     leader: Some(MemberId(1)),
///     position: 42,
///     version: "3.5.16".into(),
///     db_size: 20_480,
///     accused: vec![],
/// };
/// assert_eq!(status.role, Role::Leader);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberStatus {
    /// Its id.
    pub id: MemberId,
    /// The cluster it belongs to.
    pub cluster: ClusterId,
    /// Its part.
    pub role: Role,
    /// Whom it follows; `None` when it knows no leader.
    pub leader: Option<MemberId>,
    /// How far its log is: comparable among the members of one cluster (raft's index).
    pub position: u64,
    /// The application's version it runs.
    pub version: String,
    /// Bytes on disk.
    pub db_size: u64,
    /// Whose data is corrupt, by alarms that it tells of: they are part of what the voters agree on, so any of
    /// them tells of all. Id 0 stands for data that differs without a proof whose is wrong.
    pub accused: Vec<MemberId>,
}

/// The part a member plays.
///
/// ```
/// assert!(endstate_core::Role::Leader.votes());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Role {
    /// Votes and leads.
    Leader,
    /// Votes.
    Voter,
    /// Receives the log and does not vote.
    Learner,
}

impl Role {
    /// Whether its loss counts against the quorum.
    pub fn votes(self) -> bool {
        self != Self::Learner
    }
}

/// The list of members as the voters give it.
///
/// The driver asks every voter it reaches, drops lists of another cluster, and reports the list that
/// the leader gave (without a leader's answer: the one most of them gave), with the number of voters
/// on that list who gave the same one. An entry's `name` is taken from its peer address, which
/// names the pod, because a member that has never started has no name in etcd's list.
///
/// ```
/// use endstate_core::{ClusterId, Entry, MemberId, Membership};
/// let list = Membership {
///     cluster: ClusterId(9),
///     members: vec![
///         Entry { id: MemberId(1), name: "example-x7k2p".into(), learner: false },
///         Entry { id: MemberId(2), name: "example-b9qrt".into(), learner: true },
///     ],
///     agreed: 1,
/// };
/// assert_eq!(list.voters().count(), 1);
/// assert_eq!(list.id_of("example-b9qrt"), Some(MemberId(2)));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    /// The cluster whose list this is.
    pub cluster: ClusterId,
    /// Voters and learners, in any order.
    pub members: Vec<Entry>,
    /// How many voters of this very list gave it.
    pub agreed: usize,
}

impl Membership {
    /// Those who vote.
    pub fn voters(&self) -> impl Iterator<Item = &Entry> {
        self.members.iter().filter(|it| !it.learner)
    }

    /// Those who only listen.
    pub fn learners(&self) -> impl Iterator<Item = &Entry> {
        self.members.iter().filter(|it| it.learner)
    }

    /// The entry of this name.
    pub fn entry(&self, name: &str) -> Option<&Entry> {
        self.members.iter().find(|it| it.name.as_str() == name)
    }

    /// The id of the member with this name.
    pub fn id_of(&self, name: &str) -> Option<MemberId> {
        self.entry(name).map(|it| it.id)
    }

    /// What of the list decides: what a membership call is conditioned on.
    pub fn roster(&self) -> Roster {
        Roster {
            cluster: self.cluster,
            voters: self.voters().map(|it| it.id).collect(),
            learners: self.learners().map(|it| it.id).collect(),
        }
    }
}

/// Who belongs to a cluster, whatever they are called and in whatever order they are listed.
///
/// ```
/// use endstate_core::{ClusterId, MemberId, Roster};
/// let of = |voters: &[u64], learners: &[u64]| Roster {
///     cluster: ClusterId(9),
///     voters: voters.iter().copied().map(MemberId).collect(),
///     learners: learners.iter().copied().map(MemberId).collect(),
/// };
/// assert_eq!(of(&[1, 2], &[3]), of(&[2, 1], &[3]));
/// assert_ne!(of(&[1, 2], &[3]), of(&[1, 2, 3], &[]));
/// assert_ne!(of(&[1 << 63 | 5], &[]), of(&[], &[5]));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roster {
    /// The cluster whose list it is.
    pub cluster: ClusterId,
    /// Those who vote.
    pub voters: BTreeSet<MemberId>,
    /// Those who only listen.
    pub learners: BTreeSet<MemberId>,
}

/// One row of the list of members.
///
/// ```
/// use endstate_core::{Entry, MemberId};
/// let entry = Entry { id: MemberId(1), name: "example-x7k2p".into(), learner: false };
/// assert!(!entry.learner);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its id.
    pub id: MemberId,
    /// The name of its pod.
    pub name: MemberName,
    /// Whether it only listens.
    pub learner: bool,
}
