//! Bugs about pods that are to leave their nodes.

use endstate_core::{
    Action, Heartbeat, LeaveReason, Place, Pod, PodRef, Request, Room, Words, plan,
};
use etcd_plan::{Etcd, EtcdClusterSpec};

use super::{Do, See, requested, undecided};
use crate::Planner;

/// A pod whose node is cordoned is deleted, so that another comes elsewhere.
pub fn evicts() -> Planner {
    Planner::with_bug(evict)
}

fn evict(app: &Etcd, snapshot: &See) -> Do {
    let emptied = |it: &&Place| it.room == Room::Emptied;
    let nodes: Vec<_> = snapshot.places.iter().filter(emptied).map(|it| &it.node).collect();
    delete_before_join((app, snapshot), |it| it.node.as_ref().is_some_and(|it| nodes.contains(&it)))
}

/// Who is to go is deleted where another would join before.
fn delete_before_join(
    (app, snapshot): (&Etcd, &See),
    is_to_go: impl FnMut(&&Pod<EtcdClusterSpec>) -> bool,
) -> Do {
    let mut plan = plan(app, snapshot);
    let pod = snapshot.pods.iter().flatten().find(is_to_go);
    if let (Some(pod), Some(Request::Join { .. })) = (pod, requested(&plan)) {
        undecided(snapshot, &mut plan);
        let (pod, reason) = (PodRef::from(pod), LeaveReason::Vacated);
        plan.actions = vec![Action::DeletePod { pod, reason }];
    }
    plan
}

/// A pod whose eviction somebody asks for is deleted, so that another comes.
pub fn evicts_when_asked() -> Planner {
    Planner::with_bug(evict_when_asked)
}

fn evict_when_asked(app: &Etcd, snapshot: &See) -> Do {
    delete_before_join((app, snapshot), |it| it.eviction.is_some() && !it.deleting)
}

/// Nobody hears that somebody wants a pod to go.
pub fn hears_no_request() -> Planner {
    Planner::with_bug(hear_no_request)
}

fn hear_no_request(app: &Etcd, snapshot: &See) -> Do {
    let mut seen = snapshot.clone();
    seen.pods.iter_mut().flatten().for_each(|it| it.eviction = None);
    plan(app, &seen)
}

/// Whoever asks is told that the operator is at work on it, whether it can be or not.
pub fn answers_in_vain() -> Planner {
    Planner::with_bug(answer_in_vain)
}

fn answer_in_vain(app: &Etcd, snapshot: &See) -> Do {
    let mut plan = plan(app, snapshot);
    let asked = snapshot.pods.iter().flatten().filter_map(|it| it.eviction.as_ref());
    let due = asked.filter(|it| it.heartbeat.is_none());
    let message = Words::of("it is moved soon");
    plan.heartbeats =
        due.map(|it| Heartbeat { eviction: it.name.clone(), message: message.clone() }).collect();
    plan
}
