//! The node of the embedded cluster: runs pods as real, isolated processes, rootless by default.
//!
//! Two halves. On the host's side the [`Supervisor`] starts the agent and does what only the host can: pull images, ask
//! the world's DNS. The agent (`endstate node-agent`, [`agent`]) lives in user, mount, network, pid, uts and ipc
//! namespaces of its own and does everything else. They share the state directory, and in its `run/` folder the
//! sockets:
//!
//! | socket | served by | for |
//! |---|---|---|
//! | `api.sock` | API server | the agent's watches and writes |
//! | `api-tls.sock` | API server | pods' connections to the `kubernetes` service |
//! | `host.sock` | supervisor | pulls and DNS queries of the world |
//! | `node.sock` | agent | logs, exec, attach, port-forward |
//!
//! Vocabulary: the *agent* hosts all *virtual nodes*; a *sandbox* is a pod's namespaces and address; a container's
//! *attempt* is one run of it; *pins* are the bind mounts that keep namespaces alive.
//!
//! Invariants: nothing of the host's network is touched; every mount, namespace and process dies with the agent, by the
//! kernel; whether to start, stop or restart a container is decided in [`plan`] only, which does no I/O.

pub mod doctor;
pub mod images;
pub mod supervisor;

pub mod agent;
mod config;
mod groups;
mod limits;
mod machine;
mod sys;

mod api;
mod nodes;
mod view;

mod dns;
mod network;
mod proxy;

mod accept;
mod admit;
mod beneath;
mod check;
mod env;
mod events;
mod exec;
mod fields;
mod identity;
mod launch;
mod logs;
mod permissions;
mod plan;
mod pod;
mod pods;
mod puller;
mod runtime;
mod streams;
mod volumes;

pub use config::node_names;
pub use permissions::{Permissions, Privileged};
pub use supervisor::{Error, Options, Supervisor};

/// Gives the memory that this process freed back to the system.
pub fn give_memory_back() {
    sys::give_memory_back();
}

/// An error with its causes, for texts that people read.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}
