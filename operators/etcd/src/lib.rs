//! The etcd operator: custom resources, etcd client, and the operator's main loop.
//!
//! What is safe for etcd is decided in `etcd-plan` and `endstate-core`; this crate gives them eyes and hands. Read in
//! this order: the custom resources; the launcher, which runs inside member pods; etcd's client and the driver made of it; the
//! objects of a cluster; the operand that joins all of it to the SDK's generic operator; manifests and status for the
//! command line.

pub mod client;
pub mod crd;
mod driver;
pub mod launcher;
mod manifests;
pub mod objects;
mod operand;
mod run;
pub mod status;

pub use crd::crds;
pub use driver::EtcdDriver;
pub use manifests::{HEALTH_PORT, NAME, NAMESPACE, manifests};
pub use run::{Options, Replica, RunError, run};
