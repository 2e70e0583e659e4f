//! The members of a cluster that exists: API, application and record joined, one row per member.
//!
//! This is where "does it work?" is answered, for the planner and for [`App`] alike. A member
//! is healthy only if it says so itself, and dead only on evidence that its data is gone.

mod health;

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{
    app::{App, Change},
    id::{MemberId, MemberName},
    plan::PodRef,
    record::{MemberRecord, Record, Step},
    snapshot::{Pod, Snapshot},
    view::{Entry, Membership},
};

pub use health::Health;
pub(crate) use health::health;

/// How long a member must have been in a crash loop before it is given up, which it is only beside a quorum of
/// others that work.
pub const CRASH_LOOP_SECONDS: i64 = 60;

/// How often it must have been restarted by then.
pub const CRASH_LOOP_RESTARTS: u32 = 3;

/// How long a pod that was asked for may take to be seen before it is given up.
pub const UNSEEN_SECONDS: i64 = 10;

/// How long voters must have been well before the list of members is changed: etcd's own check asks for
/// connections of this age.
pub const STABLE_SECONDS: i64 = 5;

/// How long a member that was told to restart in place, and was started since, may go on saying that it runs
/// what it ran before. Until then it may stop at any moment; afterwards its image does not hold the version
/// that was asked for.
pub const RESTART_SECONDS: i64 = 60;

/// How many of `voters` are a majority.
///
/// ```
/// use endstate_core::quorum;
/// assert_eq!([1, 2, 3, 4, 5].map(quorum), [1, 2, 2, 3, 3]);
/// ```
pub fn quorum(voters: usize) -> usize {
    voters / 2 + 1
}

/// Which members the driver should ask, in the order of their names: all that are recorded, and all
/// that have a pod.
///
/// ```
/// use endstate_core::{Pod, Record, targets};
/// let pods = [Pod::<u32>::new("example-x7k2p", "9b1d", "41")];
/// assert_eq!(targets(&Record::default(), &pods), ["example-x7k2p".into()]);
/// ```
pub fn targets<S>(record: &Record<S>, pods: &[Pod<S>]) -> Vec<MemberName> {
    let first = record.bootstrap.iter().flat_map(|it| &it.members);
    let recorded = first.chain(&record.members).map(|it| &it.name);
    let coming = record.step.iter().map(Step::member);
    let names = recorded.chain(coming).chain(pods.iter().map(|it| &it.name));
    names.collect::<BTreeSet<_>>().into_iter().cloned().collect()
}

/// The members of a cluster as the voters list them.
///
/// ```
/// use endstate_core::{Cluster, quorum};
/// let cluster = Cluster { members: vec![], accused: vec![] };
/// assert!(cluster.healthy_voters() < quorum(1));
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cluster {
    /// Voters and learners, by name.
    pub members: Vec<Member>,
    /// Whose data is corrupt, by the application's alarms; see [`MemberStatus::accused`](crate::MemberStatus::accused). Also of members that have
    /// left: an alarm stays until somebody clears it.
    pub accused: Vec<MemberId>,
}

/// One member: what is listed, what it says, what its pod shows.
///
/// ```
/// use endstate_core::{Change, Health, Member, MemberId};
/// let member = Member {
///     name: "example-x7k2p".into(),
///     id: MemberId(1),
///     learner: false,
///     leads: false,
///     health: Health::Healthy,
///     back: None,
///     position: Some(42),
///     change: Change::Nothing,
///     outdated: false,
///     differs: None,
///     recorded: true,
///     pod: None,
/// };
/// assert!(member.votes());
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Member {
    /// Its name.
    pub name: MemberName,
    /// Its id.
    pub id: MemberId,
    /// Whether it only listens.
    pub learner: bool,
    /// Whether it leads.
    pub leads: bool,
    /// Whether it works.
    pub health: Health,
    /// Since when it works again, if that is less than [`STABLE_SECONDS`] ago: its process was started, or it
    /// did not work before.
    pub back: Option<Timestamp>,
    /// How much of the history it has.
    pub position: Option<u64>,
    /// What it takes to bring it to the accepted spec.
    pub change: Change,
    /// Whether that is more than nothing.
    pub outdated: bool,
    /// How what it runs differs from what its pod asks for. That is no illness: an image may hold
    /// another version than its tag says.
    pub differs: Option<String>,
    /// Whether the record knows it.
    pub recorded: bool,
    /// Its pod.
    pub pod: Option<PodRef>,
}

