//! What happens to a cluster behind the operator's back, each told of members on volumes that work until then.

use endstate_core::*;

use crate::toy::{Toy, ToySpec, Volume, acts, planned};

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

/// Members of ids 1 to 3 that are started first, and of which a fourth is asked for.
fn direct() -> Snapshot<ToySpec> {
    let ids = IdSource::Allocated { max: 6 };
    let mut seen = quorum_of(3, &ToySpec { growth: Growth::Direct, ids, ..durable(3) });
    seen.status.record.ids = 3;
    seen.spec.size = 4;
    let renumber = |id: &mut MemberId| *id = (id.parse::<u64>().unwrap() + 1).to_string().into();
    seen.status.record.members.iter_mut().flat_map(|it| &mut it.id).for_each(renumber);
    list(&mut seen).members.iter_mut().for_each(|it| renumber(&mut it.id));
    let statuses = seen.view.targets.iter_mut().flat_map(|it| &mut it.status);
    statuses.for_each(|it| {
        renumber(&mut it.id);
        it.leader.iter_mut().for_each(renumber);
    });
    let pods = seen.pods.iter_mut().flatten();
    pods.flat_map(|it| &mut it.marks.started).for_each(renumber);
    seen
}

/// What becomes of a pod that is deleted.
#[derive(Clone, Copy, PartialEq)]
enum Deleted {
    Gone,
    /// Its node does not say that it is gone.
    Going,
}

/// Carries a plan out, in a world where new pods crash; answers with the member that was asked for.
fn crash_on(seen: &mut Snapshot<ToySpec>, deleted: Deleted) -> Option<MemberName> {
    let made = planned(seen);
    seen.status = made.status;
    let mut created = None;
    for action in made.actions {
        match action {
            Action::CreatePod { member, .. } => {
                let pod = Pod::new(member.clone(), format!("pod-{member}"), "1");
                let trouble = Some(Trouble::CrashLoop { message: Words::of("out of memory") });
                let pod = Pod { phase: PodPhase::Running, started: true, restarts: 9, ..pod };
                let spec = Some(seen.spec.clone());
                seen.pods.as_mut().unwrap().push(Pod { trouble, spec, ..pod });
                let claim = format!("data-{member}");
                seen.claims.push(Claim::new(claim.clone(), claim, "1", member.clone()));
                seen.view.targets.push(Target::silent(member.clone(), Reach::Unreachable));
                created = Some(member);
            }
            Action::DeletePod { pod, .. } => {
                let pods = seen.pods.as_mut().unwrap();
                pods.iter_mut().filter(|it| it.name == pod.name).for_each(|it| it.deleting = true);
                pods.retain(|it| it.name != pod.name || deleted == Deleted::Going);
            }
            Action::DeleteClaim { claim } => seen.claims.retain(|it| it.name != claim.name),
            Action::MarkPod { .. } => {}
            other => panic!("{other}"),
        }
    }
    seen.now += jiff::SignedDuration::from_secs(70);
    created
}

/// Ids of members that crash before they are listed are not used up.
#[test]
fn an_id_that_was_never_asked_for_goes_to_the_next_try() {
    let mut seen = direct();
    let tries: Vec<_> = (0..60).filter_map(|_| crash_on(&mut seen, Deleted::Gone)).collect();
    assert!(tries.len() > 3, "{tries:?}");
    let mut names = tries.clone();
    names.dedup();
    assert_eq!(names, tries, "each try has another name");
    assert_eq!(seen.status.record.ids, 4, "{:?}", seen.status.record.spare);
}

/// A process may run as long as its pod is there, so that its id is in use.
#[test]
fn an_id_is_in_use_as_long_as_its_pod_is_there() {
    let mut seen = direct();
    let lost = (0..9).find_map(|_| crash_on(&mut seen, Deleted::Going)).unwrap();
    let next = (0..60).find_map(|_| crash_on(&mut seen, Deleted::Going)).unwrap();
    let member = seen.status.record.find(&next).unwrap();
    assert_eq!((&member.id, seen.status.record.ids), (&Some("5".into()), 5));
    assert_eq!(seen.status.record.spare, [SpareId { id: "4".into(), member: lost }]);
}

/// Once the application was asked for it nobody knows whether it was listed.
#[test]
fn an_id_that_was_asked_for_is_used_up() {
    let mut seen = direct();
    let new = (0..9).find_map(|_| crash_on(&mut seen, Deleted::Gone)).unwrap();
    let pods = seen.pods.as_mut().unwrap();
    let pod = pods.iter_mut().find(|it| it.name == new).unwrap();
    (pod.trouble, pod.marks.started) = (None, Some("4".into()));
    let status = MemberStatus::new("4", "c1", Standing::NonVoter).follows("1");
    let status = status.at(Position::at(1_000)).runs(seen.spec.version.clone());
    let target = seen.view.targets.iter_mut().find(|it| it.name == new).unwrap();
    *target = Target::answered(new.clone(), status);
    let made = planned(&seen);
    assert_eq!(acts(&made), [format!("add member {new}")]);
    seen.status = made.status;
    // The request is lost, and the spec is taken back.
    seen.spec.size = 3;
    assert_eq!(crash_on(&mut seen, Deleted::Gone), None);
    let record = &seen.status.record;
    assert_eq!((&record.spare, record.ids), (&vec![], 4));
}

