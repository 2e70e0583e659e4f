//! How a cluster goes on after so many members lost their data that no quorum can come back: with what one member has,
//! by a person's consent, or by a policy that lets nobody be asked (`unasked`).
//!
//! The source must have all that any other has, or had when it was last seen; but what the application calls corrupt is
//! worth nothing, and is no source. What only members had whose data is gone for certain is given up by a person's
//! consent, which says so, and by nothing else. The pods of all others go before it starts, so that they cannot form a
//! cluster without it. Its pod is made again on its volume as the only member, then once more to resume; the others
//! join it as new ones.

use super::losses::{is_lost, is_unasked, lost};
use super::proof::Proof;
use super::verdict::{Move, Note, Verdict};
use crate::app::{App, MayStop};
use crate::assess::Assessed;
use crate::id::MemberName;
use crate::launch::Start;
use crate::limits::quorum;
use crate::plan::Action;
use crate::pod::{Pod, PodPhase, PodRef};
use crate::position::Position;
use crate::problem::Change;
use crate::reason::{Cause, LeaveReason};
use crate::record::{MemberRecord, RecoverStage, Step};
use crate::topology::{Recovery, Topology};
use crate::view::Standing;
use crate::waiting::{GivenUp, SourceLack, Waiting};

/// Begins a recovery that a person consented to.
pub(super) fn begin<A: App>(assessed: &Assessed<'_, A>) -> Verdict {
    let Some(source) = assessed.snapshot.recover_from() else { return Verdict::Pass };
    if matches!(
        assessed.record.step,
        Some(Step::Recover { stage: RecoverStage::Resuming { .. }, .. })
    ) {
        return Verdict::Pass;
    }
    let lack = match lost(assessed) {
        None => Some(SourceLack::NotNeeded),
        Some(_) if assessed.record.consent == assessed.snapshot.consent => Some(SourceLack::Used),
        Some(_) => lack(assessed, source),
    };
    if let Some(lack) = lack {
        return Verdict::say([Waiting::ForSource { member: source.clone(), lack }]);
    }
    fence_first(assessed, source, false)
}

/// Records the recovery, and makes the first pod go.
pub(super) fn fence_first<A: App>(
    assessed: &Assessed<'_, A>,
    source: &MemberName,
    unasked: bool,
) -> Verdict {
    let lost = assessed.voting_members().filter(|it| it.name != *source && is_lost(assessed, it));
    let lost = lost.map(|it| it.name.clone()).collect();
    let (source, stage) = (source.clone(), RecoverStage::Fencing {});
    let wanted = fence(assessed, &source).unwrap_or_default();
    let step = Step::Recover { source, lost, stage, unasked };
    Verdict::Only(wanted.notes(Note::Step(Some(step))))
}

/// Goes on with the recovery under way: the pods of all voters go, the source's is made again, and it serves alone.
pub(super) fn go_on<A: App>(assessed: &Assessed<'_, A>) -> Verdict {
    let Some(Step::Recover { source, stage, unasked, .. }) = &assessed.record.step else {
        return Verdict::Pass;
    };
    let over = || Verdict::Also(Move::default().notes(Note::Step(None)));
    let Some(member) = assessed.record.find(source) else { return over() };
    if assessed.health(member).is_lost() {
        return match stage {
            RecoverStage::Alone {} => begin_again(assessed),
            RecoverStage::Fencing {} | RecoverStage::Resuming { .. } => over(),
        };
    }
    match stage {
        RecoverStage::Fencing {} => {
            let may_go_on = match unasked {
                true => is_unasked(assessed),
                false => assessed.snapshot.recover_from() == Some(source),
            };
            if !may_go_on || lost(assessed).is_none() || lack(assessed, source).is_some() {
                return over();
            }
            let fenced = fence(assessed, source).map(Verdict::Only);
            fenced.unwrap_or_else(|| Verdict::Only(start_alone(assessed, member)))
        }
        RecoverStage::Alone {} => {
            let wanted = match assessed.snapshot.pod(source) {
                // Who came meanwhile might form a cluster without it.
                None => fence(assessed, source).unwrap_or_else(|| start_alone(assessed, member)),
                Some(pod) => bring_up(assessed, member, pod),
            };
            match lack(assessed, source).filter(|_| !wanted.actions.is_empty()) {
                None => Verdict::Only(wanted),
                Some(lack) => Verdict::wait(Waiting::ForSource { member: source.clone(), lack }),
            }
        }
        // It goes on as any other member.
        RecoverStage::Resuming { .. } => Verdict::Pass,
    }
}

/// The source has no data any more, and may have served alone before: nobody else is started, or there were two
/// clusters once its volume is mounted again. A person can name another source.
fn begin_again<A: App>(assessed: &Assessed<'_, A>) -> Verdict {
    match begin(assessed) {
        Verdict::Pass => Verdict::Only(Move::default()),
        Verdict::Also(wanted) | Verdict::Only(wanted) => Verdict::Only(wanted),
    }
}

