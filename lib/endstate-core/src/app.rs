//! The pure half of an application's knowledge: what the generic planner has to be told.
//!
//! An implementation answers questions about specs and views. It performs nothing: that is the
//! `Driver` of the `endstate` crate.

use std::cmp::Ordering;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::beside::{Beside, Tended, User};
use crate::certificates::Certificate;
use crate::id::{MemberName, RoleName};
use crate::identity::Identity;
use crate::launch::{Launch, LaunchOf};
use crate::member::{Cluster, Member};
use crate::operation::Operations;
use crate::platform::Platform;
use crate::problem::{Change, Problem};
use crate::quorum;
use crate::reason::Shortage;
use crate::record::MemberRecord;
use crate::request::{AppStep, Request};
use crate::tls;
use crate::topology::Topology;
use crate::view::{MemberStatus, View};

/// What an application must say so that the planner can run it.
///
/// ```
/// use endstate_core::*;
///
/// /// A toy whose spec is its size.
/// struct Toy;
///
/// impl App for Toy {
///     type Spec = usize;
///     fn name(&self) -> &'static str {
///         "toy"
///     }
///     fn validate(&self, _: &Identity, size: &usize) -> Vec<Problem> {
///         if *size > 0 { vec![] } else { vec![Problem::refused("spec", "must not be 0")] }
///     }
///     fn topology(&self, size: &usize) -> Topology {
///         Topology::new("1", [Role::voting("member", *size)])
///     }
///     fn launch(&self, member: &LaunchOf<'_, usize>) -> Launch {
///         Launch::new("toy:1", Guard::new("/data", &["log/*"]), member)
///     }
/// }
///
/// assert_eq!(Toy.topology(&3).voting().unwrap().size, 3);
/// ```
pub trait App {
    /// The spec of the cluster object, parsed.
    type Spec: Clone + PartialEq + Serialize + DeserializeOwned;

    /// The application's name: a label of the pods.
    fn name(&self) -> &'static str;

    /// What is wrong with a spec by itself, or with the name of its object: how many members may vote says
    /// [`Problem::of_size`]. A topology that nobody can work towards, such as one with two roles that vote, is refused
    /// by the library. By default only a name after which services cannot be named.
    fn validate(&self, object: &Identity, _: &Self::Spec) -> Vec<Problem> {
        Problem::of_name(&object.name).into_iter().collect()
    }

    /// The roles, how many members each has, what they can do, and which version they run.
    fn topology(&self, spec: &Self::Spec) -> Topology;

