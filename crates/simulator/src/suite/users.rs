//! Authentication: it is turned on and off, and the operator may not be let in.

use endstate_check::cluster::{Budgets, Respec, Scenario, Start, Volumes};

use super::NONE;

/// The operator is shut out, whatever happens beside that, and let in again or not.
pub(super) fn guarded() -> Vec<Scenario> {
    let guard = Budgets { guard: 1, ..NONE };
    let of = |name, sizes: &'static [[u8; 2]], budgets| {
        Scenario::new(name, Start::Running(sizes[0]), sizes, budgets)
    };
    vec![
        of("guarded 1", &[[1, 0]], Budgets { kill: 1, abort: 1, stale: 1, ..guard }),
        of("guarded 3", &[[3, 0]], Budgets { kill: 1, abort: 1, ..guard }),
        of("guarded 3, evicted", &[[3, 0]], Budgets { evict: 1, stale: 1, ..guard }),
        of("guarded 3 on claims", &[[3, 0]], Budgets { evict: 2, ..guard }).on(Volumes::Claims),
        of("guarded 3, wiped", &[[3, 0]], Budgets { wipe: 2, ..guard }),
        of("guarded 3, crashed", &[[3, 0]], Budgets { crash: 1, ..guard }),
        of("guarded 3, asked", &[[3, 0]], Budgets { ask: 1, ..guard }),
        of("guarded 1 to 3", &[[1, 0], [3, 0]], Budgets { edit: 1, late: 1, ..guard }),
        of("guarded 3 to 1", &[[3, 0], [1, 0]], Budgets { edit: 1, kill: 1, ..guard }),
        of("guarded and restarted", &[[3, 0]], Budgets { edit: 1, ..guard })
            .respec(Respec::Restart),
        of("guarded twice", &[[3, 0]], Budgets { guard: 2, kill: 1, ..NONE }),
    ]
}

/// Authentication is turned on and off.
pub(super) fn users() -> Vec<Scenario> {
    let edit = Budgets { edit: 2, ..NONE };
    let of = |name, sizes: &'static [[u8; 2]], budgets| {
        Scenario::new(name, Start::Running(sizes[0]), sizes, budgets).respec(Respec::Application)
    };
    vec![
        of("users of 1", &[[1, 0]], Budgets { abort: 1, kill: 1, ..edit }),
        of("users of 3", &[[3, 0]], Budgets { abort: 1, kill: 1, ..edit }),
        of("users of 3, wiped", &[[3, 0]], Budgets { wipe: 1, ..edit }),
        of("users of 3, late", &[[3, 0]], Budgets { late: 1, ..edit }),
        of("users of 3, guarded", &[[3, 0]], Budgets { guard: 1, edit: 1, abort: 1, ..NONE }),
        of("users of 1 to 3", &[[1, 0], [3, 0]], Budgets { stale: 1, ..edit }),
    ]
}
