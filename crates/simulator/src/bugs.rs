//! Planners with a bug that other operators had, to show that the checker, and the linter, catch it.
//!
//! Each takes the shipped plan and spoils it in one place, as a careless change would.

mod changes;
mod operations;
mod places;
mod recoveries;
mod users;
mod volumes;

pub use changes::{blames_another, freezes_the_list, promotes_at_once, takes_silence_for_success};
pub use operations::{defragments_the_leader_first, defragments_who_lags, forgets_who_is_at_work};
pub use places::{answers_in_vain, evicts, evicts_when_asked, hears_no_request};
pub use recoveries::{compares_nothing, takes_silence_for_loss};
pub use users::{buries_who_refuses, hears_no_choice, restarts_who_refuses};
pub use volumes::{asks_once_for_claims, gives_up_both_claims, sees_one_claim};

use endstate_core::{
    Action, App, Call, ConditionType, Evidence, LaunchOf, LeaveReason, MemberName, MemberRecord,
    MemberStatus, Peer, Plan, Pod, PodRef, Request, Snapshot, Start, Step, Truth, member_name,
    plan,
};
use etcd_plan::{Etcd, EtcdClusterSpec};

use crate::Planner;

type See = Snapshot<EtcdClusterSpec>;
type Do = Plan<EtcdClusterSpec>;

const ROLE: &str = "member";

/// E2: a member whose pod is gone gets it back as it was first made, `--initial-cluster-state=new`
/// included.
pub fn starts_new_again() -> Planner {
    Planner::with_bug(start_new_again)
}

fn start_new_again(app: &Etcd, snapshot: &See) -> Do {
    let mut plan = plan(app, snapshot);
    let Some(pods) = &snapshot.pods else { return plan };
    let record = &snapshot.status.record;
    let gone = record.members.iter().find(|it| !pods.iter().any(|pod| pod.name == it.name));
    if let (Some(member), Some(_)) = (gone, &record.cluster_id) {
        let members = record.members.iter().map(|it| peer(snapshot, &it.name)).collect();
        let start = Start::New { token: snapshot.object.uid.to_string(), members };
        undecided(snapshot, &mut plan);
        plan.actions = vec![create(snapshot, &member.name, start)];
    }
    plan
}

fn create(snapshot: &See, member: &MemberName, start: Start) -> Action {
    let (object, spec) = (&snapshot.object, &snapshot.spec);
    let known = MemberRecord::new(member.clone(), ROLE);
    let of = LaunchOf::new(object, spec, &known).start(&start);
    let launch = Box::new(Etcd.launch(&of));
    Action::CreatePod { member: member.clone(), start, launch }
}

/// E3: a learner that is listed is always promoted next; its pod is made together with the call that
/// adds it, and never again.
pub fn promotes_first() -> Planner {
    Planner::with_bug(promote_first)
}

fn promote_first(app: &Etcd, snapshot: &See) -> Do {
    let mut plan = plan(app, snapshot);
    let Some(list) = &snapshot.view.membership else { return plan };
    match decided(&plan).cloned() {
        Some(Action::Call(Call { request: Request::Join { member, .. }, .. })) => {
            let names = list.members.iter().map(|it| &it.name).chain([&member]);
            let start = Start::Existing { members: names.map(|it| peer(snapshot, it)).collect() };
            let action = create(snapshot, &member, start);
            plan.actions.push(action);
        }
        Some(Action::CreatePod { member, start: Start::Existing { .. }, .. }) => {
            let Some(entry) = list.entry(&member) else { return plan };
            let id = entry.id.clone();
            let address = Etcd.address(&snapshot.object, &snapshot.spec, &member);
            undecided(snapshot, &mut plan);
            let via = list.members[0].name.clone();
            plan.actions = vec![call(snapshot, via, Request::Promote { member, id, address })];
        }
        _ => {}
    }
    plan
}

/// B1: what was begun before a crash is not known again: a joining member whose pod is recorded and carries no mark is
/// taken for broken, and its pod deleted.
pub fn starts_over() -> Planner {
    Planner::with_bug(start_over)
}

