//! The Endpoints object: subsets of addresses that share ports.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{EndpointAddress, EndpointPort, EndpointSubset, Endpoints};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::Snapshot;
use super::offers::{Offer, Port};
use crate::owners::{is_deleting, reference};
use crate::plan::{Plan, Write};
use crate::pods::node_name;

/// Set on the Endpoints of headless services.
const HEADLESS: &str = "service.kubernetes.io/headless";

/// Other controllers make no slices from an object with this label: ours are made from the pods.
const MANAGED_BY: &str = "endpoints.kubernetes.io/managed-by";

pub(super) fn write(plan: &mut Plan, snapshot: &Snapshot<'_>, offers: &[Offer]) {
    let service = &**snapshot.service;
    let mut labels = service.metadata.labels.clone().unwrap_or_default();
    labels.insert(MANAGED_BY.to_owned(), "endpoint-controller".to_owned());
    let spec = service.spec.clone().unwrap_or_default();
    if spec.cluster_ip.as_deref() == Some("None") {
        labels.insert(HEADLESS.to_owned(), String::new());
    }
    let subsets = subsets(offers);
    let subsets = (!subsets.is_empty()).then_some(subsets);
    let Some(current) = snapshot.endpoints else {
        let metadata = ObjectMeta {
            name: service.metadata.name.clone(),
            namespace: service.metadata.namespace.clone(),
            labels: Some(labels),
            ..Default::default()
        };
        return plan.push(Write::create(Endpoints { metadata, subsets }));
    };
    let is_same = current.subsets.as_deref().unwrap_or_default()
        == subsets.as_deref().unwrap_or_default()
        && current.metadata.labels.as_ref() == Some(&labels);
    if !is_same && !is_deleting(&current.metadata) {
        let mut wanted = Endpoints::clone(current);
        wanted.metadata.labels = Some(labels);
        wanted.subsets = subsets;
        plan.push(Write::update(current, wanted));
    }
}

fn subsets(offers: &[Offer]) -> Vec<EndpointSubset> {
    let mut by_ports: BTreeMap<&[Port], Vec<&Offer>> = BTreeMap::new();
    for offer in offers.iter().filter(|it| it.is_ready || !it.is_terminating) {
        by_ports.entry(&offer.ports).or_default().push(offer);
    }
    let subset = |(ports, offers): (&[Port], Vec<&Offer>)| EndpointSubset {
        addresses: addresses(&offers, true),
        not_ready_addresses: addresses(&offers, false),
        ports: (!ports.is_empty()).then(|| ports.iter().map(port).collect()),
    };
    by_ports.into_iter().map(subset).collect()
}

fn addresses(offers: &[&Offer], is_ready: bool) -> Option<Vec<EndpointAddress>> {
    let address = |offer: &&Offer| EndpointAddress {
        ip: offer.ip.clone(),
        hostname: offer.hostname.clone(),
        node_name: node_name(&offer.pod).map(str::to_owned),
        target_ref: Some(reference(&*offer.pod)),
    };
    let addresses: Vec<_> =
        offers.iter().filter(|it| it.is_ready == is_ready).map(address).collect();
    (!addresses.is_empty()).then_some(addresses)
}

fn port(port: &Port) -> EndpointPort {
    EndpointPort {
        name: port.name.clone(),
        port: port.number,
        protocol: Some(port.protocol.clone()),
        app_protocol: port.app_protocol.clone(),
    }
}
