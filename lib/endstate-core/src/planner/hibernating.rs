//! A cluster of size 0: no member runs, and each keeps its data on its volume until the size is another.

use super::verdict::{Move, Verdict};
use crate::app::App;
use crate::assess::Assessed;
use crate::id::MemberName;
use crate::plan::Action;
use crate::pod::{Pod, PodRef};
use crate::reason::LeaveReason;
use crate::waiting::Waiting;

/// Takes the next pod away, who leads last. A member whose data would go with its pod goes on.
pub(super) fn hibernate<A: App>(assessed: &Assessed<'_, A>) -> Verdict {
    let snapshot = assessed.snapshot;
    let lacks_volume = |it: &Pod<A::Spec>| {
        !snapshot.is_durable(&it.name) && assessed.record.find(&it.name).is_some()
    };
    let pods = snapshot.pods.iter().flatten().filter(|it| !it.deleting);
    let (stay, mut go): (Vec<_>, Vec<_>) = pods.partition(|it| lacks_volume(it));
    let waits = stay.into_iter().map(|it| Waiting::ForVolume { member: it.name.clone() });
    go.sort_by_key(|it| (leads(assessed, &it.name), &it.name));
    let next = go.first().map(|pod| {
        let (pod, reason) = (PodRef::from(*pod), LeaveReason::Hibernates);
        Verdict::Also(Move::default().acts(Action::DeletePod { pod, reason }))
    });
    next.unwrap_or(Verdict::Pass).beside(waits.collect())
}

fn leads<A: App>(assessed: &Assessed<'_, A>, name: &MemberName) -> bool {
    let member = assessed.cluster.as_ref().and_then(|it| it.member(name));
    member.is_some_and(|it| it.leads)
}