impl Member {
    /// Whether it votes.
    pub fn votes(&self) -> bool {
        !self.learner
    }
}

impl Cluster {
    /// Those who vote.
    pub fn voters(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(|it| it.votes())
    }

    /// How many of them work.
    pub fn healthy_voters(&self) -> usize {
        self.voters().filter(|it| it.health.is_healthy()).count()
    }

    /// Whether those who work with good data are a majority.
    pub(crate) fn has_good_majority(&self) -> bool {
        self.healthy_voters() >= quorum(self.voters().count())
    }

    /// How many of them the record knows: the size to compare with what is asked for. A stranger
    /// counts for the quorum and for nothing else.
    pub(crate) fn own_voters(&self) -> usize {
        self.voters().filter(|it| it.recorded).count()
    }

    /// Who leads.
    pub fn leader(&self) -> Option<&Member> {
        self.members.iter().find(|it| it.leads)
    }

    /// The member of this name.
    pub fn member(&self, name: &str) -> Option<&Member> {
        self.members.iter().find(|it| it.name.as_str() == name)
    }

    /// Joins a list of members with everything else that is known of them.
    pub(crate) fn assemble<A: App>(
        app: &A,
        snapshot: &Snapshot<A::Spec>,
        accepted: Option<&A::Spec>,
        list: &Membership,
    ) -> Self {
        let leads = leader(snapshot, list);
        let accused = accused(snapshot, list);
        let mut members: Vec<_> = list
            .members
            .iter()
            .map(|entry| {
                let mut member = Member::assemble(app, snapshot, accepted, entry);
                member.leads = leads == Some(entry.id);
                if member.health.is_alive() && accused.contains(&entry.id) {
                    (member.health, member.back) = (Health::Corrupt, None);
                }
                member
            })
            .collect();
        members.sort_by(|a, b| a.name.cmp(&b.name));
        Self { members, accused }
    }
}

/// The voter of this list that says it leads; if several do, the one that most voters follow.
pub(crate) fn leader<S>(snapshot: &Snapshot<S>, list: &Membership) -> Option<MemberId> {
    let ours = |entry: &Entry| {
        let target = snapshot.view.target(&entry.name);
        let status = target.and_then(|it| it.status.as_ref());
        status.is_some_and(|it| it.id == entry.id && it.cluster == list.cluster)
    };
    let follows = |entry: &Entry| followed(snapshot, entry).filter(|_| ours(entry));
    let votes = |id: MemberId| list.voters().filter(|it| follows(it) == Some(id)).count();
    let claims = list.voters().filter(|it| follows(it) == Some(it.id)).map(|it| it.id);
    claims.max_by_key(|id| (votes(*id), *id))
}

/// Whom the voters of this list accuse.
fn accused<S>(snapshot: &Snapshot<S>, list: &Membership) -> Vec<MemberId> {
    let answers = list.voters().filter_map(|it| snapshot.view.target(&it.name)?.status.as_ref());
    let ours = answers.filter(|it| it.cluster == list.cluster);
    let all: BTreeSet<_> = ours.flat_map(|it| it.accused.iter().copied()).collect();
    all.into_iter().collect()
}

/// Whom a member says it follows.
fn followed<S>(snapshot: &Snapshot<S>, entry: &Entry) -> Option<MemberId> {
    snapshot.view.target(&entry.name)?.status.as_ref()?.leader
}

/// The list of members of the recorded cluster, however many agree on it; any, before one is recorded.
pub(crate) fn list<'a, S>(snapshot: &'a Snapshot<S>, record: &Record<S>) -> Option<&'a Membership> {
    let list = snapshot.view.membership.as_ref();
    list.filter(|it| record.cluster_id.is_none_or(|id| id == it.cluster))
}

