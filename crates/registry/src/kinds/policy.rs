//! Disruption budgets, priorities, leases, and API priority.

use k8s_openapi::api::{coordination, flowcontrol, node, policy, scheduling};

use super::{CLUSTER, NAMESPACED, WITH_STATUS};
use crate::kind::{Kind, Strategy, schema_of};
use crate::{printer, strategy};

pub(super) static KINDS: &[Kind] = &[
    Kind {
        group: "policy",
        kind: "PodDisruptionBudget",
        plural: "poddisruptionbudgets",
        singular: "poddisruptionbudget",
        short_names: &["pdb"],
        subresources: WITH_STATUS,
        schema: schema_of::<policy::v1::PodDisruptionBudget>,
        strategy: strategy::policy::DISRUPTION_BUDGET,
        printer: printer::policy::DISRUPTION_BUDGET,
        ..NAMESPACED
    },
    Kind {
        group: "scheduling.k8s.io",
        kind: "PriorityClass",
        plural: "priorityclasses",
        singular: "priorityclass",
        short_names: &["pc"],
        schema: schema_of::<scheduling::v1::PriorityClass>,
        strategy: strategy::policy::PRIORITY_CLASS,
        printer: printer::policy::PRIORITY_CLASS,
        ..CLUSTER
    },
    Kind {
        group: "coordination.k8s.io",
        kind: "Lease",
        plural: "leases",
        singular: "lease",
        schema: schema_of::<coordination::v1::Lease>,
        strategy: strategy::policy::LEASE,
        printer: printer::policy::LEASE,
        ..NAMESPACED
    },
    Kind {
        group: "node.k8s.io",
        kind: "RuntimeClass",
        plural: "runtimeclasses",
        singular: "runtimeclass",
        schema: schema_of::<node::v1::RuntimeClass>,
        strategy: strategy::policy::RUNTIME_CLASS,
        printer: printer::policy::RUNTIME_CLASS,
        ..CLUSTER
    },
    Kind {
        group: "flowcontrol.apiserver.k8s.io",
        kind: "FlowSchema",
        plural: "flowschemas",
        singular: "flowschema",
        subresources: WITH_STATUS,
        schema: schema_of::<flowcontrol::v1::FlowSchema>,
        strategy: Strategy::SPEC_AND_STATUS,
        printer: printer::policy::FLOW_SCHEMA,
        ..CLUSTER
    },
    Kind {
        group: "flowcontrol.apiserver.k8s.io",
        kind: "PriorityLevelConfiguration",
        plural: "prioritylevelconfigurations",
        singular: "prioritylevelconfiguration",
        subresources: WITH_STATUS,
        schema: schema_of::<flowcontrol::v1::PriorityLevelConfiguration>,
        strategy: Strategy::SPEC_AND_STATUS,
        printer: printer::policy::PRIORITY_LEVEL,
        ..CLUSTER
    },
];
