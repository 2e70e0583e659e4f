//! Plans that are right where they are made: at least one of every kind.

use endstate_core::*;

use super::case::*;

pub(super) const ALL: [fn() -> Case; 40] = [
    idle,
    owns,
    removes,
    removes_observer,
    gives_up,
    adds,
    adds_another,
    adds_with_vote,
    promotes,
    transfers,
    appoints,
    appoints_alone,
    stops_rival,
    drains,
    own_step,
    own_dangerous_step,
    operates,
    replaces,
    mends,
    cancels,
    withdraws,
    restarts,
    updates,
    recreates,
    clears,
    deletes_claim,
    deletes_claim_early,
    joins,
    resumes,
    bootstraps,
    clears_attempt,
    formed,
    marks,
    makes_room,
    makes_room_unasked,
    recovers,
    resumes_source,
    hibernates,
    resumes_found,
    adopts,
];

pub(super) fn idle() -> Case {
    Case::new()
}

/// All claims end with the cluster: that of a member, and one that a member left behind.
pub(super) fn owns() -> Case {
    let mut around = Surroundings::default();
    around.volumes = vec![
        MemberVolume::new("a", ("member", 0), VolumeSpec::new("1Gi")).ownership(Ownership::Owned),
    ];
    around.left = vec![LeftClaim::new(claim("z"), Ownership::Owned)];
    Case::new().with(|it| {
        it.claimed("a");
        it.claimed("z");
        it.plan.retention = deletes_all();
        it.plan.surroundings = Some(around);
    })
}

/// No claim is kept.
fn deletes_all() -> Vec<Policy> {
    vec![Policy::new("member", DATA, Retention::new(Reclaim::Delete, Reclaim::Delete))]
}

pub(super) fn removes() -> Case {
    let reason = LeaveReason::ScaleDown;
    let request = Request::Leave { member: "c".into(), id: "c".into(), reason };
    Case::new().steps(leave("c", reason)).calls(request)
}

/// No quorum depends on one without a vote.
pub(super) fn removes_observer() -> Case {
    let reason = LeaveReason::ScaleDown;
    let case = Case::new().with(|it| it.relist(|it| it.push(Entry::non_voter("d", "d"))));
    let request = Request::Leave { member: "d".into(), id: "d".into(), reason };
    case.steps(leave("d", reason)).calls(request).with(|it| it.silent("b"))
}

pub(super) fn gives_up() -> Case {
    let reason = LeaveReason::Dead;
    let request = Request::Leave { member: "c".into(), id: "c".into(), reason };
    Case::new().steps(leave("c", reason)).calls(request).with(|it| {
        it.silent("c");
        it.pod("c").node_fault = Some(NodeFault::Gone);
    })
}

pub(super) fn adds() -> Case {
    let request = Request::Join { member: "d".into(), id: None, address: "d".into(), votes: false };
    Case::new().steps(Step::Join { member: MemberRecord::new("d", "member") }).calls(request)
}

/// Beside another, which is listed and has no vote yet.
pub(super) fn adds_another() -> Case {
    let request = Request::Join { member: "e".into(), id: None, address: "e".into(), votes: false };
    let case = Case::new().with(|it| it.relist(|it| it.push(Entry::non_voter("d", "d"))));
    case.steps(Step::Join { member: MemberRecord::new("d", "member") }).calls(request).with(|it| {
        it.plan.status.record.coming = vec![MemberRecord::new("e", "member")];
        it.plan.roles = vec![Role::voting("member", 5).at_once(2)];
    })
}

pub(super) fn adds_with_vote() -> Case {
    let (id, votes) = (Some("d".into()), true);
    let request = Request::Join { member: "d".into(), id, address: "d".into(), votes };
    Case::new().steps(Step::Join { member: member("d") }).calls(request).with(|it| it.started("d"))
}

pub(super) fn promotes() -> Case {
    let case = Case::new().with(|it| it.relist(|it| it.push(Entry::non_voter("d", "d"))));
    let request = Request::Promote { member: "d".into(), id: "d".into(), address: "d".into() };
    case.steps(Step::Join { member: member("d") }).calls(request).with(|it| it.started("d"))
}

