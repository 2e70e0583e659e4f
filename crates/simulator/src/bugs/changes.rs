//! Bugs about changes of members.

use endstate_core::{
    Action, Corruption, Entry, LeaveReason, Peer, PodRef, Request, Start, Step, plan,
};
use etcd_plan::Etcd;

use super::{Do, See, call, undecided};
use crate::Planner;

/// E4: who joins is told of the members that there were at first.
pub fn freezes_the_list() -> Planner {
    Planner::with_bug(freeze_the_list)
}

fn freeze_the_list(app: &Etcd, snapshot: &See) -> Do {
    let mut plan = plan(app, snapshot);
    let first = snapshot.status.record.members.first().map(|it| it.name.clone());
    for action in &mut plan.actions {
        if let Action::CreatePod { member, start: Start::Existing { members }, .. } = action {
            members.retain(|it: &Peer| it.name == *member || Some(&it.name) == first.as_ref());
        }
    }
    plan
}

/// E8: that nobody says who is a member is taken for the end of a removal.
pub fn takes_silence_for_success() -> Planner {
    Planner::with_bug(take_silence_for_success)
}

fn take_silence_for_success(app: &Etcd, snapshot: &See) -> Do {
    let mut plan = plan(app, snapshot);
    let Some(Step::Leave { name, reason, .. }) = &snapshot.status.record.step else { return plan };
    let mut pods = snapshot.pods.iter().flatten().filter(|it| !it.deleting);
    let pod = pods.find(|it| it.name == *name);
    if let Some(pod) = pod.filter(|_| snapshot.view.membership.is_none()) {
        let (pod, reason): (_, LeaveReason) = (PodRef::from(pod), *reason);
        undecided(snapshot, &mut plan);
        plan.actions = vec![Action::DeletePod { pod, reason }];
    }
    plan
}

/// Section 3 (before 3.5.7): a learner gets its vote before its process was started.
pub fn promotes_at_once() -> Planner {
    Planner::with_bug(promote_at_once)
}

fn promote_at_once(app: &Etcd, snapshot: &See) -> Do {
    let mut plan = plan(app, snapshot);
    let Some(list) = &snapshot.view.membership else { return plan };
    let joins = |it: &&Entry| match &snapshot.status.record.step {
        Some(Step::Join { member }) => member.name == it.name,
        _ => false,
    };
    if let Some(entry) = list.non_voters().find(joins) {
        let (member, id) = (entry.name.clone(), entry.id.clone());
        let (via, address) = (list.members[0].name.clone(), String::new());
        undecided(snapshot, &mut plan);
        plan.actions = vec![call(snapshot, via, Request::Promote { member, id, address })];
    }
    plan
}

/// Section 3: an alarm about corrupt data is taken for one about another member.
pub fn blames_another() -> Planner {
    Planner::with_bug(blame_another)
}

fn blame_another(app: &Etcd, snapshot: &See) -> Do {
    let mut seen = snapshot.clone();
    let Some(list) = &snapshot.view.membership else { return plan(app, snapshot) };
    let statuses = seen.view.targets.iter_mut().filter_map(|it| it.status.as_mut());
    for alarm in statuses.flat_map(|it| &mut it.corruption) {
        if let Corruption::Of(accused) = alarm
            && let Some(other) = list.voters().map(|it| &it.id).find(|it| *it != accused)
        {
            *accused = other.clone();
        }
    }
    plan(app, &seen)
}
