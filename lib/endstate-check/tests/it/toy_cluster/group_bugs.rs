//! Groups as a careless operator would treat them.

use endstate_core::{
    Action, App, Call, LeaveReason, MemberRecord, Plan, Request, Snapshot, Step, Waiting, plan,
};

type See<A> = Snapshot<<A as App>::Spec>;
type Do<A> = Plan<<A as App>::Spec>;

/// The lead is handed to whoever works, of whatever group.
pub(crate) fn heir_of_another_group<A: App>(app: &A, snapshot: &See<A>) -> Do<A> {
    let mut plan = plan(app, snapshot);
    let record = &snapshot.status.record;
    for action in &mut plan.actions {
        let Action::Call(Call { request: Request::Transfer { to, id }, .. }) = action else {
            continue;
        };
        let Some(group) = record.find(to).map(|it| it.group) else { continue };
        let other = |it: &&MemberRecord| it.group != group && !it.votes && it.id.is_some();
        if let Some(heir) = record.members.iter().find(other) {
            (*to, *id) = (heir.name.clone(), heir.id.clone().expect("it has one"));
        }
    }
    plan
}

/// Whoever does not come back makes room for another, also where it is the last of its group.
pub(crate) fn replace_the_last<A: App>(app: &A, snapshot: &See<A>) -> Do<A> {
    let mut plan = plan(app, snapshot);
    let lost = plan.waits.iter().find_map(|it| match it {
        Waiting::ForGroup { group, lost: true, .. } => Some(*group),
        _ => None,
    });
    let record = &snapshot.status.record;
    let listed = |it: &&MemberRecord| {
        snapshot.view.membership.as_ref().is_some_and(|list| list.entry(&it.name).is_some())
    };
    let last = record.members.iter().filter(listed).find(|it| Some(it.group) == lost);
    let (Some(last), true) = (last, plan.actions.is_empty()) else { return plan };
    let (member, id, reason) =
        (last.name.clone(), last.id.clone().expect("it is listed"), LeaveReason::Dead);
    let pod = last.pod.clone();
    let step = Step::Leave {
        name: member.clone(),
        role: last.role.clone(),
        group: last.group,
        id: Some(id.clone()),
        pod,
        reason,
    };
    let roster = snapshot.view.membership.as_ref().expect("it is listed").roster();
    let request = Request::Leave { member: member.clone(), id, reason };
    plan.actions.push(Action::Call(Call::new(request, member, roster)));
    plan.status.record.step = Some(step);
    plan.status.record.epoch += 1;
    plan
}

/// In place of one that is lost another of its group goes, who alone has what it holds.
pub(crate) fn remove_the_copy<A: App>(app: &A, snapshot: &See<A>) -> Do<A> {
    let mut plan = plan(app, snapshot);
    let record = &snapshot.status.record;
    for action in &mut plan.actions {
        let Action::Call(Call { request: Request::Leave { member, id, .. }, .. }) = action else {
            continue;
        };
        let group = record.find(member).map(|it| it.group);
        let other = |it: &&MemberRecord| Some(it.group) == group && it.name != *member;
        let Some(other) = record.members.iter().find(other) else { continue };
        (*member, *id) = (other.name.clone(), other.id.clone().expect("it is listed"));
        if let Some(Step::Leave { name, id: it, pod, .. }) = &mut plan.status.record.step {
            (*name, *it, *pod) = (member.clone(), Some(id.clone()), other.pod.clone());
        }
    }
    plan
}
