//! What is safe for etcd, as pure functions: which specs are refused, which version changes are allowed,
//! which flags a member starts with. The planner in `endstate-core` does the rest.
//!
//! Nothing here does I/O. Read in this order: the spec, the variables that it may set, the versions
//! and their table, the change of a minor, the launch, and the [`App`](endstate_core::App) that joins them.

pub mod auth;
mod change;
pub mod env;
mod etcd;
mod facts;
mod launch;
mod restore;
mod space;
mod spec;
mod version;

pub use change::{CANCEL_DOWNGRADE, ENABLE_DOWNGRADE, TO};
pub use etcd::{ADDRESS, Etcd, MOVE_ADDRESS, OPERATIONS, RESTORE_KIND, TASK_KIND};
pub use facts::{ClusterFacts, MemberFacts, NoSpace};
pub use launch::{CLIENT_PORT, DATA_DIR, METRICS, METRICS_PORT, PEER_PORT, PORTS, WAL_DIR};
pub use restore::Made;
pub use space::{COMPACT, DEFRAGMENT, REVISION, WITHDRAW_NOSPACE};
pub use spec::{APPLICATION, DEFAULT_REPOSITORY, EtcdClusterSpec, ROOT};
pub use version::{DOWNGRADES_FROM, GATES, Path, path};
