//! The ZooKeeper operator: custom resource, client, and what the SDK's generic operator must be told.
//!
//! What is safe for ZooKeeper is decided in `zookeeper-plan` and `endstate-core`; this crate gives them eyes and hands.
//! Read in this order: the custom resource; the client and the driver made of it; the operand with the pods and the
//! objects of an ensemble; the package by which it is installed and run.

pub mod client;
pub mod crd;
mod driver;
mod operand;
mod package;

pub use driver::ZooKeeperDriver;
pub use package::ZooKeeperPackage;
