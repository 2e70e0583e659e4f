//! The shipped executable, run from outside: what the end-to-end tests and the benchmarks share.
//!
//! Nothing here knows the inside of Endstate. Everything waits for a state of the world, with a limit, and never for a
//! time to pass.

mod clients;
mod cluster;
mod operator;
mod processes;
mod reach;
mod terminal;
mod up;
mod writer;
mod znodes;

pub use clients::Clients;
pub use cluster::{Cluster, EtcdCluster, example, is_true};
pub use operator::Operator;
pub use processes::{
    claim_folder, claim_process, claims, empty, freeze, kill, kill_and_wipe, member_process,
    operator_process, pod_folder, thaw,
};
pub use reach::EtcdReach;
pub use terminal::Terminal;
pub use up::Up;
pub use writer::{Writer, forward};
pub use znodes::{ZnodeWriter, read as znodes};
