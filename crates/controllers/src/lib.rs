//! The built-in controllers, as pure plans: one file per kind.
//!
//! Every controller is a `Snapshot` of what it may look at and a function `plan(&Snapshot) -> Plan`. A [`Plan`] is
//! data: guarded writes, the events they are worth, and when to look again. The `manager` crate observes and executes.
//!
//! Invariants: no clock (now is in the snapshot), no randomness, no I/O; a plan for a world that is as wanted is empty;
//! the order of lists in a snapshot does not matter.

pub mod plan;

pub mod labels;
pub mod owners;
pub mod pods;
pub mod rounding;
pub mod taints;

pub mod deployment;
pub mod disruption;
pub mod endpoints;
pub mod eviction;
pub mod garbage;
pub mod job;
pub mod namespace;
pub mod node;
pub mod replicaset;
pub mod role;
pub mod service_account;
pub mod statefulset;
pub mod volume;

pub use plan::{Action, Event, Plan, Propagation, Step, Write};

#[cfg(test)]
mod world;
