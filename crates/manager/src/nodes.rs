//! What follows from the state of nodes.

use controllers::{Plan, node};
use endstate::Engine;
use k8s_openapi::api::core::v1::Node;

use crate::shell::{Controller, Look, Shell};

pub(crate) fn add(engine: &mut Engine) {
    let nodes = engine.cache::<Node>();
    engine.add("node", Shell::new(Nodes, &nodes)).watches(&nodes).reports_as("node-controller");
}

struct Nodes;

impl Controller for Nodes {
    type Kind = Node;

    fn plan(&self, look: &Look<'_, Node>) -> Plan {
        node::plan(&node::Snapshot { node: look.object, now: look.now })
    }
}
