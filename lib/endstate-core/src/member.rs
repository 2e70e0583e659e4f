//! The members of a cluster that exists, one row per member, and whether each works.
//!
//! These are facts; how they are found is in `assess`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::beside::Beside;
use crate::comparison::Corruption;
use crate::facts::Facts;
use crate::id::{MemberId, MemberName, RoleName};
use crate::limits::quorum;
use crate::pod::PodRef;
use crate::position::Position;
use crate::problem::Change;
use crate::reason::{Cause, VersionMismatch};

/// The members of a cluster as the voters list them.
///
/// ```
/// use endstate_core::{Cluster, quorum};
/// let cluster = Cluster::default();
/// assert!(cluster.healthy_voters() < quorum(1));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Cluster {
    /// All members, by name.
    pub members: Vec<Member>,
    /// What is corrupt, by the application's alarms, or since members differ in their data. Also of members that have
    /// left: an alarm stays until it is withdrawn.
    pub corruption: Vec<Corruption>,
    /// Whose data is wrong by a person's word.
    pub blamed: Option<MemberId>,
    /// What only the application knows of the cluster.
    pub facts: Facts,
    /// The objects that are declared beside it.
    pub beside: Vec<Beside>,
}

impl Cluster {
    /// Those who vote.
    pub fn voters(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(|it| it.votes)
    }

    /// How many of them work.
    pub fn healthy_voters(&self) -> usize {
        self.voters().filter(|it| it.health.is_healthy()).count()
    }

    /// Whether those who work with good data are a majority.
    pub fn has_good_majority(&self) -> bool {
        self.healthy_voters() >= quorum(self.voters().count())
    }

    /// The members of a group that the record knows: the size to compare with what is asked for. One that nothing
    /// here added counts for the quorum and for nothing else.
    pub fn own<'a>(&'a self, role: &'a RoleName, group: u32) -> impl Iterator<Item = &'a Member> {
        self.members.iter().filter(move |it| it.recorded && it.role == *role && it.group == group)
    }

    /// The voter that leads; where each group has a leader of its own, any of those that vote. Who leads a group that
    /// holds nothing yet has no vote, and leads nobody else.
    pub fn leader(&self) -> Option<&Member> {
        self.voters().find(|it| it.leads)
    }

    /// Who leads a group that has a leader of its own.
    ///
    /// ```
    /// assert!(endstate_core::Cluster::default().leader_of(&"shard".into(), 1).is_none());
    /// ```
    pub fn leader_of<'a>(&'a self, role: &'a RoleName, group: u32) -> Option<&'a Member> {
        self.own(role, group).find(|it| it.leads)
    }

    /// The member of this name.
    pub fn member(&self, name: &str) -> Option<&Member> {
        self.members.iter().find(|it| it.name.as_str() == name)
    }
}

/// One member: what is listed, what it says, what its pod shows.
///
/// ```
/// use endstate_core::{Health, Member};
/// let member = Member::new("example-x7k2p", "a1", "server").voting(true);
/// assert!(member.votes && member.health == Health::Healthy);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Member {
    /// Its name.
    pub name: MemberName,
    /// Its id.
    pub id: MemberId,
    /// Its role.
    pub role: RoleName,
    /// Its group within the role.
    pub group: u32,
    /// Whether it votes.
    pub votes: bool,
    /// Whether it leads.
    pub leads: bool,
    /// Whether it has enough of what the leader of its group has, by the application's word. Asked only where each
    /// group has a leader of its own, of those that work.
    pub caught_up: bool,
    /// Whether it works.
    pub health: Health,
    /// Whether clients are sent to it: its pod is ready.
    pub ready: bool,
    /// Since when it works again, if that is less than [`STABLE_SECONDS`](crate::STABLE_SECONDS) ago: its process was
    /// started, or it did not work before.
    pub recovered_at: Option<Timestamp>,
    /// How much of the history it has; `None` if it does not say.
    pub position: Option<Position>,
    /// What it takes to bring it to the accepted spec.
    pub change: Change,
    /// Whether that is more than nothing.
    pub outdated: bool,
    /// How what it runs differs from what its pod asks for. That is no illness: an image may hold
    /// another version than its tag says.
    pub version_mismatch: Option<VersionMismatch>,
    /// Whether the record knows it.
    pub recorded: bool,
    /// Its pod.
    pub pod: Option<PodRef>,
    /// Whether its data is on a claim, which outlives its pod.
    pub durable: bool,
    /// Whether that claim is being deleted, so that its data goes with its pod.
    pub volume_deleting: bool,
    /// The node that it is on.
    pub node: Option<String>,
    /// Whether it has to go from there, because somebody empties that node or asks that its pod is evicted, while a
    /// node takes members.
    pub vacates: bool,
    /// Whether an operation wants another in its place.
    pub dismissed: bool,
    /// Where the others find it, if the list says so.
    pub address: Option<String>,
    /// What only the application knows of it.
    pub facts: Facts,
}

