//! A spec that members are brought to.

use endstate_check::cluster::{Budgets, Respec, Scenario, Start};

use super::NONE;

pub(super) fn roll() -> Vec<Scenario> {
    use Start::Running;
    let faults = Budgets { abort: 1, kill: 1, edit: 2, ..NONE };
    let of = |name, size: &'static [[u8; 2]], respec, budgets| {
        Scenario::new(name, Running(size[0]), size, budgets).respec(respec)
    };
    vec![
        of("restart 1", &[[1, 0]], Respec::Restart, faults),
        of("restart 3", &[[3, 0]], Respec::Restart, faults),
        of(
            "restart 3, old caches",
            &[[3, 0]],
            Respec::Restart,
            Budgets { stale: 2, edit: 1, ..NONE },
        ),
        of("restart 3, wiped", &[[3, 0]], Respec::Restart, Budgets { wipe: 1, edit: 1, ..NONE }),
        of("recreate 1", &[[1, 0]], Respec::Recreate, faults),
        of("recreate 3", &[[3, 0]], Respec::Recreate, Budgets { abort: 1, edit: 2, ..NONE }),
        of(
            "recreate 3, evicted",
            &[[3, 0]],
            Respec::Recreate,
            Budgets { evict: 1, edit: 1, ..NONE },
        ),
        of("restart and resize", &[[3, 0], [1, 0]], Respec::Restart, Budgets { edit: 3, ..NONE }),
    ]
}
