//! What a cluster is made of: roles, how many members each has, and what members of a role can do.
//!
//! Cluster → role → group → member → volume. A *role* is a set of members that are run alike. A *group* is a set of
//! members that hold the same data: a quorum is one group, a sharded role has one a shard. What a role can do is
//! told by its capabilities, so that the planner asks for no hand-over of a lead that the application cannot hand
//! over, and for no non-voting start where there is none.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::id::RoleName;
use crate::problem::Problem;

/// What a spec asks for.
///
/// ```
/// use endstate_core::{Role, Topology};
/// let topology = Topology::new("3.9.5", [Role::voting("server", 3), Role::following("observer", 2)]);
/// assert_eq!(topology.voting().unwrap().size, 3);
/// assert!(topology.problems().is_empty());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Topology {
    /// The version that members run.
    pub version: String,
    /// Whether the cluster is to be left alone.
    pub paused: bool,
    /// Its roles. One of them votes.
    pub roles: Vec<Role>,
}

impl Topology {
    /// A topology that is worked towards.
    pub fn new(version: impl Into<String>, roles: impl IntoIterator<Item = Role>) -> Self {
        Self { version: version.into(), paused: false, roles: roles.into_iter().collect() }
    }

    /// The same, left alone if told so.
    #[must_use]
    pub fn paused(self, paused: bool) -> Self {
        Self { paused, ..self }
    }

    /// The role of this name.
    pub fn role(&self, name: &str) -> Option<&Role> {
        self.roles.iter().find(|it| it.name.as_str() == name)
    }

    /// The role that votes.
    pub fn voting(&self) -> Option<&Role> {
        self.roles.iter().find(|it| it.votes)
    }

    /// Whether no member is to run: each keeps its data on its volume until the size is another.
    ///
    /// ```
    /// use endstate_core::{Role, Topology};
    /// assert!(Topology::new("3.9.5", [Role::voting("server", 0)]).hibernates());
    /// ```
    pub fn hibernates(&self) -> bool {
        self.voting().is_some_and(|it| it.size == 0)
    }

    /// Whether a role is one whose leaders vote for their groups. A member whose role is not asked for any more is
    /// taken for one of the role that votes.
    pub fn is_led(&self, role: &RoleName) -> bool {
        self.role(role).or_else(|| self.voting()).is_some_and(Role::is_led)
    }

    /// The roles in the order of an edge: those that others come after first.
    pub fn in_order(&self, edge: Edge) -> Vec<&Role> {
        let (mut rest, mut sorted): (Vec<&Role>, Vec<&Role>) =
            (self.roles.iter().collect(), vec![]);
        while !rest.is_empty() {
            let waits = |it: &Role| rest.iter().any(|other| it.comes_after(edge, &other.name));
            // A cycle is refused with the spec; should there be one, the rest goes in its own order.
            let next = rest.iter().position(|it| !waits(it)).unwrap_or(0);
            sorted.push(rest.remove(next));
        }
        sorted
    }

    /// What the planner cannot work towards.
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = vec![];
        let mut refuse = |why: &str| problems.push(Problem::refused("spec", why));
        let names: BTreeSet<_> = self.roles.iter().map(|it| &it.name).collect();
        if names.len() != self.roles.len() {
            refuse("two roles have the same name");
        }
        if self.roles.iter().filter(|it| it.votes).count() != 1 {
            refuse("a cluster has exactly one role that votes");
        }
        for why in self.roles.iter().filter_map(Role::problem) {
            refuse(why);
        }
        let edges = || self.roles.iter().flat_map(|it| &it.after);
        if edges().any(|(_, name)| !names.contains(name)) {
            refuse("a role comes after one that does not exist");
        }
        if [Edge::Starts, Edge::Upgrades, Edge::Needs].into_iter().any(|it| self.has_cycle(it)) {
            refuse("roles come after each other in a circle");
        }
        if self.roles.iter().any(|it| it.votes && it.needed().next().is_some()) {
            refuse("the role that votes needs another, and without its quorum none works");
        }
        problems
    }

    fn has_cycle(&self, edge: Edge) -> bool {
        let sorted = self.in_order(edge);
        let later = |index: usize, role: &Role| {
            sorted[index..].iter().any(|it| role.comes_after(edge, &it.name))
        };
        sorted.iter().enumerate().any(|(index, role)| later(index, role))
    }
}

