//! What is done to etcd clusters in which the operator is killed at every call.

use endstate_check::cluster::{
    Budgets, Declared, Event, Respec, Scenario, Start, Volumes, Workload,
};

const NONE: Budgets = Budgets::NONE;

/// All of them.
pub fn workloads() -> Vec<Workload> {
    let subjects = [sizes(), specs(), losses(), places(), decisions()];
    subjects.into_iter().flatten().collect()
}

/// An edit of the size alone.
const fn resize(size: u8) -> Event {
    Event::Edit(Declared { sizes: [size, 0], rev: 0 })
}

/// An edit of the member's spec, at this size.
const fn respec(size: u8, rev: u8) -> Event {
    Event::Edit(Declared { sizes: [size, 0], rev })
}

fn running(name: &'static str, sizes: &'static [[u8; 2]], budgets: Budgets) -> Scenario {
    Scenario::new(name, Start::Running(sizes[0]), sizes, budgets)
}

/// Clusters that come into being, grow, shrink, sleep and go.
fn sizes() -> Vec<Workload> {
    let edit = Budgets { edit: 2, ..NONE };
    let created = |name, sizes| Scenario::new(name, Start::Empty, sizes, NONE);
    vec![
        Workload::new(created("create 1", &[[1, 0]]), []),
        Workload::new(created("create 3", &[[3, 0]]), []),
        Workload::new(created("create 5", &[[5, 0]]), []),
        Workload::new(created("create 3 on pairs", &[[3, 0]]).on(Volumes::Pairs), []),
        Workload::new(running("grow 1 to 3", &[[1, 0], [3, 0]], edit), [resize(3)]),
        Workload::new(running("grow 3 to 5", &[[3, 0], [5, 0]], edit), [resize(5)]),
        Workload::new(running("grow two at once", &[[3, 0], [5, 0]], edit).at_once(2), [resize(5)]),
        Workload::new(
            running("grow on claims", &[[1, 0], [2, 0]], edit).on(Volumes::Claims),
            [resize(2)],
        ),
        Workload::new(running("shrink 3 to 1", &[[3, 0], [1, 0]], edit), [resize(1)]),
        Workload::new(running("shrink 5 to 3", &[[5, 0], [3, 0]], edit), [resize(3)]),
        Workload::new(
            running("shrink pairs, one kept", &[[3, 0], [1, 0]], edit).on(Volumes::KeptPairs),
            [resize(1)],
        ),
        Workload::new(running("grow and shrink", &[[1, 0], [3, 0]], edit), [resize(3), resize(1)]),
        Workload::new(
            running("hibernate", &[[3, 0], [0, 0]], edit).on(Volumes::Claims),
            [resize(0)],
        ),
        Workload::new(
            running("hibernate and wake", &[[3, 0], [0, 0]], edit).on(Volumes::Claims),
            [resize(0), resize(3)],
        ),
    ]
}

/// Specs that members are brought to, and back.
fn specs() -> Vec<Workload> {
    let edit = Budgets { edit: 2, ..NONE };
    let there_and_back = |name, size: &'static [[u8; 2]], how| {
        let scenario = running(name, size, edit).respec(how);
        Workload::new(scenario, [respec(size[0][0], 1), respec(size[0][0], 0)])
    };
    let recreated = there_and_back("recreate 3 and back", &[[3, 0]], Respec::Recreate);
    let on_claims = Scenario { name: "recreate on claims", ..recreated.scenario.clone() };
    let on_claims = Workload { scenario: on_claims.on(Volumes::Claims), ..recreated.clone() };
    vec![
        there_and_back("restart 1 and back", &[[1, 0]], Respec::Restart),
        there_and_back("restart 3 and back", &[[3, 0]], Respec::Restart),
        recreated,
        on_claims,
        there_and_back("users on and off", &[[3, 0]], Respec::Application),
    ]
}

/// Members that are lost, or seem to be.
fn losses() -> Vec<Workload> {
    let three = |name, budgets| running(name, &[[3, 0]], budgets);
    vec![
        Workload::new(three("kill", Budgets { kill: 1, ..NONE }), [Event::Kill(0)]),
        Workload::new(three("crash", Budgets { crash: 1, ..NONE }), [Event::Crash(1)]),
        Workload::new(three("replace one wiped", Budgets { wipe: 1, ..NONE }), [Event::Wipe(1)]),
        Workload::new(three("replace the leader", Budgets { wipe: 1, ..NONE }), [Event::Wipe(0)]),
        Workload::new(
            three("replace on a lost node", Budgets { node: 1, ..NONE }),
            [Event::Node(2)],
        ),
        Workload::new(three("pod deleted", Budgets { evict: 1, ..NONE }), [Event::Evict(1)]),
        Workload::new(
            three("pod on a claim deleted", Budgets { evict: 1, ..NONE }).on(Volumes::Claims),
            [Event::Evict(1)],
        ),
        Workload::new(
            three("claim deleted", Budgets { part: 1, ..NONE }).on(Volumes::Claims),
            [Event::Claim(1)],
        ),
        Workload::new(three("corrupt", Budgets { corrupt: 1, ..NONE }), [Event::Corrupt(2)]),
        Workload::new(
            three("corrupt, without an alarm", Budgets { corrupt: 1, ..NONE }).silent(),
            [Event::Corrupt(2)],
        ),
    ]
}

/// Nodes that members have to leave, and pods that somebody wants to go.
fn places() -> Vec<Workload> {
    let (cordon, ask) = (Budgets { cordon: 1, ..NONE }, Budgets { ask: 1, ..NONE });
    vec![
        Workload::new(running("cordon", &[[2, 0]], cordon), [Event::Cordon(0)]),
        Workload::new(running("eviction of 1", &[[1, 0]], ask), [Event::Ask(0)]),
        Workload::new(running("eviction of 3", &[[3, 0]], ask), [Event::Ask(0)]),
    ]
}

/// What a person, or the spec, decides.
fn decisions() -> Vec<Workload> {
    let wiped = Budgets { wipe: 1, consent: 1, ..NONE };
    let two = |name, budgets| running(name, &[[2, 0]], budgets).on(Volumes::Claims);
    vec![
        Workload::new(two("recover by consent", wiped), [Event::Wipe(1), Event::Consent(0)]),
        Workload::new(
            two("recover unasked", Budgets { wipe: 1, ..NONE }).unasked(),
            [Event::Wipe(1)],
        ),
        Workload::new(
            running("recover three unasked", &[[3, 0]], Budgets { wipe: 2, ..NONE })
                .on(Volumes::Claims)
                .unasked(),
            [Event::Wipe(1), Event::Wipe(2)],
        ),
        Workload::new(
            running("adopt what is forgotten", &[[3, 0]], Budgets { forget: 1, ..NONE }),
            [Event::Forget],
        ),
    ]
}
