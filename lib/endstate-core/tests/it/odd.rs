//! Snapshots that hardly ever are, in which planner and linter once saw different things. The properties found them.

use endstate_core::*;

use crate::toy::{ToySpec, acts, planned};

const NOW: &str = "2026-01-01T01:00:00Z";

/// Three members that work; the first leads.
fn three(spec: &ToySpec) -> Snapshot<ToySpec> {
    let object = Identity::new("default", "demo", "0c5f");
    let mut seen = Snapshot::new(NOW.parse().unwrap(), object, spec.clone());
    let record = &mut seen.status.record;
    record.accepted = Some(Accepted { generation: 1, spec: spec.clone() });
    (record.cluster_id, record.names) = (Some("c1".into()), 10);
    let names = ["a", "b", "c"];
    let entries = names.map(|it| Entry::voter(it, it));
    seen.view.membership = Some(Membership::new("c1", entries).agreed(3));
    for name in names {
        let pod = Some(format!("pod-{name}").into());
        let known = MemberRecord::new(name, "member");
        record.members.push(MemberRecord { id: Some(name.into()), votes: true, pod, ..known });
        let mut pod = Pod::new(name, format!("pod-{name}"), "1");
        (pod.phase, pod.started, pod.spec) = (PodPhase::Running, true, Some(spec.clone()));
        (pod.marks.started, pod.marks.votes, pod.marks.owned) = (Some(name.into()), true, true);
        seen.pods.as_mut().unwrap().push(pod);
        let status = MemberStatus::new(name, "c1", Standing::Voter).follows("a");
        let status = status.at(Position::at(1_000)).runs(spec.version.clone());
        seen.view.targets.push(Target::answered(name, status));
    }
    seen
}

fn list(seen: &mut Snapshot<ToySpec>) -> &mut Membership {
    seen.view.membership.as_mut().unwrap()
}

fn answer<'s>(seen: &'s mut Snapshot<ToySpec>, name: &str) -> &'s mut MemberStatus {
    let target = seen.view.targets.iter_mut().find(|it| *it.name == *name).unwrap();
    target.status.as_mut().unwrap()
}

/// Nothing is left of a member but its claim.
fn volume_only(seen: &mut Snapshot<ToySpec>, name: &str) {
    seen.pods.as_mut().unwrap().retain(|it| *it.name != *name);
    seen.view.targets.retain(|it| *it.name != *name);
    seen.claims.push(Claim::new(format!("data-{name}"), "claim", "1", name));
}

fn appointed() -> ToySpec {
    ToySpec { lead: Lead::Appointed(Acks::Majority), growth: Growth::Direct, ..ToySpec::new(3) }
}

#[test]
fn a_second_leader_is_stopped_unless_the_first_is_corrupt() {
    let mut seen = three(&appointed());
    answer(&mut seen, "c").leader = Some("c".into());
    assert_eq!(acts(&planned(&seen)), ["appoint a as the leader"]);

    answer(&mut seen, "b").corruption = vec![Corruption::Of("a".into())];
    assert_eq!(acts(&planned(&seen)), [""; 0], "it would be made to lead once more");

    answer(&mut seen, "b").corruption.clear();
    answer(&mut seen, "a").position = None;
    assert_eq!(acts(&planned(&seen)), [""; 0], "nobody knows what it has");
}

#[test]
fn a_leader_is_no_other_for_a_member_that_leads_a_group_without_a_vote() {
    let mut seen = three(&ToySpec {
        shards: 2,
        formation: Formation::One,
        growth: Growth::Alone,
        mends: vec!["Meet".into()],
        ..appointed()
    });
    // The first group is new, and its member leads nothing but itself.
    list(&mut seen).members[0].votes = false;
    for (index, name) in ["a", "b", "c"].into_iter().enumerate() {
        seen.status.record.members[index].group = u32::from(index > 0);
        answer(&mut seen, name).leader = Some(if index > 0 { "b" } else { "a" }.into());
    }
    let made = planned(&seen);
    assert_eq!(made.status.leader, Some("b".into()));
    assert!(acts(&made).iter().all(|it| !it.starts_with("Meet")), "{:?}", acts(&made));
}

/// A recovery that nothing has settled, since it is not certain whose data is good.
#[test]
fn nobody_is_started_beside_a_recovery() {
    let mut seen = three(&ToySpec::new(3));
    let (source, lost) = ("a".into(), vec!["b".into()]);
    let stage = RecoverStage::Fencing {};
    seen.status.record.step = Some(Step::Recover { source, lost, stage, unasked: false });
    volume_only(&mut seen, "b");
    list(&mut seen).members.remove(1);
    list(&mut seen).agreed = 2;
    answer(&mut seen, "c").corruption = vec![Corruption::Undetermined];
    assert_eq!(acts(&planned(&seen)), [""; 0]);

    seen.status.record.step = None;
    assert_eq!(acts(&planned(&seen)), ["create pod b: resumes on its volume"]);
}

/// It was to leave, and got a vote meanwhile. What is recorded of its pod is all that shows that its data is gone.
#[test]
fn the_pod_of_who_leaves_is_known() {
    let mut seen = three(&ToySpec::new(3));
    let leaves = seen.status.record.members.remove(1);
    let (name, role, id) = (leaves.name, leaves.role, leaves.id);
    let (pod, reason) = (Some("before".into()), LeaveReason::FailedJoin);
    seen.status.record.step = Some(Step::Leave { name, role, group: 0, id, pod, reason });
    answer(&mut seen, "b").id = "another".into();
    assert_eq!(acts(&planned(&seen)), ["remove member b (b): it did not recover"]);
}
