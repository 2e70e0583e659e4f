//! The ordinary objects around members: their names, whether they go with the cluster, and the bodies of services and
//! the disruption budget.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::LABEL_CLUSTER;
use crate::identity::Identity;

/// The label that tells the pods of this very cluster from those of one that had its name before.
pub const LABEL_UID: &str = "endstate.dev/cluster-uid";

/// The label with the name of a member's role.
pub const LABEL_ROLE: &str = "endstate.dev/role";

/// The label with the number of a member's group within its role.
pub const LABEL_GROUP: &str = "endstate.dev/group";

/// The label that says whether a member votes. Kept up to date on running pods.
pub const LABEL_STANDING: &str = "endstate.dev/standing";

/// The value of [`LABEL_STANDING`] on the pod of a member that votes.
pub const VOTER: &str = "voter";

/// The value of [`LABEL_STANDING`] on the pod of a member that does not vote.
pub const NON_VOTER: &str = "non-voter";

/// The name of the headless service that gives the members of a cluster their names.
///
/// ```
/// assert_eq!(endstate_core::peer_service("demo"), "demo-peer");
/// ```
pub fn peer_service(cluster: &str) -> String {
    format!("{cluster}-peer")
}

/// The name of the service that the clients of a cluster use.
///
/// ```
/// assert_eq!(endstate_core::client_service("demo"), "demo-client");
/// ```
pub fn client_service(cluster: &str) -> String {
    format!("{cluster}-client")
}

/// The volume that a member's data is on, or most of it.
pub const DATA: &str = "data";

/// The name of the claim of a member's volume.
///
/// ```
/// use endstate_core::{DATA, claim_of};
/// assert_eq!(claim_of(DATA, "demo-x7k2p"), "data-demo-x7k2p");
/// ```
pub fn claim_of(volume: &str, member: &str) -> String {
    format!("{volume}-{member}")
}

/// Whether an object goes with its cluster.
///
/// ```
/// use endstate_core::Ownership;
/// assert_eq!(Ownership::default(), Ownership::Kept, "what nobody knows is kept");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Ownership {
    /// The cluster object controls it: it is garbage once that is gone.
    Owned,
    /// Nobody owns it, so it outlives the cluster object. The labels say whose it is.
    #[default]
    Kept,
}

impl Identity {
    /// The name by which the members of this cluster find one of them.
    ///
    /// ```
    /// let object = endstate_core::Identity::new("default", "demo", "0c5f");
    /// assert_eq!(object.host("demo-x7k2p"), "demo-x7k2p.demo-peer.default.svc");
    /// ```
    pub fn host(&self, member: &str) -> String {
        format!("{member}.{}.{}.svc", peer_service(&self.name), self.namespace)
    }
}

/// A cluster's objects, named and labelled alike.
///
/// ```
/// use endstate_core::{ClusterObjects, Identity};
/// # let object = Identity::new("default", "demo", "0c5f");
/// let objects = ClusterObjects::new("toy", &object);
/// let service = objects.client_service("demo-client", &[("client", 80)]);
/// assert_eq!(service["spec"]["selector"]["endstate.dev/standing"], "voter");
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ClusterObjects<'a> {
    /// The application's name.
    pub application: &'a str,
    /// The cluster object.
    pub object: &'a Identity,
}

impl<'a> ClusterObjects<'a> {
    /// The objects of this cluster of that application.
    pub fn new(application: &'a str, object: &'a Identity) -> Self {
        Self { application, object }
    }

    /// The labels of everything that belongs to the cluster.
    pub fn labels(&self) -> BTreeMap<String, String> {
        let mut labels = self.selector();
        for (key, value) in [
            ("app.kubernetes.io/name", self.application),
            ("app.kubernetes.io/instance", &self.object.name),
            ("app.kubernetes.io/managed-by", "endstate"),
        ] {
            labels.insert(key.to_owned(), value.to_owned());
        }
        labels
    }

