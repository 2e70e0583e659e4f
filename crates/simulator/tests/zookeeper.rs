//! ZooKeeper's planner in every scenario, and what the checker finds without its rules.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a report is for people to read")]

use std::sync::Mutex;

use endstate_check::cluster::check;
use endstate_core::{Action, Plan, Snapshot, plan};
use simulator::{
    Budgets, Property, Report, Respec, Scenario, Start, Volumes,
    zookeeper::{ZooKeeperModel, suite},
};
use zookeeper_plan::{ZooKeeper, ZookeeperClusterSpec};

type Planner = endstate_check::cluster::Planner<ZooKeeper>;

#[test]
fn the_shipped_planner_is_safe_and_always_arrives() {
    let reports = explore(suite());
    let states: usize = reports.iter().map(|it| it.explored.states).sum();
    println!("{} scenarios, {states} states", reports.len());
    for report in reports.iter().filter(|it| !it.is_fine()) {
        println!("\n{}: {:?}", report.scenario, report.explored.complete);
        report.explored.finding.iter().for_each(|it| println!("{it}"));
    }
    assert!(reports.iter().all(Report::is_fine), "see above");
    assert!(states >= 1_000_000, "only {states} states");
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
