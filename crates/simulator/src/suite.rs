//! The scenarios that the shipped planner must pass.

use endstate_check::cluster::{Budgets, Respec, Scenario, Start, Volumes};

const NONE: Budgets = Budgets::NONE;

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
    all.extend(blanked());
    all.extend(forgotten());
    all.extend(cordoned());
    all.extend(at_once());
    all.extend(hibernating());
    all.extend(pairs());
    all
}

/// No member is to run, and then so many again. A late call may stop a member that was woken meanwhile: it comes back.
fn hibernating() -> Vec<Scenario> {
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

/// Members have two volumes, and one of them may be lost.
fn pairs() -> Vec<Scenario> {
    let of = |name, sizes: &'static [[u8; 2]], budgets| {
        Scenario::new(name, Start::Running(sizes[0]), sizes, budgets).on(Volumes::Pairs)
    };
    let part = Budgets { evict: 1, part: 1, ..NONE };
    vec![
        of("pairs 1 of 3 lost", &[[3, 0]], Budgets { abort: 1, stale: 1, ..part }),
        of("pairs 2 of 3 lost", &[[3, 0]], Budgets { evict: 2, part: 2, ..NONE }),
        of("pairs 1 of 2 lost", &[[2, 0]], Budgets { abort: 1, late: 1, ..part }),
        of("pairs 3 to 1", &[[3, 0], [1, 0]], Budgets { edit: 1, abort: 1, evict: 1, ..NONE }),
        of("pairs hibernate 3", &[[3, 0], [0, 0]], Budgets { edit: 2, part: 1, ..NONE }),
    ]
}

