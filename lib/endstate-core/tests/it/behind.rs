//! What happens to a cluster behind the operator's back, each told of members on volumes that work until then.

use endstate_core::*;

use crate::toy::{Toy, ToySpec, Volume};

const NOW: &str = "2026-01-01T01:00:00Z";

/// Members keep their data on volumes.
fn durable(size: usize) -> ToySpec {
    ToySpec { volume: Some(Volume::Deleted), ..ToySpec::new(size) }
}

fn name(serial: usize) -> MemberName {
    format!("m{serial}").into()
}

/// So many members of this spec that work, and m0 leads.
fn quorum_of(count: usize, spec: &ToySpec) -> Snapshot<ToySpec> {
    let object = Identity::new("default", "demo", "0c5f");
    let mut seen = Snapshot::new(NOW.parse().unwrap(), object, spec.clone());
    seen.status.record = Record {
        accepted: Some(Accepted { generation: 1, spec: spec.clone() }),
        cluster_id: Some("c1".into()),
        names: 10,
        ..Record::default()
    };
    let mut list = Membership::new("c1", []).agreed(count);
    for serial in 0..count {
        let (name, id) = (name(serial), MemberId::from(serial.to_string()));
        let uid = format!("pod-{serial}");
        let known = MemberRecord::new(name.clone(), "member");
        let known = MemberRecord { id: Some(id.clone()), pod: Some(uid.as_str().into()), ..known };
        seen.status.record.members.push(known);
        list.members.push(Entry::voter(id.clone(), name.clone()));
        let marks = Marks { started: Some(id.clone()), votes: true, owned: true };
        let pod = Pod { phase: PodPhase::Running, started: true, ..Pod::new(&*name, uid, "1") };
        seen.pods.as_mut().unwrap().push(Pod { spec: Some(spec.clone()), marks, ..pod });
        seen.claims.push(Claim::new(format!("data-{name}"), "claim", "1", name.clone()));
        let standing = if serial == 0 { Standing::Leader } else { Standing::Voter };
        let status = MemberStatus::new(id, "c1", standing).follows("0").at(Position::at(1_000));
        seen.view.targets.push(Target::answered(name, status.runs(spec.version.clone())));
    }
    seen.view.membership = Some(list);
    seen
}

fn list(seen: &mut Snapshot<ToySpec>) -> &mut Membership {
    seen.view.membership.as_mut().unwrap()
}

fn silence(seen: &mut Snapshot<ToySpec>, serial: usize) {
    seen.view.targets[serial] = Target::silent(name(serial), Reach::Unreachable);
    list(seen).agreed -= 1;
}

fn planned(seen: &Snapshot<ToySpec>) -> Plan<ToySpec> {
    let made = plan(&Toy, seen);
    assert_eq!(lint(seen, &made), [], "{:?}", made.actions);
    made
}

fn acts(made: &Plan<ToySpec>) -> Vec<String> {
    made.actions.iter().map(ToString::to_string).collect()
}

/// Somebody lists m1 by a number; m2 does not answer, so that without m1 there is no quorum.
#[test]
fn who_is_listed_under_another_name_stays() {
    let mut seen = quorum_of(3, &durable(3));
    list(&mut seen).members[1].name = "10".into();
    silence(&mut seen, 2);
    let known = planned(&seen);
    assert!(known.status.record.find("m1").is_some(), "it belongs to the cluster");
    // By its pod's mark, too, and by its own word.
    seen.status.record.members.remove(1);
    let marked = planned(&seen);
    seen.pods.as_mut().unwrap()[1].marks.started = None;
    let answers = planned(&seen);
    seen.status.record.step = Some(Step::Leave {
        name: name(1),
        role: "member".into(),
        group: 0,
        id: Some("1".into()),
        pod: None,
        reason: LeaveReason::ScaleDown,
    });
    seen.view.targets[1] = Target::silent(name(1), Reach::Unreachable);
    let leaves = planned(&seen);
    for made in [known, marked, answers, leaves] {
        let deleted = acts(&made).iter().any(|it| it.contains("delete"));
        assert!(!deleted, "{:?}", acts(&made));
    }
}

/// An attempt that came to nothing had members of the same ids.
#[test]
fn a_pod_that_says_the_id_of_another_is_deleted_all_the_same() {
    let mut seen = quorum_of(3, &durable(3));
    let stray = Pod { name: "late".into(), ..seen.pods.as_ref().unwrap()[1].clone() };
    seen.pods.as_mut().unwrap().push(stray);
    assert_eq!(acts(&planned(&seen)), ["delete pod late: it is a leftover"]);
}
