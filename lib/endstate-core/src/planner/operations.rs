//! Operations: what is due for the one whose turn it is, and what becomes of each.

use jiff::Timestamp;

use super::decision::Decision;
use super::proof::Proof;
use super::restoring;
use super::standing::{Standing, complete, failed};
use super::tasks;
use super::tending::{LATER_MS, waiting};
use super::verdict::Verdict as StepVerdict;
use crate::app::App;
use crate::assess::groups::is_beside;
use crate::assess::operations::{is_done, on_members};
use crate::assess::rules::{can_transfer, heir, is_short, units};
use crate::assess::{Assessed, Situation};
use crate::beside::{Beside, Tended, Verdict};
use crate::id::MemberName;
use crate::limits::quorum;
use crate::member::{Cluster, Member};
use crate::operation::Operation;
use crate::progress::{Part, Progress, State, seconds};
use crate::request::{ActionKey, ActionKind, Request, RequestKind};
use crate::snapshot::Blocked;
use crate::topology::{Edge, Topology};
use crate::waiting::Waiting;

/// What is due for the operation that was started. To replace a member is no step: it is a reason for it to move.
pub(super) fn carry_out<A: App>(proof: &Proof<'_, '_, A>) -> StepVerdict {
    let Some((object, operation)) = proof.assessed.started_operation() else {
        return StepVerdict::Pass;
    };
    if proof.is_repairing() {
        return StepVerdict::Pass;
    }
    match operation {
        Operation::MoveLeader { to } => move_leader(proof, object, to.as_ref()),
        // First its status says what was answered: of two that were begun nobody could tell who is at work.
        Operation::OnMembers { .. } if has_untold_answer(object) => StepVerdict::Pass,
        Operation::OnMembers { .. } => {
            let step = proof.assessed.step_of_operation(proof.cluster);
            step.map_or(StepVerdict::Pass, |it| tasks::begin_step(proof, it))
        }
        Operation::ReplaceMember { .. } | Operation::Restore { .. } | Operation::Unknown => {
            StepVerdict::Pass
        }
    }
}

fn has_untold_answer(object: &Beside) -> bool {
    object.answered.iter().any(|it| !object.progress.is_done(it))
}

fn move_leader<A: App>(
    proof: &Proof<'_, '_, A>,
    object: &Beside,
    to: Option<&MemberName>,
) -> StepVerdict {
    let (cluster, target) = (proof.cluster, proof.target);
    let Some(leader) = leader_before(cluster, target, to) else { return StepVerdict::Pass };
    let able = |it: &&Member| match target.is_led(&it.role) {
        true => is_beside(it, leader) && it.has_copy(),
        false => it.votes && it.health.is_healthy(),
    };
    let heir = match to {
        Some(to) => cluster.member(to).filter(able),
        None => heir(cluster, target, leader).filter(|it| !target.is_led(&it.role)),
    };
    let moved = has_moved(object, leader, to);
    let heir = heir.filter(|it| !moved && it.name != leader.name);
    let Some(heir) = heir.filter(|_| can_transfer(target, leader)) else {
        return StepVerdict::Pass;
    };
    proof.call(Request::Transfer { to: heir.name.clone(), id: heir.id.clone() })
}

/// Who leads where another is to: the group of that one, if it has a leader of its own.
fn leader_before<'c>(
    cluster: &'c Cluster,
    target: &Topology,
    to: Option<&MemberName>,
) -> Option<&'c Member> {
    let to = to.and_then(|it| cluster.member(it)).filter(|it| target.is_led(&it.role));
    to.map_or_else(|| cluster.leader(), |it| cluster.leader_of(&it.role, it.group))
}

/// Whether who is wanted leads, or another than before.
fn has_moved(object: &Beside, leader: &Member, to: Option<&MemberName>) -> bool {
    let former = object.progress.former_leader.as_ref();
    to.map_or(former != Some(&leader.name), |it| *it == leader.name)
}

/// The wait that tells of the operation under way.
pub(super) fn under_way<A: App>(proof: &Proof<'_, '_, A>) -> Option<Waiting> {
    let (object, operation) = proof.assessed.started_operation()?;
    let standing =
        Judge::of(proof.assessed, proof.cluster, proof.target).standing(object, &operation);
    let Standing::Running(doing) = standing else { return None };
    Some(Waiting::ForOperation { kind: object.kind.clone(), name: object.name.clone(), doing })
}

/// What becomes of each.
pub(super) fn tend_all<A: App>(
    assessed: &Assessed<'_, A>,
    decision: &Decision<A::Spec>,
) -> Vec<Tended> {
    let Some(kinds) = assessed.app.operations() else { return vec![] };
    let operations = assessed.snapshot.beside.iter();
    let mut operations: Vec<_> = operations.filter_map(|it| Some((it, kinds.of(it)?))).collect();
    operations.sort_by_key(|(it, _)| (it.created, &it.name));
    operations
        .into_iter()
        .map(|(it, operation)| tend(assessed, decision, (it, &operation)))
        .collect()
}