fn start_over(app: &Etcd, snapshot: &See) -> Do {
    let mut plan = plan(app, snapshot);
    let Some(Step::Join { member }) = &snapshot.status.record.step else { return plan };
    let seen = |it: &&Pod<EtcdClusterSpec>| Some(&it.uid) == member.pod.as_ref();
    let pod = snapshot.pods.iter().flatten().find(seen);
    if let Some(pod) = pod.filter(|it| it.started && it.marks.started.is_none() && !it.deleting) {
        undecided(snapshot, &mut plan);
        let (pod, reason) = (PodRef::from(pod), LeaveReason::FailedJoin);
        plan.actions = vec![Action::DeletePod { pod, reason }];
    }
    plan
}

/// A quorum race: a member is taken off because there are too many, whoever works.
pub fn removes_blindly() -> Planner {
    Planner::with_bug(remove_blindly)
}

fn remove_blindly(app: &Etcd, snapshot: &See) -> Do {
    let mut plan = plan(app, snapshot);
    let Some(list) = &snapshot.view.membership else { return plan };
    let wanted = usize::try_from(snapshot.spec.size).unwrap_or(0);
    let leads = |name: &str| {
        snapshot.view.answer(name).is_some_and(|it| it.leader.as_ref() == Some(&it.id))
    };
    let one = list.voters().filter(|it| !leads(&it.name)).min_by(|a, b| a.name.cmp(&b.name));
    if let (Some(one), true) = (one, list.voters().count() > wanted) {
        let reason = LeaveReason::ScaleDown;
        let (member, id) = (one.name.clone(), one.id.clone());
        undecided(snapshot, &mut plan);
        plan.status.record.step = Some(Step::Leave {
            name: member.clone(),
            role: ROLE.into(),
            group: 0,
            id: Some(id.clone()),
            pod: None,
            reason,
        });
        let via = member.clone();
        plan.actions = vec![call(snapshot, via, Request::Leave { member, id, reason })];
    }
    plan
}

/// All outdated members are restarted at once.
pub fn restarts_all_at_once() -> Planner {
    Planner::with_bug(restart_all_at_once)
}

fn restart_all_at_once(app: &Etcd, snapshot: &See) -> Do {
    let mut plan = plan(app, snapshot);
    if let Some(Action::RestartPod { launch, .. }) = decided(&plan).cloned() {
        let pods = snapshot.pods.iter().flatten();
        let restart = |it| Action::RestartPod { pod: PodRef::from(it), launch: launch.clone() };
        plan.actions = pods.map(restart).collect();
    }
    plan
}

/// A member whose pod is gone gets another pod under the same name, told to join.
pub fn reuses_names() -> Planner {
    Planner::with_bug(reuse_names)
}

fn reuse_names(app: &Etcd, snapshot: &See) -> Do {
    let mut plan = plan(app, snapshot);
    if let Some(Request::Leave { member, .. }) = requested(&plan)
        && let (Some(pods), Some(list)) = (&snapshot.pods, &snapshot.view.membership)
        && !pods.iter().any(|it| it.name == member)
    {
        let members = list.members.iter().map(|it| peer(snapshot, &it.name)).collect();
        undecided(snapshot, &mut plan);
        plan.actions = vec![create(snapshot, &member, Start::Existing { members })];
    }
    plan
}

/// A pod that is not seen is taken for one that was never asked for.
pub fn forgets_what_it_asked_for() -> Planner {
    Planner::with_bug(forget_what_was_asked_for)
}

fn forget_what_was_asked_for(app: &Etcd, snapshot: &See) -> Do {
    let mut plan = plan(app, snapshot);
    if decided(&plan).is_none() {
        let record = &mut plan.status.record;
        let first = record.bootstrap.iter_mut().flat_map(|it| &mut it.members);
        first.for_each(|it| it.asked = None);
        if let Some(Step::Join { member }) = &mut record.step {
            member.asked = None;
        }
    }
    plan
}

/// One pod that the API refused to make is taken for all that were asked for and are not seen.
pub fn forgets_all_that_it_asked_for() -> Planner {
    Planner::with_bug(forget_all_that_was_asked_for)
}

