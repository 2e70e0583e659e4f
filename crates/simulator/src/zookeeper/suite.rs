//! The scenarios that ZooKeeper's planner must pass.

use endstate_check::cluster::{Budgets, Respec, Scenario, Start, Volumes};

const NONE: Budgets = Budgets::NONE;

/// All of them: on claims that go when their server has left, and a few on claims that are kept.
pub fn suite() -> Vec<Scenario> {
    let all = create().into_iter().chain(scale()).chain(replace()).chain(observers()).chain(roll());
    let all = all.chain(consent());
    let on_claims = all.map(|it| it.on(Volumes::Claims));
    on_claims.chain(kept().into_iter().map(|it| it.on(Volumes::KeptClaims))).collect()
}

fn create() -> Vec<Scenario> {
    use Start::Empty;
    let scenario = Scenario::new;
    let some = Budgets { abort: 1, stale: 1, ..NONE };
    vec![
        scenario("create 1", Empty, &[[1, 0]], Budgets { wipe: 1, evict: 1, kill: 1, ..some }),
        scenario("create 3", Empty, &[[3, 0]], some),
        scenario("create 3, evicted", Empty, &[[3, 0]], Budgets { evict: 1, kill: 1, ..NONE }),
        scenario("create 3, wiped", Empty, &[[3, 0]], Budgets { wipe: 1, abort: 1, ..NONE }),
        scenario("create 3, late", Empty, &[[3, 0]], Budgets { late: 1, kill: 1, ..NONE }),
        scenario("create 3, refused", Empty, &[[3, 0]], Budgets { refuse: 1, evict: 1, ..NONE }),
        scenario("create 3, edited", Empty, &[[3, 0], [1, 0]], Budgets { edit: 2, ..NONE }),
    ]
}

fn scale() -> Vec<Scenario> {
    use Start::Running;
    let scenario = Scenario::new;
    let some = Budgets { abort: 1, stale: 1, ..NONE };
    vec![
        scenario("1 to 3", Running([1, 0]), &[[3, 0]], Budgets { kill: 1, ..some }),
        scenario("1 to 3, evicted", Running([1, 0]), &[[3, 0]], Budgets { evict: 1, ..some }),
        scenario("3 to 5", Running([3, 0]), &[[5, 0]], some),
        scenario("3 to 5, wiped", Running([3, 0]), &[[5, 0]], Budgets { wipe: 1, ..NONE }),
        scenario("5 to 3", Running([5, 0]), &[[3, 0]], some),
        scenario("5 to 3, killed", Running([5, 0]), &[[3, 0]], Budgets { kill: 2, ..NONE }),
        scenario("3 to 1", Running([3, 0]), &[[1, 0]], Budgets { kill: 1, abort: 1, ..NONE }),
        scenario("late 1 to 3", Running([1, 0]), &[[3, 0]], Budgets { late: 1, kill: 1, ..NONE }),
        scenario("late 3 to 1", Running([3, 0]), &[[1, 0]], Budgets { late: 1, evict: 1, ..NONE }),
        scenario(
            "sizes edited",
            Running([3, 0]),
            &[[3, 0], [1, 0], [5, 0]],
            Budgets { edit: 2, ..NONE },
        ),
    ]
}

fn replace() -> Vec<Scenario> {
    use Start::Running;
    let three = |name, budgets| Scenario::new(name, Running([3, 0]), &[[3, 0]], budgets);
    vec![
        three("wiped", Budgets { wipe: 1, abort: 1, stale: 1, ..NONE }),
        three("two wiped", Budgets { wipe: 2, abort: 1, ..NONE }),
        three("pods deleted", Budgets { evict: 3, abort: 1, ..NONE }),
        three("pods deleted, late", Budgets { evict: 2, late: 1, ..NONE }),
        three("node lost", Budgets { node: 1, kill: 1, abort: 1, ..NONE }),
        three("directories lost", Budgets { blank: 2, stale: 1, ..NONE }),
        three("crashing", Budgets { crash: 2, abort: 1, ..NONE }),
        three("cordoned", Budgets { cordon: 1, abort: 1, evict: 1, ..NONE }),
        three("cut", Budgets { cut: 1, kill: 1, blind: 1, ..NONE }),
        three("deleted", Budgets { delete: 1, wipe: 1, abort: 1, ..NONE }),
    ]
}

