//! Calls that come late or are refused, and a record that is lost.

use endstate_check::cluster::{Budgets, Respec, Scenario, Start};

use super::NONE;

pub(super) fn late() -> Vec<Scenario> {
    use Start::{Empty, Running};
    let late = Budgets { late: 1, ..NONE };
    vec![
        Scenario::new("late create 3", Empty, &[[3, 0]], Budgets { stale: 1, ..late }),
        Scenario::new("late create 1, evicted", Empty, &[[1, 0]], Budgets { evict: 1, ..late }),
        Scenario::new("late create 3, evicted", Empty, &[[3, 0]], Budgets { evict: 1, ..late }),
        Scenario::new(
            "late 1 to 3",
            Running([1, 0]),
            &[[3, 0]],
            Budgets { stale: 1, kill: 1, ..late },
        ),
        Scenario::new(
            "late 1 to 3, evicted",
            Running([1, 0]),
            &[[3, 0]],
            Budgets { evict: 1, ..late },
        ),
        Scenario::new(
            "late 3 to 1",
            Running([3, 0]),
            &[[1, 0]],
            Budgets { stale: 1, kill: 1, ..late },
        ),
        Scenario::new("late 5 to 3", Running([5, 0]), &[[3, 0]], Budgets { evict: 1, ..late }),
        Scenario::new(
            "late replace in 3",
            Running([3, 0]),
            &[[3, 0]],
            Budgets { evict: 1, wipe: 1, ..late },
        ),
        Scenario::new(
            "late sizes",
            Running([3, 0]),
            &[[3, 0], [1, 0]],
            Budgets { edit: 2, ..late },
        ),
        Scenario::new(
            "late restart 3",
            Running([3, 0]),
            &[[3, 0]],
            Budgets { edit: 2, kill: 1, ..late },
        )
        .respec(Respec::Restart),
        Scenario::new("late recreate 3", Running([3, 0]), &[[3, 0]], Budgets { edit: 1, ..late })
            .respec(Respec::Recreate),
        Scenario::new(
            "late delete",
            Running([3, 0]),
            &[[3, 0]],
            Budgets { delete: 1, wipe: 1, ..late },
        ),
    ]
}

/// A pod that the API refuses to make.
pub(super) fn refused() -> Vec<Scenario> {
    use Start::{Empty, Running};
    let refuse = Budgets { refuse: 2, ..NONE };
    vec![
        Scenario::new(
            "refused create 1",
            Empty,
            &[[1, 0]],
            Budgets { abort: 1, stale: 1, ..refuse },
        ),
        Scenario::new(
            "refused create 3",
            Empty,
            &[[3, 0]],
            Budgets { refuse: 1, abort: 1, evict: 1, ..NONE },
        ),
        Scenario::new(
            "refused 1 to 3",
            Running([1, 0]),
            &[[3, 0]],
            Budgets { stale: 1, evict: 1, ..refuse },
        ),
        Scenario::new("refused 3 to 5", Running([3, 0]), &[[5, 0]], Budgets { abort: 1, ..refuse }),
        Scenario::new(
            "refused replace in 3",
            Running([3, 0]),
            &[[3, 0]],
            Budgets { stale: 1, wipe: 1, ..refuse },
        ),
        Scenario::new(
            "refused late in 1 to 3",
            Running([1, 0]),
            &[[3, 0]],
            Budgets { late: 1, ..refuse },
        ),
    ]
}

/// Somebody deletes the status.
pub(super) fn forgotten() -> Vec<Scenario> {
    use Start::Running;
    let forget = Budgets { forget: 1, ..NONE };
    let three = |name, budgets| Scenario::new(name, Running([3, 0]), &[[3, 0]], budgets);
    vec![
        three("forgotten", Budgets { stale: 1, abort: 1, kill: 1, ..forget }),
        three("forgotten twice", Budgets { forget: 2, late: 1, ..forget }),
        three("forgotten, wiped", Budgets { wipe: 1, abort: 1, ..forget }),
        three("forgotten, evicted", Budgets { evict: 1, stale: 1, ..forget }),
        Scenario::new(
            "forgotten in 3 to 4",
            Running([3, 0]),
            &[[4, 0]],
            Budgets { abort: 1, ..forget },
        ),
        Scenario::new(
            "forgotten in 3 to 2",
            Running([3, 0]),
            &[[2, 0]],
            Budgets { abort: 1, ..forget },
        ),
    ]
}
