//! What the application says about itself: the driver fills it, the planner reads it.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::comparison::{Comparison, Corruption, differing};
use crate::consent::Choice;
use crate::facts::Facts;
use crate::id::{ClusterId, MemberId, MemberName};
use crate::position::Position;
use crate::record::{AskedTask, Record};
use crate::request::{Request, RequestKind, Roster};

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
#[non_exhaustive]
pub struct View {
    /// What each member answered, in any order.
    pub targets: Vec<Target>,
    /// The list of members; `None` when no voter gave one.
    pub membership: Option<Membership>,
    /// Requests that the application is at work on.
    pub tasks: Vec<Task>,
    /// What else the application knows of the cluster.
    #[serde(default)]
    pub facts: Facts,
    /// What the data of the voters came to when it was compared, the latest comparison last. Two decide. Those from
    /// before an alarm that stands are left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub comparisons: Vec<Comparison>,
    /// Whose data is wrong by a person's word, where data differs and nothing says whose is wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blamed: Option<MemberId>,
}

impl View {
    /// These answers and this list, and nothing at work.
    pub fn new(targets: Vec<Target>, membership: Option<Membership>) -> Self {
        Self { targets, membership, ..Self::default() }
    }

    /// The same, with requests that the application is at work on.
    #[must_use]
    pub fn tasks(self, tasks: Vec<Task>) -> Self {
        Self { tasks, ..self }
    }

    /// The same, with what only the application knows of the cluster.
    #[must_use]
    pub fn facts(self, facts: Facts) -> Self {
        Self { facts, ..self }
    }

    /// The same, with what data came to when it was compared.
    #[must_use]
    pub fn compared(self, comparisons: Vec<Comparison>) -> Self {
        Self { comparisons, ..self }
    }

    /// The same, in which the list calls each member that belongs to the cluster as the record does, by its id. An
    /// application may list a member by an address that says nothing of its pod.
    ///
    /// ```
    /// use endstate_core::{Entry, MemberRecord, Membership, Record, View};
    /// let known = MemberRecord { id: Some("1".into()), ..MemberRecord::new("example-x7k2p", "member") };
    /// let record =
    ///     Record::<u32> { cluster_id: Some("c9".into()), members: vec![known], ..Record::default() };
    /// let list = Membership::new("c9", [Entry::voter("1", "10")]);
    /// let view = View::new(vec![], Some(list)).named_by(&record);
    /// assert_eq!(view.membership.unwrap().id_of("example-x7k2p"), Some(&"1".into()));
    /// ```
    #[must_use]
    pub fn named_by<S>(mut self, record: &Record<S>) -> Self {
        let known = record.cluster_id.as_ref();
        for list in self.membership.iter_mut().filter(|it| known == Some(&it.cluster)) {
            for member in &record.members {
                // Another may be listed under its name: then nobody can say what that one is.
                let free = list.entry(&member.name).is_none();
                let id = |it: &&mut Entry| member.id.as_ref() == Some(&it.id);
                if let Some(entry) = list.members.iter_mut().find(id).filter(|_| free) {
                    entry.name = member.name.clone();
                }
            }
        }
        self
    }

    /// The same, with whose data is wrong by a person's word, where data differs and nothing says whose is wrong.
    ///
    /// ```
    /// use endstate_core::{Choice, MemberRecord, Record, View};
    /// let known = MemberRecord { id: Some("1".into()), ..MemberRecord::new("example-x7k2p", "member") };
    /// let record = Record::<u32> { members: vec![known], ..Record::default() };
    /// let consent = Some(Choice::Replace("example-x7k2p".into()));
    /// assert_eq!(View::default().accused_by(consent.as_ref(), &record).blamed, Some("1".into()));
    /// ```
    #[must_use]
    pub fn accused_by<S>(self, consent: Option<&Choice>, record: &Record<S>) -> Self {
        let unused = consent.filter(|_| record.consent.as_ref() != consent);
        let blamed = match unused {
            // One that has left is listed no more, whatever it was called.
            Some(Choice::Replace(name)) => {
                let id = record.find(name).and_then(|it| it.id.clone());
                Some(id.unwrap_or_else(|| MemberId::from(name.as_str())))
            }
            _ => None,
        };
        Self { blamed, ..self }
    }