/// A set of members that are run alike.
///
/// ```
/// use endstate_core::{Growth, Lead, Role};
/// let role = Role::voting("controller", 3).lead(Lead::Stays).growth(Growth::Direct);
/// assert!(role.votes && role.groups == 1);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Role {
    /// Its name.
    pub name: RoleName,
    /// How many members each group has.
    pub size: usize,
    /// How many groups there are.
    pub groups: u32,
    /// Whether its members count for the quorum.
    pub votes: bool,
    /// Which of them, if they do.
    pub voters: Voters,
    /// Whether a member that leads can hand over.
    pub lead: Lead,
    /// How a member joins.
    pub growth: Growth,
    /// How many members may be listed without their vote at once while they join. The next is listed when the one
    /// before works, and they get their votes one after the other.
    pub at_once: usize,
    /// Where its members' ids come from.
    pub identity: IdSource,
    /// How the first members start.
    pub formation: Formation,
    /// Who places data on members.
    pub placement: Placement,
    /// Whether one member's data is enough to go on with.
    pub recovery: Recovery,
    /// Which other roles it comes after, and in what.
    pub after: Vec<(Edge, RoleName)>,
}

impl Role {
    /// A role whose members vote: one group, a lead that can be handed over, members that join without a vote first,
    /// ids given by the application, all first members started at once, a recovery from one of them.
    pub fn voting(name: impl Into<RoleName>, size: usize) -> Self {
        Self {
            name: name.into(),
            size,
            groups: 1,
            votes: true,
            voters: Voters::Members,
            lead: Lead::Transfers,
            growth: Growth::NonVoting,
            at_once: 1,
            identity: IdSource::Application,
            formation: Formation::AllAtOnce,
            placement: Placement::Operator,
            recovery: Recovery::FromOne,
            after: vec![],
        }
    }

    /// A role whose members do not vote and never lead.
    pub fn following(name: impl Into<RoleName>, size: usize) -> Self {
        Self { votes: false, lead: Lead::Stays, ..Self::voting(name, size) }
    }

    /// The same with another capability.
    #[must_use]
    pub fn lead(self, lead: Lead) -> Self {
        Self { lead, ..self }
    }

    /// The same with another way to join.
    #[must_use]
    pub fn growth(self, growth: Growth) -> Self {
        Self { growth, ..self }
    }

    /// The same, of which so many may join at once.
    ///
    /// ```
    /// use endstate_core::{Growth, Role, Topology};
    /// let role = Role::voting("member", 5).at_once(2);
    /// assert!(Topology::new("1", [role.clone()]).problems().is_empty());
    /// assert!(!Topology::new("1", [role.growth(Growth::Direct)]).problems().is_empty(), "who is listed votes");
    /// ```
    #[must_use]
    pub fn at_once(self, at_once: usize) -> Self {
        Self { at_once, ..self }
    }

    /// The same with ids from elsewhere.
    #[must_use]
    pub fn identity(self, identity: IdSource) -> Self {
        Self { identity, ..self }
    }

    /// The same with another first start.
    #[must_use]
    pub fn formation(self, formation: Formation) -> Self {
        Self { formation, ..self }
    }

    /// The same with data placed by somebody else.
    #[must_use]
    pub fn placement(self, placement: Placement) -> Self {
        Self { placement, ..self }
    }

    /// The same with another way out of a lost majority.
    #[must_use]
    pub fn recovery(self, recovery: Recovery) -> Self {
        Self { recovery, ..self }
    }

    /// The same with so many groups, each of the role's size.
    #[must_use]
    pub fn groups(self, groups: u32) -> Self {
        Self { groups, ..self }
    }

    /// The same, in which these members vote.
    ///
    /// ```
    /// use endstate_core::{Formation, Growth, Role, Topology, Voters};
    /// let shards = Role::voting("shard", 2).groups(3).voters(Voters::Leaders);
    /// let shards = shards.growth(Growth::Alone).formation(Formation::One);
    /// assert!(Topology::new("1", [shards]).problems().is_empty());
    /// ```
    #[must_use]
    pub fn voters(self, voters: Voters) -> Self {
        Self { voters, ..self }
    }

    /// Whether each of its groups has a leader of its own, which votes for the group.
    pub fn is_led(&self) -> bool {
        self.votes && self.voters == Voters::Leaders
    }

