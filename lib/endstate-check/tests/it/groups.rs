//! Groups that have a leader of their own: what a group holds stays in it, whatever happens and in whatever order.

use crate::toy_cluster::found::found_by;
use crate::toy_cluster::group_bugs;
use crate::toy_cluster::shards::{Shards, Toy};
use endstate_check::cluster::{Budgets, Planner, Property, Respec, Scenario, Start, Volumes};

const NONE: Budgets = Budgets::NONE;

fn found(scenario: &Scenario, groups: u32, planner: Planner<Toy>) -> Option<Property> {
    let durable = scenario.volumes != Volumes::WithPod;
    found_by(scenario, Shards(Toy { groups, durable }), planner)
}

fn suite() -> Vec<(u32, Scenario)> {
    use Start::{Empty, Running};
    let scenario = Scenario::new;
    let pairs = |name, budgets| scenario(name, Running([2, 0]), &[[2, 0]], budgets);
    let rolled = |name, budgets| pairs(name, budgets).respec(Respec::Restart);
    let abort = Budgets { abort: 1, ..NONE };
    vec![
        (2, scenario("create", Empty, &[[1, 0]], Budgets { kill: 1, ..abort })),
        (3, scenario("create", Empty, &[[1, 0]], abort)),
        (2, scenario("replicas", Running([1, 0]), &[[2, 0]], Budgets { kill: 1, ..abort })),
        (2, scenario("replicas, late", Running([1, 0]), &[[2, 0]], Budgets { late: 1, ..NONE })),
        (2, scenario("replicas, wiped", Running([1, 0]), &[[2, 0]], Budgets { wipe: 1, ..NONE })),
        (2, scenario("fewer", Running([2, 0]), &[[1, 0]], Budgets { kill: 1, ..abort })),
        (2, rolled("rolled", Budgets { edit: 1, ..abort })),
        (3, rolled("rolled, killed", Budgets { edit: 1, kill: 1, ..NONE })),
        (
            1,
            scenario("rolled alone", Running([1, 0]), &[[1, 0]], Budgets { edit: 1, ..abort })
                .respec(Respec::Restart),
        ),
        (3, pairs("killed", Budgets { kill: 2, ..NONE })),
        (3, pairs("wiped", Budgets { wipe: 1, abort: 1, ..NONE })),
        (3, pairs("wiped twice", Budgets { wipe: 2, ..NONE })),
        (
            3,
            scenario(
                "a group lost",
                Running([1, 0]),
                &[[1, 0], [2, 0]],
                Budgets { wipe: 1, edit: 1, ..NONE },
            ),
        ),
        (2, pairs("evicted", Budgets { evict: 1, stale: 1, ..NONE })),
        (3, pairs("node lost", Budgets { node: 1, ..NONE })),
    ]
}

fn all_are_fine(volumes: Volumes) {
    let bad = suite().into_iter().filter_map(|(groups, it)| {
        let property = found(&it.clone().on(volumes), groups, Planner::shipped());
        property.map(|property| (it.name, groups, property))
    });
    let bad: Vec<_> = bad.collect();
    assert!(bad.is_empty(), "{bad:?}");
}

#[test]
fn groups_on_pods() {
    all_are_fine(Volumes::WithPod);
}

#[test]
fn groups_on_claims() {
    all_are_fine(Volumes::Claims);
}

/// Without the bug, with it, and with it behind the linter, which is not asked everything.
fn caught(
    (groups, scenario): (u32, Scenario),
    bug: Planner<Toy>,
    property: Property,
    linted: Property,
) {
    let scenario = scenario.on(Volumes::Claims);
    assert_eq!(found(&scenario, groups, Planner::shipped()), None);
    assert_eq!(found(&scenario, groups, bug), Some(property));
    assert_eq!(found(&scenario, groups, bug.linted()), Some(linted));
}

/// A hand-over within another group is safe, and leads nowhere.
#[test]
fn an_heir_of_another_group_is_found() {
    let rolled =
        Scenario::new("bug", Start::Running([2, 0]), &[[2, 0]], Budgets { edit: 1, ..NONE });
    let rolled = rolled.respec(Respec::Restart);
    let bug = Planner::with_bug(group_bugs::heir_of_another_group);
    caught((2, rolled), bug, Property::Reconciles, Property::Reconciles);
}

#[test]
fn a_group_that_is_begun_again_is_found() {
    let wiped = Budgets { wipe: 1, ..NONE };
    let wiped = Scenario::new("bug", Start::Running([1, 0]), &[[1, 0]], wiped);
    let bug = Planner::with_bug(group_bugs::replace_the_last);
    caught((3, wiped), bug, Property::KeepsGroup, Property::Lint);
}

#[test]
fn the_last_copy_that_is_removed_is_found() {
    let wiped = Budgets { wipe: 1, ..NONE };
    let wiped = Scenario::new("bug", Start::Running([2, 0]), &[[2, 0]], wiped);
    let bug = Planner::with_bug(group_bugs::remove_the_copy);
    caught((3, wiped), bug, Property::KeepsGroup, Property::Lint);
}
