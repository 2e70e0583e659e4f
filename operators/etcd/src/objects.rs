//! The objects of a cluster, as data: pods, services, the disruption budget. Pure: the same input gives the same object.

pub mod pod;
mod probes;

use std::collections::BTreeMap;

use endstate::operator::ROLE_LABEL;
use endstate_core::{Identity, LABEL_CLUSTER, Support};
use etcd_plan::{CLIENT_PORT, PEER_PORT};
use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

pub use endstate::operator::UID_LABEL;

/// The labels of everything that belongs to a cluster.
#[must_use]
pub fn labels(object: &Identity) -> BTreeMap<String, String> {
    let label = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    BTreeMap::from([
        label("app.kubernetes.io/name", "etcd"),
        label("app.kubernetes.io/instance", &object.name),
        label("app.kubernetes.io/managed-by", "endstate"),
        label(LABEL_CLUSTER, &object.name),
        label(UID_LABEL, &object.uid),
    ])
}

/// Which pods are members of a cluster: a name may be used again, a uid never.
fn selector(object: &Identity) -> BTreeMap<String, String> {
    BTreeMap::from([
        (LABEL_CLUSTER.to_owned(), object.name.clone()),
        (UID_LABEL.to_owned(), object.uid.to_string()),
    ])
}

fn meta(name: String, object: &Identity) -> ObjectMeta {
    ObjectMeta { name: Some(name), labels: Some(labels(object)), ..Default::default() }
}

/// The services that a plan asks for.
#[must_use]
pub fn services(object: &Identity, support: &Support) -> Vec<Service> {
    let peer = support.peer_service.then(|| peer_service(object));
    let client = support.client_service.then(|| client_service(object));
    peer.into_iter().chain(client).collect()
}

/// The headless service that gives members their names. A member must be found before it is ready, because it
/// becomes ready only once the others have found it.
fn peer_service(object: &Identity) -> Service {
    Service {
        metadata: meta(etcd_plan::peer_service(&object.name), object),
        spec: Some(ServiceSpec {
            cluster_ip: Some("None".to_owned()),
            publish_not_ready_addresses: Some(true),
            selector: Some(selector(object)),
            ports: Some(vec![port("client", CLIENT_PORT), port("peer", PEER_PORT)]),
            ..Default::default()
        }),
        status: None,
    }
}

/// The service that clients use: voters that are ready. A learner would refuse nearly every call.
fn client_service(object: &Identity) -> Service {
    Service {
        metadata: meta(etcd_plan::client_service(&object.name), object),
        spec: Some(ServiceSpec {
            type_: Some("ClusterIP".to_owned()),
            selector: Some(voters(object)),
            ports: Some(vec![port("client", CLIENT_PORT)]),
            ..Default::default()
        }),
        status: None,
    }
}

/// What selects the pods of voters: the operator labels them once they vote.
fn voters(object: &Identity) -> BTreeMap<String, String> {
    let mut voters = selector(object);
    voters.insert(ROLE_LABEL.to_owned(), "voter".to_owned());
    voters
}

fn port(name: &str, number: u16) -> ServicePort {
    ServicePort {
        name: Some(name.to_owned()),
        port: number.into(),
        protocol: Some("TCP".to_owned()),
        target_port: Some(IntOrString::Int(number.into())),
        ..Default::default()
    }
}

/// The disruption budget. An absolute number: a share is taken of the members that are left, and so shrinks with every
/// eviction. Only voters count, since a learner that is ready keeps no quorum.
#[must_use]
pub fn budget(object: &Identity, min_available: u32) -> PodDisruptionBudget {
    let min_available = i32::try_from(min_available).unwrap_or(i32::MAX);
    PodDisruptionBudget {
        metadata: meta(etcd_plan::disruption_budget(&object.name), object),
        spec: Some(PodDisruptionBudgetSpec {
            min_available: Some(IntOrString::Int(min_available)),
            selector: Some(LabelSelector {
                match_labels: Some(voters(object)),
                match_expressions: None,
            }),
            ..Default::default()
        }),
        status: None,
    }
}

#[cfg(test)]
mod tests;
