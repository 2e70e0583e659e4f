//! What each pod of a service offers.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{Container, Pod, Service, ServicePort};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::labels::Labels;
use crate::owners::{is_deleting, name};
use crate::pods;

/// One pod behind a service.
#[derive(Clone, Debug)]
pub(super) struct Offer {
    pub(super) pod: Arc<Pod>,
    pub(super) ip: String,
    pub(super) hostname: Option<String>,
    /// To be sent traffic.
    pub(super) is_ready: bool,
    /// Able to serve, even if on its way out.
    pub(super) is_serving: bool,
    pub(super) is_terminating: bool,
    pub(super) ports: Vec<Port>,
}

/// A port of the service, as one pod offers it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Port {
    /// Absent for a service with one, unnamed port.
    pub(super) name: Option<String>,
    pub(super) protocol: String,
    pub(super) number: i32,
    pub(super) app_protocol: Option<String>,
}

/// The offers, ordered by the pods' names. Pods without an address, and those that have ended, offer nothing.
pub(super) fn of(service: &Service, selector: &Labels, all: &[Arc<Pod>]) -> Vec<Offer> {
    let spec = service.spec.clone().unwrap_or_default();
    let publishes_all = spec.publish_not_ready_addresses.unwrap_or(false)
        || crate::labels::annotation(
            &service.metadata,
            "service.alpha.kubernetes.io/tolerate-unready-endpoints",
        ) == Some("true");
    let ports = spec.ports.unwrap_or_default();
    let is_selected = |pod: &&Arc<Pod>| {
        let labels = pod.metadata.labels.as_ref();
        pod.metadata.namespace == service.metadata.namespace
            && selector.iter().all(|(key, value)| labels.and_then(|it| it.get(key)) == Some(value))
    };
    let mut offers: Vec<_> =
        all.iter().filter(is_selected).filter_map(|pod| offer(service, &ports, pod)).collect();
    for offer in &mut offers {
        offer.is_ready = publishes_all || (offer.is_serving && !offer.is_terminating);
    }
    offers.sort_by(|a, b| a.pod.metadata.name.cmp(&b.pod.metadata.name));
    offers
}

fn offer(service: &Service, ports: &[ServicePort], pod: &Arc<Pod>) -> Option<Offer> {
    let ip = pod.status.as_ref()?.pod_ip.clone().filter(|ip| !ip.is_empty())?;
    if pods::is_terminal(pod) {
        return None;
    }
    let spec = pod.spec.as_ref()?;
    let is_named_here = spec.subdomain.as_deref() == Some(name(&service.metadata));
    Some(Offer {
        pod: pod.clone(),
        ip,
        hostname: spec.hostname.clone().filter(|it| is_named_here && !it.is_empty()),
        is_ready: false,
        is_serving: pods::is_ready(pod),
        is_terminating: is_deleting(&pod.metadata),
        ports: ports.iter().filter_map(|port| resolve(port, pod)).collect(),
    })
}

/// The pod's number for a port of the service; a named target that the pod lacks is not offered.
fn resolve(port: &ServicePort, pod: &Pod) -> Option<Port> {
    let protocol = port.protocol.clone().unwrap_or_else(|| "TCP".to_owned());
    let number = match &port.target_port {
        None | Some(IntOrString::Int(0)) => port.port,
        Some(IntOrString::Int(number)) => *number,
        Some(IntOrString::String(target)) => named(pod, target, &protocol)?,
    };
    let name = port.name.clone().filter(|it| !it.is_empty());
    Some(Port { name, protocol, number, app_protocol: port.app_protocol.clone() })
}

fn named(pod: &Pod, target: &str, protocol: &str) -> Option<i32> {
    let spec = pod.spec.as_ref()?;
    let is_sidecar = |it: &&Container| it.restart_policy.as_deref() == Some("Always");
    let sidecars = spec.init_containers.iter().flatten().filter(is_sidecar);
    spec.containers
        .iter()
        .chain(sidecars)
        .flat_map(|container| container.ports.iter().flatten())
        .find(|port| {
            port.name.as_deref() == Some(target)
                && port.protocol.as_deref().unwrap_or("TCP") == protocol
        })
        .map(|port| port.container_port)
}