    /// What is corrupt by the alarms that the voters on this list report.
    pub(crate) fn alarms(&self, list: &Membership) -> BTreeSet<Corruption> {
        let answers = list.voters().filter_map(|it| self.answer(&it.name));
        let ours = answers.filter(|it| it.cluster == list.cluster);
        ours.flat_map(|it| &it.corruption).cloned().collect()
    }

    /// What is corrupt: by alarms, and by what was compared of those who are on this list. An alarm that names nobody
    /// is answered by who differs for certain, and else, if that leaves no doubt, by a person.
    pub(crate) fn corruption(&self, list: &Membership) -> BTreeSet<Corruption> {
        let voters = list.voters().map(|it| it.id.clone()).collect();
        let compared: Vec<_> = self.comparisons.iter().map(|it| it.among(&voters)).collect();
        let mut all = differing(&compared);
        let answered = !all.is_empty() && !all.contains(&Corruption::Undetermined);
        let alarms = self.alarms(list).into_iter();
        all.extend(alarms.filter(|it| !answered || *it != Corruption::Undetermined));
        if let Some(blamed) = self.word(&compared)
            && all.remove(&Corruption::Undetermined)
        {
            all.insert(Corruption::Of(blamed.clone()));
        }
        all
    }

    /// Whose data is wrong by a person's word, where that leaves no doubt: the others have the same, as far as that was
    /// compared.
    fn word(&self, compared: &[Comparison]) -> Option<&MemberId> {
        let blamed = self.blamed.as_ref()?;
        let differs = compared.last().filter(|it| !it.corruption().is_empty());
        let certain = !Comparison::is_unconfirmed(compared);
        differs.is_none_or(|it| certain && it.agrees_without(blamed)).then_some(blamed)
    }

    /// Whether anything says, where no quorum gives a list, that the data of this member of a cluster is corrupt.
    pub(crate) fn accuses(&self, cluster: &ClusterId, id: &MemberId) -> bool {
        let answers = self.targets.iter().filter_map(|it| it.status.as_ref());
        let ours = answers.filter(|it| it.cluster == *cluster);
        let mut all = differing(&self.comparisons);
        all.extend(ours.flat_map(|it| &it.corruption).cloned());
        let blamed = self.blamed.as_ref() == Some(id) && all.contains(&Corruption::Undetermined);
        blamed || all.contains(&Corruption::Of(id.clone()))
    }

    /// Whether the data of all who are on this list was the same, both times that it was compared last.
    pub(crate) fn is_same(&self, list: &Membership) -> bool {
        let [.., before, last] = &*self.comparisons else { return false };
        list.same_data(before) == Some(true) && list.same_data(last) == Some(true)
    }

    /// Whether data differed when it was compared last, and not before: it is compared again soon.
    pub(crate) fn is_unconfirmed(&self) -> bool {
        Comparison::is_unconfirmed(&self.comparisons)
    }

    /// What the member of this name answered.
    pub fn target(&self, name: &str) -> Option<&Target> {
        self.targets.iter().find(|it| it.name.as_str() == name)
    }

    /// What the member of this name says about itself.
    pub fn answer(&self, name: &str) -> Option<&MemberStatus> {
        self.target(name)?.status.as_ref()
    }

    /// What is known of the member of this name if it waits for a quorum.
    pub fn starting(&self, name: &str) -> Option<&Starting> {
        self.target(name)?.starting.as_ref()
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
/// assert!(Target::silent("example-x7k2p", Reach::Unreachable).status.is_none());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Target {
    /// Who was asked.
    pub name: MemberName,
    /// Whether there was an answer.
    pub reach: Reach,
    /// The answer, when `reach` is [`Reach::Reachable`].
    pub status: Option<MemberStatus>,
    /// What is known of one that runs and gives no answer before it has found a quorum.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starting: Option<Starting>,
}

impl Target {
    /// A member of which so much is known.
    pub fn new(name: impl Into<MemberName>, reach: Reach, status: Option<MemberStatus>) -> Self {
        Self { name: name.into(), reach, status, starting: None }
    }

    /// A member that answered for itself.
    pub fn answered(name: impl Into<MemberName>, status: MemberStatus) -> Self {
        Self::new(name, Reach::Reachable, Some(status))
    }

