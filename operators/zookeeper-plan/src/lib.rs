//! What ZooKeeper demands, as pure functions: how far a server is ([`Zxid`]), and who is in the ensemble
//! ([`Ensemble`]).

mod ensemble;
mod zxid;

pub use ensemble::{Address, Ensemble, Malformed, Role, Server, ServerId};
pub use zxid::{NotAZxid, Zxid};
