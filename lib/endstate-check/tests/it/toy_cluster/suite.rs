//! Scenarios of both toys: one of each kind of trouble, on pods alone and on claims.

use endstate_check::cluster::{Budgets, Respec, Scenario, Start};

const NONE: Budgets = Budgets::NONE;

/// All of them.
pub(crate) fn suite() -> Vec<Scenario> {
    use Start::{Empty, Running};
    let some = Budgets { abort: 1, stale: 1, ..NONE };
    let scenario = Scenario::new;
    vec![
        scenario("create 1", Empty, &[[1, 0]], Budgets { wipe: 1, evict: 1, ..some }),
        scenario("create 3", Empty, &[[3, 0]], Budgets { evict: 1, ..NONE }),
        scenario("create 1 and an observer", Empty, &[[1, 1]], Budgets { kill: 1, ..NONE }),
        scenario("blank while created", Empty, &[[1, 0]], Budgets { blank: 1, ..some }),
        scenario("late create", Empty, &[[1, 0]], Budgets { late: 1, evict: 1, ..NONE }),
        scenario("1 to 3", Running([1, 0]), &[[3, 0]], Budgets { kill: 1, ..NONE }),
        scenario("3 to 1", Running([3, 0]), &[[1, 0]], Budgets { late: 1, kill: 1, ..NONE }),
        scenario("observers 0 to 1", Running([3, 0]), &[[3, 1]], some),
        scenario("observers 1 to 0", Running([3, 1]), &[[3, 0]], some),
        scenario("wiped", Running([3, 0]), &[[3, 0]], Budgets { wipe: 1, abort: 1, ..NONE }),
        scenario("evicted", Running([3, 0]), &[[3, 0]], Budgets { evict: 1, stale: 1, ..NONE }),
        scenario("node lost", Running([3, 0]), &[[3, 0]], Budgets { node: 1, blind: 1, ..NONE }),
        scenario("cut", Running([3, 0]), &[[3, 0]], Budgets { cut: 1, kill: 1, ..NONE }),
        scenario("deleted", Running([3, 1]), &[[3, 1]], Budgets { delete: 1, wipe: 1, ..some }),
        scenario("sizes", Running([3, 1]), &[[3, 1], [1, 0]], Budgets { edit: 2, ..NONE }),
        scenario("restarted", Running([3, 1]), &[[3, 1]], Budgets { edit: 1, kill: 1, ..NONE })
            .respec(Respec::Restart),
        scenario("recreated", Running([3, 0]), &[[3, 0]], Budgets { edit: 1, ..NONE })
            .respec(Respec::Recreate),
    ]
}