    /// Why the planner cannot run a role like this.
    fn problem(&self) -> Option<&'static str> {
        match self {
            it if it.groups == 0 => Some("a role has no group"),
            it if !it.votes && it.voters == Voters::Leaders => {
                Some("leaders vote in a role that does not vote")
            }
            it if it.votes && !it.is_led() && it.groups > 1 => Some(
                "members of several groups vote, whose majorities say nothing of each other: only their leaders can",
            ),
            it if it.is_led() && it.growth == Growth::NonVoting => Some(
                "a member that may lead, and vote, at any time is listed before it was started",
            ),
            it if it.at_once == 0 => Some("no member of a role may join"),
            it if it.at_once > 1 && !(it.votes && it.growth == Growth::NonVoting) => {
                Some("several members join at once that are not listed without a vote first")
            }
            it if it.at_once > 1 && it.identity != IdSource::Application => {
                Some("several members join at once whose ids are allocated one by one")
            }
            it if it.is_led() && it.formation != Formation::One => {
                Some("several members form a group, and nothing says which of them leads")
            }
            _ => None,
        }
    }

    /// The same after another role.
    #[must_use]
    pub fn after(mut self, edge: Edge, role: impl Into<RoleName>) -> Self {
        self.after.push((edge, role.into()));
        self
    }

    /// The roles without which its members do not work.
    pub fn needed(&self) -> impl Iterator<Item = &RoleName> {
        self.after.iter().filter(|it| it.0 == Edge::Needs).map(|it| &it.1)
    }

    /// Whether it comes after that role in this.
    pub fn comes_after(&self, edge: Edge, role: &RoleName) -> bool {
        self.after.iter().any(|it| it.0 == edge && it.1 == *role)
    }
}

/// A group of a role.
pub(crate) type Unit<'t> = (&'t Role, u32);

/// Which members of a role that votes count for the quorum of the cluster.
///
/// ```
/// assert_ne!(endstate_core::Voters::Members, endstate_core::Voters::Leaders);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Voters {
    /// All of them. They are one group.
    Members,
    /// The leader of each group. The others of a group have its data, or are getting it, and may lead it at any time:
    /// who leads, and votes, the application decides. A group that holds data has a member on the list with a vote,
    /// whether it works or not; one without such a member holds nothing.
    Leaders,
}

/// Whether a member that leads can hand the lead to another.
///
/// ```
/// assert_ne!(endstate_core::Lead::Transfers, endstate_core::Lead::Stays);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Lead {
    /// On request, without an election.
    Transfers,
    /// It leads until it stops. It is stopped last, which costs one election.
    Stays,
    /// On request, and the application elects nobody: a primary and its replicas. While no member leads, the planner
    /// appoints the voter that has all that any other is known to have ([`Request::Appoint`](crate::Request::Appoint)).
    ///
    /// What the application promises: a process leads only because it was appointed or handed the lead, or because it
    /// was started as [`Start::New`](crate::Start::New); one that starts anew never does. Each member says that it
    /// follows the one that it really receives from, and its [`Position`](crate::Position) is what it has received.
    Appointed(Acks),
}

/// When a member that leads acknowledges a write. It decides what is known of one that does not answer.
///
/// It is a promise of every process, and of each list on the way from one size to another. A spec that asks for another
/// one changes no process that runs: until each voter works in a pod that was made from such a spec, and one leads, the
/// planner judges by the weaker promise. So what processes do about it is told by their [launch](crate::Launch).
///
/// ```
/// assert_ne!(endstate_core::Acks::Leader, endstate_core::Acks::Majority);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Acks {
    /// When it has the write itself: replication without acknowledgements, or with ones that it gives up waiting for.
    /// Whoever does not answer may lead and have what no other has, so one is appointed only when each voter says that
    /// it does not lead, or has lost its data together with its process.
    Leader,
    /// When a majority of the voters that are listed has it, itself among them, however long that takes; and a member
    /// follows only a leader that has all that it has. A leader that no majority follows acknowledges nothing, so that
    /// a majority of the voters that follows nobody is enough to appoint another.
    Majority,
}

/// How a member joins.
///
/// ```
/// assert_ne!(endstate_core::Growth::NonVoting, endstate_core::Growth::Direct);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Growth {
    /// Listed without a vote, then started, then given a vote when it has caught up: a raft learner, a ZAB observer.
    NonVoting,
    /// Started first, and listed with its vote when it has caught up.
    Direct,
    /// Started first, alone: it is nobody's until it is listed, and copies after that. It is listed without a vote, and
    /// gets one when it has caught up if all members of its role vote.
    Alone,
}

/// Where the ids of members come from.
///
/// ```
/// assert_ne!(endstate_core::IdSource::Allocated { max: 255 }, endstate_core::IdSource::Application);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum IdSource {
    /// The application gives one at the join.
    Application,
    /// Counted from 1 before the start, recorded, and never used again once the application was asked to list it.
    Allocated {
        /// The highest that the application takes.
        max: u64,
    },
}

/// How the first members start.
///
/// ```
/// assert_ne!(endstate_core::Formation::AllAtOnce, endstate_core::Formation::One);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Formation {
    /// All together, each knowing the others.
    AllAtOnce,
    /// One, which the others join.
    One,
}