/// The next pod that must not be there when the source starts alone, the source's own last: nobody else may form a
/// cluster without it.
fn fence<A: App>(assessed: &Assessed<'_, A>, source: &MemberName) -> Option<Move> {
    let votes = |name: &MemberName| {
        let known = assessed.record.members.iter().any(|it| it.name == *name);
        !known || assessed.voting_members().any(|it| it.name == *name)
    };
    let pods = assessed.snapshot.pods.iter().flatten().filter(|it| votes(&it.name));
    let pod = pods.min_by_key(|it| (it.name == *source, !it.deleting, &it.name))?;
    if pod.deleting {
        let (member, cause) = (pod.name.clone(), Cause::PodDeleting);
        return Some(Move::default().waits(Waiting::ForPod { member, cause }));
    }
    let (pod, reason) = (PodRef::from(pod), LeaveReason::Recovered);
    Some(Move::default().acts(Action::DeletePod { pod, reason }))
}

/// A pod of the source that cannot serve makes room for another, which is told the same.
fn bring_up<A: App>(assessed: &Assessed<'_, A>, member: &MemberRecord, pod: &Pod<A::Spec>) -> Move {
    let ended = matches!(pod.phase, PodPhase::Failed | PodPhase::Succeeded);
    let outdated = assessed.record.in_force().zip(pod.spec.as_ref()).is_some_and(|(new, old)| {
        !matches!(assessed.app.change(&member.role, old, new), Change::Nothing | Change::Live)
    });
    let stopped = assessed.health(member).is_stopped();
    if !pod.deleting && (ended || outdated && stopped) {
        let (pod, reason) = (PodRef::from(pod), LeaveReason::Recovered);
        return Move::default().acts(Action::DeletePod { pod, reason });
    }
    let cause = assessed.health(member).cause().unwrap_or(Cause::Silent);
    Move::default().waits(Waiting::ForPod { member: member.name.clone(), cause })
}

fn start_alone<A: App>(assessed: &Assessed<'_, A>, member: &MemberRecord) -> Move {
    let token = format!("{}-{}", assessed.snapshot.object.uid, assessed.record.names);
    let members = vec![assessed.peer(member).voting(true)];
    let start = Start::Recover { token, members };
    let launch = assessed.launch(member, Some(&start));
    let source = member.name.clone();
    let create = Action::CreatePod { member: source.clone(), start, launch };
    let wanted =
        at_stage(assessed, RecoverStage::Alone {}).notes(Note::Kept(left_behind(assessed)));
    wanted.notes(Note::Asked(vec![source])).acts(create)
}

/// The recovery under way, at another stage.
fn at_stage<A: App>(assessed: &Assessed<'_, A>, stage: RecoverStage) -> Move {
    let mut step = assessed.record.step.clone();
    if let Some(Step::Recover { stage: before, .. }) = &mut step {
        *before = stage;
    }
    Move::default().notes(Note::Step(step))
}

/// The voters whose data is there, not known to be corrupt, and not gone on with. It may be more than anybody knows, so
/// their volumes are kept.
fn left_behind<A: App>(assessed: &Assessed<'_, A>) -> Vec<MemberName> {
    let Some(Step::Recover { source, .. }) = &assessed.record.step else { return vec![] };
    let whole = |it: &&MemberRecord| {
        it.name != *source && !is_lost(assessed, it) && !assessed.is_accused(&it.name)
    };
    assessed.voting_members().filter(whole).map(|it| it.name.clone()).collect()
}

impl<A: App> Proof<'_, '_, A> {
    /// The source serves alone: before anybody joins, its pod makes room for one that resumes.
    pub(super) fn end_recovery(&self) -> Verdict {
        let Some(Step::Recover { source, .. }) = &self.assessed.record.step else {
            return Verdict::Pass;
        };
        let Some(pod) = self.assessed.snapshot.pod(source).filter(|it| !it.deleting) else {
            let (member, cause) = (source.clone(), Cause::PodDeleting);
            return Verdict::wait(Waiting::ForPod { member, cause });
        };
        if !self.assessed.snapshot.is_durable(source) {
            let (member, lack) = (source.clone(), SourceLack::NoVolume);
            return Verdict::wait(Waiting::ForSource { member, lack });
        }
        // Others are there all the same: it was not recovered after all.
        let others = self.cluster.voters().any(|it| it.name != *source);
        let may = others.then(|| match self.cluster.member(source) {
            Some(member) => self.may_stop(member),
            None => self.assessed.app.may_stop(self.cluster, &[source]),
        });
        if let Some(MayStop::NotYet(shortage)) = may {
            return Verdict::wait(Waiting::ForRedundancy { member: source.clone(), shortage });
        }
        let stage = RecoverStage::Resuming { pod: pod.uid.clone() };
        let (pod, reason) = (PodRef::from(pod), LeaveReason::Recreated);
        Verdict::Only(at_stage(self.assessed, stage).acts(Action::DeletePod { pod, reason }))
    }
}

