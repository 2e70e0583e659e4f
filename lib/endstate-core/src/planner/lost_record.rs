//! Somebody deleted the status. What pods and claims hold is not known, so nothing new is begun.
//!
//! Members that run say who they are, and the record is made again of that. Where none runs, a person may have the
//! members started whose volumes are there: each on its own data and never without, so that they say it.

use super::verdict::{Move, Note, Verdict};
use crate::app::App;
use crate::assess::Assessed;
use crate::assess::rebuild::{is_lost, testimony};
use crate::claim::Claim;
use crate::consent::Choice;
use crate::launch::Start;
use crate::plan::Action;
use crate::pod::{PodPhase, PodRef};
use crate::reason::LeaveReason;
use crate::record::MemberRecord;
use crate::topology::Topology;
use crate::waiting::{RecordLack, Waiting};

pub(super) fn keep_unknown_data<A: App>(assessed: &Assessed<'_, A>) -> Verdict {
    let snapshot = assessed.snapshot;
    let lack = is_lost(snapshot).then(|| testimony(assessed.app, snapshot).err());
    let Some(lack) = lack.flatten() else { return Verdict::Pass };
    let pods = snapshot.pods.as_ref().map_or(0, Vec::len);
    let claims = snapshot.claims.len();
    let asleep = || snapshot.claims.iter().any(|it| needs_pod(assessed, it));
    let (wanted, lack) = match lack {
        RecordLack::NoQuorum if asleep() => match is_given(assessed) {
            true => (resume(assessed), RecordLack::NoQuorum),
            false => (Move::default(), RecordLack::Pods),
        },
        lack => (Move::default(), lack),
    };
    Verdict::Only(wanted.waits(Waiting::ForRecord { pods, claims, lack }))
}

/// Whether a person has said so, and it was not over since.
fn is_given<A: App>(assessed: &Assessed<'_, A>) -> bool {
    let consent = &assessed.snapshot.consent;
    matches!(consent, Some(Choice::Resume | Choice::Adopt(_)))
        && assessed.record.consent != *consent
}

/// Whether the member of a claim has all its data, does not run and was not asked for: it has no pod, or one that has
/// ended.
fn needs_pod<A: App>(assessed: &Assessed<'_, A>, claim: &Claim) -> bool {
    let asked = assessed.record.find(&claim.member).is_some_and(|it| it.asked.is_some());
    let ended = assessed.snapshot.pod(&claim.member).is_none_or(|it| {
        !it.deleting && matches!(it.phase, PodPhase::Failed | PodPhase::Succeeded)
    });
    assessed.snapshot.is_durable(&claim.member) && !asked && ended
}

/// A pod that has ended makes room; then all pods that are missing are made at once.
fn resume<A: App>(assessed: &Assessed<'_, A>) -> Move {
    let mut claims: Vec<_> = assessed.snapshot.claims.iter().collect();
    claims.sort_by(|a, b| (&a.member, &a.name).cmp(&(&b.member, &b.name)));
    claims.dedup_by(|a, b| a.member == b.member);
    let found = |it: &&Claim| found(assessed, it);
    let members = claims.iter().map(found).map(|it| assessed.peer(&it).voting(it.votes)).collect();
    claims.retain(|it| needs_pod(assessed, it));
    if let Some(pod) = claims.iter().find_map(|it| assessed.snapshot.pod(&it.member)) {
        let (pod, reason) = (PodRef::from(pod), LeaveReason::Recreated);
        return Move::default().acts(Action::DeletePod { pod, reason });
    }
    let found: Vec<_> = claims.iter().map(found).collect();
    let names = found.iter().map(|it| it.name.clone()).collect();
    let start = Start::Resume { members };
    let wanted = Move::default().notes(Note::Found(found.clone())).notes(Note::Asked(names));
    found.iter().fold(wanted, |wanted, member| {
        let (start, launch) = (start.clone(), assessed.launch(member, Some(&start)));
        wanted.acts(Action::CreatePod { member: member.name.clone(), start, launch })
    })
}

/// What a claim says of its member. Where it does not say the role, it is that of those who vote.
fn found<A: App>(assessed: &Assessed<'_, A>, claim: &Claim) -> MemberRecord {
    let target = assessed.target.as_ref();
    let role = claim.role.as_ref().and_then(|it| target?.role(it));
    let role = role.or_else(|| target.and_then(Topology::voting));
    let votes = role.is_none_or(|it| it.votes);
    let role = role.map(|it| it.name.clone()).unwrap_or_default();
    MemberRecord { votes, ..MemberRecord::new(claim.member.clone(), role) }
}
