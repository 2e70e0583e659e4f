//! Groups whose leaders vote: what is judged by group, told of three pairs on volumes.

use endstate_core::*;

use crate::toy::{ToySpec, Volume, acts, planned};

const NOW: &str = "2026-01-01T01:00:00Z";

/// m0 leads m1, m2 leads m3, m4 leads m5.
fn pairs() -> Snapshot<ToySpec> {
    let spec = ToySpec {
        shards: 3,
        growth: Growth::Alone,
        formation: Formation::One,
        volume: Some(Volume::Deleted),
        ..ToySpec::new(2)
    };
    let object = Identity::new("default", "demo", "0c5f");
    let mut seen = Snapshot::new(NOW.parse().unwrap(), object, spec.clone());
    let record = &mut seen.status.record;
    record.accepted = Some(Accepted { generation: 1, spec: spec.clone() });
    (record.cluster_id, record.names) = (Some("c1".into()), 10);
    let mut list = Membership::new("c1", []).agreed(3);
    for serial in 0..6_u32 {
        let (name, id, leader) = (name(serial), serial.to_string(), serial / 2 * 2);
        let votes = serial == leader;
        let pod = Some(format!("pod-{serial}").into());
        let known = MemberRecord::new(name.clone(), "member");
        let id = MemberId::from(id);
        let known = MemberRecord { id: Some(id.clone()), group: serial / 2, votes, pod, ..known };
        seen.status.record.members.push(known);
        list.members.push(Entry::voter(id.clone(), name.clone()).voting(votes));
        let mut pod = Pod::new(name.clone(), format!("pod-{serial}"), "1");
        (pod.phase, pod.started, pod.spec) = (PodPhase::Running, true, Some(spec.clone()));
        pod.ready = true;
        (pod.marks.started, pod.marks.votes, pod.marks.owned) = (Some(id.clone()), votes, true);
        seen.pods.as_mut().unwrap().push(pod);
        seen.claims.push(Claim::new(format!("data-{name}"), "claim", "1", name.clone()));
        let status = MemberStatus::new(id, "c1", Standing::Voter).follows(leader.to_string());
        let status = status.at(Position::at(1_000)).runs(spec.version.clone());
        seen.view.targets.push(Target::answered(name, status));
    }
    seen.view.membership = Some(list);
    seen
}

fn name(serial: u32) -> MemberName {
    format!("m{serial}").into()
}

/// Its launcher says that its data is lost.
fn lose(seen: &mut Snapshot<ToySpec>, serial: u32) {
    let lost = Evidence::DataLost;
    let pod = seen.pods.as_mut().unwrap().iter_mut().find(|it| it.name == name(serial)).unwrap();
    pod.exit = Some(Exit::of(lost.exit_code().into(), None, &lost.message("it is empty")));
    seen.view.targets[serial as usize] = Target::silent(name(serial), Reach::Unreachable);
    seen.view.membership.as_mut().unwrap().agreed = 2;
}

#[test]
fn several_leaders_are_no_doubt() {
    let made = planned(&pairs());
    assert_eq!(acts(&made), [""; 0]);
    assert_eq!(made.waits, []);
    assert_eq!(made.surroundings.unwrap().min_available, 2);
    let available = made.status.condition(ConditionType::Available).unwrap();
    assert_eq!(available.status, Truth::True, "{available:?}");
}

#[test]
fn a_replica_that_is_lost_is_replaced_beside_its_leader() {
    let mut seen = pairs();
    lose(&mut seen, 3);
    seen.view.membership.as_mut().unwrap().agreed = 3;
    assert_eq!(acts(&planned(&seen)), ["remove member m3 (3): it did not recover"]);
}

/// Its replica works, and leads nothing yet: it is the only copy.
#[test]
fn a_leader_that_is_lost_stays_until_another_leads() {
    let mut seen = pairs();
    lose(&mut seen, 2);
    let made = planned(&seen);
    assert_eq!(acts(&made), [""; 0]);
    let headless = Waiting::ForGroup { role: "member".into(), group: 1, lost: false };
    assert!(made.waits.contains(&headless), "{:?}", made.waits);
}

#[test]
fn a_group_that_is_lost_is_told_and_left_as_it_is() {
    let mut seen = pairs();
    lose(&mut seen, 2);
    lose(&mut seen, 3);
    let made = planned(&seen);
    // A replica of the lost group may go, since its leader is kept on the list; nobody joins.
    let kept = acts(&made).iter().all(|it| !it.contains("m2") && !it.contains("create"));
    assert!(kept, "{:?}", acts(&made));
    let lost = Waiting::ForGroup { role: "member".into(), group: 1, lost: true };
    assert!(made.waits.contains(&lost), "{:?}", made.waits);
    let available = made.status.condition(ConditionType::Available).unwrap();
    assert_eq!((available.status, &*available.reason), (Truth::False, "GroupLost"));
}

#[test]
fn the_heir_of_a_lead_is_of_its_group() {
    let mut seen = pairs();
    seen.spec.version = "1.5.17".into();
    let new = seen.spec.clone();
    for (index, pod) in seen.pods.as_mut().unwrap().iter_mut().enumerate() {
        // All are up to date but the second leader.
        pod.spec.as_mut().unwrap().version = if index == 2 { "1.5.16" } else { "1.5.17" }.into();
    }
    for target in &mut seen.view.targets {
        target.status.as_mut().unwrap().version = new.version.clone();
    }
    // Elsewhere members have more.
    seen.view.targets[5].status.as_mut().unwrap().position = Some(Position::at(1_050));
    assert_eq!(acts(&planned(&seen)), ["transfer leadership to m3"]);
}

#[test]
fn no_recovery_begins_from_one_group() {
    let mut seen = pairs();
    for serial in [0, 2] {
        lose(&mut seen, serial);
    }
    seen.view.membership.as_mut().unwrap().agreed = 1;
    seen.consent = Some(Choice::RecoverFrom(name(4)));
    let made = planned(&seen);
    assert_eq!(acts(&made), [""; 0]);
    let refused = Waiting::ForSource { member: name(4), lack: SourceLack::OneGroup };
    assert!(made.waits.contains(&refused), "{:?}", made.waits);
}

/// Its replica has what it had, and takes the lead over.
#[test]
fn a_corrupt_leader_hands_over_within_its_group() {
    let mut seen = pairs();
    seen.view.targets[2].status.as_mut().unwrap().corruption = vec![Corruption::Of("0".into())];
    assert_eq!(acts(&planned(&seen)), ["transfer leadership to m1"]);
}

/// A cluster that was one group when its recovery began.
#[test]
fn the_last_copy_of_a_group_stays_where_it_is_after_a_recovery() {
    let mut seen = pairs();
    let (source, lost) = (name(2), vec![]);
    seen.status.record.step =
        Some(Step::Recover { source, lost, stage: RecoverStage::Alone {}, unasked: false });
    assert_eq!(acts(&planned(&seen)), ["delete pod m2: it is recreated on the same volume"]);

    seen.view.targets[3] = Target::silent(name(3), Reach::Unreachable);
    let made = planned(&seen);
    assert_eq!(acts(&made), [""; 0]);
    let shortage = Shortage::LastOfGroup { role: "member".into(), group: 1 };
    let last = Waiting::ForRedundancy { member: name(2), shortage };
    assert!(made.waits.contains(&last), "{:?}", made.waits);
}
