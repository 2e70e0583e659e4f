//! What is safe for ZooKeeper, as pure functions. The planner in `endstate-core` does the rest.
//!
//! Nothing here does I/O. [`ZooKeeper`] is where to begin: its module lists ZooKeeper's rules and where each is.

mod app;
mod ensemble;
mod launch;
mod spec;

pub use app::{OBSERVER, SERVER, ZooKeeper};
pub use ensemble::{Ensemble, Server, Zxid};
pub use launch::{
    ADMIN_DIR, ADMIN_OPTIONS, CLIENT_PORT, DATA_DIR, INITIALIZE, LIST_KEY, PORTS, PRESENT, files,
    server,
};
pub use spec::{DEFAULT_REPOSITORY, TUNABLE, ZookeeperClusterSpec};