    /// A member that did not.
    pub fn silent(name: impl Into<MemberName>, reach: Reach) -> Self {
        Self::new(name, reach, None)
    }

    /// The same, of which so much is known while it waits for a quorum.
    #[must_use]
    pub fn starting(self, starting: Starting) -> Self {
        Self { starting: Some(starting), ..self }
    }
}

/// A member whose process runs on its data, and serves nobody before it has found a quorum. An application may tell of
/// such a member elsewhere than where it serves clients: etcd does where its metrics are.
///
/// ```
/// use endstate_core::{Position, Reach, Starting, Target, View};
/// let starting = Starting::new("a1", Position::at(42));
/// let silent = Target::silent("example-x7k2p", Reach::Unreachable).starting(starting.clone());
/// assert_eq!(View::new(vec![silent], None).starting("example-x7k2p"), Some(&starting));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Starting {
    /// Its id, by its own data.
    pub id: MemberId,
    /// How much of the history it has.
    pub position: Position,
    /// Whether its own data says that it has no vote. Some say so only if they learned it since they started.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub non_voter: bool,
}

impl Starting {
    /// One that says who it is, and how far.
    pub fn new(id: impl Into<MemberId>, position: Position) -> Self {
        Self { id: id.into(), position, non_voter: false }
    }

    /// The same, of which is known whether it says that it has no vote.
    #[must_use]
    pub fn non_voter(self, non_voter: bool) -> Self {
        Self { non_voter, ..self }
    }
}

/// How far a question came. Only [`Reach::Reachable`] proves that a member is alive, and nothing here
/// proves that it is not: an unreachable member may serve others.
///
/// ```
/// use endstate_core::{Reach, Refusal};
/// assert_ne!(Reach::Refused(Refusal::Other), Reach::Unreachable);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
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
#[non_exhaustive]
pub enum Refusal {
    /// It requires authentication, and the driver has no user. It serves: it made a read that needs a quorum.
    Guarded,
    /// It requires authentication, and the driver has no user.
    NeedsUser,
    /// Not of this member, or not now.
    Other,
}

/// What a member says about itself.
///
/// ```
/// use endstate_core::{MemberStatus, Position, Standing};
/// let status = MemberStatus::new("a1", "c9", Standing::Leader)
///     .follows("a1")
///     .at(Position::at(42))
///     .runs("3.5.16");
/// assert_eq!(status.leader, Some("a1".into()));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct MemberStatus {
    /// Its id.
    pub id: MemberId,
    /// The cluster it belongs to.
    pub cluster: ClusterId,
    /// Its standing in the quorum.
    pub standing: Standing,
    /// Whom it follows; `None` when it knows no leader.
    pub leader: Option<MemberId>,
    /// How much of the history it has; `None` if it does not say.
    pub position: Option<Position>,
    /// The version it runs; empty if it does not say.
    pub version: String,
    /// Bytes on disk.
    pub data_size: u64,
    /// What is corrupt, by alarms that it reports: they are part of what the voters agree on, so any of them reports
    /// all.
    pub corruption: Vec<Corruption>,
    /// What else the application knows of it.
    #[serde(default)]
    pub facts: Facts,
}

impl MemberStatus {
    /// A member that says who it is, and no more.
    pub fn new(id: impl Into<MemberId>, cluster: impl Into<ClusterId>, standing: Standing) -> Self {
        Self {
            id: id.into(),
            cluster: cluster.into(),
            standing,
            leader: None,
            position: None,
            version: String::new(),
            data_size: 0,
            corruption: vec![],
            facts: Facts::default(),
        }
    }

    /// The same, following that member.
    #[must_use]
    pub fn follows(self, leader: impl Into<MemberId>) -> Self {
        Self { leader: Some(leader.into()), ..self }
    }

    /// The same, with so much of the history.
    #[must_use]
    pub fn at(self, position: Position) -> Self {
        Self { position: Some(position), ..self }
    }

    /// The same, running that version.
    #[must_use]
    pub fn runs(self, version: impl Into<String>) -> Self {
        Self { version: version.into(), ..self }
    }

    /// The same, with so many bytes on disk.
    #[must_use]
    pub fn holds(self, data_size: u64) -> Self {
        Self { data_size, ..self }
    }

    /// The same, with what only the application knows of it.
    #[must_use]
    pub fn facts(self, facts: Facts) -> Self {
        Self { facts, ..self }
    }

