//! Recoveries by a person's consent: when a majority has lost its data, when it seems to have, and when it has not.

use crate::toy_cluster::app::Toy;
use crate::toy_cluster::found::found_by;
use crate::toy_cluster::raft::Raft;
use crate::toy_cluster::recovery_bugs;
use crate::toy_cluster::zab::Zab;
use endstate_check::cluster::{AppModel, Budgets, Planner, Property, Scenario, Start, Volumes};
use endstate_core::{Growth, Lead, Recovery};

const NONE: Budgets = Budgets::NONE;

fn three(name: &'static str, budgets: Budgets) -> Scenario {
    Scenario::new(name, Start::Running([3, 0]), &[[3, 0]], budgets).on(Volumes::Claims)
}

fn two(name: &'static str, budgets: Budgets) -> Scenario {
    Scenario::new(name, Start::Running([2, 0]), &[[2, 0]], budgets).on(Volumes::Claims)
}

fn four(name: &'static str, budgets: Budgets) -> Scenario {
    Scenario::new(name, Start::Running([4, 0]), &[[4, 0]], budgets).on(Volumes::Claims)
}

fn recovery(scenario: &Scenario) -> Recovery {
    if scenario.unasked { Recovery::Unasked } else { Recovery::FromOne }
}

fn raft(scenario: &Scenario) -> Raft {
    Raft::of(
        scenario,
        Toy {
            lead: Lead::Transfers,
            growth: Growth::NonVoting,
            volumes: Volumes::Claims,
            recovery: recovery(scenario),
        },
    )
}

fn zab(scenario: &Scenario) -> Zab {
    Zab::of(
        scenario,
        Toy {
            lead: Lead::Stays,
            growth: Growth::Direct,
            volumes: Volumes::Claims,
            recovery: recovery(scenario),
        },
    )
}

/// Without the bug, with it, and with it behind the linter.
fn caught(scenario: &Scenario, bug: Planner<Toy>, property: Property) {
    let model = zab(scenario);
    assert_eq!(found_by(scenario, model, Planner::shipped()), None);
    assert_eq!(found_by(scenario, model, bug), Some(property));
    assert_eq!(found_by(scenario, model, bug.linted()), Some(Property::Lint));
}

fn suite() -> Vec<Scenario> {
    vec![
        three("consent, wiped", Budgets { wipe: 2, consent: 1, ..NONE }),
        two("consent, crash", Budgets { wipe: 1, consent: 1, abort: 1, ..NONE }),
        two("consent, old caches", Budgets { wipe: 1, consent: 1, stale: 1, ..NONE }),
        two("consent, late", Budgets { wipe: 1, consent: 1, late: 1, ..NONE }),
        two("consent, all wiped", Budgets { wipe: 2, consent: 1, ..NONE }),
        two("consent, evicted", Budgets { wipe: 1, consent: 1, evict: 1, ..NONE }),
        two("consent, mounted late", Budgets { unmount: 2, consent: 1, ..NONE }),
        two("consent twice", Budgets { wipe: 1, consent: 2, ..NONE }),
        two("consent, written", Budgets { wipe: 1, kill: 1, consent: 1, write: 1, ..NONE }),
    ]
}

/// The same where nobody is asked.
fn unasked() -> Vec<Scenario> {
    let scenarios = [
        three("unasked, wiped", Budgets { wipe: 2, ..NONE }),
        three("unasked, cut", Budgets { wipe: 1, cut: 1, ..NONE }),
        three("unasked, away", Budgets { wipe: 1, away: 1, ..NONE }),
        three("unasked, killed", Budgets { kill: 2, evict: 1, ..NONE }),
        two("unasked, crash", Budgets { wipe: 1, abort: 2, ..NONE }),
        two("unasked, old caches", Budgets { wipe: 1, stale: 1, ..NONE }),
        two("unasked, late", Budgets { wipe: 1, late: 1, ..NONE }),
        two("unasked, all wiped", Budgets { wipe: 2, ..NONE }),
        two("unasked, evicted", Budgets { wipe: 1, evict: 1, ..NONE }),
        two("unasked, mounted late", Budgets { unmount: 2, ..NONE }),
        two("unasked, claims deleted", Budgets { part: 1, evict: 1, ..NONE }),
        two("unasked, written", Budgets { wipe: 1, kill: 1, write: 1, ..NONE }),
        two("unasked, consent", Budgets { wipe: 1, consent: 1, ..NONE }),
        two("unasked, corrupt", Budgets { wipe: 1, corrupt: 1, ..NONE }),
    ];
    scenarios.into_iter().map(Scenario::unasked).collect()
}

