//! The scenarios that the shipped planner must pass.

use crate::scenario::{Budgets, Environment, Respec, Scenario, Start};

/// No fault at all, to start from.
const NONE: Budgets = Budgets {
    abort: 0,
    late: 0,
    refuse: 0,
    stale: 0,
    blind: 0,
    kill: 0,
    crash: 0,
    wipe: 0,
    evict: 0,
    node: 0,
    cut: 0,
    corrupt: 0,
    unnamed: 0,
    edit: 0,
    delete: 0,
};

const SHIPS: Environment = Environment { strict: true, launcher: true };

const fn scenario(
    name: &'static str,
    start: Start,
    sizes: &'static [u8],
    budgets: Budgets,
) -> Scenario {
    Scenario { name, start, sizes, respec: Respec::Never, budgets, environment: SHIPS, seed: 0 }
}

/// All of them.
pub fn suite() -> Vec<Scenario> {
    let mut all = create();
    all.extend(scale());
    all.extend(replace());
    all.extend(roll());
    all.extend(delete());
    all.extend(late());
    all.extend(cut());
    all.extend(crash());
    all.extend(corrupt());
    all.extend(refused());
    all
}

fn create() -> Vec<Scenario> {
    use Start::Empty;
    vec![
        scenario(
            "create 1",
            Empty,
            &[1],
            Budgets { abort: 2, stale: 2, kill: 1, wipe: 1, evict: 1, ..NONE },
        ),
        scenario("create 3, aborts", Empty, &[3], Budgets { abort: 2, stale: 1, ..NONE }),
        scenario("create 3, faults", Empty, &[3], Budgets { abort: 1, wipe: 1, evict: 1, ..NONE }),
        scenario("create 3, nodes", Empty, &[3], Budgets { kill: 1, node: 1, blind: 1, ..NONE }),
        scenario("create 3, edited", Empty, &[3, 1], Budgets { abort: 1, edit: 2, ..NONE }),
        scenario("create 5", Empty, &[5], Budgets { abort: 1, ..NONE }),
        scenario("create 5, evicted", Empty, &[5], Budgets { evict: 1, ..NONE }),
    ]
}

fn scale() -> Vec<Scenario> {
    use Start::Running;
    vec![
        scenario("scale 1 to 3", Running(1), &[3], Budgets { abort: 2, stale: 1, kill: 1, ..NONE }),
        scenario("scale 3 to 1", Running(3), &[1], Budgets { abort: 2, stale: 1, kill: 1, ..NONE }),
        scenario("scale 3 to 5", Running(3), &[5], Budgets { abort: 1, stale: 1, ..NONE }),
        scenario("scale 3 to 5, wiped", Running(3), &[5], Budgets { wipe: 1, evict: 1, ..NONE }),
        scenario("scale 5 to 3", Running(5), &[3], Budgets { abort: 1, stale: 1, ..NONE }),
        scenario("scale 5 to 3, wiped", Running(5), &[3], Budgets { wipe: 1, evict: 1, ..NONE }),
        scenario("sizes edited", Running(3), &[3, 1, 5], Budgets { abort: 1, edit: 2, ..NONE }),
        scenario(
            "sizes edited, evicted",
            Running(3),
            &[3, 1],
            Budgets { evict: 1, edit: 2, ..NONE },
        ),
    ]
}

fn replace() -> Vec<Scenario> {
    use Start::Running;
    vec![
        scenario(
            "replace in 1",
            Running(1),
            &[1],
            Budgets { abort: 1, kill: 2, wipe: 1, evict: 1, ..NONE },
        ),
        scenario("replace in 3", Running(3), &[3], Budgets { abort: 1, stale: 1, wipe: 1, ..NONE }),
        scenario(
            "replace in 3, evicted",
            Running(3),
            &[3],
            Budgets { abort: 1, stale: 1, evict: 1, ..NONE },
        ),
        scenario(
            "replace in 3, twice",
            Running(3),
            &[3],
            Budgets { wipe: 1, evict: 1, kill: 1, ..NONE },
        ),
        scenario(
            "replace in 3, blind",
            Running(3),
            &[3],
            Budgets { blind: 2, node: 1, kill: 1, ..NONE },
        ),
        scenario("replace in 5", Running(5), &[5], Budgets { abort: 1, wipe: 1, evict: 1, ..NONE }),
        scenario(
            "replace in 5, node",
            Running(5),
            &[5],
            Budgets { stale: 1, node: 1, kill: 1, ..NONE },
        ),
    ]
}

