//! Kubernetes API machinery that kube-core lacks, as pure functions over JSON values.
//!
//! Reading order: [`error`] (what a request is refused with), [`schema`] (what objects of a kind look like),
//! [`patch`] and [`ownership`] (how a write changes an object and who owns which field), then the small languages:
//! [`selector`], [`names`], [`quantity`], [`duration`], [`jsonpath`], [`table`], [`pretty`],
//! and [`stream`], the protocol of the node.
//!
//! Invariants: no tokio, no clock, no randomness, no files, no environment; the time is always an argument. Every
//! function is bounded in depth, size and count, whatever its input.

pub mod duration;
pub mod error;
pub mod jsonpath;
pub mod names;
pub mod ownership;
pub mod patch;
pub mod pretty;
mod propagation;
pub mod quantity;
pub mod schema;
pub mod selector;
pub mod stream;
pub mod table;

pub use error::{ApiError, FieldError};
pub use propagation::Propagation;
pub use schema::Schema;
