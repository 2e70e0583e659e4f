//! What a snapshot means: computed once, before anything is decided.
//!
//! [`assess`] joins what the record, the API and the application say, brings the record up to date with what this look
//! teaches (a pod that was seen, a cluster that was formed, a step that is over), and says in which [`Situation`] the
//! cluster is. Every step of the planner reads this and nothing else.

mod accept;
mod accused;
pub(crate) mod appointing;
pub(crate) mod awaited;
mod certificates;
mod claims;
pub(crate) mod cluster;
mod forming;
pub(crate) mod groups;
pub(crate) mod health;
pub(crate) mod learn;
mod listed;
mod needs;
pub(crate) mod operations;
pub(crate) mod rebuild;
pub(crate) mod rules;
pub(crate) mod settle;
pub(crate) mod spread;

use std::collections::BTreeSet;

use crate::app::App;
use crate::consent::Choice;
use crate::id::MemberName;
use crate::limits::quorum;
use crate::member::{Cluster, Health, Member};
use crate::pod::Pod;
use crate::problem::{Change, Problem};
use crate::record::{MemberRecord, Record, Step};
use crate::request::{ActionKey, ActionKind, RequestKind};
use crate::snapshot::{Blocked, Snapshot};
use crate::topology::{Role, Topology};
use crate::view::{Entry, Membership, Reach, Refusal};
use crate::waiting::Waiting;
use cluster::Joined;

/// A snapshot, assessed.
///
/// ```
/// # use endstate_core::*;
/// # struct Toy;
/// # impl App for Toy {
/// #     type Spec = usize;
/// #     fn name(&self) -> &'static str { "toy" }
/// #     fn validate(&self, _: &Identity, _: &usize) -> Vec<Problem> { vec![] }
/// #     fn topology(&self, size: &usize) -> Topology { Topology::new("1", [Role::voting("member", *size)]) }
/// #     fn launch(&self, member: &LaunchOf<'_, usize>) -> Launch {
/// #         Launch::new("toy:1", Guard::new("/data", &["log/*"]), member)
/// #     }
/// #     fn address(&self, _: &Identity, _: &usize, member: &MemberName) -> String { member.to_string() }
/// # }
/// let object = Identity::new("default", "example", "0c5f");
/// let snapshot = Snapshot::new("2026-01-01T00:00:00Z".parse().unwrap(), object, 3);
/// let assessed = assess(&Toy, &snapshot);
/// assert!(matches!(assessed.situation, Situation::Forming) && assessed.cluster.is_none());
/// ```
#[non_exhaustive]
pub struct Assessed<'a, A: App> {
    /// The application.
    pub app: &'a A,
    /// What was seen.
    pub snapshot: &'a Snapshot<A::Spec>,
    /// The record, with all that this look teaches.
    pub record: Record<A::Spec>,
    /// What is wrong with the spec, and which of a user's certificates it names end soon.
    pub problems: Vec<Problem>,
    /// What the next stage on the way to the accepted spec lacks, in the application's words.
    pub lacks: Option<String>,
    /// What the accepted spec asks for.
    pub target: Option<Topology>,
    /// The members, where a quorum of them proves the list.
    pub cluster: Option<Cluster>,
    /// How things stand.
    pub situation: Situation,
}

/// How things stand: which steps of the planner have their turn.
///
/// ```
/// assert_ne!(endstate_core::Situation::Paused, endstate_core::Situation::Forming);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Situation {
    /// The object is being deleted: what it owns goes with it.
    Deleting,
    /// No spec was ever accepted.
    NotAccepted,
    /// The user wants the cluster left alone.
    Paused,
    /// Somebody else has objects of names that the cluster needs, and none exists yet.
    NameTaken,
    /// The pods could not be listed.
    PodsUnknown,
    /// No member is to run.
    Hibernating,
    /// Pods were certainly not made: the record says so first, so that they may be asked for again.
    PodsRefused,
    /// No cluster exists yet.
    Forming,
    /// The first members have formed the cluster, or say who they are after the record was lost; this is recorded now.
    Formed,
    /// A quorum proves the list of members, and one of them leads.
    Quorum,
    /// Nothing proves it; what is missing.
    NoQuorum(Waiting),
}

/// Assesses a snapshot.
pub fn assess<'a, A: App>(app: &'a A, snapshot: &'a Snapshot<A::Spec>) -> Assessed<'a, A> {
    assess_if(app, snapshot, true)
}

/// The same as if nobody had paused it: what its operator withholds.
pub(crate) fn assess_unpaused<'a, A: App>(
    app: &'a A,
    snapshot: &'a Snapshot<A::Spec>,
) -> Assessed<'a, A> {
    assess_if(app, snapshot, false)
}

