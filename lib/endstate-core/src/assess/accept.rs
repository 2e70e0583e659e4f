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
    let mut problems = app.validate(&snapshot.object, &snapshot.spec);
    problems.extend(app.topology(&snapshot.spec).problems());
    if let Some(accepted) = &record.accepted
        && problems.iter().all(|it| it.severity != Severity::Refused)
        && accepted.spec != snapshot.spec
        && let Some(problem) = refusal(app, &accepted.spec, &snapshot.spec)
            .or_else(|| drops_volumes(app, snapshot, &accepted.spec))
    {
        problems.push(problem);
    }
    if problems.iter().all(|it| it.severity != Severity::Refused) {
        let (generation, spec) = (snapshot.object.generation, snapshot.spec.clone());
        if record.accepted.as_ref().is_some_and(|it| it.spec != spec) {
            // What failed may have been corrected.
            record.backoff = None;
        }
        record.accepted = Some(Accepted { generation, spec });
    }
    problems
}

/// Whether members would go on without the volumes that hold their data.
fn drops_volumes<A: App>(app: &A, snapshot: &Snapshot<A::Spec>, old: &A::Spec) -> Option<Problem> {
    let object = &snapshot.object;
    let has_volume = |member: &MemberRecord, spec| {
        app.launch(&LaunchOf::new(object, spec, member)).volume().is_some()
    };
    let new = app.topology(&snapshot.spec);
    let members = snapshot.status.record.everyone();
    let mut stay = members.filter(|it| new.role(&it.role).is_some());
    let holds = |it: &MemberRecord| {
        snapshot.claim(&it.name).is_some() || it.pod.is_none() && has_volume(it, old)
    };
    let dropped = stay.find(|it| holds(it) && !has_volume(it, &snapshot.spec))?;
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
