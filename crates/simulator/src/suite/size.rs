//! Clusters that come into being, grow, shrink, sleep and go.

use endstate_check::cluster::{Budgets, Scenario, Start, Volumes};

use super::NONE;

pub(super) fn create() -> Vec<Scenario> {
    use Start::Empty;
    vec![
        Scenario::new(
            "create 1",
            Empty,
            &[[1, 0]],
            Budgets { abort: 2, stale: 2, kill: 1, wipe: 1, evict: 1, ..NONE },
        ),
        Scenario::new("create 3, aborts", Empty, &[[3, 0]], Budgets { abort: 2, stale: 1, ..NONE }),
        Scenario::new(
            "create 3, faults",
            Empty,
            &[[3, 0]],
            Budgets { abort: 1, wipe: 1, evict: 1, ..NONE },
        ),
        Scenario::new(
            "create 3, nodes",
            Empty,
            &[[3, 0]],
            Budgets { kill: 1, node: 1, blind: 1, ..NONE },
        ),
        Scenario::new(
            "create 3, edited",
            Empty,
            &[[3, 0], [1, 0]],
            Budgets { abort: 1, edit: 2, ..NONE },
        ),
        Scenario::new("create 5", Empty, &[[5, 0]], Budgets { abort: 1, ..NONE }),
        Scenario::new("create 5, evicted", Empty, &[[5, 0]], Budgets { evict: 1, ..NONE }),
    ]
}

pub(super) fn scale() -> Vec<Scenario> {
    use Start::Running;
    vec![
        Scenario::new(
            "scale 1 to 3",
            Running([1, 0]),
            &[[3, 0]],
            Budgets { abort: 2, stale: 1, kill: 1, ..NONE },
        ),
        Scenario::new(
            "scale 3 to 1",
            Running([3, 0]),
            &[[1, 0]],
            Budgets { abort: 2, stale: 1, kill: 1, ..NONE },
        ),
        Scenario::new(
            "scale 3 to 5",
            Running([3, 0]),
            &[[5, 0]],
            Budgets { abort: 1, stale: 1, ..NONE },
        ),
        Scenario::new(
            "scale 3 to 5, wiped",
            Running([3, 0]),
            &[[5, 0]],
            Budgets { wipe: 1, evict: 1, ..NONE },
        ),
        Scenario::new(
            "scale 5 to 3",
            Running([5, 0]),
            &[[3, 0]],
            Budgets { abort: 1, stale: 1, ..NONE },
        ),
        Scenario::new(
            "scale 5 to 3, wiped",
            Running([5, 0]),
            &[[3, 0]],
            Budgets { wipe: 1, evict: 1, ..NONE },
        ),
        Scenario::new(
            "sizes edited",
            Running([3, 0]),
            &[[3, 0], [1, 0], [5, 0]],
            Budgets { abort: 1, edit: 2, ..NONE },
        ),
        Scenario::new(
            "sizes edited, evicted",
            Running([3, 0]),
            &[[3, 0], [1, 0]],
            Budgets { evict: 1, edit: 2, ..NONE },
        ),
    ]
}

/// Two members may join at once.
pub(super) fn at_once() -> Vec<Scenario> {
    use Start::Running;
    let one =
        |name, sizes, budgets| Scenario::new(name, Running([1, 0]), sizes, budgets).at_once(2);
    let three =
        |name, sizes, budgets| Scenario::new(name, Running([3, 0]), sizes, budgets).at_once(2);
    vec![
        one("two at once, 1 to 3", &[[3, 0]], Budgets { abort: 1, stale: 1, kill: 1, ..NONE }),
        one("two at once, wiped", &[[3, 0]], Budgets { wipe: 1, evict: 1, ..NONE }),
        one("two at once, late", &[[3, 0]], Budgets { late: 1, ..NONE }),
        one("two at once, edited", &[[3, 0], [1, 0]], Budgets { edit: 2, abort: 1, ..NONE }),
        one("two at once, refused", &[[3, 0]], Budgets { refuse: 1, abort: 1, ..NONE }),
        one("two at once, nodes", &[[3, 0]], Budgets { node: 1, ..NONE }),
        three("two at once, 3 to 5", &[[5, 0]], Budgets { abort: 1, ..NONE }),
        three("two at once, 3 to 5, evicted", &[[5, 0]], Budgets { evict: 1, ..NONE }),
        three("two at once, forgotten", &[[5, 0]], Budgets { forget: 1, ..NONE }),
        three("two at once, cut", &[[5, 0]], Budgets { cut: 1, ..NONE }),
        three("two at once, cordoned", &[[5, 0]], Budgets { cordon: 1, ..NONE }),
    ]
}

/// No member is to run, and then so many again. A late call may stop a member that was woken meanwhile: it comes back.
pub(super) fn hibernating() -> Vec<Scenario> {
    let edit = Budgets { edit: 2, ..NONE };
    let of = |name, sizes: &'static [[u8; 2]], budgets| {
        Scenario::new(name, Start::Running(sizes[0]), sizes, budgets).on(Volumes::Claims)
    };
    vec![
        of("hibernate 1", &[[1, 0], [0, 0]], Budgets { abort: 1, stale: 1, kill: 1, ..edit }),
        of("hibernate 3", &[[3, 0], [0, 0]], Budgets { abort: 1, stale: 1, ..edit }),
        of("hibernate 3, evicted", &[[3, 0], [0, 0]], Budgets { evict: 1, kill: 1, ..edit }),
        of("hibernate 3, wiped", &[[3, 0], [0, 0]], Budgets { wipe: 1, ..edit }),
        Scenario::new("hibernate on the way to 4", Start::Running([3, 0]), &[[4, 0], [0, 0]], edit)
            .on(Volumes::Claims),
    ]
}

pub(super) fn delete() -> Vec<Scenario> {
    let budgets = Budgets { delete: 1, abort: 1, stale: 1, ..NONE };
    vec![
        Scenario::new("delete while created", Start::Empty, &[[3, 0]], budgets),
        Scenario::new(
            "delete 3",
            Start::Running([3, 0]),
            &[[3, 0]],
            Budgets { wipe: 1, ..budgets },
        ),
        Scenario::new("delete 5 while scaled", Start::Running([3, 0]), &[[5, 0]], budgets),
    ]
}