fn tend<A: App>(
    assessed: &Assessed<'_, A>,
    decision: &Decision<A::Spec>,
    (object, operation): (&Beside, &Operation),
) -> Tended {
    let now = assessed.snapshot.now;
    let kept = |verdict| object.tended(verdict).at(object.progress.clone());
    let later = |it: Tended| Tended { look_again_ms: Some(LATER_MS), ..it };
    match (&assessed.cluster, &assessed.target, &assessed.situation) {
        _ if object.progress.state.is_over() => object.as_it_was(),
        _ if object.deleting => kept(Verdict::waits("Deleting", "nothing more is begun for it")),
        _ if matches!(operation, Operation::Restore { .. })
            && !assessed.snapshot.object.deleting =>
        {
            restoring::tend(assessed, object)
        }
        (_, _, Situation::Deleting) if object.progress.is_started() => {
            object.over(State::Failed, ("ClusterDeleted", "its cluster is being deleted"), now)
        }
        (Some(cluster), Some(target), Situation::Quorum) => {
            let judge = Judge::of(assessed, cluster, target);
            match assessed.operation() {
                Some((turn, _)) if turn.uid == object.uid => {
                    judge.tend(decision, (object, operation), now)
                }
                Some((turn, _)) => {
                    let why = format!("{} {} comes first", turn.kind, turn.name);
                    later(kept(Verdict::waits("Waiting", why)))
                }
                None => kept(Verdict::waits("Waiting", "it was not looked at yet")),
            }
        }
        _ => later(kept(waiting(assessed, object).verdict)),
    }
}

/// What an operation is judged by.
struct Judge<'j, 'a, A: App> {
    assessed: &'j Assessed<'a, A>,
    cluster: &'j Cluster,
    target: &'j Topology,
}

impl<'j, 'a, A: App> Judge<'j, 'a, A> {
    fn of(assessed: &'j Assessed<'a, A>, cluster: &'j Cluster, target: &'j Topology) -> Self {
        Self { assessed, cluster, target }
    }

    /// What becomes of the operation whose turn it is. Before it is started only what can never be is told.
    fn tend(
        &self,
        decision: &Decision<A::Spec>,
        (object, operation): (&Beside, &Operation),
        now: Timestamp,
    ) -> Tended {
        let started = object.progress.is_started();
        let mut progress = object.progress.clone();
        if !started {
            progress.state = State::Running;
            progress.start_time = Some(seconds(now));
            progress.former_leader = self.cluster.leader().map(|it| it.name.clone());
        }
        self.note_parts(&mut progress, object, decision);
        let seen = Beside { progress, ..object.clone() };
        match self.standing(&seen, operation) {
            Standing::Over(state, reason, message) => seen.over(state, (reason, message), now),
            Standing::Running(doing) => {
                let mut waits = decision.waits.iter();
                let wait = waits.find(|it| !matches!(it, Waiting::ForOperation { .. }));
                let message = match wait.filter(|_| started && decision.actions.is_empty()) {
                    Some(wait) => format!("{doing}; {wait}"),
                    None => doing,
                };
                object.tended(Verdict::waits("Running", message)).at(seen.progress).soon()
            }
        }
    }

    /// Who is being asked was begun; whose request was answered is done.
    fn note_parts(&self, progress: &mut Progress, object: &Beside, decision: &Decision<A::Spec>) {
        let size = |member: &MemberName| {
            self.assessed.snapshot.view.answer(member).map_or(0, |it| it.data_size)
        };
        let asked = decision.record.step.as_ref().and_then(|it| it.of_operation(&object.uid));
        for name in asked.into_iter().chain(&object.answered) {
            if !progress.members.iter().any(|it| it.name == *name) {
                progress.members.push(Part::new(name.clone(), size(name)));
            }
        }
        let answered = |it: &&mut Part| it.completion_time.is_none() && is_done(object, &it.name);
        for part in progress.members.iter_mut().filter(answered) {
            part.size_after = Some(size(&part.name));
            part.completion_time = Some(seconds(self.assessed.snapshot.now));
        }
    }

    fn standing(&self, object: &Beside, operation: &Operation) -> Standing {
        let refused = || self.refused(object, operation);
        let standing = match operation {
            Operation::MoveLeader { to } => self.leads(object, to.as_ref()),
            Operation::ReplaceMember { member } => self.is_replaced(member),
            Operation::OnMembers { step, members } => self.all_are_done(object, step, members),
            Operation::Restore { .. } | Operation::Unknown => {
                failed("Unknown", "this operator knows no such operation")
            }
        };
        match (&standing, refused()) {
            (Standing::Running(_), Some(blocked)) => {
                failed("Refused", format!("{} is refused: {}", blocked.action, blocked.denial))
            }
            _ => standing,
        }
    }

