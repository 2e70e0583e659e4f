//! Requests that take long, and the application's own steps: begun, waited for, cancelled.

use super::{
    Proof,
    verdict::{Note, Verdict},
};
use crate::{
    app::App,
    record::Step,
    request::{AppStep, Request, RequestKind},
    waiting::Waiting,
};

/// Cancels what the application is at work on and nobody wants any more. Only moving data and the application's own
/// steps are ever cancelled; whatever else takes long is waited for.
pub(super) fn cancel<A: App>(proof: &Proof<'_, '_, A>) -> Verdict {
    let assessed = proof.assessed;
    let ends = |it: &&crate::Task| matches!(it.request, RequestKind::Drain | RequestKind::App(_));
    let wanted = |it: &&crate::Task| match &assessed.record.step {
        Some(Step::Leave { name, .. }) => it.request == RequestKind::Drain && it.member == *name,
        Some(Step::App { step }) => {
            it.request == RequestKind::App(step.name.clone())
                && it.member == step.member
                && assessed.due(proof.cluster).contains(step)
        }
        _ => false,
    };
    let tasks = assessed.snapshot.view.tasks.iter();
    match tasks.filter(ends).filter(|it| !wanted(it)).min_by_key(|it| &it.member) {
        None => Verdict::Pass,
        Some(task) => {
            let (request, member) = (task.request.clone(), task.member.clone());
            proof.call(Request::Cancel { request, member })
        }
    }
}

/// Begins the first of the application's own steps that is due.
pub(super) fn begin<A: App>(proof: &Proof<'_, '_, A>) -> Verdict {
    let Some(step) = proof.assessed.due(proof.cluster).into_iter().next() else {
        return Verdict::Pass;
    };
    match proof.call(Request::App(step.clone())) {
        Verdict::Only(wanted) => Verdict::Only(wanted.notes(Note::Step(Some(Step::App { step })))),
        other => other,
    }
}

impl<A: App> Proof<'_, '_, A> {
    pub(super) fn go_on_with(&self, step: &AppStep) -> Verdict {
        self.call(Request::App(step.clone()))
    }

    /// The wait for a request that the application is at work on.
    pub(super) fn running(&self, request: &RequestKind, member: &str) -> Option<Waiting> {
        let same = |it: &&crate::Task| it.request == *request && *it.member == *member;
        let task = self.assessed.snapshot.view.tasks.iter().find(same)?;
        Some(Waiting::ForTask {
            request: task.request.clone(),
            member: task.member.clone(),
            done: task.done,
            of: task.of,
        })
    }
}
