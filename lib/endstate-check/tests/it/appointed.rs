//! Leaders that the operator appoints: a primary with replicas, with acknowledgements by a majority and without.

use crate::toy_cluster::app::Toy;
use crate::toy_cluster::appoint_bugs;
use crate::toy_cluster::found::found_by;
use crate::toy_cluster::primary::Primary;
use endstate_check::cluster::{Budgets, Planner, Property, Respec, Scenario, Start, Volumes};
use endstate_core::{Acks, Growth, Lead, Recovery};

const NONE: Budgets = Budgets::NONE;

fn model(scenario: &Scenario, acks: Acks) -> Primary {
    let volumes = scenario.volumes;
    let app = Toy {
        lead: Lead::Appointed(acks),
        growth: Growth::Direct,
        volumes,
        recovery: Recovery::FromOne,
    };
    Primary::of(scenario, app, acks)
}

fn three(name: &'static str, budgets: Budgets) -> Scenario {
    Scenario::new(name, Start::Running([3, 0]), &[[3, 0]], budgets).on(Volumes::Claims)
}

fn four(name: &'static str, budgets: Budgets) -> Scenario {
    Scenario::new(name, Start::Running([4, 0]), &[[4, 0]], budgets).on(Volumes::Claims)
}

fn suite() -> Vec<Scenario> {
    let scenario = Scenario::new;
    vec![
        scenario("create 3", Start::Empty, &[[3, 0]], Budgets { abort: 1, ..NONE }),
        scenario("1 to 3", Start::Running([1, 0]), &[[3, 0]], Budgets { kill: 1, ..NONE }),
        scenario("3 to 1", Start::Running([3, 0]), &[[1, 0]], Budgets { abort: 1, ..NONE }),
        three("killed, written", Budgets { kill: 1, write: 2, abort: 1, ..NONE }),
        three("killed twice", Budgets { kill: 2, write: 1, ..NONE }),
        three("late", Budgets { kill: 1, write: 1, late: 1, ..NONE }),
        three("away", Budgets { away: 1, cut: 1, write: 1, abort: 1, ..NONE }),
        three("not reached", Budgets { blind: 1, stale: 1, kill: 1, write: 1, ..NONE }),
        three("evicted", Budgets { evict: 1, write: 1, late: 1, ..NONE }),
        three("wiped", Budgets { wipe: 1, write: 1, abort: 1, ..NONE }),
        three("node lost", Budgets { node: 1, write: 1, ..NONE }),
        three("late, not reached", Budgets { late: 1, away: 1, cut: 1, write: 1, ..NONE }),
        three("killed, late, written", Budgets { kill: 2, late: 1, write: 1, ..NONE }),
        three("cut, killed inside", Budgets { abort: 2, cut: 1, kill: 1, ..NONE }),
        three("rolled, late", Budgets { edit: 1, late: 1, write: 1, ..NONE })
            .respec(Respec::Restart),
        three("rolled, away", Budgets { edit: 1, away: 1, cut: 1, ..NONE }).respec(Respec::Restart),
        four("four", Budgets { kill: 2, write: 1, ..NONE }),
        three("restarted", Budgets { edit: 1, abort: 1, write: 1, ..NONE }).respec(Respec::Restart),
    ]
}

fn all_are_fine(acks: Acks) {
    let volumes = [Volumes::WithPod, Volumes::Claims];
    let bad = volumes.iter().flat_map(|on| suite().into_iter().map(|it| it.on(*on)));
    let bad = bad.filter_map(|it| {
        let property = found_by(&it, model(&it, acks), Planner::shipped());
        property.map(|property| (it.name, it.volumes, property))
    });
    let bad: Vec<_> = bad.collect();
    assert!(bad.is_empty(), "{bad:?}");
}

#[test]
fn one_leads_where_a_majority_acknowledges() {
    all_are_fine(Acks::Majority);
}

#[test]
fn one_leads_where_a_leader_acknowledges_alone() {
    all_are_fine(Acks::Leader);
}

/// Without the bug, with it, and with it behind the linter.
fn caught(scenario: &Scenario, acks: Acks, bug: Planner<Toy>, property: Property) {
    let model = model(scenario, acks);
    assert_eq!(found_by(scenario, model, Planner::shipped()), None);
    let careless = Primary { careful: false, strict: false, ..model };
    assert_eq!(found_by(scenario, careless, bug), Some(property));
    assert_eq!(found_by(scenario, careless, bug.linted()), Some(Property::Lint));
}

/// One that lags is appointed, and what was acknowledged is not there.
#[test]
fn an_heir_that_lacks_a_write_is_found() {
    let behind = three("bug", Budgets { kill: 1, write: 1, ..NONE });
    let bug = Planner::with_bug(appoint_bugs::prefer_who_lags);
    caught(&behind, Acks::Majority, bug, Property::KeepsAcknowledged);
    caught(&behind, Acks::Leader, bug, Property::KeepsAcknowledged);
}

/// The old leader is not reached, and takes writes all the same.
#[test]
fn a_second_leader_is_found() {
    let away = three("bug", Budgets { away: 1, cut: 1, ..NONE });
    let bug = Planner::with_bug(appoint_bugs::trust_silence);
    caught(&away, Acks::Leader, bug, Property::OneLeader);
}

/// Without the rule nothing goes on once the leader is gone.
#[test]
fn a_cluster_that_nobody_leads_is_found() {
    let killed = three("bug", Budgets { kill: 1, ..NONE });
    let bug = Planner::with_bug(appoint_bugs::appoint_nobody);
    let found = found_by(&killed, model(&killed, Acks::Majority), bug);
    assert_eq!(found, Some(Property::Reconciles));
}