    /// The same, reporting these alarms.
    #[must_use]
    pub fn reports(self, corruption: Vec<Corruption>) -> Self {
        Self { corruption, ..self }
    }
}

/// A member's standing in the quorum.
///
/// ```
/// assert!(endstate_core::Standing::Leader.votes());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Standing {
    /// Votes and leads.
    Leader,
    /// Votes.
    Voter,
    /// Has the data, or is getting it, and does not vote.
    NonVoter,
}

impl Standing {
    /// Whether its loss counts against the quorum.
    pub fn votes(self) -> bool {
        self != Self::NonVoter
    }
}

/// A request that takes long: draining a member, moving data.
///
/// ```
/// use endstate_core::{RequestKind, Task};
/// let task = Task::new(RequestKind::Drain, "example-x7k2p", 3, 40);
/// assert!(task.done < task.of);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Task {
    /// What was asked for.
    pub request: RequestKind,
    /// Whom it is about.
    pub member: MemberName,
    /// How much is done.
    pub done: u64,
    /// Of how much.
    pub of: u64,
}

impl Task {
    /// As what it was asked for, if it was.
    pub(crate) fn asked(&self) -> Option<AskedTask> {
        AskedTask::of(&self.request, &self.member)
    }
}

impl Task {
    /// The application's own step that it is, and whom it is about.
    pub fn step(&self) -> Option<(String, MemberName)> {
        match &self.request {
            RequestKind::App(name) => Some((name.clone(), self.member.clone())),
            _ => None,
        }
    }

    /// A request of which so much is done.
    pub fn new(request: RequestKind, member: impl Into<MemberName>, done: u64, of: u64) -> Self {
        Self { request, member: member.into(), done, of }
    }
}

/// The list of members as the voters give it.
///
/// The driver asks every voter it reaches, drops lists of another cluster, and reports the list that
/// the leader gave (without a leader's answer: the one most of them gave), with the number of voters
/// on that list who gave the same one. An entry's `name` is that of its pod, however the application calls it.
///
/// ```
/// use endstate_core::{Entry, Membership};
/// let members = [Entry::voter("1", "example-x7k2p"), Entry::non_voter("2", "example-b9qrt")];
/// let list = Membership::new("c9", members).agreed(1);
/// assert_eq!(list.voters().count(), 1);
/// assert_eq!(list.id_of("example-b9qrt"), Some(&"2".into()));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Membership {
    /// The cluster whose list this is.
    pub cluster: ClusterId,
    /// All members, in any order.
    pub members: Vec<Entry>,
    /// How many voters of this very list gave it.
    pub agreed: usize,
    /// The version of the list, where the application counts one.
    pub revision: Option<u64>,
}

impl Membership {
    /// A list that nobody agrees on yet.
    pub fn new(cluster: impl Into<ClusterId>, members: impl IntoIterator<Item = Entry>) -> Self {
        let members = members.into_iter().collect();
        Self { cluster: cluster.into(), members, agreed: 0, revision: None }
    }

    /// The same, given by so many of its voters.
    #[must_use]
    pub fn agreed(self, agreed: usize) -> Self {
        Self { agreed, ..self }
    }

    /// The same, at this version.
    #[must_use]
    pub fn revision(self, revision: u64) -> Self {
        Self { revision: Some(revision), ..self }
    }

    /// The list to go by, of those that members gave: the one of the highest rank, and among equals the one that most
    /// voters gave, with the number of voters on it who gave the same. The rank is the application's: who leads gives
    /// a better list than who follows, and a newer list is better than an older one.
    ///
    /// ```
    /// use endstate_core::{Entry, Membership};
    /// let list = |ids: &[&str]| Membership::new("c9", ids.iter().map(|it| Entry::voter(*it, *it)));
    /// let (old, new) = (list(&["1", "2", "3"]), list(&["1", "2"]));
    /// let given = [(true, "1".into(), new.clone()), (false, "2".into(), old.clone()), (false, "3".into(), old)];
    /// assert_eq!(Membership::agreed_of(&given), Some(new.agreed(1)), "who leads gave it");
    /// ```
    pub fn agreed_of<R: Ord + Copy>(given: &[(R, MemberId, Self)]) -> Option<Self> {
        let support = |list: &Self| {
            let roster = list.roster();
            let gave = |id| given.iter().any(|(_, by, it)| by == id && it.roster() == roster);
            roster.voters.iter().filter(|it| gave(*it)).count()
        };
        let (.., list) = given.iter().max_by_key(|(rank, _, list)| (*rank, support(list)))?;
        Some(list.clone().agreed(support(list)))
    }

