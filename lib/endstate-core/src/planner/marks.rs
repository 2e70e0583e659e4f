//! What pods carry of what is known of their members.
//!
//! A mark says what is so; whoever writes it writes the same. That a member was started is written before anything
//! depends on it: before the cluster is recorded, and before the member gets a vote.

use super::verdict::{Move, Verdict};
use crate::app::App;
use crate::assess::Assessed;
use crate::plan::Action;
use crate::pod::{Marks, Pod, PodRef};

/// Brings the marks of all pods up to date.
pub(super) fn mark<A: App>(assessed: &Assessed<'_, A>) -> Verdict {
    let pods = assessed.snapshot.pods.as_deref().unwrap_or_default();
    let mut actions: Vec<_> = pods.iter().filter_map(|it| mark_pod(assessed, it)).collect();
    actions.sort_by(|a, b| a.member().cmp(b.member()));
    if actions.is_empty() {
        Verdict::Pass
    } else {
        Verdict::Also(Move { actions, ..Move::default() })
    }
}

/// Whether a pod is marked in this very plan. What is conditioned on the pod comes after that.
pub(super) fn is_marked_now<A: App>(assessed: &Assessed<'_, A>, pod: &Pod<A::Spec>) -> bool {
    mark_pod(assessed, pod).is_some()
}

fn mark_pod<A: App>(assessed: &Assessed<'_, A>, pod: &Pod<A::Spec>) -> Option<Action> {
    let marks = marks(assessed, pod);
    (marks != pod.marks).then(|| Action::MarkPod { pod: PodRef::from(pod), marks })
}

/// Whether a member votes, if there is proof. A pod is not made with that mark: one of an attempt that was given up may
/// come late, and form a cluster of its own that no client must find.
fn votes<A: App>(assessed: &Assessed<'_, A>, name: &str) -> Option<bool> {
    let proven = assessed.cluster.as_ref().and_then(|it| it.member(name)).map(|it| it.votes);
    let first = assessed.record.bootstrap.as_ref();
    let formed = || first.and_then(|it| assessed.formed(it))?.entry(name).map(|it| it.votes);
    proven.or_else(formed)
}

/// Only a process that runs on its data answers, so an answer is the proof that it was started. That stays for the life
/// of the pod, whoever answers later.
fn marks<A: App>(assessed: &Assessed<'_, A>, pod: &Pod<A::Spec>) -> Marks {
    let answered = assessed.snapshot.view.answer(&pod.name).map(|it| it.id.clone());
    Marks {
        started: pod.marks.started.clone().or(answered),
        votes: votes(assessed, &pod.name).unwrap_or(pod.marks.votes),
        owned: true,
    }
}