fn all_are_fine<M: AppModel>(scenarios: Vec<Scenario>, model: fn(&Scenario) -> M) {
    let bad = scenarios.into_iter().filter_map(|it| {
        let property = found_by(&it, model(&it), Planner::shipped());
        property.map(|property| (it.name, property))
    });
    let bad: Vec<_> = bad.collect();
    assert!(bad.is_empty(), "{bad:?}");
}

#[test]
fn raft_recovers_by_consent_only() {
    all_are_fine(suite(), raft);
}

#[test]
fn zab_recovers_by_consent_only() {
    all_are_fine(suite(), zab);
}

#[test]
fn raft_recovers_unasked() {
    all_are_fine(unasked(), raft);
}

#[test]
fn zab_recovers_unasked() {
    all_are_fine(unasked(), zab);
}

/// Two volumes are mounted late, and their members form a quorum beside the one that was recovered.
///
/// What ships is safe here and does not always come to rest: a member that was removed for its lost data and finds it
/// again counts as a voter until its step is over, and a recovery is not begun beside it.
#[test]
fn others_that_resume_beside_a_recovery_are_found() {
    let unmounted = three("bug", Budgets { unmount: 2, consent: 1, ..NONE });
    let bug = Planner::with_bug(recovery_bugs::resume_the_others);
    assert_eq!(found_by(&unmounted, zab(&unmounted), bug), Some(Property::OneCluster));
    assert_eq!(found_by(&unmounted, zab(&unmounted), bug.linted()), Some(Property::Lint));
}

/// A quorum came back, and was lost again: the consent of before was to something else.
#[test]
fn a_consent_that_is_used_again_is_found() {
    let again = two("bug", Budgets { unmount: 1, wipe: 1, consent: 1, ..NONE });
    let bug = Planner::with_bug(recovery_bugs::use_consent_again);
    assert_eq!(found_by(&again, zab(&again), Planner::shipped()), None);
    assert_eq!(found_by(&again, zab(&again), bug), Some(Property::ConsentsOnce));
}

#[test]
fn a_recovery_under_a_quorum_is_found() {
    let healthy = three("bug", Budgets { consent: 1, ..NONE });
    let bug = Planner::with_bug(recovery_bugs::recover_anyway);
    caught(&healthy, bug, Property::OneDisruption);
}

#[test]
fn a_recovery_without_consent_is_found() {
    let wiped = three("bug", Budgets { wipe: 2, ..NONE });
    let bug = Planner::with_bug(recovery_bugs::ask_nobody);
    caught(&wiped, bug, Property::ConsentsOnce);
}

/// One of two that are left missed a write that the other has.
#[test]
fn a_source_that_is_behind_is_found() {
    let behind = four("bug", Budgets { wipe: 2, kill: 1, write: 1, consent: 1, ..NONE });
    let bug = Planner::with_bug(recovery_bugs::compare_nothing);
    assert_eq!(found_by(&behind, zab(&behind), bug), Some(Property::KeepsWrites));
    assert_eq!(found_by(&behind, zab(&behind), bug.linted()), Some(Property::Lint));
}

/// What is left is corrupt, and the application says so.
#[test]
fn a_source_that_is_corrupt_is_found() {
    let corrupt = two("bug", Budgets { wipe: 1, corrupt: 1, consent: 1, ..NONE });
    let bug = Planner::with_bug(recovery_bugs::hear_no_alarm);
    caught(&corrupt, bug, Property::KeepsGoodData);
}

/// Without the rule nothing goes on that could.
#[test]
fn a_consent_that_is_not_heard_is_found() {
    let wiped = three("bug", Budgets { wipe: 2, consent: 1, ..NONE });
    let bug = Planner::with_bug(recovery_bugs::hear_no_consent);
    assert_eq!(found_by(&wiped, zab(&wiped), bug), Some(Property::Reconciles));
}
