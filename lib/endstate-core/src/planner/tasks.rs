//! Requests that take long, and the application's own steps: begun, waited for, cancelled.

use super::proof::Proof;
use super::verdict::{Move, Note, Verdict};
use crate::app::{App, MayStop};
use crate::assess::rules::is_to_leave;
use crate::id::MemberName;
use crate::member::Member;
use crate::record::{AskedTask, Step};
use crate::request::{ActionKey, ActionKind, AppStep, Request, RequestKind};
use crate::view::Task;
use crate::waiting::Waiting;

/// Cancels what the application was asked for, is at work on, and nobody wants any more. What is somebody else's, and
/// whatever else takes long, is waited for.
pub(super) fn cancel<A: App>(proof: &Proof<'_, '_, A>) -> Verdict {
    let asked = |it: &&Task| it.asked().is_some_and(|it| proof.assessed.record.tasks.contains(&it));
    let tasks = proof.assessed.snapshot.view.tasks.iter().filter(asked);
    let Some(task) = tasks.filter(|it| !proof.is_wanted(it)).min_by_key(|it| &it.member) else {
        return Verdict::Pass;
    };
    let (request, member) = (task.request.clone(), task.member.clone());
    let old = proof.assessed.is_refused_for_long(&RequestKind::Cancel, &member);
    match proof.call(Request::Cancel { request, member }) {
        Verdict::Only(wanted) if old => Verdict::Also(wanted),
        verdict => verdict,
    }
}

/// Begins the first of the application's own steps that is due. A quorum that lost a member gets another first, and one
/// that was refused for long holds nothing up.
pub(super) fn begin<A: App>(proof: &Proof<'_, '_, A>) -> Verdict {
    let mut due = proof.assessed.due(proof.cluster).into_iter();
    if proof.is_repairing() {
        let waits = due.filter_map(|it| proof.running(&RequestKind::App(it.name), &it.member));
        return Verdict::say(waits);
    }
    due.next().map_or(Verdict::Pass, |it| begin_step(proof, it))
}

/// Begins a step, unless it lacks something, or was refused for long a moment ago.
pub(super) fn begin_step<A: App>(proof: &Proof<'_, '_, A>, step: AppStep) -> Verdict {
    let kind = RequestKind::App(step.name.clone());
    if proof.assessed.is_refused_for_long(&kind, &step.member) {
        let key = ActionKey { kind: ActionKind::Request(kind), member: step.member.clone() };
        if proof.assessed.snapshot.rests(&key) {
            return Verdict::Pass;
        }
    }
    if let Some(wait) = proof.lacks(&step) {
        return Verdict::say([wait]);
    }
    match proof.call(Request::App(step.clone())) {
        Verdict::Only(wanted) => Verdict::Only(wanted.notes(Note::Step(Some(Step::App { step })))),
        other => other,
    }
}

impl<A: App> Proof<'_, '_, A> {
    /// What the application is at work on is waited for. What it is not, and what lacks something by now, is put off:
    /// it is begun again when it can be, if it is due then.
    pub(super) fn go_on_with(&self, step: &AppStep) -> Verdict {
        let running = self.running(&RequestKind::App(step.name.clone()), &step.member);
        match self.lacks(step).filter(|_| running.is_none()) {
            // It may be at work all the same, which only the record says before the status of the operation does.
            Some(wait) if !self.assessed.is_told_begun(step) => Verdict::wait(wait),
            Some(wait) => Verdict::Also(Move::default().notes(Note::Step(None)).waits(wait)),
            None => self.call(Request::App(step.clone())),
        }
    }

    /// What a step lacks: that the application is at work on nothing else, that its member may stop if it is dangerous,
    /// and its own preconditions.
    fn lacks(&self, step: &AppStep) -> Option<Waiting> {
        let assessed = self.assessed;
        let own = |it: &&crate::Task| {
            it.request == RequestKind::App(step.name.clone()) && it.member == step.member
        };
        let others = assessed.snapshot.view.tasks.iter().filter(|it| !own(it));
        if let Some(other) = others.min_by_key(|it| &it.member) {
            return self.running(&other.request, &other.member);
        }
        let role = self.cluster.member(&step.member).map(|it| &it.role);
        if let Some(wait) = role.and_then(|it| assessed.lacks_role(it)) {
            return Some(wait);
        }
        let may = match step.dangerous {
            true => match self.cluster.member(&step.member) {
                Some(member) => self.may_stop(member),
                None => assessed.app.may_stop(self.cluster, &[&step.member]),
            },
            false => MayStop::Yes,
        };
        let shortage = match may {
            MayStop::NotYet(shortage) => Some(shortage),
            MayStop::Yes => assessed.lacks_precondition(self.cluster, step),
        };
        let (step, member) = (step.name.clone(), step.member.clone());
        shortage.map(|shortage| Waiting::ForStep { step, member, shortage })
    }

    /// Whether what the application is at work on still has its reason.
    fn is_wanted(&self, task: &Task) -> bool {
        let leaves = |it: &Member| is_to_leave(self.cluster, self.target, it);
        match (&task.request, &self.assessed.record.step) {
            (RequestKind::Drain, Some(Step::Leave { name, .. })) if task.member == *name => true,
            (RequestKind::Drain, _) => self.cluster.member(&task.member).is_some_and(leaves),
            // Nothing stops what an operation began.
            (RequestKind::App(name), Some(Step::App { step }))
                if step.operation().is_some()
                    && step.name == *name
                    && step.member == task.member =>
            {
                true
            }
            (RequestKind::App(name), _) => {
                let same = |it: &AppStep| it.name == *name && it.member == task.member;
                self.assessed.due(self.cluster).iter().any(same)
            }
            _ => true,
        }
    }

    /// Whether the application was asked to drain a member, and may be at work on it.
    pub(super) fn is_drain_asked(&self, member: &MemberName) -> bool {
        let asked = AskedTask::of(&RequestKind::Drain, member);
        self.assessed.record.tasks.iter().any(|it| asked.as_ref() == Some(it))
    }

    /// The wait for a request that the application is at work on.
    pub(super) fn running(&self, request: &RequestKind, member: &str) -> Option<Waiting> {
        let same = |it: &&Task| it.request == *request && *it.member == *member;
        let task = self.assessed.snapshot.view.tasks.iter().find(same)?;
        Some(Waiting::ForTask {
            request: task.request.clone(),
            member: task.member.clone(),
            done: task.done,
            of: task.of,
        })
    }
}