/// Two members may join at once.
fn at_once() -> Vec<Scenario> {
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

/// Nodes are cordoned, and the cordons may be taken back.
fn cordoned() -> Vec<Scenario> {
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

/// Somebody deletes the status.
fn forgotten() -> Vec<Scenario> {
    use Start::Running;
    let forget = Budgets { forget: 1, ..NONE };
    let three = |name, budgets| Scenario::new(name, Running([3, 0]), &[[3, 0]], budgets);
    vec![
        three("forgotten", Budgets { stale: 1, abort: 1, kill: 1, ..forget }),
        three("forgotten twice", Budgets { forget: 2, late: 1, ..forget }),
        three("forgotten, wiped", Budgets { wipe: 1, abort: 1, ..forget }),
        three("forgotten, evicted", Budgets { evict: 1, stale: 1, ..forget }),
        Scenario::new(
            "forgotten in 3 to 4",
            Running([3, 0]),
            &[[4, 0]],
            Budgets { abort: 1, ..forget },
        ),
        Scenario::new(
            "forgotten in 3 to 2",
            Running([3, 0]),
            &[[2, 0]],
            Budgets { abort: 1, ..forget },
        ),
    ]
}

/// A node loses all directories of a pod.
fn blanked() -> Vec<Scenario> {
    use Start::{Empty, Running};
    let blank = Budgets { blank: 1, ..NONE };
    vec![
        Scenario::new(
            "blank while 1 created",
            Empty,
            &[[1, 0]],
            Budgets { abort: 1, stale: 1, ..blank },
        ),
        Scenario::new("blank while 3 created", Empty, &[[3, 0]], blank),
        Scenario::new(
            "blank in 3",
            Running([3, 0]),
            &[[3, 0]],
            Budgets { blank: 2, abort: 1, ..blank },
        ),
        Scenario::new("blank in 1 to 3", Running([1, 0]), &[[3, 0]], Budgets { stale: 1, ..blank }),
    ]
}

fn create() -> Vec<Scenario> {
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

fn scale() -> Vec<Scenario> {
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

fn replace() -> Vec<Scenario> {
    use Start::Running;
    vec![
        Scenario::new(
            "replace in 1",
            Running([1, 0]),
            &[[1, 0]],
            Budgets { abort: 1, kill: 2, wipe: 1, evict: 1, ..NONE },
        ),
        Scenario::new(
            "replace in 3",
            Running([3, 0]),
            &[[3, 0]],
            Budgets { abort: 1, stale: 1, wipe: 1, ..NONE },
        ),
        Scenario::new(
            "replace in 3, evicted",
            Running([3, 0]),
            &[[3, 0]],
            Budgets { abort: 1, stale: 1, evict: 1, ..NONE },
        ),
        Scenario::new(
            "replace in 3, twice",
            Running([3, 0]),
            &[[3, 0]],
            Budgets { wipe: 1, evict: 1, kill: 1, ..NONE },
        ),
        Scenario::new(
            "replace in 3, blind",
            Running([3, 0]),
            &[[3, 0]],
            Budgets { blind: 2, node: 1, kill: 1, ..NONE },
        ),
        Scenario::new(
            "replace in 5",
            Running([5, 0]),
            &[[5, 0]],
            Budgets { abort: 1, wipe: 1, evict: 1, ..NONE },
        ),
        Scenario::new(
            "replace in 5, node",
            Running([5, 0]),
            &[[5, 0]],
            Budgets { stale: 1, node: 1, kill: 1, ..NONE },
        ),
    ]
}

fn roll() -> Vec<Scenario> {
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

fn delete() -> Vec<Scenario> {
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

fn late() -> Vec<Scenario> {
    use Start::{Empty, Running};
    let late = Budgets { late: 1, ..NONE };
    vec![
        Scenario::new("late create 3", Empty, &[[3, 0]], Budgets { stale: 1, ..late }),
        Scenario::new("late create 1, evicted", Empty, &[[1, 0]], Budgets { evict: 1, ..late }),
        Scenario::new("late create 3, evicted", Empty, &[[3, 0]], Budgets { evict: 1, ..late }),
        Scenario::new(
            "late 1 to 3",
            Running([1, 0]),
            &[[3, 0]],
            Budgets { stale: 1, kill: 1, ..late },
        ),
        Scenario::new(
            "late 1 to 3, evicted",
            Running([1, 0]),
            &[[3, 0]],
            Budgets { evict: 1, ..late },
        ),
        Scenario::new(
            "late 3 to 1",
            Running([3, 0]),
            &[[1, 0]],
            Budgets { stale: 1, kill: 1, ..late },
        ),
        Scenario::new("late 5 to 3", Running([5, 0]), &[[3, 0]], Budgets { evict: 1, ..late }),
        Scenario::new(
            "late replace in 3",
            Running([3, 0]),
            &[[3, 0]],
            Budgets { evict: 1, wipe: 1, ..late },
        ),
        Scenario::new(
            "late sizes",
            Running([3, 0]),
            &[[3, 0], [1, 0]],
            Budgets { edit: 2, ..late },
        ),
        Scenario::new(
            "late restart 3",
            Running([3, 0]),
            &[[3, 0]],
            Budgets { edit: 2, kill: 1, ..late },
        )
        .respec(Respec::Restart),
        Scenario::new("late recreate 3", Running([3, 0]), &[[3, 0]], Budgets { edit: 1, ..late })
            .respec(Respec::Recreate),
        Scenario::new(
            "late delete",
            Running([3, 0]),
            &[[3, 0]],
            Budgets { delete: 1, wipe: 1, ..late },
        ),
    ]
}

/// A pod that the API refuses to make.
fn refused() -> Vec<Scenario> {
    use Start::{Empty, Running};
    let refuse = Budgets { refuse: 2, ..NONE };
    vec![
        Scenario::new(
            "refused create 1",
            Empty,
            &[[1, 0]],
            Budgets { abort: 1, stale: 1, ..refuse },
        ),
        Scenario::new(
            "refused create 3",
            Empty,
            &[[3, 0]],
            Budgets { refuse: 1, abort: 1, evict: 1, ..NONE },
        ),
        Scenario::new(
            "refused 1 to 3",
            Running([1, 0]),
            &[[3, 0]],
            Budgets { stale: 1, evict: 1, ..refuse },
        ),
        Scenario::new("refused 3 to 5", Running([3, 0]), &[[5, 0]], Budgets { abort: 1, ..refuse }),
        Scenario::new(
            "refused replace in 3",
            Running([3, 0]),
            &[[3, 0]],
            Budgets { stale: 1, wipe: 1, ..refuse },
        ),
        Scenario::new(
            "refused late in 1 to 3",
            Running([1, 0]),
            &[[3, 0]],
            Budgets { late: 1, ..refuse },
        ),
    ]
}

/// A member that the operator reaches and its peers do not.
fn cut() -> Vec<Scenario> {
    use Start::{Empty, Running};
    let cut = Budgets { cut: 1, ..NONE };
    vec![
        Scenario::new("cut while created", Empty, &[[3, 0]], Budgets { abort: 1, kill: 1, ..cut }),
        Scenario::new(
            "cut 1 to 3",
            Running([1, 0]),
            &[[3, 0]],
            Budgets { kill: 1, stale: 1, ..cut },
        ),
        Scenario::new(
            "cut 3 to 1",
            Running([3, 0]),
            &[[1, 0]],
            Budgets { kill: 1, abort: 1, ..cut },
        ),
        Scenario::new(
            "cut 5 to 3",
            Running([5, 0]),
            &[[3, 0]],
            Budgets { kill: 1, cut: 2, ..NONE },
        ),
        Scenario::new(
            "cut and replaced",
            Running([3, 0]),
            &[[3, 0]],
            Budgets { wipe: 1, evict: 1, ..cut },
        ),
        Scenario::new(
            "cut twice",
            Running([3, 0]),
            &[[3, 0], [1, 0]],
            Budgets { cut: 2, blind: 1, edit: 1, ..NONE },
        ),
        Scenario::new(
            "cut and restarted",
            Running([3, 0]),
            &[[3, 0]],
            Budgets { edit: 2, kill: 1, ..cut },
        )
        .respec(Respec::Restart),
        Scenario::new("cut and moved", Running([3, 0]), &[[3, 0]], Budgets { edit: 1, ..cut })
            .respec(Respec::Recreate),
    ]
}

/// Members that crash again and again on data that is whole.
fn crash() -> Vec<Scenario> {
    use Start::{Empty, Running};
    let all = Budgets { crash: 3, ..NONE };
    let some = Budgets { crash: 1, ..NONE };
    vec![
        Scenario::new("crash while created", Empty, &[[3, 0]], Budgets { evict: 1, ..some }),
        Scenario::new(
            "crash of 1",
            Running([1, 0]),
            &[[1, 0]],
            Budgets { abort: 1, stale: 1, ..some },
        ),
        Scenario::new("crash of all 3", Running([3, 0]), &[[3, 0]], Budgets { abort: 1, ..all }),
        Scenario::new(
            "crash of 3, wiped",
            Running([3, 0]),
            &[[3, 0]],
            Budgets { crash: 2, wipe: 1, ..NONE },
        ),
        Scenario::new("crash in 3 to 5", Running([3, 0]), &[[5, 0]], Budgets { kill: 1, ..some }),
        Scenario::new(
            "crash in 3 to 1",
            Running([3, 0]),
            &[[1, 0]],
            Budgets { crash: 2, stale: 1, ..NONE },
        ),
        Scenario::new(
            "crash and restarted",
            Running([3, 0]),
            &[[3, 0]],
            Budgets { edit: 1, crash: 2, ..NONE },
        )
        .respec(Respec::Restart),
        Scenario::new("crash and moved", Running([3, 0]), &[[3, 0]], Budgets { edit: 1, ..some })
            .respec(Respec::Recreate),
    ]
}

/// A member whose data is corrupt, by an alarm of the application.
fn corrupt() -> Vec<Scenario> {
    use Start::Running;
    let corrupt = Budgets { corrupt: 1, unnamed: 1, ..NONE };
    vec![
        Scenario::new(
            "corrupt 1",
            Running([1, 0]),
            &[[1, 0]],
            Budgets { abort: 1, kill: 1, ..corrupt },
        ),
        Scenario::new(
            "corrupt 3",
            Running([3, 0]),
            &[[3, 0]],
            Budgets { abort: 1, kill: 1, ..corrupt },
        ),
        Scenario::new(
            "corrupt 3, evicted",
            Running([3, 0]),
            &[[3, 0]],
            Budgets { evict: 1, blind: 1, ..corrupt },
        ),
        Scenario::new(
            "corrupt 5, twice",
            Running([5, 0]),
            &[[5, 0]],
            Budgets { corrupt: 2, ..NONE },
        ),
        Scenario::new(
            "corrupt 1 to 3",
            Running([1, 0]),
            &[[3, 0]],
            Budgets { stale: 1, ..corrupt },
        ),
        Scenario::new(
            "corrupt 3 to 1",
            Running([3, 0]),
            &[[1, 0]],
            Budgets { stale: 1, cut: 1, ..corrupt },
        ),
        Scenario::new(
            "corrupt and restarted",
            Running([3, 0]),
            &[[3, 0]],
            Budgets { edit: 1, ..corrupt },
        )
        .respec(Respec::Restart),
        Scenario::new(
            "corrupt and moved",
            Running([3, 0]),
            &[[3, 0]],
            Budgets { edit: 1, ..corrupt },
        )
        .respec(Respec::Recreate),
    ]
}

/// Wider ones, for hours in which nobody waits: each of several minutes and gigabytes.
pub fn deep_suite() -> Vec<Scenario> {
    use Start::{Empty, Running};
    let late = Budgets { late: 1, ..NONE };
    let two = Budgets { abort: 1, stale: 1, ..NONE };
    vec![
        Scenario::new("deep create 3", Empty, &[[3, 0]], Budgets { kill: 1, evict: 1, ..two }),
        Scenario::new(
            "deep create 3, late",
            Empty,
            &[[3, 0]],
            Budgets { stale: 1, kill: 1, ..late },
        ),
        Scenario::new("deep create 5", Empty, &[[5, 0]], Budgets { abort: 1, kill: 1, ..NONE }),
        Scenario::new(
            "deep 1 to 3",
            Running([1, 0]),
            &[[3, 0]],
            Budgets { evict: 1, wipe: 1, ..late },
        ),
        Scenario::new(
            "deep 5 to 3",
            Running([5, 0]),
            &[[3, 0]],
            Budgets { kill: 1, evict: 1, ..late },
        ),
        Scenario::new(
            "deep sizes",
            Running([3, 0]),
            &[[3, 0], [1, 0], [5, 0]],
            Budgets { wipe: 1, edit: 2, ..two },
        ),
        Scenario::new(
            "deep replace 3",
            Running([3, 0]),
            &[[3, 0]],
            Budgets { wipe: 1, evict: 1, node: 1, ..two },
        ),
        Scenario::new(
            "deep replace 5",
            Running([5, 0]),
            &[[5, 0]],
            Budgets { wipe: 2, blind: 1, ..two },
        ),
        Scenario::new(
            "deep restart",
            Running([3, 0]),
            &[[3, 0], [1, 0]],
            Budgets { edit: 3, kill: 1, abort: 1, ..NONE },
        )
        .respec(Respec::Restart),
        Scenario::new(
            "deep recreate",
            Running([3, 0]),
            &[[3, 0]],
            Budgets { edit: 1, evict: 1, ..late },
        )
        .respec(Respec::Recreate),
    ]
}
