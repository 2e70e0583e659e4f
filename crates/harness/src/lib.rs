//! The shipped executable, run from outside: what the end-to-end tests and the benchmarks share.
//!
//! Nothing here knows the inside of Endstate. Everything waits for a state of the world, with a limit, and never for a
//! time to pass.

mod beside;
mod calm;
mod clients;
mod clock;
mod cluster;
mod disk;
mod leases;
mod line;
mod network;
mod operator;
mod processes;
mod reach;
mod terminal;
mod up;
mod watcher;
mod writer;
mod znodes;

pub use beside::Beside;
pub use calm::Calm;
pub use clients::{Clients, ClientsHistory};
pub use clock::set_clock_off;
pub use cluster::{Cluster, EtcdCluster, example, is_true};
pub use disk::{FullDisk, database, flip_log, spoil, truncate};
pub use leases::Leases;
pub use line::Line;
pub use network::{Broken, PodNetwork};
pub use operator::Operator;
pub use processes::{
    claim_folder, claim_process, claims, empty, freeze, is_root, kill, kill_and_wipe,
    member_process, operator_process, pod_folder, thaw,
};
pub use reach::EtcdReach;
pub use terminal::Terminal;
pub use up::Up;
pub use watcher::Watcher;
pub use writer::{Writer, forward};
pub use znodes::{ZnodeWriter, read as znodes};
