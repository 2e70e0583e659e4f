//! EndpointSlices: at most [`SLICE_MAX`] endpoints each, which share ports and address family.
//!
//! A change touches as few slices as possible: endpoints stay in the slice that has them, leave it when they are gone,
//! and new ones fill the gaps.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::discovery::v1::{Endpoint, EndpointConditions, EndpointPort, EndpointSlice};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::offers::{Offer, Port};
use super::{MANAGED_BY, MANAGER, SERVICE_NAME, Snapshot};
use crate::labels::{Labels, label};
use crate::owners::{controller_reference, is_deleting, name, reference};
use crate::plan::{Plan, Write};
use crate::pods::node_name;

/// The most endpoints in one slice.
pub(super) const SLICE_MAX: usize = 100;

/// What the endpoints of a slice share.
type Shape = (&'static str, Vec<EndpointPort>);

pub(super) fn write(plan: &mut Plan, snapshot: &Snapshot<'_>, offers: &[Offer]) {
    let mut wanted: BTreeMap<String, (Shape, Vec<Endpoint>)> = BTreeMap::new();
    for offer in offers {
        let shape = shape(offer);
        let entry = wanted.entry(shape_key(&shape)).or_insert((shape, vec![]));
        entry.1.push(endpoint(offer));
    }
    let service = name(&snapshot.service.metadata);
    let is_ours = |slice: &&Arc<EndpointSlice>| {
        let meta = &slice.metadata;
        label(meta, SERVICE_NAME) == Some(service)
            && label(meta, MANAGED_BY) == Some(MANAGER)
            && !is_deleting(meta)
    };
    let mut ours: Vec<_> = snapshot.slices.iter().filter(is_ours).collect();
    ours.sort_by(|a, b| a.metadata.name.cmp(&b.metadata.name));
    // First what stays where it is, for all slices; then the gaps are filled.
    let kept: Vec<_> =
        ours.iter().map(|slice| keep(slice, wanted.get_mut(&key_of(slice)))).collect();
    for (slice, mut kept) in ours.into_iter().zip(kept) {
        if let Some((_, left)) = wanted.get_mut(&key_of(slice)).filter(|_| !kept.is_empty()) {
            let room = SLICE_MAX.saturating_sub(kept.len()).min(left.len());
            kept.extend(left.drain(..room));
        }
        change(plan, snapshot, slice, kept);
    }
    for (shape, endpoints) in wanted.into_values() {
        for part in endpoints.chunks(SLICE_MAX) {
            plan.push(Write::create(slice(snapshot, &shape, part.to_vec())));
        }
    }
}

/// What stays in a slice, in its order; it is taken from `wanted`.
fn keep(slice: &EndpointSlice, wanted: Option<&mut (Shape, Vec<Endpoint>)>) -> Vec<Endpoint> {
    let Some((_, wanted)) = wanted else { return vec![] };
    let find = |present: &Endpoint| {
        let at = wanted.iter().position(|it| identity(it) == identity(present))?;
        Some(wanted.remove(at))
    };
    slice.endpoints.iter().filter_map(find).collect()
}

/// Writes a slice that differs; one with nothing left is deleted.
fn change(
    plan: &mut Plan,
    snapshot: &Snapshot<'_>,
    slice: &Arc<EndpointSlice>,
    endpoints: Vec<Endpoint>,
) {
    if endpoints.is_empty() {
        return plan.push(Write::delete(slice));
    }
    let labels = labels(snapshot);
    if endpoints != slice.endpoints || slice.metadata.labels.as_ref() != Some(&labels) {
        let mut changed = EndpointSlice::clone(slice);
        changed.metadata.labels = Some(labels);
        changed.endpoints = endpoints;
        plan.push(Write::update(slice, changed));
    }
}

fn key_of(slice: &EndpointSlice) -> String {
    shape_key(&(family_of(&slice.address_type), slice.ports.clone().unwrap_or_default()))
}

fn slice(snapshot: &Snapshot<'_>, shape: &Shape, endpoints: Vec<Endpoint>) -> EndpointSlice {
    let service = &**snapshot.service;
    EndpointSlice {
        metadata: ObjectMeta {
            generate_name: Some(format!("{}-", name(&service.metadata))),
            namespace: service.metadata.namespace.clone(),
            labels: Some(labels(snapshot)),
            owner_references: Some(vec![controller_reference(service)]),
            ..Default::default()
        },
        address_type: shape.0.to_owned(),
        endpoints,
        ports: Some(shape.1.clone()),
    }
}

fn labels(snapshot: &Snapshot<'_>) -> Labels {
    let service = &**snapshot.service;
    let mut labels = service.metadata.labels.clone().unwrap_or_default();
    labels.insert(SERVICE_NAME.to_owned(), name(&service.metadata).to_owned());
    labels.insert(MANAGED_BY.to_owned(), MANAGER.to_owned());
    if service.spec.as_ref().and_then(|it| it.cluster_ip.as_deref()) == Some("None") {
        labels.insert("service.kubernetes.io/headless".to_owned(), String::new());
    }
    labels
}

fn endpoint(offer: &Offer) -> Endpoint {
    Endpoint {
        addresses: vec![offer.ip.clone()],
        conditions: Some(EndpointConditions {
            ready: Some(offer.is_ready),
            serving: Some(offer.is_serving),
            terminating: Some(offer.is_terminating),
        }),
        hostname: offer.hostname.clone(),
        node_name: node_name(&offer.pod).map(str::to_owned),
        target_ref: Some(reference(&*offer.pod)),
        ..Default::default()
    }
}

/// Which pod an endpoint stands for.
fn identity(endpoint: &Endpoint) -> (Option<&str>, Option<&String>) {
    (endpoint.target_ref.as_ref().and_then(|it| it.uid.as_deref()), endpoint.addresses.first())
}

fn shape(offer: &Offer) -> Shape {
    let family = if offer.ip.contains(':') { "IPv6" } else { "IPv4" };
    (family, offer.ports.iter().map(port).collect())
}

fn family_of(address_type: &str) -> &'static str {
    if address_type == "IPv6" { "IPv6" } else { "IPv4" }
}

/// A text for a shape, to order and compare by. The empty name that the API fills in means no name.
fn shape_key((family, ports): &Shape) -> String {
    let mut ports: Vec<_> = ports
        .iter()
        .map(|port| {
            let name = port.name.as_deref().unwrap_or_default();
            format!("{name}/{:?}/{:?}/{:?}", port.protocol, port.port, port.app_protocol)
        })
        .collect();
    ports.sort();
    format!("{family} {}", ports.join(","))
}

fn port(port: &Port) -> EndpointPort {
    EndpointPort {
        name: Some(port.name.clone().unwrap_or_default()),
        port: Some(port.number),
        protocol: Some(port.protocol.clone()),
        app_protocol: port.app_protocol.clone(),
    }
}
