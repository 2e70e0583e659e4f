//! A quorum that is lost for good, or seems to be, where nobody is asked before a recovery.

use endstate_check::cluster::{Budgets, Scenario, Start, Volumes};

use super::NONE;

/// What is lost, what only seems to be, and what goes wrong while the cluster is recovered.
pub(super) fn unasked() -> Vec<Scenario> {
    let of = |name, sizes: &'static [[u8; 2]], budgets| {
        let scenario = Scenario::new(name, Start::Running(sizes[0]), sizes, budgets);
        scenario.on(Volumes::Claims).unasked()
    };
    let (two, three) = (&[[2, 0]], &[[3, 0]]);
    vec![
        of("unasked", three, Budgets { wipe: 2, ..NONE }),
        of("unasked, crash", two, Budgets { wipe: 1, abort: 2, ..NONE }),
        of("unasked, crash in 3", three, Budgets { wipe: 2, abort: 1, ..NONE }),
        of("unasked, late", two, Budgets { wipe: 1, late: 1, abort: 1, ..NONE }),
        of("unasked, old caches", two, Budgets { wipe: 1, stale: 1, ..NONE }),
        of("unasked, evicted", two, Budgets { wipe: 1, evict: 1, ..NONE }),
        of("unasked, cut", three, Budgets { wipe: 1, cut: 2, ..NONE }),
        of("unasked, away", three, Budgets { wipe: 1, away: 1, kill: 1, ..NONE }),
        of("unasked, blind", three, Budgets { wipe: 1, blind: 1, kill: 1, ..NONE }),
        of("unasked, killed", three, Budgets { kill: 3, evict: 2, ..NONE }),
        of("unasked, mounted late", two, Budgets { unmount: 1, abort: 1, ..NONE }),
        of("unasked, claims", two, Budgets { part: 1, evict: 1, ..NONE }),
        of("unasked, written", two, Budgets { wipe: 1, kill: 1, write: 1, ..NONE }),
        of("unasked, written in 3", three, Budgets { wipe: 2, kill: 1, write: 1, ..NONE }),
        of("unasked, 1 to 3", &[[1, 0], [3, 0]], Budgets { wipe: 1, edit: 1, ..NONE }),
        of("unasked, shut out", two, Budgets { wipe: 1, guard: 1, ..NONE }),
    ]
}