fn forget_all_that_was_asked_for(app: &Etcd, snapshot: &See) -> Do {
    let mut seen = snapshot.clone();
    if let Some(blocked) = seen.blocked.first_mut() {
        let record = &snapshot.status.record;
        let first = record.bootstrap.iter().flat_map(|it| &it.members);
        blocked.not_created = first.map(|it| it.name.clone()).collect();
    }
    plan(app, &seen)
}

/// Alarms are not heard.
pub fn hears_no_alarm() -> Planner {
    Planner::with_bug(hear_no_alarm)
}

fn hear_no_alarm(app: &Etcd, snapshot: &See) -> Do {
    let mut seen = snapshot.clone();
    let statuses = seen.view.targets.iter_mut().filter_map(|it| it.status.as_mut());
    statuses.for_each(|it| it.corruption.clear());
    plan(app, &seen)
}

/// That members differ in their data is not heard.
pub fn hears_no_comparison() -> Planner {
    Planner::with_bug(hear_no_comparison)
}

fn hear_no_comparison(app: &Etcd, snapshot: &See) -> Do {
    let mut seen = snapshot.clone();
    seen.view.comparisons.clear();
    plan(app, &seen)
}

/// The words "data lost" count as lost data, whoever says them.
pub fn believes_words() -> Planner {
    Planner::with_bug(believe_words)
}

fn believe_words(app: &Etcd, snapshot: &See) -> Do {
    let mut seen = snapshot.clone();
    let exits = seen.pods.iter_mut().flatten().filter_map(|it| it.exit.as_mut());
    for exit in exits.filter(|it| it.words.to_string().contains("data lost")) {
        exit.evidence = Some(Evidence::DataLost);
    }
    plan(app, &seen)
}

/// Whoever answers counts as working, also one that follows no leader.
pub fn counts_who_follows_nobody() -> Planner {
    Planner::with_bug(count_who_follows_nobody)
}

fn count_who_follows_nobody(app: &Etcd, snapshot: &See) -> Do {
    let mut seen = snapshot.clone();
    let leads = |it: &MemberStatus| it.leader.as_ref() == Some(&it.id);
    let statuses = || snapshot.view.targets.iter().filter_map(|it| it.status.as_ref());
    let leader = statuses().find(|it| leads(it)).map(|it| it.id.clone());
    for status in seen.view.targets.iter_mut().filter_map(|it| it.status.as_mut()) {
        status.leader = status.leader.take().or_else(|| leader.clone());
    }
    plan(app, &seen)
}

/// The pod goes before the member is off the list.
pub fn deletes_first() -> Planner {
    Planner::with_bug(delete_first)
}

fn delete_first(app: &Etcd, snapshot: &See) -> Do {
    let mut plan = plan(app, snapshot);
    if let Some(Request::Leave { member, reason, .. }) = requested(&plan)
        && let Some(pod) = snapshot.pods.iter().flatten().find(|it| it.name == member)
    {
        plan.actions = vec![Action::DeletePod { pod: PodRef::from(pod), reason }];
    }
    plan
}

/// Members join side by side.
pub fn adds_many() -> Planner {
    Planner::with_bug(add_many)
}

fn add_many(app: &Etcd, snapshot: &See) -> Do {
    let mut plan = plan(app, snapshot);
    if let Some(Action::CreatePod { start: Start::Existing { .. }, .. }) = decided(&plan)
        && let Some(list) = &snapshot.view.membership
    {
        let object = &snapshot.object;
        let record = &mut plan.status.record;
        let member = member_name(&object.name, snapshot.seed, record.names);
        record.names += 1;
        record.step = Some(Step::Join { member: MemberRecord::new(member.clone(), ROLE) });
        let address = Etcd.address(object, &snapshot.spec, &member);
        let via = list.members[0].name.clone();
        let request = Request::Join { member, id: None, address, votes: false };
        plan.actions = vec![call(snapshot, via, request)];
    }
    plan
}

/// E1: the number of pods that are seen is taken for the number that is wanted.
pub fn shrinks_to_what_it_sees() -> Planner {
    Planner::with_bug(shrink_to_what_is_seen)
}

