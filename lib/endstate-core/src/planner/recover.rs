//! How a cluster goes on after so many members lost their data that no quorum can come back: with what one member has,
//! by a person's consent, and never by itself.
//!
//! The source must have all that any other has, or had when it was last seen. Its pod is made again on its volume as
//! the only member; the others join it as new ones.

use super::{
    verdict::{Move, Note, Verdict},
    without_quorum::lost,
};
use crate::{
    app::App,
    assess::Assessed,
    id::MemberName,
    launch::Start,
    plan::Action,
    pod::PodRef,
    position::Position,
    record::{LeaveReason, MemberRecord, Step},
    waiting::{SourceLack, Waiting},
};

/// Begins a recovery that a person consented to.
pub(super) fn begin<A: App>(assessed: &Assessed<'_, A>) -> Verdict {
    let Some(source) = &assessed.snapshot.recover_from else { return Verdict::Pass };
    // Beside a quorum nobody asks: the annotation stays for a while after the recovery.
    let needed = lost(assessed).is_some();
    let lack = if needed { lack(assessed, source) } else { Some(SourceLack::NotNeeded) };
    if let Some(lack) = lack {
        return Verdict::say([Waiting::ForSource { member: source.clone(), lack }]);
    }
    let pod = assessed.snapshot.pod(source).map(PodRef::from);
    let uid = pod.as_ref().map(|it| it.uid.clone());
    let step = Step::Recover { source: source.clone(), pod: uid };
    let wanted = Move::default().notes(Note::Step(Some(step)));
    let reason = LeaveReason::Recovered;
    Verdict::Only(match pod {
        Some(pod) => wanted.acts(Action::DeletePod { pod, reason }),
        None => wanted,
    })
}

/// Goes on with the recovery under way: the old pod goes, another is made, and it serves alone.
pub(super) fn go_on<A: App>(assessed: &Assessed<'_, A>) -> Verdict {
    let Some(Step::Recover { source, pod: before }) = &assessed.record.step else {
        return Verdict::Pass;
    };
    let Some(member) = assessed.record.find(source) else { return Verdict::Pass };
    match assessed.snapshot.pod(source) {
        Some(pod) if before.as_ref() == Some(&pod.uid) && !pod.deleting => {
            let (pod, reason) = (PodRef::from(pod), LeaveReason::Recovered);
            Verdict::act(Action::DeletePod { pod, reason })
        }
        Some(_) => Verdict::Only(Move::default()),
        None => Verdict::Only(start_alone(assessed, member)),
    }
}

fn start_alone<A: App>(assessed: &Assessed<'_, A>, member: &MemberRecord) -> Move {
    let token = format!("{}-{}", assessed.snapshot.object.uid, assessed.record.names);
    let members = vec![assessed.peer(member).voting(true)];
    let start = Start::Recover { token, members };
    let launch = assessed.launch(member, Some(&start));
    let create = Action::CreatePod { member: member.name.clone(), start, launch };
    Move::default().notes(Note::Asked(vec![member.name.clone()])).acts(create)
}

/// The members that a recovery could begin from.
pub(super) fn sources<A: App>(assessed: &Assessed<'_, A>) -> Vec<MemberName> {
    let members = assessed.voting_members().map(|it| &it.name);
    members.filter(|it| lack(assessed, it).is_none()).cloned().collect()
}

/// Why a member cannot be the source.
fn lack<A: App>(assessed: &Assessed<'_, A>, source: &MemberName) -> Option<SourceLack> {
    let Some(member) = assessed.voting_members().find(|it| it.name == *source) else {
        return Some(SourceLack::Unknown);
    };
    if assessed.health(member).is_lost() {
        return Some(SourceLack::DataLost);
    }
    if assessed.snapshot.claim(source).is_none() {
        return Some(SourceLack::NoVolume);
    }
    let own = position(assessed, source).unwrap_or_default();
    let others = assessed.voting_members().filter(|it| it.name != *source);
    let mut ahead = others.filter(|it| {
        position(assessed, &it.name).is_some_and(|position| !own.dominates(&position))
    });
    ahead.next().map(|it| SourceLack::Behind { other: it.name.clone() })
}

/// How far a member is by its own answer, or was when the status was last written.
fn position<A: App>(assessed: &Assessed<'_, A>, name: &MemberName) -> Option<Position> {
    let answered = assessed.snapshot.view.answer(name).and_then(|it| it.position.clone());
    let rows = &assessed.snapshot.status.members;
    answered.or_else(|| rows.iter().find(|it| it.name == *name)?.position.clone())
}