pub(super) fn transfers() -> Case {
    Case::new().calls(Request::Transfer { to: "b".into(), id: "b".into() })
}

/// The leader does not answer, and a majority of the others follows nobody.
pub(super) fn appoints() -> Case {
    let heard = ["b".into(), "c".into()].into();
    let request = Request::Appoint { member: "b".into(), id: "b".into(), heard };
    Case::new().calls(request).with(|it| {
        it.appointed(Acks::Majority);
        it.silent("a");
        for name in ["b", "c"] {
            it.status(name).leader = None;
        }
    })
}

/// The leader lost its data with its pod, and all others answer.
pub(super) fn appoints_alone() -> Case {
    appoints().with(|it| {
        it.gone("a");
        it.appointed(Acks::Leader);
        it.row("a", Standing::Voter, Position::at(100));
    })
}

/// One that was not reached says that it leads, too.
pub(super) fn stops_rival() -> Case {
    let heard = ["a".into(), "c".into()].into();
    let request = Request::Appoint { member: "a".into(), id: "a".into(), heard };
    Case::new().calls(request).with(|it| {
        it.appointed(Acks::Majority);
        it.status("b").leader = Some("b".into());
        it.status("b").position = Some(Position::at(101));
    })
}

pub(super) fn drains() -> Case {
    let step = leave("c", LeaveReason::ScaleDown);
    Case::new().steps(step).calls(Request::Drain { member: "c".into(), id: "c".into() })
}

pub(super) fn own_step() -> Case {
    let step = AppStep::new("Rebalance", "a");
    Case::new().steps(Step::App { step: step.clone() }).calls(Request::App(step))
}

pub(super) fn own_dangerous_step() -> Case {
    let role = || "member".into();
    let step = AppStep::new("Rebalance", "a").dangerous();
    let step = step.needs(Precondition::Healthy { role: role() });
    let step = step.needs(Precondition::UpToDate { role: role() });
    Case::new().steps(Step::App { step: step.clone() }).calls(Request::App(step))
}

/// What an operation asks of a member.
pub(super) fn operates() -> Case {
    let step = AppStep::new("Compact", "b").with("operation", "one").dangerous();
    let step = step.needs(Precondition::CaughtUp { role: "member".into(), entries: 10 });
    let case = Case::new().steps(Step::App { step: step.clone() }).calls(Request::App(step));
    case.with(|it| it.begins("one"))
}

/// An operation wants another in its place.
pub(super) fn replaces() -> Case {
    let reason = LeaveReason::Requested;
    let request = Request::Leave { member: "c".into(), id: "c".into(), reason };
    Case::new().steps(leave("c", reason)).calls(request).with(|it| it.begins("one"))
}

/// Nobody leads, and nobody agrees on anything.
pub(super) fn mends() -> Case {
    let step = Request::App(AppStep::new("Meet", "a"));
    Case::new().calls(step).with(|it| {
        it.list_mut().agreed = 1;
        for name in ["a", "b", "c"] {
            it.status(name).leader = None;
        }
    })
}

/// The alarm is about who has left, and all have the same data.
pub(super) fn withdraws() -> Case {
    let (member, alarm) = ("a".into(), Corruption::Of("z".into()));
    let case = Case::new().calls(Request::AllClear { member, alarm });
    case.with(|it| it.compared(&[]))
}

pub(super) fn cancels() -> Case {
    Case::new().calls(Request::Cancel { request: RequestKind::Drain, member: "c".into() })
}

pub(super) fn restarts() -> Case {
    let action = Action::RestartPod { pod: seen("c"), launch: launch() };
    Case::new().steps(Step::Restart { name: "c".into() }).does(action)
}

pub(super) fn updates() -> Case {
    Case::new().does(Action::UpdatePod { pod: seen("c"), launch: launch() })
}

pub(super) fn recreates() -> Case {
    let action = Action::DeletePod { pod: seen("c"), reason: LeaveReason::Recreated };
    let case = Case::new().steps(Step::Restart { name: "c".into() }).does(action);
    case.with(|it| it.claimed("c"))
}

