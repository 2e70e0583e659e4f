//! Bugs about what is carried out once, because an object asks for it.

use endstate_core::{Action, MemberName, MemberStatus, Request, Step, plan};
use etcd_plan::{DEFRAGMENT, Etcd};

use super::recoveries::compare_nothing;
use super::{Do, See};
use crate::Planner;

/// Section 3, #19557 and what is around it: whoever is next is defragmented, however far it is behind.
pub fn defragments_who_lags() -> Planner {
    Planner::with_bug(compare_nothing)
}

/// Section 3: who leads is defragmented before the others.
pub fn defragments_the_leader_first() -> Planner {
    Planner::with_bug(defragment_the_leader_first)
}

fn defragment_the_leader_first(app: &Etcd, snapshot: &See) -> Do {
    let mut plan = plan(app, snapshot);
    let Some(leader) = leader(snapshot) else { return plan };
    let done = |it: &MemberName| snapshot.beside.iter().any(|task| task.progress.is_done(it));
    for action in plan.actions.iter_mut().filter(|_| !done(&leader)) {
        if let Action::Call(call) = action
            && let Request::App(step) = &mut call.request
            && step.name == DEFRAGMENT
        {
            (step.member, call.via) = (leader.clone(), leader.clone());
            plan.status.record.step = Some(Step::App { step: step.clone() });
        }
    }
    plan
}

fn leader(snapshot: &See) -> Option<MemberName> {
    let leads = |it: &MemberStatus| it.leader.as_ref() == Some(&it.id);
    let mut targets = snapshot.view.targets.iter();
    let found = targets.find(|it| it.status.as_ref().is_some_and(leads));
    found.map(|it| it.name.clone())
}

/// Section 3: an operator that comes back knows of no member that it may be at work on a defragmentation.
pub fn forgets_who_is_at_work() -> Planner {
    Planner::with_bug(forget_who_is_at_work)
}

fn forget_who_is_at_work(app: &Etcd, snapshot: &See) -> Do {
    let mut seen = snapshot.clone();
    let record = &mut seen.status.record;
    record.step = record.step.take().filter(|it| !matches!(it, Step::App { .. }));
    for task in &mut seen.beside {
        task.progress.members.retain(|it| it.completion_time.is_some());
    }
    plan(app, &seen)
}
