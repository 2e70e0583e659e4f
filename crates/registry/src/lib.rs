//! What every kind is: names, schema, strategy, columns. A kind is data, not a handler.
//!
//! - A *kind* is a row of the built-in table (`kinds`), or one version of a CRD.
//! - A [`Resource`] is a kind as it is served at one group, version and plural name.
//! - The [`Registry`] is an immutable view of all resources; a change of CRDs makes a new one.
//!
//! Everything here is pure: objects go in and come out as JSON values, the time is a parameter.
//! Built-in kinds and CRDs take the same path through every function of [`Resource`].

pub mod admission;
pub mod crd;
pub mod discovery;
pub mod openapi;
pub mod pod_security;
pub mod protobuf;

mod facts;
mod kind;
mod kinds;
mod metadata;
mod printer;
mod registry;
mod resource;
mod schemas;
mod strategy;
mod table;
mod value;

pub use kind::DeleteResponse;
pub use registry::Registry;
pub use resource::{Fields, Resource, Scale, Subresource};
