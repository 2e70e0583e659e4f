//! The linter refuses every plan that breaks a rule.
//!
//! Goal: each rule and each branch of the linter is seen to refuse. Method: plans that are right where they are made,
//! of a cluster of three, each spoiled in one place; all that is said against it is compared with `refused.txt`
//! (`UPDATE=1` rewrites it). That they pass unspoiled is checked too, and the plans of all stories pass.

mod case;
mod good;
mod restored;
mod spoiled;
mod spoiled_acts;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use endstate_core::*;

use case::*;
use good::*;
use spoiled::{AROUND, CREATED, Spoiled, WHOLE};
use spoiled_acts::{CALLS, PODS};

const RULES: [Rule; 17] = [
    Rule::KeepsQuorum,
    Rule::OneDisruption,
    Rule::OneIdentity,
    Rule::KeepsData,
    Rule::NoSecondStart,
    Rule::OneChange,
    Rule::Preconditions,
    Rule::DeletesOnlyWhatLeaves,
    Rule::IntentFirst,
    Rule::MarksFirst,
    Rule::RefusedRests,
    Rule::HandsOff,
    Rule::KeepsClaims,
    Rule::KeepsAuthorities,
    Rule::HarmlessFirst,
    Rule::OneLeader,
    Rule::NeedsFirst,
];

fn violations(case: &Case) -> String {
    let found = lint(&case.seen, &case.plan);
    found.iter().map(|it| format!("  {it}\n")).collect()
}

#[test]
fn right_plans_pass() {
    for (index, good) in good::ALL.into_iter().chain(restored::ALL).enumerate() {
        assert_eq!(violations(&good()), "", "case {index}");
    }
}

#[test]
fn a_plan_spoiled_in_one_place_is_refused() {
    let all = [WHOLE, AROUND, CREATED, PODS, CALLS, restored::SPOILED].concat();
    let mut told = String::new();
    let mut alone: BTreeSet<_> = RULES.into_iter().map(|it| it.to_string()).collect();
    for (name, good, spoil) in all {
        let case = good().with(spoil);
        let found = lint(&case.seen, &case.plan);
        assert!(!found.is_empty(), "{name}: the plan passes");
        if let Some(only) =
            found.first().filter(|it| found.iter().all(|other| other.rule == it.rule))
        {
            alone.remove(&only.rule.to_string());
        }
        writeln!(told, "{name}\n{}", violations(&case)).unwrap();
    }
    assert!(alone.is_empty(), "never broken alone: {alone:?}");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/lint/refused.txt");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, &told).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap();
    let other = written.lines().zip(told.lines()).find(|(old, new)| old != new);
    assert_eq!(other, None, "written, and said");
    assert_eq!(written.lines().count(), told.lines().count());
}

/// What shows that a member cannot come back, one by one: it may be given up by each.
#[test]
fn a_member_is_given_up_only_for_what_its_pod_shows() {
    let exit = |it: Evidence| Some(Exit::of(it.exit_code().into(), None, &it.message("why")));
    let crash = Trouble::CrashLoop { message: Words::of("") };
    let shows: [&dyn Fn(&mut Case); 10] = [
        &|it| it.pod("c").node_fault = Some(NodeFault::Gone),
        &|it| it.pod("c").deleting = true,
        &|it| it.pod("c").phase = PodPhase::Failed,
        &|it| it.pod("c").started = false,
        &|it| it.pod("c").uid = "another".into(),
        &|it| it.pod("c").trouble = Some(crash.clone()),
        &|it| it.pod("c").exit = exit(Evidence::DataLost),
        &|it| {
            it.pod("c").exit = exit(Evidence::DataForeign);
            it.plan.status.record.kept = vec!["c".into()];
        },
        &|it| it.gone("c"),
        &|it| {
            it.seen.view.targets.push(Target::answered("c", answer("c")));
            it.status("c").cluster = "c2".into();
        },
    ];
    for (index, show) in shows.into_iter().enumerate() {
        let mut case = gives_up().with(|it| it.pod("c").node_fault = None);
        assert_ne!(violations(&case), "");
        show(&mut case);
        assert_eq!(violations(&case), "", "{index}");
    }
}

