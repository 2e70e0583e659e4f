//! Checks a plan against what must hold for every application, whoever made the plan.
//!
//! The linter shares no decision with the planner: it looks at the snapshot with its own, cruder
//! eyes (a member counts as working only if it answered for itself, follows a leader, and is accused of
//! corrupt data by nobody) and refuses what it cannot see to be safe. A violation stops that object, loudly; it never
//! stops the process.

mod needs;

use std::fmt;

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use crate::{
    id::{MemberId, MemberName, RoleName},
    launch::{Peer, Start},
    limits::quorum,
    plan::{Action, Plan},
    pod::{Claim, Marks, Pod, PodPhase, PodRef},
    record::{LeaveReason, RecoverStage, Step},
    request::{Call, Request},
    snapshot::Snapshot,
    status::Phase,
    view::{Corruption, Entry, MemberStatus, Membership, Reach},
};

/// How long an action that was refused rests, at the least.
const REST_MS: i64 = 500;

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
    /// That a member was started is on its pod before anything depends on it.
    MarksFirst,
    /// What was refused a moment ago is not asked for again at once.
    RefusedRests,
    /// A paused cluster is left alone.
    HandsOff,
    /// What a role or a step needs, by the application's word, is so.
    NeedsFirst,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::KeepsQuorum => "S1 no action takes the quorum away",
            Self::OneDisruption => "S2 one dangerous action at a time",
            Self::OneIdentity => "S3 a name is started once",
            Self::KeepsData => "S4 data is deleted only when others have it",
            Self::NoSecondStart => "S5 a cluster is started once",
            Self::OneChange => "S6 one change of membership at a time",
            Self::Preconditions => "S7 destructive calls say exactly what they mean",
            Self::DeletesOnlyWhatLeaves => "S9 only what has left the cluster is deleted",
            Self::IntentFirst => "the intent is recorded before the act",
            Self::MarksFirst => "a start is marked on the pod before anything depends on it",
            Self::RefusedRests => "a refused action waits for its backoff",
            Self::HandsOff => "a paused cluster is not changed",
            Self::NeedsFirst => "what is started or requested has what it needs",
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
/// # let object = Identity::new("default", "example", "0c5f");
/// # let snapshot = Snapshot::new("2026-01-01T00:00:00Z".parse().unwrap(), object, 3_u32);
/// let mut plan = Plan::<u32>::idle(Status::default());
/// assert!(lint(&snapshot, &plan).is_empty());
///
/// let pod = PodRef { name: "a".into(), uid: "1".into(), resource_version: "2".into() };
/// plan.actions.push(Action::DeletePod { pod, reason: LeaveReason::Dead });
/// assert!(lint(&snapshot, &plan).iter().any(|it| it.rule == Rule::IntentFirst));
/// ```
pub fn lint<S>(snapshot: &Snapshot<S>, plan: &Plan<S>) -> Vec<Violation> {
    let mut lint = Lint { snapshot, plan, corruption: vec![], found: vec![] };
    if let Some(list) = lint.list() {
        let answers = list.voters().filter_map(|it| lint.answer(it));
        let ours = answers.filter(|it| it.cluster == list.cluster);
        lint.corruption = ours.flat_map(|it| &it.corruption).collect();
    }
    lint.plan_as_a_whole();
    for action in &plan.actions {
        match action {
            Action::CreatePod { member, start, .. } => lint.create(member, start),
            Action::UpdatePod { pod, .. } => lint.pod(pod),
            Action::RestartPod { pod, .. } => lint.restart(pod),
            Action::DeletePod { pod, reason } => lint.delete(pod, *reason),
            Action::DeleteClaim { claim } => lint.delete_claim(claim),
            Action::MarkPod { pod, marks } => lint.mark(pod, marks),
            Action::Call(call) => lint.call(call),
        }
    }
    lint.found
}

