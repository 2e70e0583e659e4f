//! Members with volumes of their own, of which one may be lost, or never made.

use endstate_check::cluster::{Budgets, Scenario, Start, Volumes};

use super::NONE;

/// Members have two volumes, and one of them may be lost.
pub(super) fn pairs() -> Vec<Scenario> {
    let of = |name, sizes: &'static [[u8; 2]], budgets| {
        Scenario::new(name, Start::Running(sizes[0]), sizes, budgets).on(Volumes::Pairs)
    };
    let part = Budgets { evict: 1, part: 1, ..NONE };
    vec![
        of("pairs 1 of 3 lost", &[[3, 0]], Budgets { abort: 1, ..part }),
        of("pairs 1 of 3 lost, old", &[[3, 0]], Budgets { stale: 1, part: 1, ..NONE }),
        of("pairs 2 of 3 lost", &[[3, 0]], Budgets { part: 2, ..NONE }),
        of("pairs 1 of 2 lost", &[[2, 0]], part),
        of("pairs 1 of 2 lost, late", &[[2, 0]], Budgets { late: 1, part: 1, ..NONE }),
        of("pairs 1 of 1 lost", &[[1, 0]], Budgets { abort: 1, ..part }),
        of("pairs 3 to 1", &[[3, 0], [1, 0]], Budgets { edit: 1, abort: 1, evict: 1, ..NONE }),
        of("pairs hibernate 2", &[[2, 0], [0, 0]], Budgets { edit: 2, part: 1, ..NONE }),
        of("pairs 1 of 3 kept", &[[3, 0]], part).on(Volumes::KeptPairs),
        of("pairs claim lost", &[[3, 0]], Budgets { abort: 1, ..part }).on(Volumes::Claims),
    ]
}

/// Of two claims one is not made: the operator is killed between the two, or the API refuses one.
pub(super) fn half_made() -> Vec<Scenario> {
    use Start::{Empty, Running};
    let refuse = Budgets { refuse: 1, ..NONE };
    let of =
        |name, start, sizes, budgets| Scenario::new(name, start, sizes, budgets).on(Volumes::Pairs);
    vec![
        of("half made create 1", Empty, &[[1, 0]], Budgets { abort: 2, part: 1, ..refuse }),
        of("half made create 3", Empty, &[[3, 0]], Budgets { abort: 1, ..refuse }),
        of("half made 1 to 2", Running([1, 0]), &[[2, 0]], Budgets { abort: 1, part: 1, ..refuse }),
        of("half made late", Running([1, 0]), &[[2, 0]], Budgets { late: 1, ..refuse }),
        of("half made in 3", Running([3, 0]), &[[3, 0]], Budgets { evict: 1, part: 1, ..refuse }),
        of("claim refused", Running([1, 0]), &[[3, 0]], Budgets { abort: 1, stale: 1, ..refuse })
            .on(Volumes::Claims),
    ]
}
