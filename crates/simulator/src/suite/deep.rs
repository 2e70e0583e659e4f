//! Wider ones, for hours in which nobody waits.

use endstate_check::cluster::{Budgets, Respec, Scenario, Start};

use super::NONE;

/// Wider ones, for hours in which nobody waits: each of several minutes and gigabytes.
pub fn deep_suite() -> Vec<Scenario> {
    use Start::{Empty, Running};
    let late = Budgets { late: 1, ..NONE };
    let two = Budgets { abort: 1, stale: 1, ..NONE };
    vec![
        Scenario::new("deep create 3", Empty, &[[3, 0]], Budgets { kill: 1, evict: 1, ..two }),
        Scenario::new(
            "deep create 3, late",
            Empty,
            &[[3, 0]],
            Budgets { stale: 1, kill: 1, ..late },
        ),
        Scenario::new("deep create 5", Empty, &[[5, 0]], Budgets { abort: 1, kill: 1, ..NONE }),
        Scenario::new(
            "deep 1 to 3",
            Running([1, 0]),
            &[[3, 0]],
            Budgets { evict: 1, wipe: 1, ..late },
        ),
        Scenario::new(
            "deep 5 to 3",
            Running([5, 0]),
            &[[3, 0]],
            Budgets { kill: 1, evict: 1, ..late },
        ),
        Scenario::new(
            "deep sizes",
            Running([3, 0]),
            &[[3, 0], [1, 0], [5, 0]],
            Budgets { wipe: 1, edit: 2, ..two },
        ),
        Scenario::new(
            "deep replace 3",
            Running([3, 0]),
            &[[3, 0]],
            Budgets { wipe: 1, evict: 1, node: 1, ..two },
        ),
        Scenario::new(
            "deep replace 5",
            Running([5, 0]),
            &[[5, 0]],
            Budgets { wipe: 2, blind: 1, ..two },
        ),
        Scenario::new(
            "deep restart",
            Running([3, 0]),
            &[[3, 0], [1, 0]],
            Budgets { edit: 3, kill: 1, abort: 1, ..NONE },
        )
        .respec(Respec::Restart),
        Scenario::new(
            "deep recreate",
            Running([3, 0]),
            &[[3, 0]],
            Budgets { edit: 1, evict: 1, ..late },
        )
        .respec(Respec::Recreate),
    ]
}
