//! The world of a cluster, with members that hold what no other has: drains, and steps of the application's own.

mod app;
mod bugs;
mod model;

use crate::toy_cluster::found::found_by;
use app::Shards;
use endstate_check::cluster::{Budgets, Planner, Property, Scenario, Start, Volumes};
use model::Model;

const NONE: Budgets = Budgets::NONE;

fn scenario(
    name: &'static str,
    start: [u8; 2],
    sizes: &'static [[u8; 2]],
    it: Budgets,
) -> Scenario {
    Scenario::new(name, Start::Running(start), sizes, it).on(Volumes::Claims)
}

fn found(scenario: &Scenario, model: Model) -> Option<Property> {
    found_by(scenario, model, Planner::shipped())
}

/// Both kinds of drains, on claims and on pods.
fn all_are_fine(scenarios: &[Scenario], of: impl Fn(Model) -> Model) {
    let mut bad = vec![];
    for scenario in scenarios {
        for ends in [false, true] {
            for volumes in [Volumes::Claims, Volumes::WithPod] {
                let scenario = scenario.clone().on(volumes);
                let model = Model { ends, ..of(Model::of(&scenario)) };
                let property = found(&scenario, model);
                bad.extend(property.map(|it| (scenario.name, volumes, ends, it)));
            }
        }
    }
    assert!(bad.is_empty(), "{bad:?}");
}

#[test]
fn members_are_drained_before_they_leave() {
    let raised: &[[u8; 2]] = &[[1, 2], [1, 3]];
    all_are_fine(
        &[
            scenario("grow", [1, 1], &[[1, 2]], Budgets { abort: 1, stale: 1, ..NONE }),
            scenario("shrink", [1, 3], &[[1, 2]], Budgets { abort: 1, stale: 1, ..NONE }),
            scenario("shrink, killed", [1, 3], &[[1, 2]], Budgets { kill: 1, abort: 1, ..NONE }),
            scenario("shrink, killed twice", [1, 3], &[[1, 2]], Budgets { kill: 2, ..NONE }),
            scenario("shrink, wiped", [1, 3], &[[1, 2]], Budgets { wipe: 1, abort: 1, ..NONE }),
            scenario("shrink, evicted", [1, 3], &[[1, 2]], Budgets { evict: 1, stale: 1, ..NONE }),
            scenario("shrink, crashing", [1, 3], &[[1, 2]], Budgets { crash: 1, kill: 1, ..NONE }),
            scenario("shrink, cut", [1, 3], &[[1, 2]], Budgets { cut: 1, blind: 1, ..NONE }),
            scenario("shrink by two", [1, 4], &[[1, 2]], Budgets { kill: 1, ..NONE }),
            scenario("both", [3, 2], &[[1, 1]], Budgets { kill: 1, ..NONE }),
            scenario("raised", [1, 3], raised, Budgets { edit: 2, abort: 1, ..NONE }),
            scenario("raised, killed", [1, 3], raised, Budgets { edit: 1, kill: 1, ..NONE }),
            scenario("raised, wiped", [1, 3], raised, Budgets { edit: 1, wipe: 1, ..NONE }),
            scenario("raised, old", [1, 3], raised, Budgets { edit: 1, stale: 2, ..NONE }),
            scenario("deleted", [1, 2], &[[1, 1]], Budgets { delete: 1, kill: 1, ..NONE }),
        ],
        |it| it,
    );
}

/// A voter is lost while a broker is drained for long: it is replaced meanwhile.
#[test]
fn a_drain_holds_up_no_repair() {
    all_are_fine(
        &[
            scenario("voter wiped", [3, 2], &[[3, 1]], Budgets { wipe: 1, ..NONE }),
            scenario("voter evicted", [3, 2], &[[3, 1]], Budgets { evict: 1, kill: 1, ..NONE }),
        ],
        |it| Model { pieces: 1, ..it },
    );
}

#[test]
fn steps_of_its_own_are_taken_once_and_one_at_a_time() {
    let raised: &[[u8; 2]] = &[[1, 2], [1, 1]];
    let brokers = [
        scenario("tune", [1, 2], &[[1, 2]], Budgets { abort: 1, kill: 1, ..NONE }),
        scenario("tune, old", [1, 2], &[[1, 2]], Budgets { stale: 2, ..NONE }),
        scenario("tune, late", [1, 2], &[[1, 2]], Budgets { late: 1, kill: 1, ..NONE }),
        scenario("tune, wiped", [1, 2], &[[1, 2]], Budgets { wipe: 1, ..NONE }),
        scenario("tune and shrink", [1, 2], &[[1, 1]], Budgets { kill: 1, abort: 1, ..NONE }),
        scenario("tune and grow", [1, 1], &[[1, 2]], Budgets { kill: 1, ..NONE }),
        scenario("tune, raised", [1, 2], raised, Budgets { edit: 2, abort: 1, ..NONE }),
    ];
    all_are_fine(&brokers, |it| Model { pieces: 1, ..it.with_steps(true, false) });
    let controllers = [
        scenario("reload", [3, 0], &[[3, 0]], Budgets { abort: 1, kill: 1, ..NONE }),
        scenario("reload, old", [3, 0], &[[3, 0]], Budgets { stale: 2, ..NONE }),
        scenario("reload, wiped", [3, 0], &[[3, 0]], Budgets { wipe: 1, ..NONE }),
        scenario("reload, evicted", [3, 0], &[[3, 0]], Budgets { evict: 1, ..NONE }),
        scenario("reload, blind", [3, 0], &[[3, 0]], Budgets { blind: 1, cut: 1, ..NONE }),
        scenario("reload and shrink", [4, 0], &[[3, 0]], Budgets { kill: 1, ..NONE }),
    ];
    all_are_fine(&controllers, |it| Model { pieces: 1, ..it.with_steps(false, true) });
    let both = [scenario("both steps", [3, 2], &[[3, 1]], Budgets { kill: 1, ..NONE })];
    all_are_fine(&both, |it| Model { pieces: 1, ..it.with_steps(true, true) });
}

/// Without the bug, and with it. The linter knows nothing of what members hold.
fn caught(scenario: &Scenario, model: Model, bug: Planner<Shards>, property: Property) {
    assert_eq!(found(scenario, model), None);
    assert_eq!(found_by(scenario, model, bug), Some(property));
}

#[test]
fn a_leave_without_a_drain_is_found() {
    let shrunk = scenario("shrink", [1, 3], &[[1, 2]], NONE);
    let bug = Planner::with_bug(bugs::leave_without_a_drain);
    caught(&shrunk, Model::of(&shrunk), bug, Property::KeepsPieces);
}

#[test]
fn a_drain_that_is_not_cancelled_is_found() {
    let raised = scenario("raised", [1, 3], &[[1, 2], [1, 3]], Budgets { edit: 1, ..NONE });
    let bug = Planner::with_bug(bugs::cancel_nothing);
    caught(&raised, Model::of(&raised), bug, Property::Reconciles);
}

#[test]
fn a_dangerous_step_beside_one_that_is_down_is_found() {
    let killed = scenario("reload", [3, 0], &[[3, 0]], Budgets { kill: 1, ..NONE });
    let model = Model::of(&killed).with_steps(false, true);
    let bug = Planner::with_bug(bugs::ask_nobody);
    caught(&killed, model, bug, Property::KeepsQuorum);
    assert_eq!(found_by(&killed, model, bug.linted()), Some(Property::Lint));
    let steady = scenario("reload", [3, 0], &[[3, 0]], NONE);
    caught(&steady, model, bug, Property::OneDisruption);
}
