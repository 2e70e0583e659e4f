//! Pods that cannot stay where they are.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use controllers::eviction::{self, Place};
use controllers::{Plan, pods, taints};
use endstate::{Cache, Engine, ObjectKey};
use k8s_openapi::api::core::v1::{Node, Pod};
use tokio::time::Instant;

use crate::execute::execute_all;
use crate::shell::{Controller, Look, Shell};

/// How often pods that have ended are counted.
const COUNT_EVERY: Duration = Duration::from_secs(20);
/// How long it is known that a node is missing; whoever asks later waits for the quarantine again.
const MISSING_KNOWN: Duration = Duration::from_secs(3_600);

pub(crate) fn add(engine: &mut Engine) {
    let pods = engine.cache::<Pod>();
    let nodes = engine.cache::<Node>();
    let missing = Arc::new(Missing::default());
    let shell = Evictions { nodes: nodes.clone(), missing: Arc::clone(&missing) };
    let (bound, there, ended) = (pods.clone(), nodes.clone(), pods.clone());
    engine
        .add("eviction", Shell::new(shell, &pods))
        .watches(&pods)
        .reports_as("taint-eviction-controller")
        .maps(&nodes, move |node| {
            let key = ObjectKey::of(node);
            let is_there = there.get(&key).is_some();
            if is_there {
                missing.is_there(key.name());
            }
            let matters = !is_there || taints::driving(node).next().is_some();
            if matters { on_node(&bound, node) } else { Vec::new() }
        });
    let context = engine.context().clone();
    engine.spawn(async move |stop| {
        loop {
            tokio::select! {
                () = tokio::time::sleep(COUNT_EVERY) => {}
                () = stop.cancelled() => return,
            }
            if let Err(error) = execute_all(&context, eviction::surplus(&ended.list())).await {
                tracing::debug!(%error, "a pod that has ended could not be deleted");
            }
        }
    });
}

fn on_node(pods: &Cache<Pod>, node: &Node) -> Vec<ObjectKey> {
    let is_bound = |it: &&Arc<Pod>| pods::node_name(it) == node.metadata.name.as_deref();
    pods.list().iter().filter(is_bound).map(|it| ObjectKey::of(&**it)).collect()
}

struct Evictions {
    nodes: Cache<Node>,
    missing: Arc<Missing>,
}

/// The nodes that pods name and that are not there, and since when.
#[derive(Default)]
struct Missing(Mutex<HashMap<String, Instant>>);

impl Missing {
    fn since(&self, node: &str) -> Duration {
        let mut missing = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        missing.retain(|_, since| since.elapsed() < MISSING_KNOWN);
        missing.entry(node.to_owned()).or_insert_with(Instant::now).elapsed()
    }

    fn is_there(&self, node: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(node);
    }
}

impl Controller for Evictions {
    type Kind = Pod;

    fn plan(&self, look: &Look<'_, Pod>) -> Plan {
        let name = pods::node_name(look.object);
        let node = name.and_then(|it| self.nodes.get(&ObjectKey::cluster(it)));
        let place = match (name, &node) {
            (None, None) => Place::Unbound,
            (_, Some(node)) => Place::On(node),
            (Some(name), None) => Place::Missing(self.missing.since(name)),
        };
        eviction::plan(&eviction::Snapshot { pod: look.object, place, now: look.now })
    }
}