    /// A refusal that does not pass, of what was asked for since it was started.
    fn refused(&self, object: &Beside, operation: &Operation) -> Option<&Blocked> {
        let kind = match operation {
            Operation::MoveLeader { .. } => RequestKind::Transfer,
            Operation::OnMembers { step, .. } => RequestKind::App(step.clone()),
            Operation::ReplaceMember { .. } | Operation::Restore { .. } | Operation::Unknown => {
                return None;
            }
        };
        let kind = ActionKind::Request(kind);
        let ours = |it: &ActionKey| it.kind == kind;
        let mut blocked = self.assessed.snapshot.blocked.iter();
        blocked
            .find(|it| ours(&it.action) && it.is_old() && Some(it.at) > object.progress.start_time)
    }

    fn leads(&self, object: &Beside, to: Option<&MemberName>) -> Standing {
        let led = |it: &Member| self.target.is_led(&it.role);
        match to.map(|it| (it, self.cluster.member(it))) {
            Some((to, None)) => return self.nobody(to),
            Some((to, Some(it))) if !it.votes && !led(it) => {
                let why = format!("{to} has no vote; {}", self.names(|it| it.votes));
                return failed("NoVoter", why);
            }
            None if self.cluster.voters().any(led) => {
                let why = "each group has a leader of its own: name the member that is to lead";
                return failed("NotPossible", why);
            }
            _ => {}
        }
        let Some(leader) = leader_before(self.cluster, self.target, to) else {
            return Standing::Running("nobody leads".into());
        };
        if has_moved(object, leader, to) {
            return complete(format!("{} leads", leader.name));
        }
        if !can_transfer(self.target, leader) {
            return failed("NotPossible", "the members choose who leads, and nobody else can");
        }
        if to.is_none() && self.cluster.voters().count() == 1 {
            return failed("NoVoter", format!("{} is the only voter", leader.name));
        }
        let to = to.map_or("another voter", |it| it.as_str());
        Standing::Running(format!("the lead moves from {} to {to}", leader.name))
    }

    /// It is off the list, and nobody is missing.
    fn is_replaced(&self, member: &MemberName) -> Standing {
        // On the first look it was never there.
        let first = self.assessed.started_operation().is_none();
        match self.cluster.member(member) {
            Some(it) if !it.recorded => {
                failed("UnknownMember", format!("{member} was not added by the operator"))
            }
            Some(_) => {
                Standing::Running(Operation::ReplaceMember { member: member.clone() }.to_string())
            }
            None if first => self.nobody(member),
            None => {
                let short = |it| is_short(self.cluster, it, None);
                let full = !units(self.target, Edge::Starts).into_iter().any(short);
                let works = self.cluster.members.iter().all(|it| it.health.is_healthy());
                match full && works && self.assessed.record.step.is_none() {
                    true => complete(format!("{member} has left, and every member is healthy")),
                    false => Standing::Running(format!("{member} has left")),
                }
            }
        }
    }

    fn all_are_done(&self, object: &Beside, step: &str, names: &[MemberName]) -> Standing {
        if let Some(nobody) = names.iter().find(|it| self.cluster.member(it).is_none()) {
            return self.nobody(nobody);
        }
        let members: Vec<_> = on_members(self.cluster, names).collect();
        // One that is lost is replaced: only what is asked for is for ever.
        let wanted = units(self.target, Edge::Starts).into_iter().filter(|it| it.0.votes);
        let wanted = wanted.map(|it| it.0.size).sum();
        let voters = self.cluster.voters().count().max(wanted);
        if voters - 1 < quorum(voters) && members.iter().any(|it| it.votes) {
            let why = format!(
                "{step} blocks its member, and the others of {voters} are no quorum: scale to 3 first"
            );
            return failed("TooFewMembers", why);
        }
        let done = members.iter().filter(|it| is_done(object, &it.name)).count();
        let told = format!("{step}: {done} of {} members are done", members.len());
        if done == members.len() { complete(told) } else { Standing::Running(told) }
    }

    fn nobody(&self, name: &MemberName) -> Standing {
        failed("UnknownMember", format!("there is no member {name}; {}", self.names(|_| true)))
    }

    fn names(&self, who: impl Fn(&Member) -> bool) -> String {
        let names = self.cluster.members.iter().filter(|it| who(it));
        let names: Vec<_> = names.map(|it| it.name.as_str()).collect();
        format!("the choice is: {}", names.join(", "))
    }
}
