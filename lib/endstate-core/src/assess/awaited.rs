//! The claims that a pod waits for before it runs.

use crate::app::App;
use crate::launch::LaunchOf;
use crate::member::Health;
use crate::plan::MemberVolume;
use crate::pod::{Pod, PodPhase};
use crate::reason::Cause;
use crate::record::MemberRecord;
use crate::snapshot::Snapshot;

/// The volumes that the pod of a member waits for, before it runs: those of what it was made from.
pub(crate) fn awaited_volumes<A: App>(
    app: &A,
    snapshot: &Snapshot<A::Spec>,
    member: &MemberRecord,
) -> Vec<MemberVolume> {
    let waits = |it: &&Pod<A::Spec>| !it.started && !it.deleting && it.phase == PodPhase::Pending;
    let pod = snapshot.pod(&member.name).filter(waits);
    let Some(spec) = pod.and_then(|it| it.spec.as_ref()) else { return vec![] };
    let volumes = snapshot.volumes_of(&member.name);
    let of = LaunchOf::new(&snapshot.object, spec, member).has(volumes);
    MemberVolume::all_of(member, &app.launch(&of))
}

/// A member whose pod is to go on with data, and waits for a node while one of its claims is gone, has lost that data,
/// and no node ever takes the pod. One that may start without data gets the claim instead.
pub(crate) fn lost_with_claim<A: App>(
    app: &A,
    snapshot: &Snapshot<A::Spec>,
    member: &MemberRecord,
    health: Health,
) -> Health {
    let resumes = snapshot.pod(&member.name).is_some_and(|it| it.resumes);
    if !resumes || !health.is_stopped() || snapshot.is_durable(&member.name) {
        return health;
    }
    let gone = |it: &MemberVolume| snapshot.claims.iter().all(|claim| claim.name != it.claim());
    match awaited_volumes(app, snapshot, member).iter().any(gone) {
        true => Health::Dead(Cause::VolumeGone),
        false => health,
    }
}
