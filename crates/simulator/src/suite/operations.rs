//! What is carried out once, because an object asks for it.

use endstate_check::cluster::{Asks, Budgets, Respec, Scenario, Start, Volumes};

use super::NONE;

/// A step that blocks its member, of one after the other.
pub(super) fn on_members() -> Vec<Scenario> {
    let of = |name, sizes: &'static [[u8; 2]], budgets| {
        let scenario = Scenario::new(name, Start::Running(sizes[0]), sizes, budgets);
        scenario.on(Volumes::Claims).asks(Asks::Step)
    };
    let three = &[[3, 0]];
    let crash = Budgets { abort: 1, ..NONE };
    vec![
        of("defragment 3", three, Budgets { abort: 2, kill: 1, ..NONE }),
        of("defragment 3, old caches", three, Budgets { stale: 1, kill: 1, ..crash }),
        of("defragment 3, written", three, Budgets { write: 1, kill: 1, ..crash }),
        of("defragment 3, cut", three, Budgets { write: 1, cut: 1, ..NONE }),
        of("defragment 3, blind", three, Budgets { blind: 1, ..crash }),
        of("defragment 3, evicted", three, Budgets { evict: 1, ..crash }),
        of("defragment 3, wiped", three, Budgets { wipe: 1, ..crash }),
        of("defragment 3, crashed", three, Budgets { crash: 1, ..crash }),
        of("defragment 3, withdrawn", three, Budgets { withdraw: 1, kill: 1, ..crash }),
        of("defragment 3, cordoned", three, Budgets { cordon: 1, ..NONE }),
        of("defragment 3 to 4", &[[3, 0], [4, 0]], Budgets { edit: 1, ..NONE }),
        of("defragment 3 to 1", &[[3, 0], [1, 0]], Budgets { edit: 1, ..NONE }),
        of("defragment and restart", three, Budgets { edit: 1, ..NONE }).respec(Respec::Restart),
        of("defragment 5", &[[5, 0]], crash),
    ]
}
