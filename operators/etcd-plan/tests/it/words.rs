//! What other programs and their users say changes no decision.
//!
//! Goal: no text can make the planner do anything. Method: situations of a cluster of three are planned twice, once
//! with nothing said and once with hostile words wherever a text from outside is shown; everything but the words must
//! be the same. Words are made from the launcher's own, which alone would be evidence together with its exit code.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use endstate_core::{
    Accepted, Action, ActionKey, ActionKind, Blocked, Cause, Denial, Entry, Evidence, Exit,
    Identity, Marks, MemberName, MemberRecord, MemberStatus, Membership, Plan, Pod, PodPhase,
    Position, Reach, Record, Snapshot, Standing, Status, Target, Trouble, Words, lint, plan,
};
use etcd_plan::{Etcd, EtcdClusterSpec};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

const CLUSTER: &str = "c1";

/// How a member is at the moment.
#[derive(Clone, Copy, Debug)]
enum Is {
    Well,
    /// Its process ended with this code, and the kubelet waits before it starts another.
    Ended(i32),
    /// The same for more than a minute.
    Crashing(i32),
    /// Its container cannot start.
    Waiting(&'static str),
}

fn is() -> impl Strategy<Value = Is> {
    // With the launcher's code too: what is said then is not its message.
    let code = || prop_oneof![Just(0), Just(1), Just(2), Just(137), Just(94)];
    let reasons = ["Unschedulable", "ErrImagePull", "CreateContainerError"];
    prop_oneof![
        Just(Is::Well),
        code().prop_map(Is::Ended),
        code().prop_map(Is::Crashing),
        proptest::sample::select(reasons.to_vec()).prop_map(Is::Waiting),
    ]
}

/// A line of a log, a key, a request: with the launcher's words in it, at any place but alone on the first line.
fn words() -> impl Strategy<Value = String> {
    let marker = Evidence::DataLost.marker();
    let bait = vec![
        marker.to_owned(),
        Evidence::DataLost.message("/var/lib/etcd is empty"),
        "data lost, refusing to start blank".to_owned(),
        "etcdserver: user name is empty".to_owned(),
        "etcdserver: unhealthy cluster".to_owned(),
        "memberID:1 alarm:CORRUPT ".to_owned(),
        "no longer a member of the cluster".to_owned(),
    ];
    let bait = proptest::sample::select(bait);
    let before = prop_oneof![
        Just("{\"level\":\"warn\",\"key\":\"".to_owned()),
        Just("panic: ".to_owned()),
        Just("starting\n".to_owned()),
        "[ -~\n]{1,40}",
    ];
    let words =
        (before, bait, "[ -~\n]{0,40}").prop_map(|(before, bait, after)| before + &bait + &after);
    words.prop_filter("evidence", |it| it.lines().next() != Some(Evidence::DataLost.marker()))
}

fn name(index: usize) -> MemberName {
    ["demo-a", "demo-b", "demo-c"][index].into()
}

fn now() -> Timestamp {
    "2026-01-01T00:10:00Z".parse().unwrap()
}

fn pod(index: usize, is: Is, said: &str) -> Pod<EtcdClusterSpec> {
    let mut pod = Pod::new(name(index), format!("pod-{index}"), "1");
    (pod.phase, pod.started) = (PodPhase::Running, true);
    pod.spec = Some(EtcdClusterSpec::new(3, "3.5.16"));
    pod.marks = Marks { started: Some(id(index).into()), votes: true, owned: true };
    match is {
        Is::Well => {}
        Is::Ended(code) | Is::Crashing(code) => {
            pod.exit = Some(Exit::of(code, None, said));
            pod.exit_before = Some(Exit::of(code, None, said));
            pod.trouble = Some(Trouble::from_reason("CrashLoopBackOff", said));
            pod.restarts = 5;
        }
        Is::Waiting(reason) => pod.trouble = Some(Trouble::from_reason(reason, said)),
    }
    pod
}

fn record(index: usize, is: Is) -> MemberRecord {
    let long = SignedDuration::from_secs(if matches!(is, Is::Crashing(_)) { 120 } else { 1 });
    MemberRecord {
        id: Some(id(index).into()),
        pod: Some(format!("pod-{index}").into()),
        failing_since: (!matches!(is, Is::Well)).then(|| now() - long),
        ..MemberRecord::new(name(index), "member")
    }
}

fn snapshot(are: [Is; 3], said: &str, refused: bool) -> Snapshot<EtcdClusterSpec> {
    let well = |it: &usize| matches!(are[*it], Is::Well);
    let up: Vec<_> = (0..3).filter(well).collect();
    let leader = (up.len() > 1).then(|| id(up[0]));
    let target = |index: usize| {
        if !up.contains(&index) {
            return Target::silent(name(index), Reach::Unreachable);
        }
        let leads = leader.as_deref() == Some(&id(index));
        let standing = if leads { Standing::Leader } else { Standing::Voter };
        let status = MemberStatus::new(id(index), CLUSTER, standing);
        let mut status = status.at(Position::at(100)).runs("3.5.16").holds(1);
        status.leader = leader.clone().map(Into::into);
        Target::answered(name(index), status)
    };
    let entry = |it: usize| Entry::voter(id(it), name(it));
    let list = Membership::new(CLUSTER, (0..3).map(entry)).agreed(up.len());
    let spec = EtcdClusterSpec::new(3, "3.5.16");
    let record = Record {
        names: 3,
        accepted: Some(Accepted { generation: 1, spec: spec.clone() }),
        cluster_id: Some(CLUSTER.into()),
        members: (0..3).map(|it| record(it, are[it])).collect(),
        ..Record::default()
    };
    let blocked = || {
        let action = ActionKey { kind: ActionKind::CreatePod, member: "demo-x".into() };
        Blocked::new(action, Denial::Application { message: Words::of(said) }, now())
    };
    let mut snapshot = Snapshot::new(now(), Identity::new("default", "demo", "0c5f"), spec);
    snapshot.status = Status { record, ..Status::default() };
    snapshot.pods = Some((0..3).map(|it| pod(it, are[it], said)).collect());
    snapshot.view.targets = (0..3).map(target).collect();
    snapshot.view.membership = leader.is_some().then_some(list);
    snapshot.blocked = refused.then(blocked).into_iter().collect();
    snapshot
}

fn id(index: usize) -> String {
    (index + 1).to_string()
}

/// Everything of a plan but the words.
fn decided(plan: &Plan<EtcdClusterSpec>) -> impl PartialEq + std::fmt::Debug + use<> {
    let mut record = plan.status.record.clone();
    record.members.iter_mut().for_each(|it| it.last_termination_message = None);
    record.backoff.iter_mut().for_each(|it| it.cause = Cause::CannotForm);
    let judged = plan.status.conditions.iter();
    let judged: Vec<_> = judged.map(|it| (it.kind, it.status, it.reason.clone())).collect();
    let waits: Vec<_> = plan.waits.iter().map(|it| (it.reason(), it.what())).collect();
    let acts: Vec<Action> = plan.actions.clone();
    (record, judged, waits, acts, plan.surroundings.clone(), plan.look_again_ms)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_that_is_said_changes_what_is_decided(
        are in [is(), is(), is()],
        said in words(),
        refused: bool,
    ) {
        let (silent, loud) = (snapshot(are, "", refused), snapshot(are, &said, refused));
        let (expected, made) = (plan(&Etcd, &silent), plan(&Etcd, &loud));
        prop_assert_eq!(decided(&expected), decided(&made));
        prop_assert_eq!(lint(&loud, &made), vec![]);
        let lost = made.status.conditions.iter().any(|it| it.reason == "DataLost");
        prop_assert!(!lost, "nothing is lost by a word");
    }
}

/// The launcher's own message does what those words do not.
#[test]
fn evidence_is_heard() {
    let (lost, code) = (Evidence::DataLost, i32::from(Evidence::DataLost.exit_code()));
    let are = [Is::Ended(code), Is::Ended(code), Is::Well];
    let made = plan(&Etcd, &snapshot(are, &lost.message("it is empty"), false));
    assert!(made.status.conditions.iter().any(|it| it.reason == "DataLost"));
}