    /// How a member is run.
    fn launch(&self, member: &LaunchOf<'_, Self::Spec>) -> Launch;

    /// The certificates that the operator makes and keeps, authorities before what they sign. By default none.
    fn certificates(&self, _: &Identity, _: &Self::Spec) -> Vec<Certificate> {
        vec![]
    }

    /// The user that an object beside the cluster declares, unless nobody may be it. By default none does.
    fn user(&self, _: &Beside) -> Option<User> {
        None
    }

    /// The certificates of users who are known by one, made as that of clients, in `CLUSTER-client-tls-OBJECT`: no
    /// other secret of a cluster has such a name. Who has the same name as another, who is listed before, gets none: it
    /// would be the other.
    fn certificates_beside(
        &self,
        object: &Identity,
        spec: &Self::Spec,
        beside: &[Beside],
    ) -> Vec<Certificate> {
        let declared = beside.iter().filter(|it| !it.deleting);
        let users: Vec<_> = declared.filter_map(|it| Some((it, self.user(it)?))).collect();
        let secret = tls::client_secret(object);
        let mut certificates = self.certificates(object, spec).into_iter();
        let client = certificates.find(|it| it.secret == secret && it.issuer.is_some());
        let of = |(number, (holder, user)): (usize, &(&Beside, User))| {
            let is_first = users[..number].iter().all(|it| it.1.name != user.name);
            let client = client.clone().filter(|_| is_first && user.by_certificate)?;
            let secret = format!("{secret}-{}", holder.name);
            Some(Certificate { secret, ..client.of(user.name.as_str()) })
        };
        users.iter().enumerate().filter_map(of).collect()
    }

    /// The certificates that a spec asks for, and those of users.
    fn all_certificates(
        &self,
        object: &Identity,
        spec: &Self::Spec,
        beside: &[Beside],
    ) -> Vec<Certificate> {
        let mut all = self.certificates(object, spec);
        all.extend(self.certificates_beside(object, spec, beside));
        all
    }

    /// Where the other members find a member that runs by this spec. By default by its name in the service of members.
    fn address(&self, object: &Identity, _: &Self::Spec, member: &MemberName) -> String {
        object.host(member)
    }

    /// The spec with every choice that it leaves open made: where the data is kept, say. What was chosen for the spec
    /// that was accepted before stays, whatever the platform provides by now. By default nothing is left open.
    fn settle(
        &self,
        spec: &Self::Spec,
        _accepted: Option<&Self::Spec>,
        _platform: &Platform,
    ) -> Self::Spec {
        spec.clone()
    }

    /// The spec to bring members to on the way to another. What they cannot be changed to one by one, because the ones
    /// and the others would not work together, takes several stages: members are brought to one after the other, and it
    /// is asked for the next when none runs an older one any more.
    ///
    /// `running` are the specs that were in force or that pods are made from, the one in force first: the answer must
    /// work together with each of them, also when the declared spec has changed on the way. How many members there are
    /// is always taken from `to`. What the members say, as far as they were asked, is in `seen`; who is missing there
    /// proves nothing. Unless the specs are `known` to be all, no member may be brought to another stage than that of
    /// the one in force. By default there are no stages.
    fn stage(
        &self,
        _running: &[&Self::Spec],
        to: &Self::Spec,
        (_seen, _known): (&View, bool),
    ) -> Stage<Self::Spec> {
        Stage::from(to.clone())
    }

    /// Why a cluster cannot go from one spec, which is in force, to another, by what its members say. By default it
    /// always can.
    fn refuses(&self, _old: &Self::Spec, _new: &Self::Spec, _seen: &View) -> Option<Problem> {
        None
    }

    /// What it takes to bring a member of a role from one spec to another. The number of members is not a change of a
    /// member, and neither is what concerns another role only. By default what the [launches](Launch::change) of both
    /// differ in; but another image of the same version needs another pod, since a member reports its version only, so
    /// that a restart in place could not be confirmed.
    fn change(&self, role: &RoleName, old: &Self::Spec, new: &Self::Spec) -> Change {
        if old == new {
            return Change::Nothing;
        }
        let (object, member) = (Identity::new("", "", ""), MemberRecord::new("", role.clone()));
        let launch = |spec| self.launch(&LaunchOf::new(&object, spec, &member));
        let version = |spec| self.topology(spec).version;
        match launch(old).change(&launch(new)) {
            Change::Restart if version(old) == version(new) => Change::Recreate,
            change => change,
        }
    }

    /// In which order members are restarted or taken away: the first is the most dispensable.
    ///
    /// By default: those that do not work, then those that clients are not sent to, then those that do not vote, then
    /// those made from an older spec; among equals who leads comes last, and the furthest behind first.
    fn order<'a>(&self, cluster: &'a Cluster) -> Vec<&'a Member> {
        let mut members: Vec<&Member> = cluster.members.iter().collect();
        members.sort_by(|a, b| dispensability(a, b));
        members
    }

    /// Whether these members may stop at once without harm. By default: if the voters that work
    /// without them are a majority, and no other voter is out of order.
    fn may_stop(&self, cluster: &Cluster, names: &[&MemberName]) -> MayStop {
        MayStop::of_majority(cluster, names)
    }

    /// Whether a member that works has enough of what the leader has to get a vote. By default: nine tenths, since a
    /// busy leader is always ahead of the last answer.
    fn caught_up(&self, leader: &Member, member: &Member) -> CatchUp {
        let (Some(ahead), Some(has)) = (&leader.position, &member.position) else {
            return CatchUp::Yes;
        };
        match has.behind(ahead) {
            Some(behind) if behind > ahead.count() / 10 => CatchUp::Behind(behind),
            Some(_) => CatchUp::Yes,
            // It has what the leader's answer, which is older, has not.
            None if has > ahead => CatchUp::Yes,
            None => CatchUp::Diverged,
        }
    }

    /// Whether a member of a role already runs what its pod asks for. A pod that was changed in place runs the
    /// old process for a moment more, and nothing but the member itself can say when it is over.
    /// A member that never reports the wanted version is surfaced in the status but still counts as healthy. By
    /// default: if it reports the version.
    fn runs(&self, _: &RoleName, spec: &Self::Spec, status: &MemberStatus) -> bool {
        status.version.is_empty() || status.version == self.topology(spec).version
    }

    /// Which member a request is sent to. By default the leader, or a voter that works if it is the leader who leaves:
    /// its answer might be lost with its lead. A step of an operation, and one that is dangerous, is sent to the member
    /// that it is about.
    fn via(&self, cluster: &Cluster, request: &Request) -> Option<MemberName> {
        if let Request::App(step) = request
            && (step.dangerous || step.operation().is_some())
        {
            return Some(step.member.clone());
        }
        let leaves =
            |it: &Member| matches!(request, Request::Leave { member, .. } if *member == it.name);
        let leader = cluster.leader()?;
        let other = || cluster.voters().find(|it| it.health.is_healthy() && !leaves(it));
        let asked = if leaves(leader) { other()? } else { leader };
        Some(asked.name.clone())
    }

    /// The application's own steps that are due, in order: drain, reassign, raise a feature. One is carried out at a
    /// time, when no member joins, leaves or restarts. It is over when it is not due any more. A step about
    /// a member that is given up holds up its replacement, so leave it out. By default none.
    fn steps(&self, _: &Self::Spec, _: &Cluster) -> Vec<AppStep> {
        vec![]
    }

    /// Whether the application withdraws an alarm about corrupt data when it is asked to ([`Request::AllClear`]). If it
    /// does not, a person has to. By default it does not.
    fn withdraws_alarms(&self) -> bool {
        false
    }

    /// Harmless requests that are due on what is known while nothing proves a quorum: members have to be told where the
    /// others are, when all addresses are new. One is asked for at a time, of its own member, without a record of
    /// it; it is over when it is not due any more, and must be over at once. Of a dangerous one, or one with
    /// preconditions, the linter refuses the plan.
    ///
    /// `known` holds the members that are recorded, each by its own answer and its pod. Who leads there only says so.
    /// By default none.
    fn mends(&self, _: &Self::Spec, _known: &Cluster) -> Vec<AppStep> {
        vec![]
    }

    /// What becomes of the objects beside the cluster ([`Cluster::beside`]), in the order in which they are to be
    /// tended; asked where a quorum proves the list of members. None of the requests may be dangerous. By default the
    /// application has no such objects.
    fn tend(&self, _: &Self::Spec, _: &Cluster) -> Vec<Tended> {
        vec![]
    }

    /// The kind of objects beside the cluster that ask for an operation, which is carried out once. By default none.
    fn operations(&self) -> Option<Operations> {
        None
    }

    /// What the cluster lacks to be as this spec declares, beside what members run, for people. By default nothing.
    fn lacks(&self, _: &Self::Spec, _: &Cluster) -> Option<String> {
        None
    }

    /// What is wrong with the cluster as a whole, as only the application knows: no space is left, say. It is told in
    /// the condition `Degraded`, and asked with the spec in force while a quorum proves the list of members. By default
    /// nothing.
    fn complaint(&self, _: &Self::Spec, _: &Cluster) -> Option<Complaint> {
        None
    }

    /// Whether a member holds nothing that no other has, so that it may leave; asked of everyone whose data is not
    /// gone, also of one that is down for long or whose role is not asked for any more. By default: always, since a
    /// quorum's members all hold the same.
    fn is_drained(&self, _: &Cluster, _: &Member) -> bool {
        true
    }

    /// What a person can do so that the operator, which has no user, may make a change that the application
    /// refuses without one. It must destroy nothing.
    fn without_user(&self) -> &'static str {
        "turn the application's authentication off for as long as the change takes"
    }
}