fn observers() -> Vec<Scenario> {
    use Start::{Empty, Running};
    let scenario = Scenario::new;
    let some = Budgets { abort: 1, stale: 1, ..NONE };
    vec![
        scenario("create 1 and an observer", Empty, &[[1, 1]], Budgets { kill: 1, ..some }),
        scenario("observers 0 to 1", Running([3, 0]), &[[3, 1]], some),
        scenario("observers 1 to 0", Running([3, 1]), &[[3, 0]], Budgets { kill: 1, ..some }),
        scenario("observer wiped", Running([1, 1]), &[[1, 1]], Budgets { wipe: 1, ..some }),
        scenario(
            "roles edited",
            Running([3, 1]),
            &[[3, 1], [1, 0], [3, 2]],
            Budgets { edit: 2, ..NONE },
        ),
    ]
}

/// Every change of a server needs another pod, on the same data.
fn roll() -> Vec<Scenario> {
    use Start::Running;
    let roll = |name, sizes: &'static [[u8; 2]], budgets| {
        Scenario::new(name, Running(sizes[0]), sizes, budgets).respec(Respec::Recreate)
    };
    vec![
        roll("rolled", &[[3, 0]], Budgets { edit: 1, kill: 1, abort: 1, ..NONE }),
        roll("rolled, old caches", &[[3, 0]], Budgets { edit: 1, stale: 1, ..NONE }),
        roll("rolled, evicted", &[[3, 0]], Budgets { edit: 1, evict: 1, ..NONE }),
        roll("rolled, wiped", &[[3, 0]], Budgets { edit: 1, wipe: 1, ..NONE }),
        roll("rolled, late", &[[3, 0]], Budgets { edit: 1, late: 1, ..NONE }),
        roll("rolled back", &[[3, 1]], Budgets { edit: 2, ..NONE }),
        roll("rolled and resized", &[[3, 0], [1, 0]], Budgets { edit: 2, ..NONE }),
    ]
}

fn kept() -> Vec<Scenario> {
    use Start::{Empty, Running};
    let scenario = Scenario::new;
    let some = Budgets { abort: 1, stale: 1, ..NONE };
    vec![
        scenario("kept, create 1", Empty, &[[1, 0]], Budgets { evict: 1, ..some }),
        scenario("kept, 3 to 1", Running([3, 0]), &[[1, 0]], Budgets { evict: 1, ..some }),
        scenario("kept, wiped", Running([3, 0]), &[[3, 0]], Budgets { wipe: 1, ..some }),
        scenario("kept, pods deleted", Running([3, 0]), &[[3, 0]], Budgets { evict: 2, ..some }),
    ]
}

/// Wider ones, for hours in which nobody waits: each of several minutes and gigabytes.
pub fn deep_suite() -> Vec<Scenario> {
    use Start::{Empty, Running};
    let scenario = Scenario::new;
    let two = Budgets { abort: 1, stale: 1, ..NONE };
    let all = vec![
        scenario("deep create 3", Empty, &[[3, 0]], Budgets { kill: 1, evict: 1, ..two }),
        scenario("deep 3 to 5", Running([3, 0]), &[[5, 0]], Budgets { kill: 1, wipe: 1, ..two }),
        scenario("deep 5 to 3", Running([5, 0]), &[[3, 0]], Budgets { kill: 1, evict: 1, ..two }),
        scenario("deep wiped", Running([3, 0]), &[[3, 0]], Budgets { wipe: 2, node: 1, ..two }),
        scenario(
            "deep roles",
            Running([3, 1]),
            &[[3, 1], [1, 0], [3, 2]],
            Budgets { edit: 2, ..two },
        ),
        scenario("deep rolled", Running([3, 1]), &[[3, 1]], Budgets { edit: 2, wipe: 1, ..two })
            .respec(Respec::Recreate),
        scenario(
            "deep consent",
            Running([2, 1]),
            &[[2, 1]],
            Budgets { wipe: 2, consent: 1, ..two },
        ),
    ];
    all.into_iter().map(|it| it.on(Volumes::Claims)).collect()
}

/// Recoveries by a person's consent.
fn consent() -> Vec<Scenario> {
    use Start::Running;
    let scenario = Scenario::new;
    let wiped = Budgets { wipe: 1, consent: 1, ..NONE };
    vec![
        scenario("consent", Running([2, 0]), &[[2, 0]], Budgets { wipe: 2, ..wiped }),
        scenario("consent, crash", Running([2, 0]), &[[2, 0]], Budgets { abort: 1, ..wiped }),
        scenario("consent, old caches", Running([2, 0]), &[[2, 0]], Budgets { stale: 1, ..wiped }),
        scenario("consent, observer", Running([2, 1]), &[[2, 1]], wiped),
    ]
}
