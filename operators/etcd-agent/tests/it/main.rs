//! The agent with real etcd processes on loopback, and an archive in a folder.

mod contract;
mod forced;
mod kept;
mod raised;
mod saved;
mod support;