pub(super) fn clears() -> Case {
    let reason = LeaveReason::ScaleDown;
    let action = Action::DeletePod { pod: seen("c"), reason };
    Case::new().steps(leave("c", reason)).does(action).with(|it| it.unlisted("c"))
}

/// The cluster is complete, and the claim is nobody's.
pub(super) fn deletes_claim() -> Case {
    let case = Case::new().with(|it| {
        it.unlisted("c");
        it.gone("c");
        it.claimed("c");
        let mut surroundings = Surroundings::default();
        surroundings.min_available = 2;
        surroundings.left = vec![LeftClaim::new(claim("c"), Ownership::Kept)];
        it.plan.retention = deletes_all();
        it.plan.surroundings = Some(surroundings);
    });
    case.does(Action::DeleteClaim { claim: claim("c") })
}

/// The member has just left, and it was decided then that the others have what they need.
pub(super) fn deletes_claim_early() -> Case {
    deletes_claim().steps(leave("c", LeaveReason::Dead)).with(|it| it.silent("b"))
}

pub(super) fn joins() -> Case {
    let start = Start::Existing { members: peers(&["a", "b", "c", "d"]) };
    let asked =
        |asked| Step::Join { member: MemberRecord { asked, ..MemberRecord::new("d", "member") } };
    let case = Case::new().with(|it| {
        it.relist(|it| it.push(Entry::non_voter("d", "d")));
        it.seen.status.record.step = Some(asked(None));
    });
    let now = case.seen.now;
    case.steps(asked(Some(now))).does(create("d", start))
}

pub(super) fn resumes() -> Case {
    let start = Start::Resume { members: peers(&["a", "b", "c"]) };
    Case::new().does(create("c", start)).with(|it| {
        it.gone("c");
        it.claimed("c");
        it.plan.status.record.members[2].asked = Some(it.seen.now);
    })
}

/// Nothing is recorded, the volume of one is there, and a person says that its member is to start.
pub(super) fn resumes_found() -> Case {
    let start = Start::Resume { members: peers(&["c"]) };
    Case::new().does(create("c", start)).with(|it| {
        it.claimed("c");
        (it.seen.pods, it.seen.view) = (Some(vec![]), View::default());
        it.seen.status = Status::default();
        it.seen.consent = Some(Choice::Resume);
        let asked = Some(it.seen.now);
        let found = vec![MemberRecord { asked, ..member("c") }];
        it.plan.status.record =
            Record { epoch: 1, found, accepted: accepted(), ..Record::default() };
    })
}

/// A cluster of this name left a volume, and a person says that it is gone on with.
pub(super) fn adopts() -> Case {
    let former = || {
        let mut former = claim("c");
        former.of_another = Some("77aa".into());
        former
    };
    Case::new().does(Action::AdoptClaim { claim: former() }).with(|it| {
        it.seen.former = vec![former()];
        (it.seen.pods, it.seen.view) = (Some(vec![]), View::default());
        it.seen.status = Status::default();
        it.seen.consent = Some(Choice::Adopt(None));
        it.plan.status.record = Record { epoch: 1, accepted: accepted(), ..Record::default() };
    })
}

/// The first start.
pub(super) fn bootstraps() -> Case {
    let mut case = Case::new();
    let asked = Some(case.seen.now);
    let first = ["a", "b", "c"].map(|it| MemberRecord { asked, ..MemberRecord::new(it, "member") });
    let bootstrap = Some(Bootstrap { attempt: 1, members: first.to_vec() });
    (case.seen.pods, case.seen.view) = (Some(vec![]), View::default());
    case.seen.status = Status::default();
    case.plan.status.record =
        Record { names: 3, bootstrap, accepted: accepted(), ..Record::default() };
    let start = || Start::New { token: "t".into(), members: peers(&["a", "b", "c"]) };
    ["a", "b", "c"].into_iter().fold(case, |case, it| case.does(create(it, start())))
}

