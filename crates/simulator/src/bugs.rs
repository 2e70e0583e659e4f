//! Planners with a bug that other operators had, to show that the checker, and the linter, catch it.
//!
//! Each takes the shipped plan and spoils it in one place, as a careless change would.

use endstate_core::{
    Action, App, Call, LaunchOf, LeaveReason, Peer, Plan, Snapshot, Start, Step, plan,
};
use etcd_plan::{Etcd, EtcdClusterSpec};

use crate::plans::Planner;

type See = Snapshot<EtcdClusterSpec>;
type Do = Plan<EtcdClusterSpec>;

/// E2: a member whose pod is gone gets it back as it was first made, `--initial-cluster-state=new`
/// included.
pub fn starts_new_again() -> Planner {
    Planner { plan: start_new_again, linted: false }
}

fn start_new_again(snapshot: &See) -> Do {
    let mut plan = plan(&Etcd, snapshot);
    let Some(pods) = &snapshot.pods else { return plan };
    let record = &snapshot.status.record;
    let gone = record.members.iter().find(|it| !pods.iter().any(|pod| pod.name == it.name));
    if let (Some(member), Some(_)) = (gone, record.cluster_id) {
        let peer = |name: &endstate_core::MemberName| Peer {
            name: name.clone(),
            address: Etcd.address(&snapshot.object, name),
        };
        let members = record.members.iter().map(|it| peer(&it.name)).collect();
        let start = Start::New { token: snapshot.object.uid.to_string(), members };
        plan.status.record = record.clone();
        plan.status.record.epoch += 1;
        plan.actions = vec![create(snapshot, &member.name, start)];
    }
    plan
}

fn create(snapshot: &See, member: &endstate_core::MemberName, start: Start) -> Action {
    let of =
        LaunchOf { object: &snapshot.object, spec: &snapshot.spec, member, start: Some(&start) };
    let launch = Box::new(Etcd.launch(&of));
    Action::CreatePod { member: member.clone(), start, launch }
}

/// E3: a learner that is listed is always promoted next; its pod is made together with the call that
/// adds it, and never again.
pub fn promotes_first() -> Planner {
    Planner { plan: promote_first, linted: false }
}

fn promote_first(snapshot: &See) -> Do {
    let mut plan = plan(&Etcd, snapshot);
    let Some(list) = &snapshot.view.membership else { return plan };
    let peer = |it: &endstate_core::MemberName| Peer {
        name: it.clone(),
        address: Etcd.address(&snapshot.object, it),
    };
    match plan.actions.as_slice() {
        [Action::AddLearner { member, .. }] => {
            let names = list.members.iter().map(|it| &it.name).chain([member]);
            let start = Start::Existing { members: names.map(peer).collect() };
            let action = create(snapshot, member, start);
            plan.actions.push(action);
        }
        [Action::CreatePod { member, start: Start::Existing { .. }, .. }] => {
            let Some(entry) = list.entry(member) else { return plan };
            let call = Call { via: list.members[0].name.clone(), membership: list.fingerprint() };
            plan.actions = vec![Action::Promote { member: member.clone(), id: entry.id, call }];
        }
        _ => {}
    }
    plan
}

/// A quorum race: a member is taken off because there are too many, whoever works.
pub fn removes_blindly() -> Planner {
    Planner { plan: remove_blindly, linted: false }
}

fn remove_blindly(snapshot: &See) -> Do {
    let mut plan = plan(&Etcd, snapshot);
    let Some(list) = &snapshot.view.membership else { return plan };
    let wanted = usize::try_from(snapshot.spec.size).unwrap_or(0);
    let leads = |name: &str| {
        let status = snapshot.view.target(name).and_then(|it| it.status.as_ref());
        status.is_some_and(|it| it.leader == Some(it.id))
    };
    let last = list.voters().filter(|it| !leads(&it.name)).max_by(|a, b| a.name.cmp(&b.name));
    if let (Some(last), true) = (last, list.voters().count() > wanted) {
        let reason = LeaveReason::ScaleDown;
        let (name, id) = (last.name.clone(), Some(last.id));
        plan.status.record = snapshot.status.record.clone();
        plan.status.record.epoch += 1;
        plan.status.record.step = Some(Step::Leave { name, id, pod: None, reason });
        let call = Call { via: last.name.clone(), membership: list.fingerprint() };
        plan.actions =
            vec![Action::RemoveMember { member: last.name.clone(), id: last.id, reason, call }];
    }
    plan
}

impl Planner {
    /// The same planner, with the linter that ships.
    pub fn linted(self) -> Self {
        Self { linted: true, ..self }
    }
}
