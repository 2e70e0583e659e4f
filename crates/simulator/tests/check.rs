//! The shipped planner and linter in every scenario.
//!
//! `SCENARIO=text` picks those whose name holds the text, `SEED=number` lets ties fall otherwise, and
//! `DEEP=1` takes the wide scenarios instead, which need minutes and gigabytes each.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a report is for people to read")]

use std::sync::Mutex;
use std::time::Instant;

use simulator::{Planner, Report, Scenario, check, deep_suite, suite};

#[test]
fn the_shipped_planner_is_safe_and_always_arrives() {
    let begun = Instant::now();
    let picked = picked(&std::env::var("SCENARIO").unwrap_or_default());
    assert!(!picked.is_empty(), "no scenario has SCENARIO in its name");
    let reports = explore(picked);
    let states: usize = reports.iter().map(|it| it.explored.states).sum();
    let depth = reports.iter().map(|it| it.explored.depth).max().unwrap();
    println!("{} scenarios, {states} states, {depth} deep, {:?}", reports.len(), begun.elapsed());
    for report in &reports {
        if let Some(finding) = &report.explored.finding {
            println!("\n{}: {finding}", report.scenario);
        } else if !report.explored.complete {
            println!("\n{}: not all states were visited", report.scenario);
        }
    }
    assert!(reports.iter().all(Report::is_fine), "see above");
    let whole = std::env::var_os("SCENARIO").is_none();
    assert!(!whole || states >= 15_000_000, "only {states} states");
}

fn picked(name: &str) -> Vec<Scenario> {
    let all = if std::env::var_os("DEEP").is_some() { deep_suite() } else { suite() };
    let seed = std::env::var("SEED").map_or(0, |it| it.parse().unwrap());
    let named = all.into_iter().filter(|it| it.name.contains(name));
    named.map(|it| Scenario { seed, ..it }).collect()
}

/// On two threads, a scenario at a time.
fn explore(todo: Vec<Scenario>) -> Vec<Report> {
    let (todo, done) = (Mutex::new(todo), Mutex::new(vec![]));
    let work = || {
        while let Some(scenario) = { todo.lock().unwrap().pop() } {
            let begun = Instant::now();
            let report = check(&scenario, Planner::shipped());
            println!("{report} {:>7.2} s", begun.elapsed().as_secs_f64());
            done.lock().unwrap().push(report);
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(work);
        scope.spawn(work);
    });
    done.into_inner().unwrap()
}
