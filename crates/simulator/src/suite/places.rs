//! Nodes that members have to leave, and pods that somebody wants to go.

use endstate_check::cluster::{Budgets, Scenario, Start, Volumes};

use super::NONE;

/// Nodes are cordoned, and the cordons may be taken back.
pub(super) fn cordoned() -> Vec<Scenario> {
    let cordon = Budgets { cordon: 1, ..NONE };
    let of = |name, sizes: &'static [[u8; 2]], budgets| {
        Scenario::new(name, Start::Running(sizes[0]), sizes, budgets)
    };
    vec![
        of("cordoned 1", &[[1, 0]], Budgets { abort: 1, stale: 1, ..cordon }),
        of("cordoned 1, killed", &[[1, 0]], Budgets { kill: 1, late: 1, ..cordon }),
        of("cordoned 2", &[[2, 0]], Budgets { abort: 1, stale: 1, ..cordon }),
        of("cordoned 3", &[[3, 0]], Budgets { abort: 1, stale: 1, ..cordon }),
        of("cordoned 3, evicted", &[[3, 0]], Budgets { evict: 1, ..cordon }),
        of("cordoned 3, wiped", &[[3, 0]], Budgets { wipe: 1, ..cordon }),
        of("cordoned twice", &[[3, 0]], Budgets { cordon: 2, ..cordon }),
        of("cordoned 3 to 1", &[[3, 0], [1, 0]], Budgets { edit: 1, abort: 1, ..cordon }),
        of("cordoned 2, late", &[[2, 0]], Budgets { late: 1, ..cordon }),
    ]
}

/// Somebody asks for the eviction of a pod, and may take that back.
pub(super) fn evictions() -> Vec<Scenario> {
    let ask = Budgets { ask: 1, ..NONE };
    let of = |name, sizes: &'static [[u8; 2]], budgets| {
        Scenario::new(name, Start::Running(sizes[0]), sizes, budgets)
    };
    vec![
        of("asked of 1", &[[1, 0]], Budgets { abort: 1, stale: 1, ..ask }),
        of("asked of 2", &[[2, 0]], Budgets { abort: 1, stale: 1, ..ask }),
        of("asked of 2, killed", &[[2, 0]], Budgets { kill: 1, ..ask }),
        of("asked of 2, late", &[[2, 0]], Budgets { late: 1, ..ask }),
        of("asked of 3", &[[3, 0]], Budgets { abort: 1, stale: 1, ..ask }),
        of("asked of 3, evicted", &[[3, 0]], Budgets { evict: 1, ..ask }),
        of("asked of 3, wiped", &[[3, 0]], Budgets { wipe: 1, ..ask }),
        of("asked of 3, refused", &[[3, 0]], Budgets { refuse: 1, ..ask }),
        of("asked twice", &[[3, 0]], Budgets { ask: 2, ..NONE }),
        of("asked and cordoned", &[[2, 0]], Budgets { cordon: 1, ..ask }),
        of("asked of 3 to 1", &[[3, 0], [1, 0]], Budgets { edit: 1, abort: 1, ..ask }),
        of("asked of 3 on claims", &[[3, 0]], Budgets { evict: 1, ..ask }).on(Volumes::Claims),
        of("asked without room", &[[3, 0]], Budgets { abort: 1, kill: 1, ..ask }).crowded(),
        of("asked in 1 to 3", &[[1, 0], [3, 0]], Budgets { edit: 1, crash: 1, ..ask }),
    ]
}
