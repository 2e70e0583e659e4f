//! The model checker of the Endstate SDK: a pure planner, driven through every order of events of a
//! small world.
//!
//! A [`World`] says where it begins, what can happen next in a state, and when it is at rest as
//! declared. [`check`] visits every state that can be reached, breadth first, and looks for
//!
//! - a step that breaks a safety property of the world ([`Broken`]), and
//! - a state from which, with no further fault, the world does not come to rest: eventually stable
//!   reconciliation (ESR). In the graph of the steps that are no faults, every state of every bottom
//!   strongly connected component must be at rest.
//!
//! [`walk`] takes one random way with many faults instead, then lets the world come to rest. What
//! is found is a [`Finding`]: the shortest script of named steps that leads there.
//!
//! States are told apart by 128-bit fingerprints ([`Print`]), and only those that are still to be
//! visited are held in memory. The library is pure and deterministic: how long it took, and what a
//! user may choose, is measured and read by who calls it.

#![warn(missing_docs)]

pub mod cluster;

mod explore;
mod finding;
mod graph;
mod print;
mod visited;
mod walk;
mod world;

pub use explore::{STATES_MAX, check};
pub use finding::{Finding, Report};
pub use print::Print;
pub use walk::{CALM_STEPS, WILD_STEPS, walk};
pub use world::{Broken, Move, Next, Property, State, World};
