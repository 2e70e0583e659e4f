//! Is the spec acceptable? What was accepted last stays in force while a later edit is not.

use crate::{
    app::App,
    problem::{Change, Problem, Severity},
    record::{Accepted, Record},
    snapshot::Snapshot,
};

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

/// Why the members of some role cannot be brought from one spec to another.
fn refusal<A: App>(app: &A, old: &A::Spec, new: &A::Spec) -> Option<Problem> {
    let roles = app.topology(old).roles;
    roles.iter().find_map(|role| match app.change(&role.name, old, new) {
        Change::Refuse(problem) => Some(problem),
        _ => None,
    })
}