/// A pod of an attempt that came to nothing.
pub(super) fn clears_attempt() -> Case {
    let mut case = bootstraps();
    case.seen.status = case.plan.status.clone();
    case.seen.pods = Some(vec![pod("z")]);
    case.plan = Plan::idle(case.seen.status.clone());
    case.does(Action::DeletePod { pod: seen("z"), reason: LeaveReason::Stray })
}

/// The cluster was formed, which is recorded, and clients are let in.
pub(super) fn formed() -> Case {
    Case::new().with(|it| {
        let old = &mut it.seen.status.record;
        let members = std::mem::take(&mut old.members);
        (old.cluster_id, old.bootstrap) = (None, Some(Bootstrap { attempt: 1, members }));
        let mut surroundings = Surroundings::default();
        surroundings.clients = true;
        it.plan.surroundings = Some(surroundings);
    })
}

pub(super) fn marks() -> Case {
    Case::new().with(|it| {
        let marks = std::mem::take(&mut it.pod("c").marks);
        it.plan.actions.push(Action::MarkPod { pod: seen("c"), marks });
    })
}

/// No member is to run.
pub(super) fn hibernates() -> Case {
    let action = Action::DeletePod { pod: seen("b"), reason: LeaveReason::Hibernates };
    Case::new().does(action).with(|it| {
        it.claimed("b");
        it.silent("c");
        it.plan.roles = vec![Role::voting("member", 0)];
    })
}

/// Two of three lost their data, and a person consented to go on with what the third has.
pub(super) fn makes_room() -> Case {
    let action = Action::DeletePod { pod: seen("a"), reason: LeaveReason::Recovered };
    Case::new().steps(recover(RecoverStage::Fencing {})).does(action).with(|it| {
        it.claimed("a");
        it.silent("b");
        it.silent("c");
        it.list_mut().agreed = 1;
        it.seen.consent = Some(Choice::RecoverFrom("a".into()));
        it.row("a", Standing::Voter, Position::at(90));
        it.row("b", Standing::Voter, Position::at(95));
        it.row("c", Standing::NonVoter, Position::at(200));
    })
}

/// The same, and nobody was asked: the launchers of the others say that their data is lost.
pub(super) fn makes_room_unasked() -> Case {
    let step = match recover(RecoverStage::Fencing {}) {
        Step::Recover { source, lost, stage, .. } => {
            Step::Recover { source, lost, stage, unasked: true }
        }
        other => other,
    };
    makes_room().steps(step).with(|it| {
        it.seen.consent = None;
        it.plan.roles = vec![Role::voting("member", 3).recovery(Recovery::Unasked)];
        it.status("a").position = Some(Position::at(95));
        for name in ["b", "c"] {
            let lost = Evidence::DataLost;
            let exit = Exit::of(lost.exit_code().into(), None, &lost.message("it is empty"));
            it.pod(name).exit = Some(exit);
        }
        let now = it.seen.now;
        it.records(|it| it.members.iter_mut().for_each(|it| it.lost_since = Some(now)));
    })
}

/// Its pod is gone, and so are the others.
pub(super) fn recovers() -> Case {
    let start = Start::Recover { token: "t".into(), members: peers(&["a"]) };
    let case = makes_room().with(|it| {
        it.plan.actions.clear();
        it.gone("a");
        it.gone("b");
        it.seen.status.members[0].position = Some(Position::at(95));
        it.seen.consent = None;
        it.seen.status.record.step = Some(recover(RecoverStage::Fencing {}));
        it.plan.status.record.members[0].asked = Some(it.seen.now);
    });
    case.steps(recover(RecoverStage::Alone {})).does(create("a", start))
}

/// It serves alone, and makes room for a pod that is told of no recovery.
pub(super) fn resumes_source() -> Case {
    let action = Action::DeletePod { pod: seen("a"), reason: LeaveReason::Recreated };
    let step = || recover(RecoverStage::Resuming { pod: "pod-a".into() });
    Case::new().steps(step()).does(action).with(|it| {
        it.unlisted("b");
        it.unlisted("c");
        it.claimed("a");
    })
}
