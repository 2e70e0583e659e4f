//! The model checker: the planner that ships, driven through every order of events of a small world.
//!
//! The world is the API server (objects with versions, stale reads), etcd's membership, the kubelet
//! with its volumes, and the operator that carries plans out call by call. The planner and the linter
//! are not modelled: they are the ones of `endstate-core` with etcd's `App`. A [`Scenario`] says what
//! starts, and how many faults of each kind may happen, anywhere. [`check`] visits every state that
//! can be reached and looks for
//!
//! - a state or a step that breaks a safety property ([`Property`]), and
//! - a state from which, with no further fault, the world does not come to rest as declared:
//!   eventually stable reconciliation (ESR), checked on the bottom components of the graph.
//!
//! What is found prints as a script of named steps.

mod explore;
mod plans;
mod property;
mod scenario;
mod suite;
mod walk;
mod world;

pub mod bugs;

pub use explore::{Finding, Report, check};
pub use plans::Planner;
pub use property::Property;
pub use scenario::{Budgets, Environment, Respec, Scenario, Start};
pub use suite::{deep_suite, suite};
pub use walk::walk;
