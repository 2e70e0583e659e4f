//! The etcd operator: custom resources, etcd client, and what the SDK's generic operator must be told.
//!
//! What is safe for etcd is decided in `etcd-plan` and `endstate-core`; this crate gives them eyes and hands. Read in
//! this order: the custom resources; etcd's client and the driver made of it; the objects of a cluster; the operand
//! that joins all of it to the SDK's generic operator; the package by which it is installed and run.

pub mod client;
pub mod crd;
mod driver;
pub mod objects;
mod operand;
mod package;

pub use crd::crds;
pub use driver::EtcdDriver;
pub use package::EtcdPackage;
