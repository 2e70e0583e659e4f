//! The model checker: the planner that ships, driven through every order of events of a small world.
//!
//! The world is the API server (objects with versions, stale reads), the kubelet with its volumes, and
//! the operator that carries plans out call by call (`world/`), with the rules of membership of an
//! application (`model.rs`; etcd's are in `etcd.rs`). The planner and the linter are not modelled:
//! they are the ones of `endstate-core` with the application's `App`. A [`Scenario`] says what
//! starts, and how many faults of each kind may happen, anywhere. The explorer is `endstate-check`'s.

mod etcd;
mod explore;
mod model;
mod plans;
mod property;
mod scenario;
mod suite;
mod world;

pub mod bugs;

pub use endstate_check::Finding;
pub use explore::{Report, check, walk};
pub use plans::Planner;
pub use property::Property;
pub use scenario::{Budgets, Environment, Respec, Scenario, Start};
pub use suite::{deep_suite, suite};
