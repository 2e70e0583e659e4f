//! Is the spec acceptable? What was accepted last stays in force while a later edit is not.

use super::Draft;
use crate::{
    app::{App, Change, Severity},
    record::Accepted,
    waiting::Waiting,
};

impl<A: App> Draft<'_, A> {
    pub(super) fn accept(&mut self) {
        let snapshot = self.snapshot;
        self.problems = self.app.validate(&snapshot.object, &snapshot.spec);
        let valid = !self.problems.iter().any(|it| it.severity == Severity::Refused);
        if let Some(accepted) = &self.record.accepted
            && valid
            && accepted.spec != snapshot.spec
            && let Change::Refuse(problem) = self.app.change(&accepted.spec, &snapshot.spec)
        {
            self.problems.push(problem);
        }
        let refused: Vec<_> =
            self.problems.iter().filter(|it| it.severity == Severity::Refused).collect();
        if refused.is_empty() {
            let (generation, spec) = (snapshot.object.generation, snapshot.spec.clone());
            if self.record.accepted.as_ref().is_some_and(|it| it.spec != spec) {
                // What failed may have been corrected.
                self.record.setback = None;
            }
            self.record.accepted = Some(Accepted { generation, spec });
        } else {
            let told: Vec<_> = refused.into_iter().map(ToString::to_string).collect();
            self.wait(Waiting::ForSpec { problem: told.join("; ") });
        }
        self.target = self.record.accepted.as_ref().map(|it| self.app.topology(&it.spec));
    }
}
