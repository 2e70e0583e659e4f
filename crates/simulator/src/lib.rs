//! The model checker: the planner that ships, driven through every order of events of a small world.
//!
//! The world of a cluster is `endstate-check`'s. Here is what is etcd's: the rules of its membership (`etcd.rs`), the
//! scenarios that the shipped planner must pass (`suite.rs`), and planners with a bug that must be found (`bugs.rs`);
//! and the same of ZooKeeper (`zookeeper.rs`).

mod etcd;
mod suite;
mod workloads;

pub mod bugs;
pub mod zookeeper;

pub use endstate_check::Finding;
pub use endstate_check::cluster::{
    Asks, Budgets, Crashes, Pace, Property, Respec, Scenario, ScenarioReport as Report, Start,
    Volumes, Workload,
};
pub use etcd::EtcdModel;
pub use suite::{deep_suite, suite};
pub use workloads::workloads;

/// A planner of etcd clusters.
pub type Planner = endstate_check::cluster::Planner<etcd_plan::Etcd>;

/// Explores a scenario with a planner.
pub fn check(scenario: &Scenario, planner: Planner) -> Report {
    endstate_check::cluster::check(scenario, EtcdModel::of(scenario), planner)
}

/// Takes one random walk through a scenario; the seed is the scenario's.
pub fn walk(scenario: &Scenario, planner: Planner) -> Option<Finding<Property>> {
    endstate_check::cluster::walk(scenario, EtcdModel::of(scenario), planner)
}

/// Carries a workload out, and then once for each way in which the operator may be killed at each of its calls.
pub fn crashes(workload: &Workload, planner: Planner, pace: Pace) -> Crashes {
    let model = EtcdModel::of(&workload.scenario);
    endstate_check::cluster::crashes(workload, model, planner, pace)
}
