//! What the checker finds in a scenario, printed for people to read.

use endstate_check::cluster::{AppModel, Planner, Property, Scenario, check};

/// The property that does not hold. Without one, all states were visited.
pub(crate) fn found_by<M: AppModel>(
    scenario: &Scenario,
    model: M,
    planner: Planner<M::App>,
) -> Option<Property> {
    let report = check(scenario, model, planner);
    println!("{report}");
    report.explored.finding.iter().for_each(|it| println!("{it}"));
    assert!(report.explored.complete || report.explored.finding.is_some());
    report.explored.finding.map(|it| it.property)
}
