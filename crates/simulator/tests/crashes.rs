//! The operator killed at every call of every workload: before it, within it, after it, and with its answer lost.
//!
//! `WORKLOAD=text` picks those whose name holds the text, and prints the way to what is found.

#![expect(clippy::print_stdout, reason = "a report is for people to read")]

use endstate_check::cluster::{Crashes, Pace};
use simulator::zookeeper::{self, ZooKeeperModel};
use simulator::{Planner, Workload, bugs, crashes, workloads};

const PACES: [Pace; 2] = [Pace::WorldFirst, Pace::OperatorFirst];

#[test]
fn a_crash_of_etcds_operator_changes_nothing_in_the_end() {
    judge(&workloads(), 20, |it, pace| crashes(it, Planner::shipped(), pace));
}

#[test]
fn a_crash_of_zookeepers_operator_changes_nothing_in_the_end() {
    let shipped = endstate_check::cluster::Planner::shipped();
    judge(&zookeeper::workloads(), 8, |it, pace| {
        let model = ZooKeeperModel::of(&it.scenario);
        endstate_check::cluster::crashes(it, model, shipped, pace)
    });
}

fn judge(all: &[Workload], at_least: usize, run: impl Fn(&Workload, Pace) -> Crashes) {
    let name = std::env::var("WORKLOAD").unwrap_or_default();
    let (mut points, mut deviations, mut called) = (0, 0, 0);
    for workload in all.iter().filter(|it| it.scenario.name.contains(&name)) {
        let found = PACES.map(|pace| run(workload, pace));
        let [world_first, operator_first] = found.each_ref().map(|it| it.calls);
        println!("{:<28} {world_first:>3} or {operator_first:>3} calls", workload.scenario.name);
        found.iter().for_each(|it| show(it, !name.is_empty()));
        points += found.iter().map(|it| it.points).sum::<usize>();
        deviations += found.iter().map(|it| it.deviations.len()).sum::<usize>();
        called += usize::from(world_first.max(operator_first) > 0);
    }
    println!("{called} workloads, {points} runs with a crash, {deviations} deviations");
    assert_eq!(deviations, 0, "see above");
    assert!(!name.is_empty() || called >= at_least, "only {called} workloads with a call");
}

fn show(found: &Crashes, whole: bool) {
    for deviation in &found.deviations {
        println!("\n{:?}: {}", deviation.crash, deviation.what.join("\n  "));
        deviation.script.iter().filter(|_| whole).for_each(|it| println!("    {it}"));
    }
}

fn grown(planner: Planner) -> Crashes {
    let named = workloads().into_iter().find(|it| it.scenario.name == "grow 1 to 3");
    crashes(&named.expect("it is there"), planner, Pace::WorldFirst)
}

/// E3: the world does not come to rest.
#[test]
fn a_learner_without_a_pod_is_found() {
    assert!(grown(bugs::promotes_first()).deviations.iter().any(|it| it.crash.is_some()));
}

/// B1: the world comes to rest all the same, so that only who counts finds it.
#[test]
fn what_is_done_twice_is_found() {
    let found = grown(bugs::starts_over());
    assert!(!found.deviations.is_empty() && found.deviations.iter().all(|it| it.crash.is_some()));
}