impl Member {
    /// A member that works, is recorded, and does not vote.
    pub fn new(
        name: impl Into<MemberName>,
        id: impl Into<MemberId>,
        role: impl Into<RoleName>,
    ) -> Self {
        Self {
            name: name.into(),
            id: id.into(),
            role: role.into(),
            group: 0,
            votes: false,
            leads: false,
            caught_up: true,
            health: Health::Healthy,
            ready: true,
            recovered_at: None,
            position: None,
            change: Change::Nothing,
            outdated: false,
            version_mismatch: None,
            recorded: true,
            pod: None,
            durable: false,
            volume_deleting: false,
            node: None,
            vacates: false,
            dismissed: false,
            address: None,
            facts: Facts::default(),
        }
    }

    /// The same, with or without a vote.
    #[must_use]
    pub fn voting(self, votes: bool) -> Self {
        Self { votes, ..self }
    }

    /// Whether it works and has what its group has.
    pub(crate) fn has_copy(&self) -> bool {
        self.health.is_healthy() && self.caught_up
    }

    /// The same, with so much of the history.
    #[must_use]
    pub fn at(self, position: Position) -> Self {
        Self { position: Some(position), ..self }
    }
}

/// Whether a member works.
///
/// ```
/// use endstate_core::{Cause, Health};
/// let unknown = Health::NotReady(Cause::NotAsked);
/// assert!(!unknown.is_healthy() && !unknown.is_given_up(), "unknown is not down");
/// let crashes = Health::Failed(Cause::NodeLost);
/// assert!(crashes.is_given_up() && !crashes.is_lost(), "down is not lost");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Health {
    /// It says so itself, and follows the leader: it counts for the quorum.
    Healthy,
    /// It answers for itself and follows no leader, or another one: cut off from its peers, or one of
    /// too few. It is alive, so nothing of it is lost, but it counts for no quorum.
    Leaderless,
    /// It made a read that needs a quorum, and says no more without a user: it works, and nothing is decided on
    /// what it did not say.
    Guarded,
    /// It works, and an alarm says that its data is corrupt: it takes part in the quorum, and what it holds
    /// is worth nothing.
    Corrupt,
    /// It does not say that it works; it may run, and may come back by itself.
    NotReady(Cause),
    /// Its process is known not to run; it may come back by itself or with another spec.
    Stopped(Cause),
    /// It has not worked for so long, or in such a way, that it is replaced as soon as the others can do
    /// without it. That says nothing about its data: with its cause gone it comes back whole.
    Failed(Cause),
    /// It cannot come back: its data is gone with its pod, or by the evidence of its launcher.
    Dead(Cause),
}

impl Health {
    /// It works, and is part of the quorum.
    pub fn is_healthy(&self) -> bool {
        *self == Self::Healthy
    }

    /// It answers for itself, whether it follows a leader or not, and whatever its data is worth.
    ///
    /// ```
    /// use endstate_core::Health;
    /// assert!(Health::Leaderless.is_alive() && !Health::Leaderless.is_healthy());
    /// ```
    pub fn is_alive(&self) -> bool {
        matches!(self, Self::Healthy | Self::Leaderless | Self::Guarded | Self::Corrupt)
    }

    /// It is replaced, if those who work are enough.
    pub fn is_given_up(&self) -> bool {
        matches!(self, Self::Failed(_) | Self::Dead(_))
    }

    /// Its data is gone.
    pub fn is_lost(&self) -> bool {
        matches!(self, Self::Dead(_))
    }

    /// Its process does not run.
    pub fn is_stopped(&self) -> bool {
        matches!(self, Self::Stopped(_) | Self::Failed(_) | Self::Dead(_))
    }

    /// Why it does not work.
    pub fn cause(&self) -> Option<Cause> {
        match self {
            Self::Healthy => None,
            Self::Leaderless => Some(Cause::Leaderless),
            Self::Guarded => Some(Cause::Guarded),
            Self::Corrupt => Some(Cause::Corrupt),
            Self::NotReady(cause)
            | Self::Stopped(cause)
            | Self::Failed(cause)
            | Self::Dead(cause) => Some(cause.clone()),
        }
    }
}
