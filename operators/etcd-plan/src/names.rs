//! Names and addresses: pods are found by their hostname under the headless peer service.

use endstate_core::Identity;

use crate::launch::{CLIENT_PORT, PEER_PORT};

/// The headless service that gives members their names.
pub fn peer_service(cluster: &str) -> String {
    format!("{cluster}-peer")
}

/// The service that clients use.
pub fn client_service(cluster: &str) -> String {
    format!("{cluster}-client")
}

/// The disruption budget.
pub fn disruption_budget(cluster: &str) -> String {
    cluster.to_owned()
}

/// The DNS name of a member.
pub fn peer_host(object: &Identity, member: &str) -> String {
    format!("{member}.{}.{}.svc", peer_service(&object.name), object.namespace)
}

/// Where other members find a member.
pub fn peer_url(object: &Identity, member: &str) -> String {
    format!("http://{}:{PEER_PORT}", peer_host(object, member))
}

/// Where clients, and the operator, find a member.
pub fn client_url(object: &Identity, member: &str) -> String {
    format!("http://{}:{CLIENT_PORT}", peer_host(object, member))
}
