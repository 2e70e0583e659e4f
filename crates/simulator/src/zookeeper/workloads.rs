//! What is done to ZooKeeper ensembles in which the operator is killed at every call.

use endstate_check::cluster::{
    Budgets, Declared, Event, Respec, Scenario, Start, Volumes, Workload,
};

const NONE: Budgets = Budgets::NONE;

/// All of them.
pub fn workloads() -> Vec<Workload> {
    let edit = Budgets { edit: 2, ..NONE };
    let of = |name, start, sizes: &'static [[u8; 2]], budgets, events: &[Event]| {
        Workload::new(Scenario::new(name, start, sizes, budgets).on(Volumes::Claims), events)
    };
    let running = |name, sizes: &'static [[u8; 2]], budgets, events: &[Event]| {
        of(name, Start::Running(sizes[0]), sizes, budgets, events)
    };
    let rolled = running("roll and back", &[[3, 0]], edit, &[respec(1), respec(0)]);
    let scenario = rolled.scenario.clone().respec(Respec::Recreate);
    vec![
        of("create 1 and an observer", Start::Empty, &[[1, 1]], NONE, &[]),
        of("create 3", Start::Empty, &[[3, 0]], NONE, &[]),
        running("grow 1 to 3", &[[1, 0], [3, 0]], edit, &[resize([3, 0])]),
        running("shrink 5 to 3", &[[5, 0], [3, 0]], edit, &[resize([3, 0])]),
        running(
            "observers come and go",
            &[[3, 0], [3, 1]],
            edit,
            &[resize([3, 1]), resize([3, 0])],
        ),
        Workload { scenario, ..rolled },
        running("replace one wiped", &[[3, 0]], Budgets { wipe: 1, ..NONE }, &[Event::Wipe(1)]),
        running("pod deleted", &[[3, 0]], Budgets { evict: 1, ..NONE }, &[Event::Evict(0)]),
        running("cordon", &[[3, 0]], Budgets { cordon: 1, ..NONE }, &[Event::Cordon(1)]),
        running(
            "recover by consent",
            &[[2, 0]],
            Budgets { wipe: 1, consent: 1, ..NONE },
            &[Event::Wipe(1), Event::Consent(0)],
        ),
    ]
}

const fn resize(sizes: [u8; 2]) -> Event {
    Event::Edit(Declared { sizes, rev: 0 })
}

const fn respec(rev: u8) -> Event {
    Event::Edit(Declared { sizes: [3, 0], rev })
}
