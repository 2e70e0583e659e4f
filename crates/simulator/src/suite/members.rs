//! Members that die, crash, are cut off or have bad data.

use endstate_check::cluster::{Budgets, Respec, Scenario, Start};

use super::NONE;

pub(super) fn replace() -> Vec<Scenario> {
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

/// A member that the operator reaches and its peers do not.
pub(super) fn cut() -> Vec<Scenario> {
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
pub(super) fn crash() -> Vec<Scenario> {
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
pub(super) fn corrupt() -> Vec<Scenario> {
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

/// A member whose data is corrupt, of which no alarm tells.
pub(super) fn differs() -> Vec<Scenario> {
    use Start::Running;
    let corrupt = Budgets { corrupt: 1, ..NONE };
    let (three, five) = (Running([3, 0]), Running([5, 0]));
    let killed = Budgets { abort: 1, kill: 1, ..corrupt };
    let evicted = Budgets { evict: 1, blind: 1, ..corrupt };
    let cut = Budgets { stale: 1, cut: 1, ..corrupt };
    vec![
        Scenario::new("differs 3", three, &[[3, 0]], killed).silent(),
        Scenario::new("differs 3, evicted", three, &[[3, 0]], evicted).silent(),
        Scenario::new("differs 3 to 1", three, &[[1, 0]], cut).silent(),
        Scenario::new("differs 5, twice", five, &[[5, 0]], Budgets { corrupt: 2, ..NONE }).silent(),
    ]
}

/// A node loses all directories of a pod.
pub(super) fn blanked() -> Vec<Scenario> {
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
