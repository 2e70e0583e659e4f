//! The shipped planner and linter in every scenario of the suite.

use std::{sync::Mutex, time::Instant};

use simulator::{Planner, check, suite};

#[test]
fn the_shipped_planner_is_safe_and_always_arrives() {
    let begun = Instant::now();
    let only = std::env::var("SCENARIO").unwrap_or_default();
    let todo =
        Mutex::new(suite().into_iter().filter(|it| it.name.contains(&only)).collect::<Vec<_>>());
    let done = Mutex::new(vec![]);
    let work = || {
        while let Some(scenario) = { todo.lock().unwrap().pop() } {
            let report = check(&scenario, Planner::shipped());
            println!("{report}");
            done.lock().unwrap().push(report);
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(work);
        scope.spawn(work);
    });
    let done = done.into_inner().unwrap();
    let states: usize = done.iter().map(|it| it.states).sum();
    let depth = done.iter().map(|it| it.depth).max().unwrap();
    println!("{} scenarios, {states} states, {depth} deep, {:?}", done.len(), begun.elapsed());
    let findings: Vec<_> =
        done.iter().filter_map(|it| Some((it.scenario, it.finding.as_ref()?))).collect();
    for (scenario, finding) in &findings {
        println!("\n{scenario}: {finding}");
    }
    for report in done.iter().filter(|it| !it.complete && it.finding.is_none()) {
        println!("\n{}: not all states were visited", report.scenario);
    }
    assert!(findings.is_empty(), "{} scenarios broke a property", findings.len());
    assert!(!only.is_empty() || states >= 1_000_000, "only {states} states");
}
