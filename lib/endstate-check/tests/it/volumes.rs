//! Members whose data is in two directories, with a claim each: claims that are not all made, or deleted by somebody.

use crate::toy_cluster::app::Toy;
use crate::toy_cluster::found::found_by;
use crate::toy_cluster::raft::Raft;
use endstate_check::cluster::{Budgets, Planner, Property, Scenario, Start, Volumes};
use endstate_core::{Growth, Lead, Recovery};

const NONE: Budgets = Budgets::NONE;

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

fn found(scenario: &Scenario) -> Option<Property> {
    found_by(scenario, raft(scenario), Planner::shipped())
}

fn of(start: Start, size: &'static [[u8; 2]], budgets: Budgets) -> Scenario {
    Scenario::new("half made", start, size, budgets).on(Volumes::Pairs)
}

/// One of two claims is not made: the operator is killed between the two, or the API refuses one.
#[test]
fn a_member_with_one_of_two_claims_is_seen_to() {
    let (one, three) = (Start::Running([1, 0]), Start::Running([3, 0]));
    let refused = Budgets { refuse: 1, ..NONE };
    let killed = Budgets { abort: 2, ..NONE };
    for volumes in [Volumes::Claims, Volumes::Pairs, Volumes::KeptPairs] {
        for budgets in [refused, killed] {
            let created = of(Start::Empty, &[[1, 0]], budgets).on(volumes);
            assert_eq!(found(&created), None, "{volumes:?}");
            let grown = of(one, &[[2, 0]], budgets).on(volumes);
            assert_eq!(found(&grown), None, "{volumes:?}");
        }
    }
    let replaced = of(three, &[[3, 0]], Budgets { evict: 1, part: 1, ..refused });
    assert_eq!(found(&replaced), None);
}

/// Somebody deletes a claim, while its pod is there or not.
#[test]
fn who_loses_a_claim_is_replaced() {
    let three = Start::Running([3, 0]);
    for volumes in [Volumes::Claims, Volumes::Pairs, Volumes::KeptPairs] {
        let deleted = of(three, &[[3, 0]], Budgets { evict: 1, part: 1, abort: 1, ..NONE });
        assert_eq!(found(&deleted.on(volumes)), None, "{volumes:?}");
        let twice = of(three, &[[3, 0]], Budgets { part: 2, ..NONE });
        assert_eq!(found(&twice.on(volumes)), None, "{volumes:?}");
    }
    let grown = of(Start::Running([1, 0]), &[[2, 0]], Budgets { part: 1, stale: 1, ..NONE });
    assert_eq!(found(&grown), None);
    let created = of(Start::Empty, &[[1, 0]], Budgets { part: 1, abort: 1, ..NONE });
    assert_eq!(found(&created), None);
}
