//! Bugs about an application that asks for users.

use endstate_core::{Action, LeaveReason, Pod, PodRef, Reach, Request, plan};
use etcd_plan::auth::{DISABLE_AUTH, ENABLE_AUTH};
use etcd_plan::{Etcd, EtcdClusterSpec};

use super::{Do, See};
use crate::Planner;

type EtcdPod = Pod<EtcdClusterSpec>;

fn refuses(snapshot: &See, pod: &EtcdPod) -> bool {
    matches!(snapshot.view.reach(&pod.name), Reach::Refused(_))
}

/// Who answers that it may not answer is taken for gone.
pub fn buries_who_refuses() -> Planner {
    Planner::with_bug(bury_who_refuses)
}

fn bury_who_refuses(app: &Etcd, snapshot: &See) -> Do {
    let mut seen = snapshot.clone();
    for target in &mut seen.view.targets {
        let refused = matches!(target.reach, Reach::Refused(_));
        target.reach = if refused { Reach::Unreachable } else { target.reach };
    }
    let stays = |it: &EtcdPod| !refuses(snapshot, it);
    seen.pods.iter_mut().for_each(|it| it.retain(stays));
    plan(app, &seen)
}

/// Who answers that it may not answer is started anew.
pub fn restarts_who_refuses() -> Planner {
    Planner::with_bug(restart_who_refuses)
}

fn restart_who_refuses(app: &Etcd, snapshot: &See) -> Do {
    let mut plan = plan(app, snapshot);
    let mut pods = snapshot.pods.iter().flatten().filter(|it| !it.deleting);
    if let Some(pod) = pods.find(|it| refuses(snapshot, it)) {
        let (pod, reason) = (PodRef::from(pod), LeaveReason::Recreated);
        plan.actions = vec![Action::DeletePod { pod, reason }];
    }
    plan
}

/// What the spec says of users is not heard.
pub fn hears_no_choice() -> Planner {
    Planner::with_bug(hear_no_choice)
}

fn hear_no_choice(app: &Etcd, snapshot: &See) -> Do {
    let mut plan = plan(app, snapshot);
    let is_choice = |it: &Action| match it.request() {
        Some(Request::App(step)) => [ENABLE_AUTH, DISABLE_AUTH].contains(&&*step.name),
        _ => false,
    };
    if plan.actions.iter().any(is_choice) {
        plan.actions.clear();
        plan.status.record.step = None;
    }
    plan
}
