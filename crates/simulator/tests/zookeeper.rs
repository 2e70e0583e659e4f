//! ZooKeeper's planner in every scenario, on random walks, and what the checker finds without its rules.
//!
//! `SCENARIO=text` picks the scenarios whose name holds the text, and `DEEP=1` takes the wide ones instead, which need
//! minutes and gigabytes each. `WALKS=number` takes more walks.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a report is for people to read")]

use std::sync::Mutex;

use endstate_check::cluster::{check, walk};
use endstate_core::{Action, Plan, Snapshot, plan};
use simulator::zookeeper::{ZooKeeperModel, deep_suite, suite};
use simulator::{Budgets, Property, Report, Respec, Scenario, Start, Volumes};
use zookeeper_plan::{ZooKeeper, ZookeeperClusterSpec};

type Planner = endstate_check::cluster::Planner<ZooKeeper>;

#[test]
fn the_shipped_planner_is_safe_and_always_arrives() {
    let name = std::env::var("SCENARIO").unwrap_or_default();
    let all = if std::env::var_os("DEEP").is_some() { deep_suite() } else { suite() };
    let reports = explore(all.into_iter().filter(|it| it.name.contains(&name)).collect());
    let states: usize = reports.iter().map(|it| it.explored.states).sum();
    println!("{} scenarios, {states} states", reports.len());
    for report in reports.iter().filter(|it| !it.is_fine()) {
        println!("\n{}: {:?}", report.scenario, report.explored.complete);
        report.explored.finding.iter().for_each(|it| println!("{it}"));
    }
    assert!(reports.iter().all(Report::is_fine), "see above");
    assert!(!name.is_empty() || states >= 1_000_000, "only {states} states");
}

/// On two threads, a scenario at a time.
fn explore(todo: Vec<Scenario>) -> Vec<Report> {
    let (todo, done) = (Mutex::new(todo), Mutex::new(vec![]));
    let work = || {
        while let Some(scenario) = { todo.lock().unwrap().pop() } {
            let report = check(&scenario, ZooKeeperModel::of(&scenario), Planner::shipped());
            println!("{report}");
            done.lock().unwrap().push(report);
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(work);
        scope.spawn(work);
    });
    done.into_inner().unwrap()
}

fn found(scenario: &Scenario, model: ZooKeeperModel, planner: Planner) -> Option<Property> {
    let report = check(scenario, model, planner);
    report.explored.finding.iter().for_each(|it| println!("{it}"));
    report.explored.finding.map(|it| it.property)
}

fn of_three(budgets: Budgets) -> Scenario {
    Scenario::new("bug", Start::Running([3, 0]), &[[3, 0]], budgets).on(Volumes::Claims)
}

/// An empty majority: servers whose data is lost elect one of them, and the survivor throws its data away.
#[test]
fn autocreate_is_found() {
    let wiped = of_three(Budgets { wipe: 2, ..Budgets::NONE });
    let ships = ZooKeeperModel::of(&wiped);
    assert_eq!(found(&wiped, ships, Planner::shipped()), None);
    let bare = Scenario { launcher: false, ..wiped };
    let looking = ZooKeeperModel { initializes: false, ..ships };
    assert_ne!(found(&bare, looking, Planner::shipped()), Some(Property::NoSecondStart));
    let autocreate = ZooKeeperModel { autocreate: true, ..looking };
    assert_eq!(found(&bare, autocreate, Planner::shipped()), Some(Property::NoSecondStart));
    let initialized = ZooKeeperModel { initializes: true, ..ships };
    assert_eq!(found(&bare, initialized, Planner::shipped()), Some(Property::NoSecondStart));
}

fn delete_all_at_once(
    app: &ZooKeeper,
    snapshot: &Snapshot<ZookeeperClusterSpec>,
) -> Plan<ZookeeperClusterSpec> {
    let mut plan = plan(app, snapshot);
    if let Some(Action::DeletePod { reason, .. }) = plan.actions.first() {
        let reason = *reason;
        let pods = snapshot.pods.iter().flatten().filter(|it| !it.deleting);
        plan.actions = pods.map(|it| Action::DeletePod { pod: it.into(), reason }).collect();
    }
    plan
}

/// A roll of all servers at once.
#[test]
fn a_second_disruption_is_found() {
    let edited = of_three(Budgets { edit: 1, ..Budgets::NONE }).respec(Respec::Recreate);
    let (model, bug) = (ZooKeeperModel::of(&edited), Planner::with_bug(delete_all_at_once));
    assert_eq!(found(&edited, model, Planner::shipped()), None);
    assert_eq!(found(&edited, model, bug), Some(Property::OneDisruption));
    assert_eq!(found(&edited, model, bug.linted()), Some(Property::Lint));
}

/// Everything at once, several times. What takes data away is less than what a quorum can bear. No call is late: it
/// would name another version of the list than there is, and be refused.
const STORM: Budgets = Budgets {
    abort: 8,
    refuse: 4,
    stale: 4,
    blind: 4,
    kill: 8,
    crash: 4,
    wipe: 1,
    evict: 4,
    cut: 3,
    edit: 4,
    ..Budgets::NONE
};

#[test]
fn storms_are_weathered() {
    let walks = std::env::var("WALKS").map_or(60, |it| it.parse().unwrap());
    let storm = |start: [u8; 2], sizes, seed| {
        let scenario = Scenario::new("storm", Start::Running(start), sizes, STORM);
        Scenario { seed, ..scenario.on(Volumes::Claims) }
    };
    let consented = Budgets { wipe: 3, unmount: 2, write: 3, consent: 3, ..STORM };
    // Beside data that is gone this may be more than a quorum can bear: what is on a lost node counts as there.
    let node = Budgets { node: 1, wipe: 0, ..STORM };
    for seed in 0..walks {
        let five = storm([5, 1], &[[5, 1], [7, 0], [3, 2]], seed);
        let scenarios = [
            Scenario { start: Start::Empty, ..five.clone() },
            five.clone(),
            Scenario { budgets: node, ..five.clone() },
            storm([3, 1], &[[3, 1]], seed).respec(Respec::Recreate),
            Scenario { budgets: consented, ..storm([3, 0], &[[3, 0], [5, 0]], seed) },
            five.on(Volumes::KeptClaims),
        ];
        for scenario in &scenarios {
            let model = ZooKeeperModel::of(scenario);
            if let Some(finding) = walk(scenario, model, Planner::shipped()) {
                panic!("seed {seed}, {:?} {:?}: {finding}", scenario.start, scenario.budgets);
            }
        }
    }
}
