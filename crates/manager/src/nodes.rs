//! What follows from the state of nodes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use controllers::{Plan, node, pods};
use endstate::{Cache, Engine, ObjectKey};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Node, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, Time};
use tokio::time::Instant;

use crate::shell::{Controller, Look, Shell};

const LEASE_NAMESPACE: &str = "kube-node-lease";

pub(crate) fn add(engine: &mut Engine) {
    let nodes = engine.cache::<Node>();
    let leases = engine.cache::<Lease>();
    let pods = engine.cache::<Pod>();
    let shell = Nodes {
        nodes: nodes.clone(),
        leases: leases.clone(),
        pods: pods.clone(),
        heard: Mutex::default(),
    };
    let all = nodes.clone();
    engine
        .add("node", Shell::new(shell, &nodes))
        .watches(&nodes)
        .reads(&pods)
        .reports_as("node-controller")
        .maps(&leases, |lease| {
            let is_nodes = lease.metadata.namespace.as_deref() == Some(LEASE_NAMESPACE);
            let name = lease.metadata.name.as_deref().filter(|_| is_nodes);
            name.map(ObjectKey::cluster).into_iter().collect()
        })
        // Whether any node is ready decides what happens to those that are not.
        .maps(&nodes, move |_| {
            let all = all.list();
            let unready = all.iter().filter(|it| !node::is_ready(it));
            unready.map(|it| ObjectKey::of(&**it)).collect()
        });
}

struct Nodes {
    nodes: Cache<Node>,
    leases: Cache<Lease>,
    pods: Cache<Pod>,
    /// What was last heard of each node, and when by our clock: those of others may differ, and a suspended machine's
    /// stops.
    heard: Mutex<HashMap<ObjectKey, (Sign, Instant)>>,
}

/// What changes when a node's agent is alive.
#[derive(Clone, PartialEq)]
struct Sign {
    uid: Option<String>,
    renewed: Option<MicroTime>,
    told: Option<Time>,
}

impl Nodes {
    fn sign(&self, node: &Node) -> Sign {
        let name = node.metadata.name.as_deref().unwrap_or_default();
        let lease = self.leases.get(&ObjectKey::namespaced(LEASE_NAMESPACE, name));
        let conditions = node.status.iter().flat_map(|it| it.conditions.iter().flatten());
        let ready = conditions.into_iter().find(|it| it.type_ == "Ready");
        Sign {
            uid: node.metadata.uid.clone(),
            renewed: lease.and_then(|it| it.spec.as_ref()?.renew_time.clone()),
            told: ready.and_then(|it| it.last_heartbeat_time.clone()),
        }
    }

    fn silent(&self, node: &Node) -> Duration {
        let (sign, now) = (self.sign(node), Instant::now());
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let last = heard.entry(ObjectKey::of(node)).or_insert_with(|| (sign.clone(), now));
        if last.0 != sign {
            *last = (sign, now);
        }
        now.duration_since(last.1)
    }

    fn pods_of(&self, node: &Node) -> Vec<Arc<Pod>> {
        let is_bound = |it: &Arc<Pod>| pods::node_name(it) == node.metadata.name.as_deref();
        self.pods.list().into_iter().filter(is_bound).collect()
    }
}

impl Controller for Nodes {
    type Kind = Node;

    fn plan(&self, look: &Look<'_, Node>) -> Plan {
        let node = look.object;
        let is_ready = node::is_ready(node);
        let pods = if is_ready { Vec::new() } else { self.pods_of(node) };
        node::plan(&node::Snapshot {
            node,
            silent: self.silent(node),
            is_any_ready: is_ready || self.nodes.list().iter().any(|it| node::is_ready(it)),
            pods: &pods,
            now: look.now,
        })
    }

    fn plan_absent(&self, key: &ObjectKey) -> Plan {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
        Plan::default()
    }
}
