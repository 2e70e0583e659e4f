//! What is safe for ZooKeeper, as pure functions. The planner in `endstate-core` does the rest.
//!
//! Nothing here does I/O. [`ZooKeeper`] is where to begin: its module lists ZooKeeper's rules and where each is.

mod app;
mod ensemble;
mod launch;
mod spec;

pub use app::ZooKeeper;
pub use ensemble::{CLIENT_PORT, PORTS, line, members, zxid};
pub use launch::{ADMIN_DIR, ADMIN_OPTIONS, DATA_DIR, INITIALIZE, LIST_KEY, PRESENT, files};
pub use spec::{DEFAULT_REPOSITORY, OBSERVER, SERVER, TUNABLE, ZookeeperClusterSpec};