fn roll() -> Vec<Scenario> {
    use Start::Running;
    let faults = Budgets { abort: 1, kill: 1, edit: 2, ..NONE };
    let of = |name, size: &'static [u8], respec, budgets| Scenario {
        respec,
        ..scenario(name, Running(size[0]), size, budgets)
    };
    vec![
        of("restart 1", &[1], Respec::Restart, faults),
        of("restart 3", &[3], Respec::Restart, faults),
        of("restart 3, old caches", &[3], Respec::Restart, Budgets { stale: 2, edit: 1, ..NONE }),
        of("restart 3, wiped", &[3], Respec::Restart, Budgets { wipe: 1, edit: 1, ..NONE }),
        of("recreate 1", &[1], Respec::Recreate, faults),
        of("recreate 3", &[3], Respec::Recreate, Budgets { abort: 1, edit: 2, ..NONE }),
        of("recreate 3, evicted", &[3], Respec::Recreate, Budgets { evict: 1, edit: 1, ..NONE }),
        of("restart and resize", &[3, 1], Respec::Restart, Budgets { edit: 3, ..NONE }),
    ]
}

fn delete() -> Vec<Scenario> {
    let budgets = Budgets { delete: 1, abort: 1, stale: 1, ..NONE };
    vec![
        scenario("delete while created", Start::Empty, &[3], budgets),
        scenario("delete 3", Start::Running(3), &[3], Budgets { wipe: 1, ..budgets }),
        scenario("delete 5 while scaled", Start::Running(3), &[5], budgets),
    ]
}

fn late() -> Vec<Scenario> {
    use Start::{Empty, Running};
    let late = Budgets { late: 1, ..NONE };
    vec![
        scenario("late create 3", Empty, &[3], Budgets { stale: 1, ..late }),
        scenario("late create 1, evicted", Empty, &[1], Budgets { evict: 1, ..late }),
        scenario("late create 3, evicted", Empty, &[3], Budgets { evict: 1, ..late }),
        scenario("late 1 to 3", Running(1), &[3], Budgets { stale: 1, kill: 1, ..late }),
        scenario("late 1 to 3, evicted", Running(1), &[3], Budgets { evict: 1, ..late }),
        scenario("late 3 to 1", Running(3), &[1], Budgets { stale: 1, kill: 1, ..late }),
        scenario("late 5 to 3", Running(5), &[3], Budgets { evict: 1, ..late }),
        scenario("late replace in 3", Running(3), &[3], Budgets { evict: 1, wipe: 1, ..late }),
        scenario("late sizes", Running(3), &[3, 1], Budgets { edit: 2, ..late }),
        Scenario {
            respec: Respec::Restart,
            ..scenario("late restart 3", Running(3), &[3], Budgets { edit: 2, kill: 1, ..late })
        },
        Scenario {
            respec: Respec::Recreate,
            ..scenario("late recreate 3", Running(3), &[3], Budgets { edit: 1, ..late })
        },
        scenario("late delete", Running(3), &[3], Budgets { delete: 1, wipe: 1, ..late }),
    ]
}

/// A pod that the API refuses to make.
fn refused() -> Vec<Scenario> {
    use Start::{Empty, Running};
    let refuse = Budgets { refuse: 2, ..NONE };
    vec![
        scenario("refused create 1", Empty, &[1], Budgets { abort: 1, stale: 1, ..refuse }),
        scenario(
            "refused create 3",
            Empty,
            &[3],
            Budgets { refuse: 1, abort: 1, evict: 1, ..NONE },
        ),
        scenario("refused 1 to 3", Running(1), &[3], Budgets { stale: 1, evict: 1, ..refuse }),
        scenario("refused 3 to 5", Running(3), &[5], Budgets { abort: 1, ..refuse }),
        scenario("refused replace in 3", Running(3), &[3], Budgets { stale: 1, wipe: 1, ..refuse }),
        scenario("refused late in 1 to 3", Running(1), &[3], Budgets { late: 1, ..refuse }),
    ]
}

/// A member that the operator reaches and its peers do not.
fn cut() -> Vec<Scenario> {
    use Start::{Empty, Running};
    let cut = Budgets { cut: 1, ..NONE };
    vec![
        scenario("cut while created", Empty, &[3], Budgets { abort: 1, kill: 1, ..cut }),
        scenario("cut 1 to 3", Running(1), &[3], Budgets { kill: 1, stale: 1, ..cut }),
        scenario("cut 3 to 1", Running(3), &[1], Budgets { kill: 1, abort: 1, ..cut }),
        scenario("cut 5 to 3", Running(5), &[3], Budgets { kill: 1, cut: 2, ..NONE }),
        scenario("cut and replaced", Running(3), &[3], Budgets { wipe: 1, evict: 1, ..cut }),
        scenario("cut twice", Running(3), &[3, 1], Budgets { cut: 2, blind: 1, edit: 1, ..NONE }),
        Scenario {
            respec: Respec::Restart,
            ..scenario("cut and restarted", Running(3), &[3], Budgets { edit: 2, kill: 1, ..cut })
        },
        Scenario {
            respec: Respec::Recreate,
            ..scenario("cut and moved", Running(3), &[3], Budgets { edit: 1, ..cut })
        },
    ]
}

