//! The shipped planner on random walks with many faults.

use simulator::{Budgets, Planner, Respec, Scenario, Start, Volumes, bugs, walk};

/// Everything at once, several times.
const STORM: Budgets = Budgets {
    abort: 6,
    late: 2,
    refuse: 4,
    stale: 4,
    blind: 4,
    kill: 6,
    crash: 4,
    wipe: 2,
    blank: 0,
    evict: 2,
    node: 1,
    cut: 3,
    corrupt: 1,
    edit: 4,
    // Nothing happens any more after it.
    unnamed: 0,
    ..Budgets::NONE
};

/// Nothing that takes data away but one wipe: the world has to get through to what is declared.
const GALE: Budgets =
    Budgets { abort: 12, late: 3, kill: 10, wipe: 1, evict: 0, node: 0, edit: 6, ..STORM };

fn storm(start: Start, sizes: &'static [[u8; 2]], respec: Respec, seed: u64) -> Scenario {
    // Edits back and forth under old caches are beyond what can be seen; see the design note.
    let stale = if respec == Respec::Restart { 0 } else { STORM.stale };
    let budgets = Budgets { stale, ..STORM };
    Scenario { seed, ..Scenario::new("storm", start, sizes, budgets).respec(respec) }
}

/// Where nobody is asked. A node that is lost for good beside other losses is waited for, as long as its claims are
/// there.
fn unasked_storm(seed: u64) -> Scenario {
    let storm = storm(Start::Running([3, 0]), &[[3, 0]], Respec::Never, seed);
    let budgets = Budgets { node: 0, ..storm.budgets };
    Scenario { budgets, ..storm }.on(Volumes::Claims).unasked()
}

#[test]
fn storms_are_weathered() {
    let walks = std::env::var("WALKS").map_or(200, |it| it.parse().unwrap());
    for seed in 0..walks {
        let scenarios = [
            storm(Start::Empty, &[[3, 0], [1, 0]], Respec::Never, seed),
            storm(Start::Running([3, 0]), &[[3, 0], [5, 0], [1, 0]], Respec::Never, seed),
            storm(Start::Running([3, 0]), &[[3, 0]], Respec::Restart, seed),
            storm(Start::Running([3, 0]), &[[3, 0]], Respec::Recreate, seed),
            storm(Start::Running([5, 0]), &[[5, 0], [3, 0]], Respec::Never, seed),
            unasked_storm(seed),
            Scenario {
                budgets: GALE,
                ..storm(Start::Empty, &[[3, 0], [1, 0], [5, 0]], Respec::Never, seed)
            },
            Scenario {
                budgets: GALE,
                ..storm(Start::Running([3, 0]), &[[3, 0], [1, 0]], Respec::Recreate, seed)
            },
        ];
        for scenario in &scenarios {
            if let Some(finding) = walk(scenario, Planner::shipped()) {
                panic!("seed {seed}, {:?} {:?}: {finding}", scenario.start, scenario.respec);
            }
        }
    }
}

#[test]
fn a_storm_finds_a_bug() {
    let sunk = |seed| {
        let scenario = storm(Start::Running([3, 0]), &[[3, 0]], Respec::Never, seed);
        walk(&scenario, bugs::reuses_names()).is_some()
    };
    assert!((0..100).any(sunk));
}
