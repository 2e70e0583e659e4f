//! What the host side tells the agent, and where everything lies in the state directory.
//!
//! Invariant: nothing the node writes lies outside `state_dir` and the image store.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::groups::Groups;
use crate::limits::{OomScale, Processes};
use crate::machine::{Machine, Share};
use crate::permissions::Permissions;

/// The cluster's DNS domain.
pub(crate) const CLUSTER_DOMAIN: &str = "cluster.local";
/// The bridge's address: the pods' gateway.
pub(crate) const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 244, 0, 1);
/// Prefix length of the pod network 10.244.0.0/16.
pub(crate) const POD_PREFIX: u8 = 16;
/// The service network 10.96.0.0/16.
pub(crate) const SERVICE_NETWORK: (Ipv4Addr, u8) = (Ipv4Addr::new(10, 96, 0, 0), 16);
/// The cluster's DNS server.
pub(crate) const DNS_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 10);
/// The most virtual nodes: each has a /24 of the pod network, the first being the bridge's own.
pub(crate) const NODES_MAX: u16 = 200;

/// Everything the agent needs to know, passed as its argument.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct AgentConfig {
    pub(crate) state_dir: PathBuf,
    pub(crate) image_store: PathBuf,
    /// How many virtual nodes this agent hosts.
    pub(crate) nodes: u16,
    /// The version in the name of the built-in image, `endstate:VERSION`.
    pub(crate) version: String,
    /// The OCI runtime's executable.
    pub(crate) runc: PathBuf,
    /// How many user ids are mapped into the namespace.
    pub(crate) ids: Ids,
    /// What pods may have of the host.
    pub(crate) permissions: Permissions,
    pub(crate) limits: Limits,
    /// How many processes containers may have where no control group counts them.
    pub(crate) processes: Processes,
    pub(crate) oom: OomScale,
    pub(crate) machine: Machine,
}

/// Whether limits of containers are enforced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Limits {
    Enforced(Groups),
    NotEnforced { why: String },
}

impl Limits {
    /// As the agent sees them.
    pub(crate) fn inside(self) -> Self {
        match self {
            Self::Enforced(groups) => Self::Enforced(groups.inside()),
            without => without,
        }
    }

    pub(crate) fn groups(&self) -> Option<&Groups> {
        match self {
            Self::Enforced(groups) => Some(groups),
            Self::NotEnforced { .. } => None,
        }
    }
}

/// Which ids exist inside the namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Ids {
    /// Only id 0, which is the calling user: every file belongs to it, every container runs as it.
    One,
    /// Enough to keep the owners that images name.
    Many,
}

impl AgentConfig {
    pub(crate) fn paths(&self) -> Paths {
        Paths::new(&self.state_dir)
    }

    /// What each node has of the machine.
    pub(crate) fn share(&self) -> Share {
        self.machine.share(self.nodes)
    }

    pub(crate) fn node_name(&self, index: u16) -> String {
        node_name(index)
    }
}

/// The names of so many virtual nodes.
pub fn node_names(count: u16) -> Vec<String> {
    (0..count).map(node_name).collect()
}

/// The name of a virtual node.
pub(crate) fn node_name(index: u16) -> String {
    format!("endstate-{index}")
}

/// The address of a virtual node, where its host-network pods are.
pub(crate) fn node_address(index: u16) -> Ipv4Addr {
    let low = u8::try_from(index + 10).expect("bounded by NODES_MAX");
    Ipv4Addr::new(10, 244, 0, low)
}

/// The layout of the state directory, as far as the node uses it.
#[derive(Debug, Clone)]
pub(crate) struct Paths {
    root: PathBuf,
}

impl Paths {
    pub(crate) fn new(state_dir: &Path) -> Self {
        Self { root: state_dir.to_owned() }
    }

    /// Sockets shared with the host side.
    pub(crate) fn run(&self) -> PathBuf {
        self.root.join("run")
    }

    pub(crate) fn api_sock(&self) -> PathBuf {
        self.run().join("api.sock")
    }

    pub(crate) fn api_tls_sock(&self) -> PathBuf {
        self.run().join("api-tls.sock")
    }

    pub(crate) fn node_sock(&self) -> PathBuf {
        self.run().join("node.sock")
    }

    /// Served by the host side: pulls images and resolves names of the world.
    pub(crate) fn host_sock(&self) -> PathBuf {
        self.run().join("host.sock")
    }

    pub(crate) fn node(&self) -> PathBuf {
        self.root.join("node")
    }

    /// A tmpfs that only the agent sees: namespaces, runtime state, secrets. Gone with the agent.
    pub(crate) fn private(&self) -> PathBuf {
        self.node().join("private")
    }

    pub(crate) fn namespaces(&self, uid: &str) -> PathBuf {
        self.private().join("ns").join(uid)
    }

    pub(crate) fn runc_root(&self) -> PathBuf {
        self.private().join("runc")
    }

    pub(crate) fn secrets(&self, uid: &str) -> PathBuf {
        self.private().join("secrets").join(uid)
    }

    /// Mounts of what a pod's volumes hold of the host, or of parts of volumes.
    pub(crate) fn pins(&self, uid: &str) -> PathBuf {
        self.private().join("pins").join(uid)
    }

    pub(crate) fn pods(&self) -> PathBuf {
        self.node().join("pods")
    }

    pub(crate) fn pod(&self, uid: &str) -> PathBuf {
        self.pods().join(uid)
    }

    pub(crate) fn logs(&self) -> PathBuf {
        self.node().join("logs")
    }

    pub(crate) fn pod_logs(&self, uid: &str) -> PathBuf {
        self.logs().join(uid)
    }

    pub(crate) fn container_logs(&self, uid: &str, container: &str) -> PathBuf {
        self.pod_logs(uid).join(container)
    }

    /// Unpacked images.
    pub(crate) fn rootfs(&self) -> PathBuf {
        self.node().join("rootfs")
    }

    /// Persistent volumes of the local-path kind.
    pub(crate) fn persistent(&self) -> PathBuf {
        self.node().join("persistent")
    }
}