    /// Which pods are members of the cluster: a name may be used again, a uid never.
    pub fn selector(&self) -> BTreeMap<String, String> {
        BTreeMap::from([
            (LABEL_CLUSTER.to_owned(), self.object.name.clone()),
            (LABEL_UID.to_owned(), self.object.uid.to_string()),
        ])
    }

    /// Which pods are members of a role.
    ///
    /// ```
    /// # use endstate_core::*;
    /// # let object = Identity::new("default", "demo", "0c5f");
    /// let brokers = ClusterObjects::new("toy", &object).of_role("broker");
    /// assert_eq!(brokers[LABEL_ROLE], "broker");
    /// ```
    pub fn of_role(&self, role: &str) -> BTreeMap<String, String> {
        let mut members = self.selector();
        members.insert(LABEL_ROLE.to_owned(), role.to_owned());
        members
    }

    /// Which pods are members that vote: the operator labels them once they do.
    pub fn voters(&self) -> BTreeMap<String, String> {
        let mut voters = self.selector();
        voters.insert(LABEL_STANDING.to_owned(), VOTER.to_owned());
        voters
    }

    /// The headless service that gives members their names. A member must be found before it is ready, because it
    /// becomes ready only once the others have found it.
    pub fn peer_service(&self, name: &str, ports: &[(&str, u16)]) -> Value {
        json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": self.metadata(name),
            "spec": {
                "clusterIP": "None",
                "publishNotReadyAddresses": true,
                "selector": self.selector(),
                "ports": service_ports(ports),
            },
        })
    }

    /// The service that clients use: members that vote and are ready.
    pub fn client_service(&self, name: &str, ports: &[(&str, u16)]) -> Value {
        json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": self.metadata(name),
            "spec": {
                "type": "ClusterIP",
                "selector": self.voters(),
                "ports": service_ports(ports),
            },
        })
    }

    /// The disruption budget. An absolute number: a share is taken of the members that are left, and so shrinks with
    /// every eviction. Only members that vote count, since no other keeps a quorum.
    pub fn disruption_budget(&self, name: &str, min_available: u32) -> Value {
        json!({
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": self.metadata(name),
            "spec": { "minAvailable": min_available, "selector": { "matchLabels": self.voters() } },
        })
    }

    fn metadata(&self, name: &str) -> Value {
        json!({ "name": name, "labels": self.labels() })
    }
}

fn service_ports(ports: &[(&str, u16)]) -> Vec<Value> {
    let port = |&(name, port): &(&str, u16)| json!({ "name": name, "port": port, "protocol": "TCP", "targetPort": port });
    ports.iter().map(port).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity() -> Identity {
        Identity::new("default", "demo", "u1")
    }

    #[test]
    fn clients_reach_voters_only_and_members_find_each_other_before_they_are_ready() {
        let object = identity();
        let objects = ClusterObjects::new("toy", &object);
        let peer = objects.peer_service("demo-peer", &[("peer", 1)]);
        assert_eq!(peer["spec"]["publishNotReadyAddresses"], true);
        assert_eq!(peer["spec"]["clusterIP"], "None");
        assert_eq!(peer["spec"]["selector"].get(LABEL_STANDING), None);
        let client = objects.client_service("demo-client", &[("client", 2)]);
        assert_eq!(client["spec"]["selector"][LABEL_STANDING], VOTER);
        assert_eq!(client["spec"]["selector"][LABEL_UID], "u1");
        let ports = json!([{ "name": "client", "port": 2, "protocol": "TCP", "targetPort": 2 }]);
        assert_eq!(client["spec"]["ports"], ports);
    }

    #[test]
    fn the_budget_is_a_number_of_voters_and_not_a_share() {
        let object = identity();
        let objects = ClusterObjects::new("toy", &object);
        let budget = objects.disruption_budget("demo", 2);
        assert_eq!(budget["spec"]["minAvailable"], 2);
        assert_eq!(budget["spec"].get("maxUnavailable"), None);
        assert_eq!(budget["spec"]["selector"]["matchLabels"][LABEL_STANDING], VOTER);
    }
}