/// What a rule does not forbid, beside the plans that are spoiled elsewhere.
#[test]
fn what_looks_alike_and_is_right_passes() {
    let cases: &[Spoiled] = &[
        ("half a second has passed", restarts, |it| it.refused(500)),
        ("another clock refused it", restarts, |it| it.refused(-1)),
        ("the role that it needs works", restarts, |it| it.needs("member")),
        ("who is listed is started without the role that it needs", joins, |it| it.needs("other")),
        ("something else was refused", restarts, |it| {
            it.refused(0);
            it.seen.blocked[0].action.member = "b".into();
        }),
        ("it was certainly not made", joins, |it| {
            it.refused(600);
            it.plan.actions.clear();
            it.plan.status.record.epoch -= 1;
            it.seen.blocked[0].not_created = vec!["d".into()];
            std::mem::swap(&mut it.seen.status, &mut it.plan.status);
        }),
        ("another attempt counts ids from the first", bootstraps, |it| {
            it.seen.status.record.ids = 3
        }),
        ("a spare id is given to another when its pod is gone", idle, |it| {
            it.allocates();
            it.records(|it| it.spare = vec![SpareId { id: "4".into(), member: "z".into() }]);
            it.comes("d", "4");
            it.plan.status.record.spare.clear();
        }),
        ("the id of one that never had a pod is given to another at once", idle, |it| {
            it.allocates();
            it.comes("z", "4");
            it.seen.status.record.step = it.plan.status.record.step.clone();
            it.comes("d", "4");
        }),
        ("all voters work by what is asked for now", idle, |it| {
            it.appointed(Acks::Majority);
            it.seen.status.record.acks_alone = true;
        }),
        ("a mark is put on an object that is going", marks, |it| it.seen.object.deleting = true),
        ("it is started first, and listed afterwards", joins, |it| {
            it.list_mut().members.truncate(3)
        }),
        ("it does not run, and nobody needs it", restarts, |it| {
            it.silent("c");
            it.silent("b");
            it.plan.status.record.step = None;
        }),
        ("it has no vote, and nobody needs it", restarts, |it| {
            it.silent("b");
            it.list_mut().members[2].votes = false;
            it.plan.status.record.step = None;
        }),
        ("it is not listed, and nobody needs it", restarts, |it| {
            it.unlisted("c");
            it.plan.status.record.step = None;
        }),
        ("no list says who votes", restarts, |it| it.seen.view.membership = None),
        ("a complete member without a vote holds up nobody", adds, |it| {
            it.relist(|it| it.push(Entry::non_voter("e", "e")));
            it.plan.status.record.members.push(member("e"));
        }),
        ("an observer that a person added holds up nobody", adds, |it| {
            it.relist(|it| it.push(Entry::non_voter("e", "e")));
            let row = |name, role, standing| MemberRow {
                standing: Some(standing),
                ..MemberRow::new(name, role)
            };
            let voter = row("a", "member", Standing::Leader);
            it.plan.status.members = vec![voter, row("e", "observer", Standing::NonVoter)];
        }),
        ("what others have of the surroundings stops no member", joins, |it| {
            it.seen.conflicts = vec![Conflict::new("Service", "demo")]
        }),
        ("a claim that goes already is not told of", owns, |it| {
            it.around().left.clear();
            it.seen.claims[1].deleting = true;
        }),
        ("the policy of another role does not keep the claim of a member", owns, |it| {
            it.around().left[0].ownership = Ownership::Kept;
            it.keeps("observer", Retention::new(Reclaim::Retain, Reclaim::Delete));
        }),
        (
            "who leaves takes its claim along, whatever the policy of another role",
            deletes_claim,
            |it| {
                it.plan.status.record.step = Some(leave("c", LeaveReason::ScaleDown));
                it.keeps("observer", Retention::new(Reclaim::Retain, Reclaim::Retain));
            },
        ),
        ("the policy of another volume does not keep a claim", owns, |it| {
            let retention = Retention::new(Reclaim::Retain, Reclaim::Retain);
            it.plan.retention.push(Policy::new("member", "journal", retention));
        }),
        ("all is kept, whatever the policy", owns, |it| {
            it.around().left[0].ownership = Ownership::Kept;
            it.around().volumes[0].ownership = Ownership::Kept;
        }),
        ("what is somebody else's is not written", owns, |it| {
            it.seen.conflicts = vec![Conflict::new("Service", "demo")];
            it.around().taken = it.seen.conflicts.clone();
        }),
        ("a paused cluster is marked", marks, |it| it.plan.status.phase = Phase::Paused),
        ("one whose data differs and does not lead copies to nobody", joins, |it| {
            it.compared(&["b"]);
        }),
        ("a mark that is there stays", marks, |it| {
            it.unmarked("c");
            it.pod("c").marks.started = Some("c".into());
            it.silent("c");
        }),
        ("a pod is marked as ours, and no more", marks, |it| {
            let marks = Marks { owned: true, ..Marks::default() };
            *it.action() = Action::MarkPod { pod: case::seen("c"), marks };
        }),
        ("a majority makes up for what one had", appoints, |it| {
            it.row("a", Standing::Voter, Position::at(101))
        }),
        ("a person gives up what was lost", appoints_alone, |it| {
            it.seen.status.members[0].position = Some(Position::at(101));
            it.seen.consent = Some(Choice::RecoverFrom("b".into()));
        }),
        ("what is corrupt is worth nothing", appoints, |it| {
            it.status("c").position = Some(Position::at(101));
            it.status("c").corruption = vec![Corruption::Of("c".into())];
        }),
        ("nobody votes who has a pod", recovers, |it| {
            it.seen.pods.as_mut().unwrap().push(pod("c"))
        }),
        ("what was corrupt is no measure", recovers, |it| {
            it.seen.status.members[1].position = Some(Position::at(200));
            it.seen.status.members[1].corrupt = true;
        }),
        ("what it says now counts", makes_room, |it| {
            it.seen.status.members[1].position = Some(Position::at(100));
        }),
    ];
    for (name, good, change) in cases {
        let case = good().with(change);
        assert_eq!(violations(&case), "", "{name}");
    }
}