/// The order of [`App::order`].
fn dispensability(a: &Member, b: &Member) -> Ordering {
    let flags = |it: &Member| (it.health.is_healthy(), it.ready, it.votes, !it.outdated, it.leads);
    let entries = |it: &Member| it.position.as_ref().map(crate::Position::count);
    flags(a).cmp(&flags(b)).then(entries(a).cmp(&entries(b))).then(a.name.cmp(&b.name))
}

/// Whether members may stop.
///
/// ```
/// use endstate_core::{MayStop, Shortage};
/// assert_ne!(MayStop::Yes, MayStop::NotYet(Shortage::TooFewVoters { left: 1, needed: 2 }));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum MayStop {
    /// Without harm.
    Yes,
    /// Not as things are; asked again at each look.
    NotYet(Shortage),
}

impl MayStop {
    /// Whether the voters that work without these members are a majority, and no other voter is out of order.
    ///
    /// ```
    /// use endstate_core::{Cluster, MayStop};
    /// assert_ne!(MayStop::of_majority(&Cluster::default(), &[]), MayStop::Yes, "nobody is no majority");
    /// ```
    pub fn of_majority(cluster: &Cluster, names: &[&MemberName]) -> Self {
        let stays = |it: &&Member| !names.contains(&&it.name);
        let needed = quorum(cluster.voters().count());
        let left = cluster.voters().filter(stays).filter(|it| it.health.is_healthy()).count();
        if left < needed {
            return Self::NotYet(Shortage::TooFewVoters { left, needed });
        }
        match cluster.voters().filter(stays).find(|it| !it.health.is_healthy()) {
            Some(other) => Self::NotYet(Shortage::AnotherIsDown { member: other.name.clone() }),
            None => Self::Yes,
        }
    }
}

