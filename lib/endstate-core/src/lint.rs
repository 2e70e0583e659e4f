//! Checks a plan against what must hold for every application, whoever made the plan.
//!
//! The linter shares no decision with the planner, only what members' words mean (who leads): it looks at the snapshot
//! with its own, cruder eyes (a member counts as working only if it answered for itself, follows a leader, and is
//! accused of corrupt data by nobody) and refuses what it cannot see to be safe. A violation stops that object, loudly;
//! it never stops the process.

mod appointing;
mod around;
mod groups;
mod ids;
mod needs;
mod pods;
mod recoveries;
mod requests;
mod restores;

use std::collections::BTreeSet;
use std::fmt;

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use crate::assess::rebuild::is_lost;
use crate::claim::Claim;
use crate::comparison::Corruption;
use crate::consent::Choice;
use crate::id::{MemberName, Uid};
use crate::leads::Leads;
use crate::limits::quorum;
use crate::plan::{Action, Plan};
use crate::pod::{Marks, Pod, PodRef};
use crate::reason::LeaveReason;
use crate::record::{MemberRecord, Step};
use crate::request::ActionKind;
use crate::snapshot::Snapshot;
use crate::status::Phase;
use crate::topology::Role;
use crate::view::{Entry, MemberStatus, Membership, Reach};

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
    /// What is paused, going, not accepted, or somebody else's is left alone.
    HandsOff,
    /// Every claim stays that a policy of the accepted spec keeps, or of which none speaks.
    KeepsClaims,
    /// An authority is made once, and no certificate on a guess.
    KeepsAuthorities,
    /// A leader is appointed only when nobody else can acknowledge anything.
    OneLeader,
    /// Without the proof of a quorum only what is harmless is asked for.
    HarmlessFirst,
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
            Self::HandsOff => "what is paused, going, not accepted or of others is not changed",
            Self::KeepsClaims => "a claim ends only if each policy says so",
            Self::KeepsAuthorities => "an authority that is trusted stays",
            Self::OneLeader => "a leader is appointed only when no other can acknowledge writes",
            Self::HarmlessFirst => "without a quorum only what is harmless is requested",
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
    let mut lint = Lint { snapshot, plan, corruption: BTreeSet::new(), found: vec![] };
    if let Some(list) = lint.list() {
        lint.corruption = snapshot.view.corruption(list);
    }
    lint.plan_as_a_whole();
    for action in &plan.actions {
        match action {
            Action::CreatePod { member, start, launch } => {
                lint.create(member, start);
                lint.has_its_volumes(member, launch, start);
            }
            Action::UpdatePod { pod, .. } => lint.pod(pod),
            Action::RestartPod { pod, .. } => lint.restart(pod),
            Action::DeletePod { pod, reason } => lint.delete(pod, *reason),
            Action::DeleteClaim { claim } => lint.delete_claim(claim),
            Action::AdoptClaim { claim } => lint.adopt(claim),
            Action::MarkPod { pod, marks } => lint.mark(pod, marks),
            Action::Call(call) => lint.call(call),
        }
    }
    lint.tended();
    lint.found
}

struct Lint<'a, S> {
    snapshot: &'a Snapshot<S>,
    plan: &'a Plan<S>,
    /// What is corrupt, by the word of a voter, or since it differs.
    corruption: BTreeSet<Corruption>,
    found: Vec<Violation>,
}

