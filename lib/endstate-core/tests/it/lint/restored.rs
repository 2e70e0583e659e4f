//! Clusters that begin anew with other data: plans that are right, and each spoiled in one place.

use endstate_core::*;
use serde_json::json;

use super::case::*;
use super::spoiled::Spoiled;

pub(super) const ALL: [fn() -> Case; 5] = [intends, makes, turns, fences, begins];

/// An operation that was started, and asks for it.
fn asked() -> Case {
    Case::new().with(|it| {
        let spec = Facts::of(&json!({"restore": {"from": "monday"}}));
        let mut object = Beside::new("ToyTask", "back", spec);
        object.uid = "uid-back".into();
        object.progress.start_time = Some(it.seen.now);
        it.seen.beside.push(object);
    })
}

fn restoring(stage: RestoreStage) -> Option<Restoring> {
    let source = Facts::of(&json!({"from": "monday"}));
    Some(Restoring { by: "uid-back".into(), source, stage })
}

fn preparing() -> Option<Restoring> {
    restoring(RestoreStage::Preparing { member: MemberRecord::new("d", "member") })
}

fn fencing() -> Option<Restoring> {
    restoring(RestoreStage::Fencing { member: member("d") })
}

fn record(case: &mut Case) -> &mut Record<crate::toy::ToySpec> {
    &mut case.plan.status.record
}

fn intends() -> Case {
    asked().with(|it| record(it).restoring = preparing())
}

fn makes() -> Case {
    let start = Start::Prepare { token: "t".into(), members: peers(&["d"]) };
    asked().does(create("d", start)).with(|it| {
        it.records(|it| it.restoring = preparing());
        let now = it.seen.now;
        let member = MemberRecord { asked: Some(now), ..MemberRecord::new("d", "member") };
        record(it).restoring = restoring(RestoreStage::Preparing { member });
    })
}

fn prepared(case: &mut Case) {
    let (evidence, mut pod) = (Evidence::Prepared, pod("d"));
    pod.exit = Some(Exit::of(evidence.exit_code().into(), None, &evidence.message("made")));
    case.seen.pods.as_mut().unwrap().push(pod);
}

fn turns() -> Case {
    asked().with(|it| {
        prepared(it);
        it.records(|it| it.restoring = restoring(RestoreStage::Preparing { member: member("d") }));
        record(it).restoring = fencing();
    })
}

fn fences() -> Case {
    let action = Action::DeletePod { pod: seen("a"), reason: LeaveReason::Restored };
    asked().does(action).with(|it| {
        prepared(it);
        it.records(|it| it.restoring = fencing());
    })
}

fn begins() -> Case {
    asked().with(|it| {
        it.records(|it| it.restoring = fencing());
        it.seen.pods = Some(vec![]);
        for name in ["a", "b", "c", "d"] {
            it.claimed(name);
        }
        let first = vec![MemberRecord::new("d", "member")];
        let old = &it.seen.status.record;
        it.plan.status.record = Record {
            names: old.names,
            epoch: old.epoch,
            accepted: accepted(),
            restoring: restoring(RestoreStage::Forming {}),
            bootstrap: Some(Bootstrap { attempt: 4, members: first }),
            kept: ["a", "b", "c"].map(MemberName::from).to_vec(),
            ..Record::default()
        };
    })
}

/// What must not be broken in beginning anew.
pub(super) const SPOILED: &[Spoiled] = &[
    ("is to begin anew, and nobody asks", intends, |it| it.seen.beside.clear()),
    ("is to begin anew for what was not started", intends, |it| {
        it.seen.beside[0].progress.start_time = None
    }),
    ("is to begin anew for what is over", intends, |it| {
        it.seen.beside[0].progress.state = State::Complete
    }),
    ("is to begin anew for what goes", intends, |it| it.seen.beside[0].deleting = true),
    ("is fenced at once", intends, |it| record(it).restoring = fencing()),
    ("forms at once", intends, |it| record(it).restoring = restoring(RestoreStage::Forming {})),
    ("has data made by one that is not recorded for it", makes, |it| {
        record(it).restoring = preparing()
            .map(|it| Restoring { stage: RestoreStage::Preparing { member: member("e") }, ..it })
    }),
    ("has data made, told of others", makes, |it| {
        it.restart(Start::Prepare { token: "t".into(), members: peers(&["a", "d"]) })
    }),
    ("has data made beside its pod", makes, prepared),
    ("is fenced before the data is made", turns, |it| it.pod("d").exit = None),
    ("is fenced for the data of another", turns, |it| {
        record(it).restoring = restoring(RestoreStage::Fencing { member: member("c") })
    }),
    ("makes room, and nobody asks any more", fences, |it| it.seen.beside[0].deleting = true),
    ("makes room before that is recorded", fences, |it| {
        it.seen.status.record.restoring = restoring(RestoreStage::Preparing { member: member("d") })
    }),
    ("makes room, and nothing is recorded", fences, |it| it.records(|it| it.restoring = None)),
    ("begins anew beside a pod", begins, |it| it.seen.pods = Some(vec![pod("b")])),
    ("begins anew while nobody knows the pods", begins, |it| it.seen.pods = None),
    ("begins anew with another member", begins, |it| {
        record(it).bootstrap.as_mut().unwrap().members = vec![MemberRecord::new("e", "member")]
    }),
    ("begins anew, and keeps no volumes", begins, |it| record(it).kept.clear()),
    ("forgets that it begins anew", begins, |it| {
        it.seen.status = it.plan.status.clone();
        record(it).restoring = None;
    }),
    ("begins anew before it is fenced", begins, |it| {
        it.seen.status.record.restoring = restoring(RestoreStage::Preparing { member: member("d") })
    }),
];