    /// Whether it is as a request wants it, by the id of the member that is asked for. No list shows that of a join
    /// without an id, or of a request that is not about the list.
    ///
    /// ```
    /// use endstate_core::{Entry, Membership, Request};
    /// let list = Membership::new("c9", [Entry::voter("1", "a"), Entry::non_voter("2", "b")]);
    /// let promote = |id: &str| Request::Promote { member: "b".into(), id: id.into(), address: String::new() };
    /// assert!(list.is_after(&promote("1")) && !list.is_after(&promote("2")));
    /// ```
    pub fn is_after(&self, request: &Request) -> bool {
        let votes = |id: &MemberId| self.members.iter().find(|it| it.id == *id).map(|it| it.votes);
        match request {
            Request::Join { id: Some(id), votes: wanted, .. } => votes(id) == Some(*wanted),
            Request::Promote { id, .. } => votes(id) == Some(true),
            Request::Leave { id, .. } => votes(id).is_none(),
            _ => false,
        }
    }

    /// Whether all who are listed have the same data, by a comparison; nothing unless all of them vote and said so.
    ///
    /// ```
    /// use endstate_core::{Comparison, Digest, Entry, Membership};
    /// let compared = Comparison::new(42, ["1"], [("1", Digest { since: 1, hash: 7 })]);
    /// let list = |ids: &[&str]| Membership::new("c9", ids.iter().map(|it| Entry::voter(*it, *it)));
    /// assert_eq!(list(&["1"]).same_data(&compared), Some(true));
    /// assert_eq!(list(&["1", "2"]).same_data(&compared), None);
    /// ```
    pub fn same_data(&self, compared: &Comparison) -> Option<bool> {
        let voters = self.voters().map(|it| it.id.clone()).collect();
        compared.is_same(&voters).filter(|_| self.non_voters().count() == 0)
    }

    /// Those who vote.
    pub fn voters(&self) -> impl Iterator<Item = &Entry> {
        self.members.iter().filter(|it| it.votes)
    }

    /// Those who do not.
    pub fn non_voters(&self) -> impl Iterator<Item = &Entry> {
        self.members.iter().filter(|it| !it.votes)
    }

    /// The entry of this name.
    pub fn entry(&self, name: &str) -> Option<&Entry> {
        self.members.iter().find(|it| it.name.as_str() == name)
    }

    /// The id of the member with this name.
    pub fn id_of(&self, name: &str) -> Option<&MemberId> {
        self.entry(name).map(|it| &it.id)
    }

    /// What of the list decides: what a membership call is conditioned on.
    pub fn roster(&self) -> Roster {
        Roster {
            cluster: self.cluster.clone(),
            voters: self.voters().map(|it| it.id.clone()).collect(),
            non_voters: self.non_voters().map(|it| it.id.clone()).collect(),
            revision: self.revision,
        }
    }
}

/// One row of the list of members.
///
/// ```
/// use endstate_core::Entry;
/// assert!(Entry::voter("1", "example-x7k2p").votes);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Entry {
    /// Its id.
    pub id: MemberId,
    /// The name of its pod.
    pub name: MemberName,
    /// Whether it votes.
    pub votes: bool,
    /// Where the others find it, if the list says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
}

impl Entry {
    /// A member that votes.
    pub fn voter(id: impl Into<MemberId>, name: impl Into<MemberName>) -> Self {
        Self { id: id.into(), name: name.into(), votes: true, address: None }
    }

    /// A member that does not.
    pub fn non_voter(id: impl Into<MemberId>, name: impl Into<MemberName>) -> Self {
        Self { votes: false, ..Self::voter(id, name) }
    }

    /// The same, with or without a vote.
    #[must_use]
    pub fn voting(self, votes: bool) -> Self {
        Self { votes, ..self }
    }

    /// The same, found there by the others.
    #[must_use]
    pub fn at(self, address: Option<String>) -> Self {
        Self { address, ..self }
    }
}