impl Member {
    fn assemble<A: App>(
        app: &A,
        snapshot: &Snapshot<A::Spec>,
        accepted: Option<&A::Spec>,
        entry: &Entry,
    ) -> Self {
        let known = recorded(&snapshot.status.record, &entry.name);
        let pod = find_pod(snapshot, &entry.name);
        let made_from = pod.and_then(|it| it.spec.as_ref());
        let change = match (made_from, accepted) {
            (Some(old), Some(new)) => app.change(old, new),
            _ => Change::Nothing,
        };
        let facts = known.clone().unwrap_or_else(|| MemberRecord::new(entry.name.clone()));
        let restarts = is_restarting(snapshot, &facts);
        let mut health = health::health(snapshot, &MemberRecord { id: Some(entry.id), ..facts });
        let answer = snapshot.view.target(&entry.name).and_then(|it| it.status.as_ref());
        let answer = answer.filter(|it| it.id == entry.id);
        if known.is_none() && pod.is_none() && !health.is_healthy() {
            health = Health::Unwell("nothing is known of it".into());
        } else if change == Change::Recreate && !health.is_alive() && pod.is_some_and(is_held_up) {
            health = Health::Failed("it does not run, and is made from an older spec".into());
        }
        let differs = match (made_from, answer) {
            (Some(spec), Some(answer)) if !app.runs(spec, answer) => {
                let asked = app.topology(spec).version;
                Some(format!("it runs version {} where {asked} is asked for", answer.version))
            }
            _ => None,
        };
        if let (Health::Healthy, true, Some(differs)) = (&health, restarts, &differs) {
            // Its pod was changed and its process was not restarted yet: it works, but not for long.
            health = Health::Unwell(differs.clone());
        }
        Self {
            name: entry.name.clone(),
            id: entry.id,
            learner: entry.learner,
            leads: false,
            back: back(pod, known.as_ref(), snapshot.now).filter(|_| health.is_healthy()),
            health,
            position: answer.and_then(|it| app.position(it)),
            outdated: change != Change::Nothing,
            change,
            differs,
            recorded: known.is_some(),
            pod: pod.map(PodRef::from),
        }
    }
}

/// Since when a member is back, if that is a moment ago. A node whose clock is ahead tells nothing.
fn back<S>(
    pod: Option<&Pod<S>>,
    member: Option<&MemberRecord>,
    now: Timestamp,
) -> Option<Timestamp> {
    let started = pod.and_then(|it| it.running_since);
    // Who is recorded as failing and works is back this very moment.
    let failed = member.and_then(|it| it.failing_since).map(|_| now);
    let since = started.max(member.and_then(|it| it.recovered)).max(failed)?;
    let age = now.duration_since(since);
    (!age.is_negative() && age < SignedDuration::from_secs(STABLE_SECONDS)).then_some(since)
}

/// Whether a member was told to restart in place and may not have done so yet: its pod does not show it,
/// or it was told so lately that what shows may be another restart. A node that is stuck may take any time.
pub(crate) fn is_restarting<S>(snapshot: &Snapshot<S>, member: &MemberRecord) -> bool {
    let Some(told) = &member.restarted else { return false };
    let patience = SignedDuration::from_secs(RESTART_SECONDS);
    let seen = find_pod(snapshot, &member.name).is_some_and(|it| told.is_seen(it));
    !seen || snapshot.now.duration_since(told.at) < patience
}

/// What the record says of a member, whether it belongs to the cluster, is coming, or going.
fn recorded<S>(record: &Record<S>, name: &MemberName) -> Option<MemberRecord> {
    let known = record.members.iter().find(|it| it.name == *name).cloned();
    known.or_else(|| match record.step.as_ref()? {
        Step::Join { member } if member.name == *name => Some(member.clone()),
        Step::Leave { name: leaves, pod, .. } if leaves == name => {
            Some(MemberRecord { pod: pod.clone(), ..MemberRecord::new(name.clone()) })
        }
        _ => None,
    })
}

/// The pod of this name; `None` also when the pods are not known.
pub(crate) fn find_pod<'a, S>(snapshot: &'a Snapshot<S>, name: &str) -> Option<&'a Pod<S>> {
    snapshot.pods.as_ref()?.iter().find(|it| it.name.as_str() == name)
}

/// Whether something but time holds a pod up.
fn is_held_up<S>(pod: &Pod<S>) -> bool {
    pod.trouble.is_some() || !pod.started
}
