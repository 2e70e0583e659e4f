//! Checks a plan against what must hold for every application, whoever made the plan.
//!
//! The linter shares no decision with the planner: it looks at the snapshot with its own, cruder
//! eyes (a member counts as working only if it answered for itself, follows a leader, and is accused of
//! corrupt data by nobody) and refuses what it cannot see to be safe. A violation stops that object, loudly; it never stops the process.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    app::{Peer, Start},
    cluster::quorum,
    id::{MemberId, MemberName},
    plan::{Action, Call, Plan, PodRef},
    record::{LeaveReason, Step},
    snapshot::{Pod, PodPhase, Snapshot},
    view::{Entry, MemberStatus, Membership, Reach},
};

/// What a plan must not break. The numbers are those of the properties of the house.
///
/// ```
/// use endstate_core::Rule;
/// assert_eq!(Rule::OneDisruption.to_string(), "S2 one dangerous action at a time");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rule {
    /// S1
    KeepsQuorum,
    /// S2
    OneDisruption,
    /// S3
    OneIdentity,
    /// S4
    KeepsData,
    /// S5
    NoSecondStart,
    /// S6
    OneChange,
    /// S7
    Preconditions,
    /// S9
    DeletesOnlyWhatLeaves,
    /// The intent log: a plan that acts counts up the epoch, and remembers what it must.
    IntentFirst,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::KeepsQuorum => "S1 no action takes the quorum away",
            Self::OneDisruption => "S2 one dangerous action at a time",
            Self::OneIdentity => "S3 a name is started once",
            Self::KeepsData => "S4 data goes only when others hold it",
            Self::NoSecondStart => "S5 a cluster is started once",
            Self::OneChange => "S6 one change of membership at a time",
            Self::Preconditions => "S7 destructive calls say exactly what they mean",
            Self::DeletesOnlyWhatLeaves => "S9 only what left is deleted",
            Self::IntentFirst => "the intent is recorded before the act",
        })
    }
}

/// A plan breaks a rule.
///
/// ```
/// use endstate_core::{Rule, Violation};
/// let violation = Violation { rule: Rule::OneDisruption, what: "2 dangerous actions".into() };
/// assert_eq!(violation.to_string(), "S2 one dangerous action at a time: 2 dangerous actions");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// The rule.
    pub rule: Rule,
    /// How the plan breaks it.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.rule, self.what)
    }
}

impl std::error::Error for Violation {}

/// Every way in which this plan is not safe, seen from this snapshot. An empty answer lets it pass.
///
/// ```
/// # use endstate_core::*;
/// # let object = Identity { namespace: "default".into(), name: "example".into(), uid: "0c5f".into(),
/// #     resource_version: "7".into(), generation: 1, deleting: false };
/// # let snapshot = Snapshot { now: "2026-01-01T00:00:00Z".parse().unwrap(), seed: 1, object, spec: 3_u32,
/// #     status: Status::default(), pods: Some(vec![]), view: View::default(), blocked: None };
/// let mut plan = Plan::<u32>::idle(Status::default());
/// assert!(lint(&snapshot, &plan).is_empty());
///
/// let pod = PodRef { name: "a".into(), uid: "1".into(), resource_version: "2".into() };
/// plan.actions.push(Action::DeletePod { pod, reason: LeaveReason::Dead });
/// assert!(lint(&snapshot, &plan).iter().any(|it| it.rule == Rule::IntentFirst));
/// ```
pub fn lint<S>(snapshot: &Snapshot<S>, plan: &Plan<S>) -> Vec<Violation> {
    let mut lint = Lint { snapshot, plan, accused: vec![], found: vec![] };
    let voters = lint.list().into_iter().flat_map(Membership::voters);
    let answers = voters.filter_map(|it| lint.answer(it));
    lint.accused = answers.flat_map(|it| it.accused.iter().copied()).collect();
    lint.plan_as_a_whole();
    for action in &plan.actions {
        match action {
            Action::CreatePod { member, start, .. } => lint.create(member, start),
            Action::UpdatePod { pod, .. } => lint.pod(pod),
            Action::RestartPod { pod, .. } => lint.restart(pod),
            Action::DeletePod { pod, reason } => lint.delete(pod, *reason),
            Action::AddLearner { member, call, .. } => lint.add(member, call),
            Action::Promote { id, call, .. } => lint.promote(*id, call),
            Action::MoveLead { id, call, .. } => lint.move_lead(*id, call),
            Action::RemoveMember { member, id, reason, call } => {
                lint.remove(member, *id, call);
                lint.give_up(member, *reason);
            }
        }
    }
    lint.found
}