fn assess_if<'a, A: App>(
    app: &'a A,
    snapshot: &'a Snapshot<A::Spec>,
    heeds_pause: bool,
) -> Assessed<'a, A> {
    let mut record = snapshot.status.record.clone();
    let rebuilt = rebuild::rebuild(app, snapshot, &mut record);
    let (problems, lacks) = accept::accept(app, snapshot, &mut record);
    let target = record.in_force().map(|it| app.topology(it));
    let situation = Situation::NotAccepted;
    let cluster = None;
    let mut assessed =
        Assessed { app, snapshot, record, problems, lacks, target, cluster, situation };
    assessed.situation = assessed.look(rebuilt, heeds_pause);
    let told = assessed.ending().into_iter().chain(assessed.unasked());
    let told: Vec<_> = told.collect();
    assessed.problems.extend(told);
    assessed
}

impl<'a, A: App> Assessed<'a, A> {
    fn look(&mut self, rebuilt: bool, heeds_pause: bool) -> Situation {
        let snapshot = self.snapshot;
        if snapshot.object.deleting {
            return Situation::Deleting;
        }
        if self.target.is_none() {
            return Situation::NotAccepted;
        }
        self.note_acks();
        if heeds_pause && self.app.topology(&snapshot.spec).paused {
            self.look_only();
            return Situation::Paused;
        }
        if snapshot.is_any_name_taken() && self.record.cluster_id.is_none() {
            self.look_only();
            return Situation::NameTaken;
        }
        let Some(pods) = &snapshot.pods else { return Situation::PodsUnknown };
        if rebuilt {
            self.cluster = self.proof().ok();
            return Situation::Formed;
        }
        self.note_pods(pods);
        self.note_last_words(pods);
        self.note_foreign(pods);
        self.note_restarts();
        if self.note_refusals() {
            self.look_only();
            return Situation::PodsRefused;
        }
        if self.target.as_ref().is_some_and(Topology::hibernates) {
            return self.look_at_sleep();
        }
        if self.record.consent != snapshot.consent {
            self.record.consent = None;
        }
        if self.record.cluster_id.is_none() {
            return if self.note_formation() { Situation::Formed } else { Situation::Forming };
        }
        match self.proof() {
            Ok(cluster) => {
                self.settle(&cluster);
                self.note_consent(&cluster);
                self.note_proven(&cluster);
                self.note_votes(&cluster);
                self.note_acks_of(&cluster);
                self.note_divergence(&cluster);
                self.note_tasks();
                self.note_spread(&cluster);
                self.forget_losses();
                self.cluster = Some(cluster);
                Situation::Quorum
            }
            Err(lack) => {
                self.note_losses();
                Situation::NoQuorum(lack)
            }
        }
    }

    /// What nothing needs is no consent to what may happen later.
    fn note_consent(&mut self, cluster: &Cluster) {
        let consent = &self.snapshot.consent;
        if !consent.as_ref().is_some_and(|it| self.decides(cluster, it)) {
            self.record.consent = consent.clone();
        }
    }

    /// Whether there is something to be decided by this choice.
    fn decides(&self, cluster: &Cluster, choice: &Choice) -> bool {
        match choice {
            Choice::Remove(member) => {
                let leaves = self.record.is_asked_to_leave(member);
                leaves || cluster.member(member).is_some_and(|it| !it.recorded)
            }
            Choice::Replace(_) => !cluster.corruption.is_empty(),
            _ => false,
        }
    }

    /// An attempt may have formed the cluster meanwhile.
    fn look_at_sleep(&mut self) -> Situation {
        if self.record.cluster_id.is_none() && self.note_formation() {
            return Situation::Formed;
        }
        self.look_only();
        Situation::Hibernating
    }

    /// What is seen is told, also where nothing is done.
    fn look_only(&mut self) {
        self.cluster = self.record.cluster_id.as_ref().and_then(|_| self.proof().ok());
    }

    /// The members, if a quorum of the voters gave the same list and one of them leads; otherwise what is missing.
    fn proof(&self) -> Result<Cluster, Waiting> {
        let list = self.list();
        let voters = list.map_or(self.voting_members().count(), |it| it.voters().count());
        let needed = quorum(voters);
        let healthy = self.voting_members().filter(|it| self.health(it).is_alive()).count();
        let agreed = list.map_or(0, |it| it.agreed);
        match list.map(|it| self.join(it)) {
            Some(cluster) if agreed >= needed && self.is_led() => Ok(cluster),
            _ if self.asks_for_user() => {
                let hint = self.app.without_user().into();
                Err(Waiting::ForUser { action: None, hint })
            }
            // Who comes, and votes already, is not recorded yet: all that is missing may be a leader.
            Some(_) if agreed >= needed && self.acks().is_some() => Err(Waiting::ForLeader),
            _ if healthy < needed => Err(Waiting::ForQuorum { healthy, needed }),
            _ if agreed < needed => Err(Waiting::ForAgreement { agreed, needed }),
            _ => Err(Waiting::ForLeader),
        }
    }