/// Who places data on members.
///
/// ```
/// assert_ne!(endstate_core::Placement::Operator, endstate_core::Placement::Application);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Placement {
    /// Every member of a group holds all data of the group: a quorum, a replica set. Who is off the list of members
    /// holds nothing of worth.
    Operator,
    /// The application spreads data over members or groups (partitions, regions, slots): a member may hold what no
    /// other has, whatever becomes of it.
    Application,
}

/// Whether the data of one member is enough to go on with, when so many lost theirs that no quorum can come back.
///
/// ```
/// use endstate_core::{Recovery, Role};
/// assert_eq!(Role::voting("server", 3).recovery, Recovery::FromOne);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Recovery {
    /// It is, by a person's consent: a process can be told to go on as the only member
    /// ([`Start::Recover`](crate::Start::Recover)).
    FromOne,
    /// It is, and nobody is asked where the loss is proven and nothing that is left can be ahead of the source.
    /// Elsewhere it waits for a person's consent all the same.
    Unasked,
    /// It would be, and the spec forbids it: nobody's consent counts.
    Forbidden,
    /// No tool makes a cluster of one member's data: a recovery is not offered, and the status says so.
    Impossible,
}

/// What a spec says of a lost quorum: so much data is lost that only what one member has can be gone on with.
///
/// ```
/// use endstate_core::{QuorumRecovery, Recovery};
/// assert_eq!(Recovery::from(QuorumRecovery::default()), Recovery::FromOne);
/// ```
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema,
)]
pub enum QuorumRecovery {
    /// Nothing is gone on with, whoever consents.
    Never,
    /// A person consents, and names the member.
    #[default]
    Manual,
    /// Nobody is asked where it is proven that the data of a majority is lost, every member that is left says how far
    /// it is, and one has all that any of them has or had.
    Auto,
}

impl QuorumRecovery {
    /// Whether it is what it is by default.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl From<QuorumRecovery> for Recovery {
    fn from(it: QuorumRecovery) -> Self {
        match it {
            QuorumRecovery::Never => Self::Forbidden,
            QuorumRecovery::Manual => Self::FromOne,
            QuorumRecovery::Auto => Self::Unasked,
        }
    }
}

/// In what one role comes after another.
///
/// ```
/// assert_ne!(endstate_core::Edge::Starts, endstate_core::Edge::Upgrades);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Edge {
    /// Its members are started once the other role is complete.
    Starts,
    /// Its members are restarted once the other role is up to date.
    Upgrades,
    /// Its members are started, restarted and given steps only while the other role works: a quorum of the members of
    /// each of its groups. It is no order: both may grow and be upgraded in any.
    Needs,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(roles: Vec<&Role>) -> Vec<&str> {
        roles.into_iter().map(|it| it.name.as_str()).collect()
    }

    #[test]
    fn roles_are_sorted_by_each_edge() {
        let topology = Topology::new(
            "1",
            [
                Role::following("c", 1).after(Edge::Starts, "b"),
                Role::following("b", 1).after(Edge::Starts, "a").after(Edge::Upgrades, "c"),
                Role::voting("a", 1),
            ],
        );
        assert_eq!(names(topology.in_order(Edge::Starts)), ["a", "b", "c"]);
        assert_eq!(names(topology.in_order(Edge::Upgrades)), ["c", "b", "a"]);
        assert!(topology.problems().is_empty());
    }

    #[test]
    fn what_cannot_be_worked_towards_is_refused() {
        let a = || Role::voting("a", 3);
        let b = || Role::following("b", 3);
        let led = || {
            let led = a().groups(2).voters(Voters::Leaders);
            led.growth(Growth::Alone).formation(Formation::One)
        };
        assert!(Topology::new("1", [led()]).problems().is_empty());
        let cases = [
            vec![a(), a()],
            vec![b()],
            vec![],
            vec![a().groups(2)],
            vec![led().groups(0)],
            vec![led().growth(Growth::NonVoting)],
            vec![led().formation(Formation::AllAtOnce)],
            vec![a(), b().voters(Voters::Leaders)],
            vec![a(), Role::voting("b", 1)],
            vec![a(), b().after(Edge::Starts, "c")],
            vec![a().after(Edge::Starts, "b"), b().after(Edge::Starts, "a")],
            vec![a(), b().after(Edge::Upgrades, "b")],
            vec![a(), b().after(Edge::Needs, "b")],
            vec![a().after(Edge::Needs, "b"), b()],
        ];
        for roles in cases {
            let topology = Topology::new("1", roles);
            assert!(!topology.problems().is_empty(), "{topology:?}");
        }
    }
}