fn shrink_to_what_is_seen(app: &Etcd, snapshot: &See) -> Do {
    let pods = snapshot.pods.as_ref().map_or(0, Vec::len);
    let mut seen = snapshot.clone();
    if seen.status.record.cluster_id.is_some() {
        seen.spec.size = i32::try_from(pods).unwrap_or(0).clamp(1, seen.spec.size);
    }
    plan(app, &seen)
}

/// One member fewer than asked for.
pub fn counts_from_zero() -> Planner {
    Planner::with_bug(count_from_zero)
}

fn count_from_zero(app: &Etcd, snapshot: &See) -> Do {
    let mut seen = snapshot.clone();
    seen.spec.size -= 1;
    plan(app, &seen)
}

/// Clients are led to every pod that is there.
pub fn serves_every_pod() -> Planner {
    Planner::with_bug(serve_every_pod)
}

fn serve_every_pod(app: &Etcd, snapshot: &See) -> Do {
    let mut plan = plan(app, snapshot);
    let pods = snapshot.pods.iter().flatten();
    if snapshot.status.record.cluster_id.is_some() {
        for pod in pods.filter(|it| !it.deleting && !it.marks.votes) {
            let mut marks = pod.marks.clone();
            marks.votes = true;
            plan.actions.insert(0, Action::MarkPod { pod: PodRef::from(pod), marks });
        }
    }
    plan
}

/// Available is what the pods say.
pub fn trusts_pods() -> Planner {
    Planner::with_bug(trust_pods)
}

fn trust_pods(app: &Etcd, snapshot: &See) -> Do {
    let mut plan = plan(app, snapshot);
    let started = snapshot.pods.iter().flatten().all(|it| it.started);
    for condition in &mut plan.status.conditions {
        if condition.kind == ConditionType::Available && started {
            condition.status = Truth::True;
        }
    }
    plan
}

fn peer(snapshot: &See, name: &MemberName) -> Peer {
    Peer::new(name.clone(), Etcd.address(&snapshot.object, &snapshot.spec, name), ROLE)
}

fn call(snapshot: &See, via: MemberName, request: Request) -> Action {
    let list = snapshot.view.membership.as_ref();
    let roster = list.map(endstate_core::Membership::roster).unwrap_or_default();
    Action::Call(Call::new(request, via, roster))
}

/// What it does first, beside marks.
fn decided(plan: &Do) -> Option<&Action> {
    plan.actions.iter().find(|it| !it.is_mark())
}

fn requested(plan: &Do) -> Option<Request> {
    decided(plan).and_then(Action::request).cloned()
}

/// Takes back what the plan recorded.
fn undecided(snapshot: &See, plan: &mut Do) {
    plan.status.record = snapshot.status.record.clone();
    plan.status.record.epoch += 1;
}

/// E9: with its record lost the operator begins a new cluster.
pub fn begins_after_forgetting() -> Planner {
    Planner::with_bug(begin_after_forgetting)
}

fn begin_after_forgetting(app: &Etcd, snapshot: &See) -> Do {
    let record = &snapshot.status.record;
    if record.bootstrap.is_some() || record.cluster_id.is_some() {
        return plan(app, snapshot);
    }
    let mut blank = snapshot.clone();
    (blank.pods, blank.claims) = (Some(vec![]), vec![]);
    plan(app, &blank)
}

/// With its record lost the operator takes what a part of the members says for the whole.
pub fn believes_a_few() -> Planner {
    Planner::with_bug(believe_a_few)
}

fn believe_a_few(app: &Etcd, snapshot: &See) -> Do {
    let record = &snapshot.status.record;
    let mut seen = snapshot.clone();
    let lost = record.bootstrap.is_none() && record.cluster_id.is_none();
    if let Some(list) = seen.view.membership.as_mut().filter(|_| lost) {
        let answers = |it: &endstate_core::Entry| snapshot.view.answer(&it.name).is_some();
        list.members.retain(answers);
        list.agreed = list.members.len();
    }
    plan(app, &seen)
}
