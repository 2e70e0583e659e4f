//! How traffic finds pods.

use k8s_openapi::api::{discovery, networking};

use super::{CLUSTER, NAMESPACED, WITH_STATUS};
use crate::kind::{Kind, schema_of};
use crate::{printer, strategy};

pub(super) static KINDS: &[Kind] = &[
    Kind {
        group: "discovery.k8s.io",
        kind: "EndpointSlice",
        plural: "endpointslices",
        singular: "endpointslice",
        schema: schema_of::<discovery::v1::EndpointSlice>,
        strategy: strategy::service::ENDPOINT_SLICE,
        printer: printer::network::ENDPOINT_SLICE,
        ..NAMESPACED
    },
    Kind {
        group: "networking.k8s.io",
        kind: "Ingress",
        plural: "ingresses",
        singular: "ingress",
        short_names: &["ing"],
        subresources: WITH_STATUS,
        schema: schema_of::<networking::v1::Ingress>,
        strategy: strategy::service::INGRESS,
        printer: printer::network::INGRESS,
        ..NAMESPACED
    },
    Kind {
        group: "networking.k8s.io",
        kind: "IngressClass",
        plural: "ingressclasses",
        singular: "ingressclass",
        schema: schema_of::<networking::v1::IngressClass>,
        strategy: strategy::service::SPEC_ONLY,
        printer: printer::network::INGRESS_CLASS,
        ..CLUSTER
    },
    Kind {
        group: "networking.k8s.io",
        kind: "NetworkPolicy",
        plural: "networkpolicies",
        singular: "networkpolicy",
        short_names: &["netpol"],
        schema: schema_of::<networking::v1::NetworkPolicy>,
        strategy: strategy::service::NETWORK_POLICY,
        printer: printer::network::NETWORK_POLICY,
        ..NAMESPACED
    },
];
