//! The etcd operator: custom resources, etcd client, and what the SDK's generic operator must be told.
//!
//! `etcd-plan` and `endstate-core` decide what is safe for etcd; this crate observes and acts for them. Read in
//! this order: the custom resources; etcd's client and the driver made of it; the operand that joins all of it to the
//! SDK's generic operator; the package by which it is installed and run.

mod backup;
pub mod client;
pub mod crd;
mod driver;
mod monitoring;
mod operand;
mod package;

pub use backup::{Backups, HistoricalBackups};
pub use driver::EtcdDriver;
pub use operand::{kinds, objects};
pub use package::{EtcdPackage, crds, crds_beside};