/// A leader that does not answer may have acknowledged by itself what no other has, whatever is asked for since.
#[test]
fn an_edit_does_not_change_what_a_silent_leader_acknowledged() {
    let alone =
        ToySpec { lead: Lead::Appointed(Acks::Leader), growth: Growth::Direct, ..durable(3) };
    let mut seen = quorum_of(3, &alone);
    silence(&mut seen, 0);
    for serial in [1, 2] {
        seen.view.targets[serial].status.as_mut().unwrap().leader = None;
    }
    seen.spec.lead = Lead::Appointed(Acks::Majority);
    let waits = |made: &Plan<ToySpec>| {
        let lack = AppointmentLack::MayLead { member: name(0) };
        assert_eq!(acts(made), [""; 0]);
        assert!(made.waits.contains(&Waiting::ForAppointment { lack }), "{:?}", made.waits);
    };
    let made = planned(&seen);
    waits(&made);
    // All pods were made anew since, but that of the leader.
    seen.status = made.status;
    let spec = seen.spec.clone();
    seen.pods.iter_mut().flatten().skip(1).for_each(|it| it.spec = Some(spec.clone()));
    seen.pods.as_mut().unwrap()[0].spec = None;
    waits(&planned(&seen));
    // It leads again, and each voter runs what is asked for: from then on a majority is enough.
    let mut well = quorum_of(3, &spec);
    well.status.record.acks_alone = true;
    let old = well.pods.as_ref().unwrap()[2].clone();
    well.pods.as_mut().unwrap()[2].spec = None;
    assert!(planned(&well).status.record.acks_alone);
    well.pods.as_mut().unwrap()[2] = old;
    // One of them says that somebody's data is corrupt, and not whose.
    let mut doubted = well.clone();
    doubted.view.targets[1].status.as_mut().unwrap().corruption = vec![Corruption::Undetermined];
    assert!(planned(&doubted).status.record.acks_alone);
    assert!(!planned(&well).status.record.acks_alone);
}

/// Whoever goes next loses its copy, so each gets a successor, one after the other.
#[test]
fn members_whose_volumes_are_deleted_are_replaced() {
    let mut seen = quorum_of(3, &durable(3));
    seen.claims.iter_mut().for_each(|it| it.deleting = true);
    let made = planned(&seen);
    assert!(acts(&made)[0].starts_with("add non-voting member"), "{:?}", acts(&made));
    let degraded = made.status.condition(ConditionType::Degraded).unwrap();
    assert_eq!((degraded.status, &*degraded.reason), (Truth::True, "VolumesDeleting"));
    assert_eq!(made.status.members[1].trouble.as_deref(), Some("its volume is being deleted"));
}

/// Somebody gives an observer a vote: that is told, and it is an observer all the same.
#[test]
fn an_observer_that_somebody_gave_a_vote_is_told_and_rolled() {
    let lead = Lead::Stays;
    let spec = ToySpec { observers: 1, observers_first: true, lead, ..durable(3) };
    let mut seen = quorum_of(4, &spec);
    seen.status.record.members[3].role = "observer".into();
    let made = planned(&seen);
    assert_eq!(acts(&made), [""; 0], "no other is added");
    assert_eq!(made.waits, [Waiting::ForVote { member: name(3) }]);
    let progressing = made.status.condition(ConditionType::Progressing).unwrap();
    assert_eq!(&*progressing.reason, "UnwantedVote");
    seen.spec.version = "1.5.17".into();
    assert_eq!(acts(&planned(&seen)), ["restart m3 in place with image toy:1.5.17"]);
    seen.spec = ToySpec { observers: 0, observers_first: false, ..spec };
    assert_eq!(acts(&planned(&seen)), ["remove member m3 (3): scaling down"]);
}

/// The toy, which asks nobody for anything.
struct Mute;

impl App for Mute {
    type Spec = ToySpec;

    fn name(&self) -> &'static str {
        Toy.name()
    }

    fn validate(&self, object: &Identity, spec: &ToySpec) -> Vec<Problem> {
        Toy.validate(object, spec)
    }

    fn topology(&self, spec: &ToySpec) -> Topology {
        Toy.topology(spec)
    }

    fn launch(&self, of: &LaunchOf<'_, ToySpec>) -> Launch {
        Toy.launch(of)
    }

    fn via(&self, _: &Cluster, _: &Request) -> Option<MemberName> {
        None
    }
}

#[test]
fn that_nobody_can_be_asked_is_told() {
    let mut seen = quorum_of(3, &durable(3));
    seen.spec.size = 2;
    let made = plan(&Mute, &seen);
    let wait = Waiting::ForAddressee { request: RequestKind::Leave, member: name(1) };
    assert_eq!((acts(&made), made.waits), (vec![], vec![wait]));
}

/// How long a node is waited for is decided here, from since when it is silent.
#[test]
fn a_node_is_lost_when_it_was_silent_for_a_minute() {
    let mut seen = quorum_of(3, &durable(3));
    silence(&mut seen, 2);
    let told = |seconds: i64| {
        let mut seen = seen.clone();
        let since = seen.now - jiff::SignedDuration::from_secs(seconds);
        seen.pods.as_mut().unwrap()[2].node_fault = Some(NodeFault::Silent { since });
        planned(&seen).waits
    };
    let wait = |cause| vec![Waiting::ForMember { member: name(2), cause }];
    assert_eq!(told(NODE_SILENT_SECONDS - 1), wait(Cause::Silent));
    assert_eq!(told(NODE_SILENT_SECONDS), wait(Cause::NodeLost));
}

/// Its probes, which would say that it stops, fail already: nothing would wake the operator.
#[test]
fn who_works_and_is_not_ready_is_asked_within_the_time_in_which_a_fault_is_told() {
    let told_within = Some(5_000);
    let mut seen = quorum_of(3, &ToySpec::new(3));
    seen.pods.iter_mut().flatten().for_each(|it| it.ready = true);
    assert!(planned(&seen).look_again_ms > told_within);
    seen.pods.as_mut().unwrap()[1].ready = false;
    assert!(planned(&seen).look_again_ms < told_within);
}