struct Lint<'a, S> {
    snapshot: &'a Snapshot<S>,
    plan: &'a Plan<S>,
    /// What is corrupt, by the word of a voter.
    corruption: Vec<&'a Corruption>,
    found: Vec<Violation>,
}

/// Ids are used again only by an attempt to form a cluster that replaces one which came to nothing.
fn keeps_ids<S>(old: &crate::Record<S>, new: &crate::Record<S>) -> bool {
    new.ids >= old.ids || new.cluster_id.is_none() && new.bootstrap != old.bootstrap
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
        let acts = self.plan.actions.iter().filter(|it| !it.is_mark()).count();
        let counted = new.epoch == old.epoch + u64::from(acts > 0);
        self.check(Rule::IntentFirst, counted, || {
            format!("epoch goes from {} to {} with {} actions", old.epoch, new.epoch, acts)
        });
        self.check(Rule::IntentFirst, new.names >= old.names, || {
            "the number of names given out decreases".into()
        });
        let keeps = old.cluster_id.is_none() || new.cluster_id == old.cluster_id;
        self.check(Rule::NoSecondStart, keeps, || "the recorded identity changes".into());
        let again = old.cluster_id.is_some() && new.bootstrap.is_some();
        self.check(Rule::NoSecondStart, !again, || {
            "a start is planned for a cluster that exists".into()
        });
        self.check(Rule::NoSecondStart, keeps_ids(old, new), || {
            "the highest allocated id decreases".into()
        });
        self.asked_once();
        self.marked_first();
        self.rests();
        let alone = self.snapshot.object.deleting
            || self.snapshot.pods.is_none()
            || !self.snapshot.conflicts.is_empty() && old.cluster_id.is_none();
        self.check(Rule::DeletesOnlyWhatLeaves, acts == 0 || !alone, || {
            "it acts on an object that is being deleted, without the list of pods, or although a name it needs is taken".into()
        });
        let paused = self.plan.status.phase == Phase::Paused;
        let touches = acts > 0 || self.plan.surroundings.is_some();
        self.check(Rule::HandsOff, !paused || !touches, || {
            "it acts on a cluster that is paused".into()
        });
        let clients = self.plan.surroundings.as_ref().is_some_and(|it| it.clients);
        self.check(Rule::MarksFirst, !clients || new.cluster_id.is_some(), || {
            "the client service is due before the cluster is recorded".into()
        });
    }

    /// Before a cluster is recorded the pods of a quorum say that their members were started.
    fn marked_first(&mut self) {
        let (old, new) = (&self.snapshot.status.record, &self.plan.status.record);
        if old.cluster_id.is_some() || new.cluster_id.is_none() {
            return;
        }
        let list = self.snapshot.view.membership.as_ref();
        let voters = list.map_or(0, |it| it.voters().count());
        let names = list.into_iter().flat_map(Membership::voters).map(|it| &it.name);
        let marked = names.filter(|it| self.is_marked(it)).count();
        self.check(Rule::MarksFirst, marked >= quorum(voters), || {
            format!("the cluster would be recorded with {marked} of {voters} pods marked")
        });
    }

    /// An action that was refused a moment ago rests.
    fn rests(&mut self) {
        let rest = SignedDuration::from_millis(REST_MS);
        for blocked in &self.snapshot.blocked {
            let again = self.plan.actions.iter().any(|it| it.key() == blocked.action);
            // One of the future was seen by another clock.
            let age = self.snapshot.now.duration_since(blocked.at);
            let rested = age.is_negative() || age >= rest;
            self.check(Rule::RefusedRests, !again || rested, || {
                format!("{} was refused a moment ago", blocked.action)
            });
        }
    }

    /// That a pod was asked for is forgotten only when it was seen, or certainly not made.
    fn asked_once(&mut self) {
        let blocked = &self.snapshot.blocked;
        let refused = |name: &MemberName| blocked.iter().any(|it| it.not_created.contains(name));
        let asked = self.snapshot.status.record.everyone().filter(|it| it.asked.is_some());
        for before in asked.filter(|it| !refused(&it.name)) {
            let mut after = self.plan.status.record.everyone().filter(|it| it.name == before.name);
            let kept = after.all(|it| it.asked.is_some() || it.pod.is_some());
            self.check(Rule::OneIdentity, kept, || {
                format!("it is forgotten that the pod of {} was requested", before.name)
            });
        }
    }

    fn create(&mut self, member: &MemberName, start: &Start) {
        let mut conflicts = self.snapshot.conflicts.iter();
        let taken = conflicts.any(|it| it.member.as_ref() == Some(member));
        self.check(Rule::DeletesOnlyWhatLeaves, !taken, || {
            format!("{member} would start without an object whose name is taken")
        });
        match start {
            Start::New { members, .. } => self.create_first(member, members),
            Start::Existing { members } => self.create_joining(member, members),
            Start::Resume { .. } => self.resume(member),
            Start::Recover { members, .. } => self.create_alone(member, members),
        }
        let asked = self.plan.status.record.everyone().find(|it| it.name == *member);
        self.check(Rule::IntentFirst, asked.is_some_and(|it| it.asked.is_some()), || {
            format!("it is not recorded that the pod of {member} is requested")
        });
        self.starts(member, start);
        if !start.may_be_blank() {
            return;
        }
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

    /// Empty it may start only without a vote, and told of all members.
    fn create_joining(&mut self, member: &MemberName, told: &[Peer]) {
        let fits = self.proven().is_some_and(|list| {
            let known = |it: &&Entry| told.iter().any(|peer| peer.name == it.name);
            let others = told.iter().filter(|it| list.entry(&it.name).is_none());
            // A list that this very plan changes is not the one that it would be told.
            let joins = |it: &Action| matches!(it.request(), Some(Request::Join { .. }));
            !self.plan.actions.iter().any(joins)
                && list.entry(member).is_none_or(|it| !it.votes)
                && list.members.iter().filter(known).count() == list.members.len()
                && others.count() == usize::from(list.entry(member).is_none())
        });
        self.check(Rule::OneIdentity, fits, || {
            format!("{member} would start empty with a vote, or told of other members")
        });
        if let Some(list) = self.proven() {
            self.leader_is_good(list, member);
        }
        self.joins(member);
    }

    fn resume(&mut self, member: &MemberName) {
        self.create_again(member);
        let beside = match &self.plan.status.record.step {
            Some(Step::Recover { stage: RecoverStage::Resuming { .. }, .. }) => false,
            Some(Step::Recover { source, .. }) => source != member,
            _ => false,
        };
        let listed = self.proven().is_some_and(|it| it.entry(member).is_some());
        self.check(Rule::NoSecondStart, !beside || listed, || {
            format!("{member} may form a cluster beside the one that is recovered")
        });
    }

    /// On its claim it may start again whenever its pod is gone, and only then.
    fn create_again(&mut self, member: &MemberName) {
        let record = &self.plan.status.record;
        let known = record.everyone().any(|it| it.name == *member) && record.cluster_id.is_some();
        let claimed = self.snapshot.claim(member).is_some();
        self.check(Rule::OneIdentity, known && claimed && self.find(member).is_none(), || {
            format!("{member} would resume without its claim, or while it has a pod")
        });
    }

    fn create_alone(&mut self, member: &MemberName, told: &[Peer]) {
        self.create_again(member);
        self.recovers(member);
        let votes = |name: &MemberName| {
            let mut rows = self.snapshot.status.members.iter();
            let row = rows.find(|it| it.name == *name).and_then(|it| it.standing);
            row.is_none_or(crate::Standing::votes)
        };
        let others = self.snapshot.pods.iter().flatten().filter(|it| votes(&it.name)).count();
        self.check(Rule::NoSecondStart, others == 0, || {
            format!("{others} other voters have a pod, and may form a cluster without {member}")
        });
        let alone = told.len() == 1 && told[0].name == *member;
        self.check(Rule::KeepsData, alone, || format!("{member} would be told of other members"));
    }

    /// A recovery has a person's consent, was recorded, and its source has all that others are known to have had.
    fn recovers(&mut self, source: &MemberName) {
        let consent = self.snapshot.recover_from.as_ref() == Some(source);
        let before = matches!(&self.snapshot.status.record.step,
            Some(Step::Recover { source: it, .. }) if it == source);
        let proven = self.proven().is_some();
        self.check(Rule::KeepsQuorum, !proven, || "a quorum is there, and nothing is lost".into());
        self.check(Rule::KeepsData, consent || before, || {
            format!("nobody consented to a recovery from {source}")
        });
        let step = &self.plan.status.record.step;
        let intended = matches!(step, Some(Step::Recover { source: it, .. }) if it == source);
        self.check(Rule::IntentFirst, intended, || format!("no recovery of {source} is recorded"));
        let rows = &self.snapshot.status.members;
        let own = self.snapshot.view.answer(source).and_then(|it| it.position.clone());
        let row = || rows.iter().find(|it| it.name == *source)?.position.clone();
        let own = own.or_else(row).unwrap_or_default();
        let votes = |it: &&crate::MemberRow| it.standing.is_none_or(crate::Standing::votes);
        let mut others = rows.iter().filter(votes).filter_map(|it| it.position.as_ref());
        self.check(Rule::KeepsData, others.all(|it| own.dominates(it)), || {
            format!("another member had data that {source} lacks")
        });
    }

    fn mark(&mut self, pod: &PodRef, marks: &Marks) {
        self.pod(pod);
        let before = self.find(&pod.name).and_then(|it| it.marks.started.clone());
        let answered = self.snapshot.view.answer(&pod.name).map(|it| it.id.clone());
        let kept = before.is_none() || before == marks.started;
        let known = marks.started.is_none() || before.is_some() || marks.started == answered;
        self.check(Rule::MarksFirst, kept && known, || {
            format!("pod {} would be marked as what its member does not say", pod.name)
        });
    }

    fn is_marked(&self, name: &str) -> bool {
        self.find(name).is_some_and(|it| it.marks.started.is_some())
    }

    /// The data of a member that has left goes only when nothing of the member is there any more.
    fn delete_claim(&mut self, claim: &Claim) {
        let exact = self.snapshot.claims.iter().any(|it| it == claim);
        self.check(Rule::Preconditions, exact, || {
            format!("{} is not the claim that was seen", claim.name)
        });
        let record = &self.plan.status.record;
        let listed = self.list().is_some_and(|it| it.entry(&claim.member).is_some());
        let proven = record.cluster_id.is_none() || self.proven().is_some();
        let recorded = record.everyone().any(|it| it.name == claim.member);
        let used = self.find(&claim.member).is_some();
        let known = record.cluster_id.is_some() || record.bootstrap.is_some();
        let free = proven && known && !listed && !recorded && !used && !claim.retained;
        self.check(Rule::KeepsData, free, || {
            format!("claim {} may still hold the data of a member", claim.name)
        });
        let leaves = matches!(&record.step, Some(Step::Leave { name, reason, .. })
            if *name == claim.member && *reason != LeaveReason::Stray);
        let working = self.list().map_or(0, |list| self.working(list, |_| true));
        let needed = self.plan.surroundings.as_ref().map_or(0, |it| it.min_available as usize);
        let held = record.cluster_id.is_none() || leaves || working >= needed;
        self.check(Rule::KeepsData, held, || {
            format!(
                "claim {} would be deleted while {working} voters have its data and {needed} are needed",
                claim.name
            )
        });
    }

    fn call(&mut self, call: &Call) {
        match &call.request {
            Request::Join { member, id, votes, .. } => {
                self.add(member, call);
                self.lists(member);
                self.unused(id.as_ref());
                if *votes {
                    self.vote(member);
                }
            }
            Request::Promote { id, member, .. } => self.promote(id, member, call),
            Request::Transfer { id, .. } => self.transfer(id, call),
            Request::Leave { member, id, reason } => {
                self.remove(member, id, call);
                self.give_up(member, *reason);
            }
            Request::Drain { member, .. } => {
                self.change(call);
                self.leaves(member);
            }
            Request::App(step) => {
                self.change(call);
                let own = matches!(&self.plan.status.record.step,
                    Some(Step::App { step: it }) if it == step);
                self.check(Rule::IntentFirst, own, || format!("{} is not recorded", step.name));
                self.step(step);
            }
            Request::Cancel { .. } => drop(self.change(call)),
        }
    }

    fn leaves(&mut self, member: &MemberName) {
        let step = &self.plan.status.record.step;
        let intended = matches!(step, Some(Step::Leave { name, .. }) if name == member);
        self.check(Rule::IntentFirst, intended, || format!("{member} is not recorded to leave"));
    }

    fn joins(&mut self, member: &MemberName) {
        let step = &self.plan.status.record.step;
        let joins = matches!(step, Some(Step::Join { member: it }) if it.name == *member);
        self.check(Rule::IntentFirst, joins, || format!("{member} is not recorded to join"));
    }

    fn restart(&mut self, pod: &PodRef) {
        self.pod(pod);
        let Some(list) = self.list() else { return };
        let runs = self.runs(list, &pod.name);
        let votes = list.entry(&pod.name).is_some_and(|it| it.votes);
        let left = self.working(list, |it| *it != pod.name);
        let needed = quorum(list.voters().count());
        let resumes = matches!(&self.plan.status.record.step,
            Some(Step::Recover { source, stage: RecoverStage::Resuming { .. }, .. })
                if *source == pod.name);
        // Who serves alone after a recovery resumes once.
        if resumes && list.voters().count() == 1 {
            return;
        }
        if runs {
            self.has_roles(&pod.name);
        }
        self.check(Rule::KeepsQuorum, !runs || !votes || left >= needed, || {
            format!("without {} {left} voters would work and {needed} are needed", pod.name)
        });
        let step = &self.plan.status.record.step;
        let restarts = matches!(step, Some(Step::Restart { name }) if *name == pod.name);
        self.check(Rule::IntentFirst, !runs || !votes || restarts || resumes, || {
            format!("{} is not recorded to be restarted", pod.name)
        });
    }

    /// Whether a member answered for itself, and its pod has not ended since.
    fn runs(&self, list: &Membership, name: &MemberName) -> bool {
        let ended = |it: &Pod<S>| matches!(it.phase, PodPhase::Failed | PodPhase::Succeeded);
        let target = self.snapshot.view.target(name).filter(|it| it.reach == Reach::Reachable);
        let itself =
            |it: &MemberStatus| list.id_of(name) == Some(&it.id) && it.cluster == list.cluster;
        target.is_some_and(|it| it.status.as_ref().is_none_or(itself))
            && !self.find(name).is_some_and(ended)
    }

    fn delete(&mut self, pod: &PodRef, reason: LeaveReason) {
        match reason {
            LeaveReason::Recreated => return self.recreate(pod),
            LeaveReason::Recovered => return self.make_room(pod),
            _ => self.pod(pod),
        }
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
        self.leaves(&pod.name);
    }

    /// A pod that makes room for another on the same claim is restarted, as far as its member is concerned.
    fn recreate(&mut self, pod: &PodRef) {
        self.restart(pod);
        let claimed = self.snapshot.claim(&pod.name).is_some();
        self.check(Rule::KeepsData, claimed, || format!("{} has no claim to resume on", pod.name));
    }

    /// For a recovery the source makes room for its successor on the same claim, and the others for nobody.
    fn make_room(&mut self, pod: &PodRef) {
        self.pod(pod);
        let Some(Step::Recover { source, .. }) = &self.plan.status.record.step else {
            return self.check(Rule::IntentFirst, false, || "no recovery is recorded".into());
        };
        self.recovers(source);
        let claimed = self.snapshot.claim(source).is_some();
        self.check(Rule::KeepsData, claimed, || format!("{source} has no claim to resume on"));
    }

    fn add(&mut self, member: &MemberName, call: &Call) {
        let Some(list) = self.change(call) else { return };
        let half = list.non_voters().filter(|it| self.is_half_joined(&it.name)).count();
        self.check(Rule::OneChange, half == 0, || format!("{half} members have no vote yet"));
        let new = list.entry(member).is_none();
        self.check(Rule::OneIdentity, new, || format!("{member} is a member already"));
        self.joins(member);
    }

    /// To add an id that is listed would put another member in its place.
    fn unused(&mut self, id: Option<&MemberId>) {
        let listed = |it: &MemberId| self.list()?.members.iter().find(|entry| entry.id == *it);
        let taken = id.and_then(listed);
        self.check(Rule::OneIdentity, taken.is_none(), || {
            format!("the id of {} would be given to another", taken.map_or("", |it| &it.name))
        });
    }

    /// Whether a member without a vote is none that is complete: it is not recorded, nor of a role of which nobody
    /// votes.
    fn is_half_joined(&self, name: &str) -> bool {
        let status = &self.plan.status;
        let row = status.members.iter().find(|it| *it.name == *name);
        let votes = |role: &RoleName| {
            let mut rows = status.members.iter().filter(|it| it.role == *role);
            rows.any(|it| it.standing.is_some_and(crate::Standing::votes))
        };
        let complete = row.is_some_and(|it| !it.role.is_empty() && !votes(&it.role));
        !status.record.members.iter().any(|it| *it.name == *name) && !complete
    }

    /// Who joins copies from who leads.
    fn leader_is_good(&mut self, list: &Membership, member: &MemberName) {
        let led = |it: &Entry| self.answer(it)?.leader.clone();
        let follow =
            |id: &MemberId| list.voters().filter(|it| led(it).as_ref() == Some(id)).count();
        let claims = list.voters().filter(|it| led(it).as_ref() == Some(&it.id)).map(|it| &it.id);
        let leader = claims.max_by_key(|it| (follow(it), *it));
        let corrupt = |it: &&Corruption| matches!(it, Corruption::Of(id) if Some(id) == leader);
        let holds = !self.corruption.iter().any(corrupt);
        self.check(Rule::KeepsData, holds, || {
            format!("{member} would copy the data of a leader whose data is corrupt")
        });
    }

    fn promote(&mut self, id: &MemberId, member: &MemberName, call: &Call) {
        let Some(list) = self.change(call) else { return };
        let entry = list.members.iter().find(|it| it.id == *id);
        let ready = entry.is_some_and(|it| !it.votes && self.works(it));
        self.check(Rule::KeepsQuorum, ready, || {
            format!("{id} is no member without a vote that works")
        });
        self.vote(member);
    }

    /// Who gets a vote answers, follows a leader and is marked as started, and those who work are a quorum with it.
    fn vote(&mut self, member: &MemberName) {
        let Some(list) = self.proven() else { return };
        self.leader_is_good(list, member);
        let target = self.snapshot.view.target(member);
        let target = target.filter(|it| it.reach == Reach::Reachable);
        let works = target.and_then(|it| it.status.as_ref()).is_some_and(|it| it.leader.is_some());
        self.check(Rule::KeepsQuorum, works, || {
            format!("{member} would get a vote and does not work")
        });
        let marked = self.find(member).is_none() || self.is_marked(member);
        self.check(Rule::MarksFirst, marked, || {
            format!("{member} would get a vote before its pod says that it was started")
        });
        let (working, needed) =
            (self.working(list, |_| true) + 1, quorum(list.voters().count() + 1));
        self.check(Rule::KeepsQuorum, working >= needed, || {
            format!("with {member} {working} voters would work and {needed} are needed")
        });
    }

    fn transfer(&mut self, id: &MemberId, call: &Call) {
        let Some(list) = self.change(call) else { return };
        let heir = list.voters().find(|it| it.id == *id);
        let ready = heir.is_some_and(|it| self.works(it));
        self.check(Rule::KeepsQuorum, ready, || format!("{id} is no voter that works"));
    }

    fn remove(&mut self, member: &MemberName, id: &MemberId, call: &Call) {
        let Some(list) = self.change(call) else { return };
        let Some(entry) = list.members.iter().find(|it| it.id == *id) else {
            return self.check(Rule::Preconditions, false, || format!("{id} is no member"));
        };
        self.check(Rule::Preconditions, entry.name == *member, || format!("{id} is not {member}"));
        self.leaves(member);
        if !entry.votes {
            return;
        }
        let left = self.working(list, |it| it != member);
        let needed = quorum(list.voters().count() - 1);
        self.check(Rule::KeepsQuorum, left >= needed, || {
            format!("without {member} {left} voters would work and {needed} are needed")
        });
    }

    /// A voter is given up only if its pod shows why: it is not there to stay, or its process is not.
    fn give_up(&mut self, member: &MemberName, reason: LeaveReason) {
        if reason != LeaveReason::Dead {
            return;
        }
        let Some(pod) = self.find(member) else {
            let kept = self.snapshot.claim(member).is_some();
            return self.check(Rule::KeepsData, !kept, || {
                format!("{member} would be given up although its volume is kept")
            });
        };
        let known = self.snapshot.status.record.everyone().find(|it| it.name == *member);
        let same = known.is_none_or(|it| it.pod.as_ref().is_none_or(|uid| *uid == pod.uid));
        let stays = same && !pod.deleting && pod.phase == PodPhase::Running && !pod.node_lost;
        let runs = pod.started && pod.trouble.is_none() && !pod.data_lost();
        let known = self.snapshot.status.record.cluster_id.as_ref();
        let elsewhere = self.snapshot.view.answer(member);
        let elsewhere = elsewhere.is_some_and(|it| known != Some(&it.cluster));
        self.check(Rule::KeepsData, !(stays && runs) || elsewhere, || {
            format!("{member} would be given up although nothing shows that it cannot come back")
        });
    }

    /// The list a change of membership is made on; a violation if it is not proven.
    fn change(&mut self, call: &Call) -> Option<&'a Membership> {
        let proven = self.proven();
        self.check(Rule::OneChange, proven.is_some(), || "no quorum agrees on the members".into());
        let list = proven?;
        self.check(Rule::Preconditions, call.roster == list.roster(), || {
            "the call is not conditioned on the list it was decided on".into()
        });
        Some(list)
    }

    /// The list of the recorded cluster, if a quorum of its voters gave it.
    fn proven(&self) -> Option<&'a Membership> {
        self.list().filter(|it| it.agreed >= quorum(it.voters().count()))
    }

    fn list(&self) -> Option<&'a Membership> {
        let id = self.snapshot.status.record.cluster_id.as_ref();
        self.snapshot.view.membership.as_ref().filter(|it| id == Some(&it.cluster))
    }

    fn working(&self, list: &Membership, counts: impl Fn(&MemberName) -> bool) -> usize {
        list.voters().filter(|it| counts(&it.name) && self.works(it)).count()
    }

    /// Whether a member answered for itself, follows a leader, and has good data: one that follows nobody is
    /// cut off from those it would have to vote with.
    fn works(&self, member: &Entry) -> bool {
        let about = |it: &&Corruption| match it {
            Corruption::Of(id) => *id == member.id,
            Corruption::Undetermined => true,
        };
        let follows = self.answer(member).is_some_and(|it| it.leader.is_some());
        follows && !self.corruption.iter().any(about)
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
