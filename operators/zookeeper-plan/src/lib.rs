//! What is safe for ZooKeeper, as pure functions. The planner in `endstate-core` does the rest.
//!
//! Nothing here does I/O. Read in this order: how far a server is ([`Zxid`]), who is in the ensemble ([`Ensemble`]),
//! the spec, the versions, with which command and files a server starts, and the [`App`](endstate_core::App) that joins
//! them.

mod app;
mod ensemble;
mod launch;
mod spec;
mod version;
mod zxid;

pub use app::{OBSERVER, SERVER, ZooKeeper};
pub use ensemble::{Address, Ensemble, Malformed, Role, Server, ServerId};
pub use launch::{
    ADMIN_DIR, ADMIN_OPTIONS, CLIENT_PORT, CONFIG, DATA_DIR, ELECTION_PORT, Files, INITIALIZE,
    LIST_KEY, PRESENT, QUORUM_PORT, admin_secret, client_service, files, host, peer_service,
    server,
};
pub use spec::{DEFAULT_REPOSITORY, Storage, TUNABLE, ZookeeperClusterSpec};
pub use version::Version;
pub use zxid::{NotAZxid, Zxid};