/// Members that crash again and again on data that is whole.
fn crash() -> Vec<Scenario> {
    use Start::{Empty, Running};
    let all = Budgets { crash: 3, ..NONE };
    let some = Budgets { crash: 1, ..NONE };
    vec![
        scenario("crash while created", Empty, &[3], Budgets { evict: 1, ..some }),
        scenario("crash of 1", Running(1), &[1], Budgets { abort: 1, stale: 1, ..some }),
        scenario("crash of all 3", Running(3), &[3], Budgets { abort: 1, ..all }),
        scenario("crash of 3, wiped", Running(3), &[3], Budgets { crash: 2, wipe: 1, ..NONE }),
        scenario("crash in 3 to 5", Running(3), &[5], Budgets { kill: 1, ..some }),
        scenario("crash in 3 to 1", Running(3), &[1], Budgets { crash: 2, stale: 1, ..NONE }),
        Scenario {
            respec: Respec::Restart,
            ..scenario(
                "crash and restarted",
                Running(3),
                &[3],
                Budgets { edit: 1, crash: 2, ..NONE },
            )
        },
        Scenario {
            respec: Respec::Recreate,
            ..scenario("crash and moved", Running(3), &[3], Budgets { edit: 1, ..some })
        },
    ]
}

/// A member whose data is corrupt, by an alarm of the application.
fn corrupt() -> Vec<Scenario> {
    use Start::Running;
    let corrupt = Budgets { corrupt: 1, unnamed: 1, ..NONE };
    vec![
        scenario("corrupt 1", Running(1), &[1], Budgets { abort: 1, kill: 1, ..corrupt }),
        scenario("corrupt 3", Running(3), &[3], Budgets { abort: 1, kill: 1, ..corrupt }),
        scenario("corrupt 3, evicted", Running(3), &[3], Budgets { evict: 1, blind: 1, ..corrupt }),
        scenario("corrupt 5, twice", Running(5), &[5], Budgets { corrupt: 2, ..NONE }),
        scenario("corrupt 1 to 3", Running(1), &[3], Budgets { stale: 1, ..corrupt }),
        scenario("corrupt 3 to 1", Running(3), &[1], Budgets { stale: 1, cut: 1, ..corrupt }),
        Scenario {
            respec: Respec::Restart,
            ..scenario("corrupt and restarted", Running(3), &[3], Budgets { edit: 1, ..corrupt })
        },
        Scenario {
            respec: Respec::Recreate,
            ..scenario("corrupt and moved", Running(3), &[3], Budgets { edit: 1, ..corrupt })
        },
    ]
}

/// Wider ones, for hours in which nobody waits: each of several minutes and gigabytes.
pub fn deep_suite() -> Vec<Scenario> {
    use Start::{Empty, Running};
    let late = Budgets { late: 1, ..NONE };
    let two = Budgets { abort: 1, stale: 1, ..NONE };
    vec![
        scenario("deep create 3", Empty, &[3], Budgets { kill: 1, evict: 1, ..two }),
        scenario("deep create 3, late", Empty, &[3], Budgets { stale: 1, kill: 1, ..late }),
        scenario("deep create 5", Empty, &[5], Budgets { abort: 1, kill: 1, ..NONE }),
        scenario("deep 1 to 3", Running(1), &[3], Budgets { evict: 1, wipe: 1, ..late }),
        scenario("deep 5 to 3", Running(5), &[3], Budgets { kill: 1, evict: 1, ..late }),
        scenario("deep sizes", Running(3), &[3, 1, 5], Budgets { wipe: 1, edit: 2, ..two }),
        scenario("deep replace 3", Running(3), &[3], Budgets { wipe: 1, evict: 1, node: 1, ..two }),
        scenario("deep replace 5", Running(5), &[5], Budgets { wipe: 2, blind: 1, ..two }),
        Scenario {
            respec: Respec::Restart,
            ..scenario(
                "deep restart",
                Running(3),
                &[3, 1],
                Budgets { edit: 3, kill: 1, abort: 1, ..NONE },
            )
        },
        Scenario {
            respec: Respec::Recreate,
            ..scenario("deep recreate", Running(3), &[3], Budgets { edit: 1, evict: 1, ..late })
        },
    ]
}
