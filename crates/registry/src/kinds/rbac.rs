//! Who may do what.

use k8s_openapi::api::rbac::v1 as api;

use super::{CLUSTER, NAMESPACED};
use crate::kind::{Kind, schema_of};
use crate::{printer, strategy};

const GROUP: &str = "rbac.authorization.k8s.io";

pub(super) static KINDS: &[Kind] = &[
    Kind {
        group: GROUP,
        kind: "ClusterRole",
        plural: "clusterroles",
        singular: "clusterrole",
        schema: schema_of::<api::ClusterRole>,
        strategy: strategy::rbac::CLUSTER_ROLE,
        printer: printer::rbac::ROLE,
        ..CLUSTER
    },
    Kind {
        group: GROUP,
        kind: "ClusterRoleBinding",
        plural: "clusterrolebindings",
        singular: "clusterrolebinding",
        schema: schema_of::<api::ClusterRoleBinding>,
        strategy: strategy::rbac::CLUSTER_BINDING,
        printer: printer::rbac::BINDING,
        ..CLUSTER
    },
    Kind {
        group: GROUP,
        kind: "Role",
        plural: "roles",
        singular: "role",
        schema: schema_of::<api::Role>,
        strategy: strategy::rbac::ROLE,
        printer: printer::rbac::ROLE,
        ..NAMESPACED
    },
    Kind {
        group: GROUP,
        kind: "RoleBinding",
        plural: "rolebindings",
        singular: "rolebinding",
        schema: schema_of::<api::RoleBinding>,
        strategy: strategy::rbac::BINDING,
        printer: printer::rbac::BINDING,
        ..NAMESPACED
    },
];