    fn is_led(&self) -> bool {
        self.list().is_some_and(|it| self.leads(it).is_led(self.acks()))
    }

    /// Whether members do not answer because the driver has no user.
    fn asks_for_user(&self) -> bool {
        let guarded = [Refusal::Guarded, Refusal::NeedsUser].map(Reach::Refused);
        let mut members = self.record.members.iter();
        members.any(|it| guarded.contains(&self.snapshot.view.reach(&it.name)))
    }

    /// A list joined with everything else that is known of its members.
    pub(crate) fn join(&self, list: &Membership) -> Cluster {
        self.joined().with(list)
    }

    fn joined(&self) -> Joined<'_, A> {
        let wanted = self.record.in_force().zip(self.target.as_ref());
        Joined { app: self.app, snapshot: self.snapshot, wanted }
    }

    /// What it takes to bring a member to what is asked for, also one that is not listed.
    pub(crate) fn change(&self, member: &MemberRecord) -> Change {
        self.joined().change(member, self.snapshot.pod(&member.name))
    }

    /// The recorded members, each by what itself says: no proof of anything.
    pub(crate) fn known(&self) -> Cluster {
        let entry = |it: &MemberRecord| {
            let answered = || self.snapshot.view.answer(&it.name).map(|it| it.id.clone());
            let id = it.id.clone().or_else(answered).unwrap_or_default();
            Entry::voter(id, it.name.clone()).voting(it.votes)
        };
        let cluster = self.record.cluster_id.clone().unwrap_or_default();
        self.join(&Membership::new(cluster, self.record.members.iter().map(entry)))
    }

    /// The list of members of the recorded cluster, however many agree on it.
    pub fn list(&self) -> Option<&'a Membership> {
        let known = self.record.cluster_id.as_ref();
        self.snapshot.list().filter(|it| known.is_none_or(|id| *id == it.cluster))
    }

    /// Whether a recorded member works.
    pub fn health(&self, member: &MemberRecord) -> Health {
        let health = health::health(self.snapshot, self.target.as_ref(), member);
        awaited::lost_with_claim(self.app, self.snapshot, member, health)
    }

    /// Whether it is certain that a member's data is lost and that its process is not there any more: one whose pod is
    /// still going may serve until it is gone.
    pub(crate) fn has_lost_all(&self, member: &MemberRecord) -> bool {
        let going = self.snapshot.pod(&member.name).is_some_and(|it| it.deleting);
        self.health(member).is_lost() && !going
    }

    /// The role of a recorded member; the voting one if it has none that exists.
    pub fn role<'t>(&self, target: &'t Topology, member: &MemberRecord) -> Option<&'t Role> {
        target.role(&member.role).or_else(|| target.voting())
    }

    /// Who is coming, as a member: listed, or on its own word.
    pub(crate) fn coming(&self, cluster: &Cluster, new: &MemberRecord) -> Member {
        let unlisted = || {
            let answer = self.snapshot.view.answer(&new.name);
            let position = answer.and_then(|it| it.position.clone());
            let id = new.id.clone().unwrap_or_default();
            let group = new.group;
            Member { position, group, ..Member::new(new.name.clone(), id, new.role.clone()) }
        };
        cluster.member(&new.name).cloned().unwrap_or_else(unlisted)
    }

    /// Whether an action was refused so often that nothing else waits for it.
    pub(crate) fn is_refused_for_long(&self, kind: &RequestKind, member: &MemberName) -> bool {
        let key = ActionKey { kind: ActionKind::Request(kind.clone()), member: member.clone() };
        self.snapshot.refusal(&key).is_some_and(Blocked::is_old)
    }

    /// The recorded members that had a vote when a quorum listed them last.
    pub fn voting_members(&self) -> impl Iterator<Item = &MemberRecord> {
        self.record.members.iter().filter(|it| it.votes)
    }
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
    let stepping = record.step.iter().map(Step::member);
    let coming = stepping.chain(record.coming.iter().map(|it| &it.name));
    let names = recorded.chain(coming).chain(pods.iter().map(|it| &it.name));
    names.collect::<BTreeSet<_>>().into_iter().cloned().collect()
}