/// What is wrong with a cluster as a whole. As long as there is one the cluster is looked at every five seconds.
///
/// ```
/// use endstate_core::Complaint;
/// let soon = Complaint::warning("SpaceShort", "nine tenths of the space are used");
/// assert!(!soon.degrades && Complaint::new("SpaceExhausted", "no space is left").degrades);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Complaint {
    /// One word, for programs.
    pub reason: &'static str,
    /// A sentence, for people: what is wrong, and the way out.
    pub message: String,
    /// Whether clients lack something by it. If not, it is told beside what else the condition says.
    pub degrades: bool,
}

impl Complaint {
    /// One by which clients lack something.
    pub fn new(reason: &'static str, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), degrades: true }
    }

    /// One by which they will.
    pub fn warning(reason: &'static str, message: impl Into<String>) -> Self {
        Self { degrades: false, ..Self::new(reason, message) }
    }
}

/// A spec on the way to another.
///
/// ```
/// use endstate_core::Stage;
/// assert_eq!(Stage::from(3).waits("its members do not answer").spec, 3);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stage<S> {
    /// What members are brought to.
    pub spec: S,
    /// What the next stage lacks beside members that run this one, for people.
    pub lacks: Option<String>,
}

impl<S> From<S> for Stage<S> {
    fn from(spec: S) -> Self {
        Self { spec, lacks: None }
    }
}

impl<S> Stage<S> {
    /// The same, whose successor lacks something.
    #[must_use]
    pub fn waits(self, lacks: impl Into<String>) -> Self {
        Self { lacks: Some(lacks.into()), ..self }
    }
}

/// Whether a member has enough of what the leader has.
///
/// ```
/// assert_ne!(endstate_core::CatchUp::Yes, endstate_core::CatchUp::Behind(12));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum CatchUp {
    /// Enough.
    Yes,
    /// So many entries are missing.
    Behind(u64),
    /// Each has what the other lacks.
    Diverged,
}
