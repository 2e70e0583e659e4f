//! A scenario, explored or walked through with a planner.

use std::fmt;

use endstate_check::{Finding, STATES_MAX};

use crate::{
    etcd::EtcdModel, plans::Planner, property::Property, scenario::Scenario, world::World,
};

/// What an exploration of a scenario found.
#[derive(Debug)]
pub struct Report {
    /// The scenario's name.
    pub scenario: &'static str,
    /// How many different views the planner was asked about.
    pub views: usize,
    /// The states that were visited, and the first thing that is wrong.
    pub explored: endstate_check::Report<Property>,
}

impl Report {
    /// Whether every state was visited and nothing was found.
    pub fn is_fine(&self) -> bool {
        self.explored.complete && self.explored.finding.is_none()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<28} {} {:>7} views", self.scenario, self.explored, self.views)
    }
}

/// Explores a scenario with a planner.
pub fn check(scenario: &Scenario, planner: Planner) -> Report {
    let mut world = World::new(scenario, EtcdModel::of(scenario), planner);
    let explored = endstate_check::check(&mut world, STATES_MAX);
    Report { scenario: scenario.name, views: world.plans.views(), explored }
}

/// Takes one random walk through a scenario; the seed is the scenario's.
pub fn walk(scenario: &Scenario, planner: Planner) -> Option<Finding<Property>> {
    endstate_check::walk(&mut World::new(scenario, EtcdModel::of(scenario), planner), scenario.seed)
}
