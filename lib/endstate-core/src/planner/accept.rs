//! Is the spec acceptable? What was accepted last stays in force while a later edit is not.

use super::Draft;
use crate::{
    app::{App, Change, Severity},
    plan::Waiting,
    record::Accepted,
};

impl<A: App> Draft<'_, A> {
    pub(super) fn accept(&mut self) {
        let snapshot = self.snapshot;
        self.problems = self.app.validate(&snapshot.object, &snapshot.spec);
        if let Some(accepted) = &self.record.accepted
            && accepted.spec != snapshot.spec
            && let Change::Refuse(problem) = self.app.change(&accepted.spec, &snapshot.spec)
        {
            self.problems.push(problem);
        }
        let refused = self.problems.iter().find(|it| it.severity == Severity::Refused);
        match refused {
            Some(problem) => {
                let problem = problem.to_string();
                self.wait(Waiting::ForSpec { problem });
            }
            None => {
                let (generation, spec) = (snapshot.object.generation, snapshot.spec.clone());
                self.record.accepted = Some(Accepted { generation, spec });
            }
        }
        self.target = self.record.accepted.as_ref().map(|it| self.app.topology(&it.spec));
    }
}