/// The members that a recovery could begin from.
pub(super) fn sources<A: App>(assessed: &Assessed<'_, A>) -> Vec<MemberName> {
    let members = assessed.voting_members().map(|it| &it.name);
    members.filter(|it| lack(assessed, it).is_none()).cloned().collect()
}

/// Why nobody is a source, if the same keeps all from it whose data is left.
pub(super) fn lack_of_all<A: App>(assessed: &Assessed<'_, A>) -> Option<SourceLack> {
    let whole = |it: &&MemberRecord| !assessed.health(it).is_lost();
    let mut lacks = assessed.voting_members().filter(whole).map(|it| lack(assessed, &it.name));
    let Some(first) = lacks.next() else { return Some(SourceLack::DataLost) };
    first.filter(|first| lacks.all(|it| it.as_ref() == Some(first)))
}

/// Why a member cannot be the source.
fn lack<A: App>(assessed: &Assessed<'_, A>, source: &MemberName) -> Option<SourceLack> {
    let Some(member) = assessed.voting_members().find(|it| it.name == *source) else {
        return Some(SourceLack::Unknown);
    };
    if assessed.has_group_leaders(&member.role) {
        return Some(SourceLack::OneGroup);
    }
    if assessed.list().is_some_and(|it| it.agreed >= quorum(it.voters().count())) {
        return Some(SourceLack::NotNeeded);
    }
    let voting = assessed.target.as_ref().and_then(Topology::voting);
    match voting.map(|it| it.recovery) {
        Some(Recovery::Impossible) => return Some(SourceLack::Impossible),
        // Who was asked for alone may have served: there is no way back.
        Some(Recovery::Forbidden) if !is_alone(assessed, source) => {
            return Some(SourceLack::Forbidden);
        }
        _ => {}
    }
    if assessed.health(member).is_lost() {
        return Some(SourceLack::DataLost);
    }
    if assessed.is_accused(source) {
        return Some(SourceLack::Corrupt);
    }
    if !assessed.snapshot.is_durable(source) {
        return Some(SourceLack::NoVolume);
    }
    let mut ahead = ahead(assessed, source).filter(|it| !is_gone(assessed, it));
    ahead.next().map(|it| SourceLack::Behind { other: it.clone() })
}

/// Those who have, or had, what a member lacks.
fn ahead<'s, A: App>(
    assessed: &'s Assessed<'_, A>,
    source: &MemberName,
) -> impl Iterator<Item = &'s MemberName> {
    let own = position(assessed, source).unwrap_or_default();
    // Also members that nothing here added.
    let rows = assessed.snapshot.status.members.iter();
    let listed = rows.filter(|it| it.standing.is_none_or(Standing::votes)).map(|it| &it.name);
    let others = assessed.voting_members().map(|it| &it.name).chain(listed);
    others.filter(move |it| {
        let lacked = || position(assessed, it).is_some_and(|it| !own.dominates(&it));
        *it != source && !assessed.is_accused(it) && lacked()
    })
}

/// What a recovery from a member gives up of what a lost one is known to have had: of the one that had most.
pub(super) fn given_up<A: App>(assessed: &Assessed<'_, A>, source: &MemberName) -> Option<GivenUp> {
    let own = position(assessed, source).unwrap_or_default();
    let had = ahead(assessed, source).filter_map(|it| Some((it, position(assessed, it)?)));
    let (of, had) = had.max_by_key(|(_, it)| it.count())?;
    Some(GivenUp { of: of.clone(), entries: own.behind(&had) })
}

/// Whether a member's data is gone for certain, so that a person may give it up; of a recovery under way, whether it
/// was when that began.
fn is_gone<A: App>(assessed: &Assessed<'_, A>, name: &MemberName) -> bool {
    match &assessed.record.step {
        Some(Step::Recover { lost, unasked, .. }) => !unasked && lost.contains(name),
        _ => assessed.voting_members().any(|it| it.name == *name && assessed.has_lost_all(it)),
    }
}

/// Whether this one was asked for as the only member.
fn is_alone<A: App>(assessed: &Assessed<'_, A>, member: &MemberName) -> bool {
    matches!(&assessed.record.step, Some(Step::Recover { source, stage: RecoverStage::Alone {}, .. })
        if source == member)
}

fn position<A: App>(assessed: &Assessed<'_, A>, name: &MemberName) -> Option<Position> {
    assessed.snapshot.known_position(name)
}
