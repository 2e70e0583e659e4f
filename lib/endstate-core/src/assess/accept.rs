//! Is the spec acceptable? What was accepted last stays in force while a later edit is not.

use crate::app::App;
use crate::launch::LaunchOf;
use crate::problem::{Change, Problem, Severity};
use crate::record::{Accepted, MemberRecord, Record};
use crate::snapshot::Snapshot;
use crate::topology::Role;

/// What is wrong with the spec; with nothing that is refused, the record accepts it.
pub(super) fn accept<A: App>(
    app: &A,
    snapshot: &Snapshot<A::Spec>,
    record: &mut Record<A::Spec>,
) -> Vec<Problem> {
    let accepted = record.accepted.as_ref().map(|it| &it.spec);
    let spec = app.settle(&snapshot.spec, accepted, &snapshot.platform);
    let mut problems = app.validate(&snapshot.object, &spec);
    problems.extend(app.topology(&spec).problems());
    if let Some(old) = accepted
        && problems.iter().all(|it| it.severity != Severity::Refused)
        && *old != spec
        && let Some(problem) =
            refusal(app, old, &spec).or_else(|| drops_volumes(app, snapshot, old, &spec))
    {
        problems.push(problem);
    }
    let before = record.in_force().cloned();
    let mut is_new = false;
    if problems.iter().all(|it| it.severity != Severity::Refused) {
        is_new = accepted.is_some_and(|it| *it != spec);
        if is_new {
            // What failed may have been corrected.
            record.backoff = None;
        }
        record.accepted = Some(Accepted { generation: snapshot.object.generation, spec });
    }
    if let Some(before) = before {
        note_stage(app, snapshot, record, (before, is_new));
    }
    problems
}

/// Says what members are brought to on the way to the accepted spec, from the one that was in force before. Whoever was
/// told to restart may run either, so the next stage waits until that is over.
fn note_stage<A: App>(
    app: &A,
    snapshot: &Snapshot<A::Spec>,
    record: &mut Record<A::Spec>,
    (before, is_new): (A::Spec, bool),
) {
    let Some(accepted) = record.accepted.as_ref().map(|it| &it.spec) else { return };
    let restarts = !is_new && record.everyone().any(|it| it.restarted.is_some());
    let stage = match &record.cluster_id {
        None => None,
        Some(_) if restarts => record.stage.clone(),
        Some(_) => {
            let pods = snapshot.pods.iter().flatten().filter_map(|it| it.spec.as_ref());
            let running: Vec<_> = std::iter::once(&before).chain(pods).collect();
            Some(app.stage(&running, accepted))
        }
    };
    record.stage = stage.filter(|it| it != accepted);
}

/// Whether members would go on without the volumes that hold their data.
fn drops_volumes<A: App>(
    app: &A,
    snapshot: &Snapshot<A::Spec>,
    old: &A::Spec,
    new: &A::Spec,
) -> Option<Problem> {
    let object = &snapshot.object;
    let has_volume = |member: &MemberRecord, spec| {
        app.launch(&LaunchOf::new(object, spec, member)).volume().is_some()
    };
    let topology = app.topology(new);
    let members = snapshot.status.record.everyone();
    let mut stay = members.filter(|it| topology.role(&it.role).is_some());
    let holds = |it: &MemberRecord| {
        snapshot.claim(&it.name).is_some() || it.pod.is_none() && has_volume(it, old)
    };
    let dropped = stay.find(|it| holds(it) && !has_volume(it, new))?;
    let why = format!("{} has its data on a volume, and would go on without it", dropped.name);
    Some(Problem::refused("spec", why))
}

/// Why the cluster, or the members of some role, cannot be brought from one spec to another.
fn refusal<A: App>(app: &A, old: &A::Spec, new: &A::Spec) -> Option<Problem> {
    let roles = app.topology(old).roles;
    let of_role = |role: &Role| match app.change(&role.name, old, new) {
        Change::Refuse(problem) => Some(problem),
        _ => None,
    };
    app.refuses(old, new).or_else(|| roles.iter().find_map(of_role))
}