impl<'a, S> Lint<'a, S> {
    fn check(&mut self, rule: Rule, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.found.push(Violation { rule, what: what() });
        }
    }

    /// What is asked for objects beside the cluster touches no member, and nothing is asked of what is left alone.
    fn tended(&mut self) {
        let plan = self.plan;
        let apart = plan.status.phase == Phase::Paused || self.snapshot.object.deleting;
        for step in plan.tended.iter().flat_map(|it| &it.steps) {
            let harmless = !step.dangerous && step.needs.is_empty();
            self.check(Rule::HarmlessFirst, harmless, || {
                format!("{} is asked for an object beside the cluster", step.name)
            });
            self.check(Rule::HandsOff, !apart, || format!("{} is asked for", step.name));
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
        let anew = self.begins_anew();
        let keeps = old.cluster_id.is_none() || new.cluster_id == old.cluster_id || anew;
        self.check(Rule::NoSecondStart, keeps, || "the recorded identity changes".into());
        let again = old.cluster_id.is_some() && new.bootstrap.is_some() && !anew;
        self.check(Rule::NoSecondStart, !again, || {
            "a start is planned for a cluster that exists".into()
        });
        self.around();
        self.ids();
        self.acks_last();
        self.asked_once();
        self.keeps_listed();
        self.marked_first();
        self.asks_somebody();
        self.restores();
        self.rests();
        let alone = self.snapshot.object.deleting
            || self.snapshot.pods.is_none()
            || self.snapshot.is_any_name_taken() && old.cluster_id.is_none();
        self.check(Rule::DeletesOnlyWhatLeaves, acts == 0 || !alone, || {
            "it acts on an object that is being deleted, without the list of pods, or although a name it needs is taken".into()
        });
        let paused = self.plan.status.phase == Phase::Paused;
        let touches = acts > 0 || self.plan.surroundings.is_some();
        self.check(Rule::HandsOff, !paused || !touches, || {
            "it acts on a cluster that is paused".into()
        });
        let clients = self.plan.surroundings.as_ref().is_some_and(|it| it.clients);
        let known = new.cluster_id.is_some() || new.restoring.is_some() || is_lost(self.snapshot);
        self.check(Rule::MarksFirst, !clients || known, || {
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
            let requests = blocked.action.kind == ActionKind::RequestCertificates
                && self.plan.surroundings.as_ref().is_some_and(|it| !it.asked.is_empty());
            let acts = self.plan.actions.iter().any(|it| it.key() == blocked.action);
            let again = requests || acts;
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

    /// Who is on the list is not forgotten, however the list calls it.
    fn keeps_listed(&mut self) {
        let Some(list) = self.proven().filter(|_| !self.begins_anew()) else { return };
        let new = &self.plan.status.record;
        let kept = |it: &MemberRecord| new.members.iter().any(|other| other.name == it.name);
        for known in self.snapshot.status.record.members.iter().filter(|it| !kept(it)) {
            self.check(Rule::KeepsData, !self.is_listed(list, &known.name), || {
                format!("it is forgotten that {} is a member", known.name)
            });
        }
    }

    /// Whether an entry of the list is a member's, by its name, or by the id that it is known by and nobody else.
    fn is_listed(&self, list: &Membership, name: &MemberName) -> bool {
        list.members.iter().any(|it| it.name == *name || self.has_id(name, it))
    }

    fn has_id(&self, name: &MemberName, listed: &Entry) -> bool {
        let (record, id) = (&self.snapshot.status.record, Some(&listed.id));
        if let Some(known) = record.members.iter().find(|it| it.id.as_ref() == id) {
            return known.name == *name;
        }
        let other = record.find(&listed.name).is_some() || self.find(&listed.name).is_some();
        let left = matches!(&record.step, Some(Step::Leave { name: it, id: known, .. })
            if it == name && known.as_ref() == id);
        let marked = self.find(name).and_then(|it| it.marks.started.as_ref());
        let answer = self.snapshot.view.answer(name).filter(|it| self.is_ours(it));
        !other && (left || marked == id || answer.map(|it| &it.id) == id)
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

    /// A claim of another cluster is taken over only before anything is started, and by a person's word.
    fn adopt(&mut self, claim: &Claim) {
        let exact = self.snapshot.former.contains(claim) && !claim.deleting;
        self.check(Rule::Preconditions, exact, || {
            format!("{} is not the claim that was seen", claim.name)
        });
        let consent = matches!(self.snapshot.consent, Some(Choice::Adopt(_)));
        self.check(Rule::HandsOff, consent, || {
            format!("{} is another cluster's, and nobody consented to take it over", claim.name)
        });
        let record = &self.plan.status.record;
        let blank = record.cluster_id.is_none() && record.bootstrap.is_none();
        self.check(Rule::NoSecondStart, blank, || {
            format!("{} would be taken over beside what was started", claim.name)
        });
    }

    /// The data of a member that has left goes only when nothing of the member is there any more.
    fn delete_claim(&mut self, claim: &Claim) {
        let exact = self.snapshot.claims.iter().any(|it| it == claim);
        self.check(Rule::Preconditions, exact, || {
            format!("{} is not the claim that was seen", claim.name)
        });
        self.is_given_up(claim);
        let record = &self.plan.status.record;
        let listed = self.list().is_some_and(|it| self.is_listed(it, &claim.member));
        let proven = record.cluster_id.is_none() || self.proven().is_some();
        let recorded = record.everyone().any(|it| it.name == claim.member);
        let used = self.find(&claim.member).is_some();
        let known = record.cluster_id.is_some() || record.bootstrap.is_some();
        let kept = claim.retained || record.kept.contains(&claim.member);
        let free = proven && known && !listed && !recorded && !used && !kept;
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

    /// What the members of a list say of who leads.
    fn leads(&self, list: &'a Membership) -> Leads<'a> {
        Leads::new(&self.snapshot.view, list)
    }

    fn is_ours(&self, answer: &MemberStatus) -> bool {
        self.snapshot.status.record.cluster_id.as_ref() == Some(&answer.cluster)
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
        let about = |it: &Corruption| match it {
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

    /// What the application says of a member's role.
    fn role(&self, member: &MemberName) -> Option<&'a Role> {
        let record = self.plan.status.record.find(member)?;
        self.plan.roles.iter().find(|it| it.name == record.role)
    }

    /// The pod that a member is recorded to have had, also one that leaves.
    fn recorded_pod(&self, name: &str) -> Option<&'a Uid> {
        let record = &self.snapshot.status.record;
        match (record.find(name), &record.step) {
            (Some(member), _) => member.pod.as_ref(),
            (None, Some(Step::Leave { name: leaves, pod, .. })) if **leaves == *name => {
                pod.as_ref()
            }
            (None, _) => None,
        }
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