struct Lint<'a, S> {
    snapshot: &'a Snapshot<S>,
    plan: &'a Plan<S>,
    /// Whose data is corrupt, by the word of a voter; 0 if any member's may be.
    accused: Vec<MemberId>,
    found: Vec<Violation>,
}

impl<'a, S> Lint<'a, S> {
    fn check(&mut self, rule: Rule, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.found.push(Violation { rule, what: what() });
        }
    }

    fn plan_as_a_whole(&mut self) {
        let (old, new) = (&self.snapshot.status.record, &self.plan.status.record);
        let dangerous = self.plan.actions.iter().filter(|it| it.is_dangerous()).count();
        self.check(Rule::OneDisruption, dangerous <= 1, || {
            format!("{dangerous} dangerous actions")
        });
        let counted = new.epoch == old.epoch + u64::from(!self.plan.actions.is_empty());
        self.check(Rule::IntentFirst, counted, || {
            format!(
                "epoch goes from {} to {} with {} actions",
                old.epoch,
                new.epoch,
                self.plan.actions.len()
            )
        });
        self.check(Rule::IntentFirst, new.names >= old.names, || "names are counted down".into());
        let keeps = old.cluster_id.is_none() || new.cluster_id == old.cluster_id;
        self.check(Rule::NoSecondStart, keeps, || "the recorded identity changes".into());
        let again = old.cluster_id.is_some() && new.bootstrap.is_some();
        self.check(Rule::NoSecondStart, !again, || {
            "a start is planned for a cluster that exists".into()
        });
        self.asked_once();
        let acts = !self.plan.actions.is_empty();
        let alone = self.snapshot.object.deleting || self.snapshot.pods.is_none();
        self.check(Rule::DeletesOnlyWhatLeaves, !(acts && alone), || {
            "it acts on an object that is being deleted, or without the list of pods".into()
        });
    }

    /// That a pod was asked for is forgotten only when it was seen, or certainly not made.
    fn asked_once(&mut self) {
        let blocked = self.snapshot.blocked.as_ref();
        let refused = |name: &MemberName| blocked.is_some_and(|it| it.not_created.contains(name));
        let asked = self.snapshot.status.record.everyone().filter(|it| it.asked.is_some());
        for before in asked.filter(|it| !refused(&it.name)) {
            let mut after = self.plan.status.record.everyone().filter(|it| it.name == before.name);
            let kept = after.all(|it| it.asked.is_some() || it.pod.is_some());
            self.check(Rule::OneIdentity, kept, || {
                format!("it is forgotten that {} was asked for", before.name)
            });
        }
    }

    fn create(&mut self, member: &MemberName, start: &Start) {
        match start {
            Start::New { members, .. } => self.create_first(member, members),
            Start::Existing { members } => self.create_learner(member, members.len()),
        }
        let asked = self.plan.status.record.everyone().find(|it| it.name == *member);
        self.check(Rule::IntentFirst, asked.is_some_and(|it| it.asked.is_some()), || {
            format!("it is not recorded that {member} is asked for")
        });
        let before = self.snapshot.status.record.everyone().find(|it| it.name == *member);
        let again = before.is_some_and(|it| it.asked.is_some() || it.pod.is_some());
        self.check(Rule::OneIdentity, !again && self.find(member).is_none(), || {
            format!("{member} was started before")
        });
    }

    fn create_first(&mut self, member: &MemberName, told: &[Peer]) {
        let record = &self.plan.status.record;
        let names = record.bootstrap.iter().flat_map(|it| &it.members).map(|it| &it.name);
        let all = names.clone().all(|name| told.iter().any(|it| it.name == *name));
        self.check(Rule::NoSecondStart, record.cluster_id.is_none(), || {
            format!("{member} would start a new cluster although one exists")
        });
        self.check(Rule::IntentFirst, all && told.len() == names.count(), || {
            format!("{member} would start with members that are not recorded")
        });
    }

    fn create_learner(&mut self, member: &MemberName, told: usize) {
        let listed = self.proven().is_some_and(|list| {
            list.entry(member).is_some_and(|it| it.learner) && list.members.len() == told
        });
        self.check(Rule::OneIdentity, listed, || {
            format!("{member} would start empty without being listed as a learner")
        });
        self.joins(member);
    }

    fn joins(&mut self, member: &MemberName) {
        let step = &self.plan.status.record.step;
        let joins = matches!(step, Some(Step::Join { member: it }) if it.name == *member);
        self.check(Rule::IntentFirst, joins, || format!("{member} is not recorded to join"));
    }

    fn restart(&mut self, pod: &PodRef) {
        self.pod(pod);
        let Some(list) = self.list() else { return };
        let runs = self.snapshot.view.reach(&pod.name) == Reach::Reachable;
        let votes = list.entry(&pod.name).is_some_and(|it| !it.learner);
        let left = self.working(list, |it| *it != pod.name);
        let needed = quorum(list.voters().count());
        self.check(Rule::KeepsQuorum, !runs || !votes || left >= needed, || {
            format!("without {} {left} voters would work and {needed} are needed", pod.name)
        });
        let step = &self.plan.status.record.step;
        let intended = matches!(step, Some(Step::Restart { name }) if *name == pod.name);
        self.check(Rule::IntentFirst, !runs || !votes || intended, || {
            format!("{} is not recorded to be restarted", pod.name)
        });
    }

    fn delete(&mut self, pod: &PodRef, reason: LeaveReason) {
        self.pod(pod);
        let record = &self.plan.status.record;
        if record.cluster_id.is_none() {
            let first = record.bootstrap.iter().flat_map(|it| &it.members);
            let belongs = first.clone().any(|it| it.name == pod.name);
            self.check(Rule::DeletesOnlyWhatLeaves, record.bootstrap.is_some() && !belongs, || {
                format!("{} belongs to the start under way", pod.name)
            });
            return;
        }
        let listed = self.proven().is_none_or(|list| list.entry(&pod.name).is_some());
        self.check(Rule::KeepsData, !listed, || {
            format!("{} may still be a member, and would be deleted: {reason}", pod.name)
        });
        let recorded = record.members.iter().any(|it| it.name == pod.name);
        self.check(Rule::DeletesOnlyWhatLeaves, !recorded, || format!("{} is recorded", pod.name));
        let intended = matches!(&record.step, Some(Step::Leave { name, .. }) if *name == pod.name);
        self.check(Rule::IntentFirst, intended, || {
            format!("{} is not recorded to leave", pod.name)
        });
    }

    fn add(&mut self, member: &MemberName, call: &Call) {
        let Some(list) = self.change(call) else { return };
        let learners = list.learners().count();
        self.check(Rule::OneChange, learners == 0, || format!("there are {learners} learners"));
        let new = list.entry(member).is_none();
        self.check(Rule::OneIdentity, new, || format!("{member} is a member already"));
        self.joins(member);
    }

    fn promote(&mut self, id: MemberId, call: &Call) {
        let Some(list) = self.change(call) else { return };
        let entry = list.members.iter().find(|it| it.id == id);
        let ready = entry.is_some_and(|it| it.learner && self.works(it));
        self.check(Rule::KeepsQuorum, ready, || format!("{id} is no learner that works"));
        let (working, needed) =
            (self.working(list, |_| true) + 1, quorum(list.voters().count() + 1));
        self.check(Rule::KeepsQuorum, working >= needed, || {
            format!("with {id} {working} voters would work and {needed} are needed")
        });
    }

    fn move_lead(&mut self, id: MemberId, call: &Call) {
        let Some(list) = self.change(call) else { return };
        let heir = list.voters().find(|it| it.id == id);
        let ready = heir.is_some_and(|it| self.works(it));
        self.check(Rule::KeepsQuorum, ready, || format!("{id} is no voter that works"));
    }

    fn remove(&mut self, member: &MemberName, id: MemberId, call: &Call) {
        let Some(list) = self.change(call) else { return };
        let Some(entry) = list.members.iter().find(|it| it.id == id) else {
            return self.check(Rule::Preconditions, false, || format!("{id} is no member"));
        };
        self.check(Rule::Preconditions, entry.name == *member, || format!("{id} is not {member}"));
        let step = &self.plan.status.record.step;
        let intended = matches!(step, Some(Step::Leave { name, .. }) if name == member);
        self.check(Rule::IntentFirst, intended, || format!("{member} is not recorded to leave"));
        if entry.learner {
            return;
        }
        let left = self.working(list, |it| it != member);
        let needed = quorum(list.voters().count() - 1);
        let others = list.voters().count() > 1;
        self.check(Rule::KeepsQuorum, others && left >= needed, || {
            format!("without {member} {left} voters would work and {needed} are needed")
        });
    }

    /// A voter is given up only if its pod shows why: it is not there to stay, or its process is not.
    fn give_up(&mut self, member: &MemberName, reason: LeaveReason) {
        let Some(pod) = self.find(member).filter(|_| reason == LeaveReason::Dead) else { return };
        let known = self.snapshot.status.record.everyone().find(|it| it.name == *member);
        let same = known.is_none_or(|it| it.pod.as_ref().is_none_or(|uid| *uid == pod.uid));
        let stays = same && !pod.deleting && pod.phase == PodPhase::Running && !pod.node_lost;
        let runs = pod.started && pod.trouble.is_none() && !pod.data_lost();
        let elsewhere = self.snapshot.view.target(member).and_then(|it| it.status.as_ref());
        let elsewhere = elsewhere.is_some_and(|it| {
            self.snapshot.status.record.cluster_id.is_some_and(|id| id != it.cluster)
        });
        self.check(Rule::KeepsData, !(stays && runs) || elsewhere, || {
            format!("{member} would be given up although nothing shows that it cannot come back")
        });
    }

    /// The list a change of membership is made on; a violation if it is not proven.
    fn change(&mut self, call: &Call) -> Option<&'a Membership> {
        let proven = self.proven();
        self.check(Rule::OneChange, proven.is_some(), || "no quorum agrees on the members".into());
        let list = proven?;
        self.check(Rule::Preconditions, call.members == list.roster(), || {
            "the call is not conditioned on the list it was decided on".into()
        });
        Some(list)
    }

    /// The list of the recorded cluster, if a quorum of its voters gave it.
    fn proven(&self) -> Option<&'a Membership> {
        self.list().filter(|it| it.agreed >= quorum(it.voters().count()))
    }

    fn list(&self) -> Option<&'a Membership> {
        let id = self.snapshot.status.record.cluster_id;
        self.snapshot.view.membership.as_ref().filter(|it| id == Some(it.cluster))
    }

    fn working(&self, list: &Membership, counts: impl Fn(&MemberName) -> bool) -> usize {
        list.voters().filter(|it| counts(&it.name) && self.works(it)).count()
    }

    /// Whether a member answered for itself, follows a leader, and has good data: one that follows nobody is
    /// cut off from those it would have to vote with.
    fn works(&self, member: &Entry) -> bool {
        let accused = |it: &MemberId| it.0 == 0 || *it == member.id;
        let follows = self.answer(member).is_some_and(|it| it.leader.is_some());
        follows && !self.accused.iter().any(accused)
    }

    fn answer(&self, member: &Entry) -> Option<&'a MemberStatus> {
        let target = self.snapshot.view.target(&member.name)?;
        target.status.as_ref().filter(|_| target.reach == Reach::Reachable)
    }

    fn find(&self, name: &str) -> Option<&'a Pod<S>> {
        self.snapshot.pods.as_ref()?.iter().find(|it| it.name.as_str() == name)
    }

    fn pod(&mut self, pod: &PodRef) {
        let exact = self
            .find(&pod.name)
            .is_some_and(|it| it.uid == pod.uid && it.resource_version == pod.resource_version);
        self.check(Rule::Preconditions, exact, || {
            format!("{} is not the pod that was seen", pod.name)
        });
    }
}
