//! The core group, and events as both groups serve them.

use k8s_openapi::api::authentication::v1 as authn;
use k8s_openapi::api::core::v1 as api;
use k8s_openapi::api::events::v1 as events;
use k8s_openapi::api::{autoscaling, policy};
use k8s_openapi::apimachinery::pkg::apis::meta::v1 as meta;

use super::{CLUSTER, NAMESPACED, STATUS, WITH_SCALE, WITH_STATUS};
use crate::kind::{CREATE_ONLY, DeleteResponse, Kind, NO_COLLECTION_DELETE, Strategy, schema_of};
use crate::resource::Subresource;
use crate::{printer, strategy};

pub(super) static KINDS: &[Kind] = &[
    Kind {
        kind: "Binding",
        plural: "bindings",
        singular: "binding",
        stored: false,
        verbs: CREATE_ONLY,
        schema: schema_of::<api::Binding>,
        ..NAMESPACED
    },
    Kind {
        kind: "ConfigMap",
        plural: "configmaps",
        singular: "configmap",
        short_names: &["cm"],
        schema: schema_of::<api::ConfigMap>,
        strategy: strategy::config::CONFIG_MAP,
        printer: printer::core::CONFIG_MAP,
        ..NAMESPACED
    },
    Kind {
        kind: "Endpoints",
        plural: "endpoints",
        singular: "endpoints",
        short_names: &["ep"],
        schema: schema_of::<api::Endpoints>,
        strategy: strategy::service::ENDPOINTS,
        printer: printer::network::ENDPOINTS,
        ..NAMESPACED
    },
    Kind {
        kind: "Event",
        plural: "events",
        singular: "event",
        short_names: &["ev"],
        schema: schema_of::<api::Event>,
        strategy: strategy::event::CORE,
        printer: printer::event::CORE,
        ..NAMESPACED
    },
    Kind {
        group: "events.k8s.io",
        kind: "Event",
        plural: "events",
        singular: "event",
        short_names: &["ev"],
        storage_group: Some(""),
        schema: schema_of::<events::Event>,
        strategy: strategy::event::EVENTS,
        printer: printer::event::EVENTS,
        ..NAMESPACED
    },
    Kind {
        kind: "LimitRange",
        plural: "limitranges",
        singular: "limitrange",
        short_names: &["limits"],
        schema: schema_of::<api::LimitRange>,
        printer: printer::core::LIMIT_RANGE,
        ..NAMESPACED
    },
    Kind {
        kind: "Namespace",
        plural: "namespaces",
        singular: "namespace",
        short_names: &["ns"],
        verbs: NO_COLLECTION_DELETE,
        subresources: &[Subresource { name: "finalize", kind: None, verbs: &["update"] }, STATUS],
        schema: schema_of::<api::Namespace>,
        strategy: strategy::namespace::STRATEGY,
        printer: printer::core::NAMESPACE,
        ..CLUSTER
    },
    Kind {
        kind: "Node",
        plural: "nodes",
        singular: "node",
        short_names: &["no"],
        subresources: &[
            Subresource {
                name: "proxy",
                kind: Some(("", "v1", "NodeProxyOptions")),
                verbs: PROXY_VERBS,
            },
            STATUS,
        ],
        schema: schema_of::<api::Node>,
        strategy: strategy::node::STRATEGY,
        printer: printer::node::PRINTER,
        ..CLUSTER
    },
    Kind {
        kind: "PersistentVolume",
        plural: "persistentvolumes",
        singular: "persistentvolume",
        short_names: &["pv"],
        subresources: WITH_STATUS,
        schema: schema_of::<api::PersistentVolume>,
        strategy: strategy::storage::VOLUME,
        printer: printer::storage::VOLUME,
        ..CLUSTER
    },
    Kind {
        kind: "PersistentVolumeClaim",
        plural: "persistentvolumeclaims",
        singular: "persistentvolumeclaim",
        short_names: &["pvc"],
        subresources: WITH_STATUS,
        schema: schema_of::<api::PersistentVolumeClaim>,
        strategy: strategy::storage::CLAIM,
        printer: printer::storage::CLAIM,
        ..NAMESPACED
    },
    Kind {
        kind: "Pod",
        plural: "pods",
        singular: "pod",
        short_names: &["po"],
        categories: &["all"],
        subresources: POD_SUBRESOURCES,
        schema: schema_of::<api::Pod>,
        strategy: strategy::pod::STRATEGY,
        printer: printer::pod::PRINTER,
        ..NAMESPACED
    },
    Kind {
        kind: "PodTemplate",
        plural: "podtemplates",
        singular: "podtemplate",
        schema: schema_of::<api::PodTemplate>,
        strategy: strategy::workload::POD_TEMPLATE,
        printer: printer::core::POD_TEMPLATE,
        ..NAMESPACED
    },
    Kind {
        kind: "ReplicationController",
        plural: "replicationcontrollers",
        singular: "replicationcontroller",
        short_names: &["rc"],
        categories: &["all"],
        subresources: WITH_SCALE,
        schema: schema_of::<api::ReplicationController>,
        strategy: strategy::workload::REPLICATION_CONTROLLER,
        printer: printer::workload::REPLICATION_CONTROLLER,
        ..NAMESPACED
    },
    Kind {
        kind: "ResourceQuota",
        plural: "resourcequotas",
        singular: "resourcequota",
        short_names: &["quota"],
        subresources: WITH_STATUS,
        schema: schema_of::<api::ResourceQuota>,
        strategy: Strategy {
            generation: false,
            delete_response: DeleteResponse::Object,
            ..Strategy::SPEC_AND_STATUS
        },
        printer: printer::core::RESOURCE_QUOTA,
        ..NAMESPACED
    },
    Kind {
        kind: "Secret",
        plural: "secrets",
        singular: "secret",
        schema: schema_of::<api::Secret>,
        strategy: strategy::config::SECRET,
        printer: printer::core::SECRET,
        ..NAMESPACED
    },
    Kind {
        kind: "Service",
        plural: "services",
        singular: "service",
        short_names: &["svc"],
        categories: &["all"],
        subresources: &[
            Subresource {
                name: "proxy",
                kind: Some(("", "v1", "ServiceProxyOptions")),
                verbs: PROXY_VERBS,
            },
            STATUS,
        ],
        schema: schema_of::<api::Service>,
        strategy: strategy::service::STRATEGY,
        printer: printer::network::SERVICE,
        ..NAMESPACED
    },
    Kind {
        kind: "ServiceAccount",
        plural: "serviceaccounts",
        singular: "serviceaccount",
        short_names: &["sa"],
        subresources: &[Subresource {
            name: "token",
            kind: Some(("authentication.k8s.io", "v1", "TokenRequest")),
            verbs: &["create"],
        }],
        schema: schema_of::<api::ServiceAccount>,
        strategy: Strategy { delete_response: DeleteResponse::Object, ..Strategy::PLAIN },
        printer: printer::core::SERVICE_ACCOUNT,
        ..NAMESPACED
    },
];

