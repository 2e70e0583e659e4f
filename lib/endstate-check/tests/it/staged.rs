//! A roll in stages: what members cannot be changed to one by one, because the first and the last of them would not
//! work together.

use crate::toy_cluster::app::{Toy, ToySpec};
use crate::toy_cluster::found::found_by;
use crate::toy_cluster::raft::Raft;
use endstate_check::cluster::{Budgets, Planner, Property, Respec, Scenario, Start, Volumes};
use endstate_core::{Growth, Lead, Plan, Recovery, Snapshot, plan};

const NONE: Budgets = Budgets::NONE;
const EDIT: Budgets = Budgets { edit: 1, ..NONE };

fn raft(scenario: &Scenario) -> Raft {
    let volumes = scenario.volumes;
    Raft::of(
        scenario,
        Toy {
            lead: Lead::Transfers,
            growth: Growth::NonVoting,
            volumes,
            recovery: Recovery::FromOne,
        },
    )
}

fn of(name: &'static str, sizes: &'static [[u8; 2]], budgets: Budgets) -> Scenario {
    let scenario = Scenario::new(name, Start::Running(sizes[0]), sizes, budgets);
    scenario.on(Volumes::Claims).respec(Respec::Staged)
}

#[test]
fn stages_are_gone_through_whatever_fails() {
    let scenarios = [
        of("staged 1", &[[1, 0]], Budgets { abort: 1, kill: 1, ..EDIT }),
        of("staged 3", &[[3, 0]], Budgets { abort: 1, ..EDIT }),
        of("staged 3, back", &[[3, 0]], Budgets { edit: 2, ..NONE }),
        of("staged 3, evicted", &[[3, 0]], Budgets { evict: 1, ..EDIT }),
        of("staged 3, wiped", &[[3, 0]], Budgets { wipe: 1, ..EDIT }),
        of("staged 3, old caches", &[[3, 0]], Budgets { stale: 1, ..EDIT }),
        of("staged 3, crashed", &[[3, 0]], Budgets { crash: 1, ..EDIT }),
        of("staged 2 to 3", &[[2, 0], [3, 0]], Budgets { edit: 2, ..NONE }),
        of("staged 3, late", &[[3, 0]], Budgets { late: 1, ..EDIT }),
        of("staged 3, guarded", &[[3, 0]], Budgets { guard: 1, ..EDIT }),
        of("staged 3, forgotten", &[[3, 0]], Budgets { forget: 1, ..EDIT }),
        of("staged 3 on pods", &[[3, 0]], EDIT).on(Volumes::WithPod),
    ];
    let bad = scenarios
        .iter()
        .filter_map(|it| Some((it.name, found_by(it, raft(it), Planner::shipped())?)));
    let bad: Vec<_> = bad.collect();
    assert!(bad.is_empty(), "{bad:?}");
}

/// The next stage is gone to when one member is at this one.
fn hurry(app: &Toy, snapshot: &Snapshot<ToySpec>) -> Plan<ToySpec> {
    let mut seen = snapshot.clone();
    let in_force = seen.status.record.in_force().cloned();
    let pods = || snapshot.pods.iter().flatten();
    if pods().any(|it| it.spec.is_some() && it.spec == in_force) {
        seen.pods.iter_mut().flatten().for_each(|it| it.spec = in_force.clone());
        seen.status.record.proven = None;
    }
    plan(app, &seen)
}

#[test]
fn a_stage_that_is_left_too_soon_is_found() {
    let staged = of("hurried", &[[3, 0]], EDIT);
    let bug = Planner::with_bug(hurry);
    assert_eq!(found_by(&staged, raft(&staged), bug), Some(Property::WorksTogether));
}
