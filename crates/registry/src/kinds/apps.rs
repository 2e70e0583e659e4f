//! Workloads that keep pods running.

use k8s_openapi::api::apps::v1 as api;

use super::{NAMESPACED, WITH_SCALE, WITH_STATUS};
use crate::kind::{Kind, schema_of};
use crate::{printer, strategy};

pub(super) static KINDS: &[Kind] = &[
    Kind {
        group: "apps",
        kind: "ControllerRevision",
        plural: "controllerrevisions",
        singular: "controllerrevision",
        schema: schema_of::<api::ControllerRevision>,
        strategy: strategy::workload::CONTROLLER_REVISION,
        printer: printer::workload::CONTROLLER_REVISION,
        ..NAMESPACED
    },
    Kind {
        group: "apps",
        kind: "DaemonSet",
        plural: "daemonsets",
        singular: "daemonset",
        short_names: &["ds"],
        categories: &["all"],
        subresources: WITH_STATUS,
        schema: schema_of::<api::DaemonSet>,
        strategy: strategy::workload::DAEMON_SET,
        printer: printer::workload::DAEMON_SET,
        ..NAMESPACED
    },
    Kind {
        group: "apps",
        kind: "Deployment",
        plural: "deployments",
        singular: "deployment",
        short_names: &["deploy"],
        categories: &["all"],
        subresources: WITH_SCALE,
        schema: schema_of::<api::Deployment>,
        strategy: strategy::workload::DEPLOYMENT,
        printer: printer::workload::DEPLOYMENT,
        ..NAMESPACED
    },
    Kind {
        group: "apps",
        kind: "ReplicaSet",
        plural: "replicasets",
        singular: "replicaset",
        short_names: &["rs"],
        categories: &["all"],
        subresources: WITH_SCALE,
        schema: schema_of::<api::ReplicaSet>,
        strategy: strategy::workload::REPLICA_SET,
        printer: printer::workload::REPLICA_SET,
        ..NAMESPACED
    },
    Kind {
        group: "apps",
        kind: "StatefulSet",
        plural: "statefulsets",
        singular: "statefulset",
        short_names: &["sts"],
        categories: &["all"],
        subresources: WITH_SCALE,
        schema: schema_of::<api::StatefulSet>,
        strategy: strategy::workload::STATEFUL_SET,
        printer: printer::workload::STATEFUL_SET,
        ..NAMESPACED
    },
];