const PROXY_VERBS: &[&str] = &["create", "delete", "get", "patch", "update"];

const POD_SUBRESOURCES: &[Subresource] = &[
    connect("attach", "PodAttachOptions"),
    Subresource { name: "binding", kind: Some(("", "v1", "Binding")), verbs: &["create"] },
    // No node runs them, so there is nothing to write.
    Subresource { name: "ephemeralcontainers", kind: None, verbs: &["get"] },
    Subresource { name: "eviction", kind: Some(("policy", "v1", "Eviction")), verbs: &["create"] },
    connect("exec", "PodExecOptions"),
    Subresource { name: "log", kind: None, verbs: &["get"] },
    connect("portforward", "PodPortForwardOptions"),
    Subresource { name: "proxy", kind: Some(("", "v1", "PodProxyOptions")), verbs: PROXY_VERBS },
    Subresource { name: "resize", kind: None, verbs: &["get", "patch", "update"] },
    STATUS,
];

const fn connect(name: &'static str, kind: &'static str) -> Subresource {
    Subresource { name, kind: Some(("", "v1", kind)), verbs: &["create", "get"] }
}

/// Gives the schema of a type.
pub(crate) type SchemaOf = fn(&mut schemars::SchemaGenerator) -> schemars::Schema;

/// Kinds that only subresources and options take, with their schemas.
pub(crate) static SUBRESOURCE_KINDS: &[(&str, &str, &str, SchemaOf)] = &[
    ("autoscaling", "v1", "Scale", schema_of::<autoscaling::v1::Scale>),
    ("policy", "v1", "Eviction", schema_of::<policy::v1::Eviction>),
    ("authentication.k8s.io", "v1", "TokenRequest", schema_of::<authn::TokenRequest>),
    ("", "v1", "DeleteOptions", schema_of::<meta::DeleteOptions>),
    ("", "v1", "Status", schema_of::<meta::Status>),
];
