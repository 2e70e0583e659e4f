//! Planners that are careless with what the application places.

use endstate_core::{Action, LeaveReason, Plan, Request, Snapshot, plan};

use super::app::{Shards, Sizes};

type See = Snapshot<Sizes>;
type Do = Plan<Sizes>;

/// Who is to leave leaves at once, whatever it holds.
pub(crate) fn leave_without_a_drain(app: &Shards, snapshot: &See) -> Do {
    let mut plan = plan(app, snapshot);
    for action in &mut plan.actions {
        if let Action::Call(call) = action
            && let Request::Drain { member, id } = call.request.clone()
        {
            call.request = Request::Leave { member, id, reason: LeaveReason::ScaleDown };
        }
    }
    plan
}

/// It is not remembered who asked for a drain, so that each is somebody else's.
pub(crate) fn cancel_nothing(app: &Shards, snapshot: &See) -> Do {
    let mut seen = snapshot.clone();
    seen.status.record.tasks.clear();
    let mut plan = plan(app, &seen);
    plan.status.record.tasks.clear();
    plan
}

/// A dangerous step is asked for, whoever else is down.
pub(crate) fn ask_nobody(app: &Shards, snapshot: &See) -> Do {
    plan(&Shards { heedless: true, ..*app }, snapshot)
}
