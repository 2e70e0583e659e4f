//! The roles and bindings that every cluster has: upstream's, and those of this cluster's own parts.
//!
//! The parts are the controllers, the scheduler and the nodes. Each may do what it uses, and no more: the tests of this
//! repository run with just that.

use rbac::bootstrap::Default as Wanted;
use serde_json::{Value, json};

use crate::authn::{CONTROLLERS, NODES, SCHEDULER};
use crate::authz::GROUP;

const NODE_LEASES: &str = "kube-node-lease";

/// Every one, roles before their bindings.
pub(super) fn everything() -> Vec<Wanted> {
    let mut all = rbac::bootstrap::defaults();
    all.extend([
        role("", "endstate:controllers", controllers()),
        binding("", "endstate:controllers", ("User", CONTROLLERS)),
        role("", "endstate:scheduler", scheduler()),
        binding("", "endstate:scheduler", ("User", SCHEDULER)),
        role("", "endstate:node", node()),
        binding("", "endstate:node", ("Group", NODES)),
        role(NODE_LEASES, "endstate:node", node_leases()),
        binding(NODE_LEASES, "endstate:node", ("Group", NODES)),
    ]);
    all
}

/// The garbage collector and the emptying of namespaces see and remove objects of any kind; the others make those of
/// their own kinds. Rights to give rights are not among them, except to gather those of roles into others.
fn controllers() -> Value {
    json!([
        {"verbs": ["get", "list", "watch", "update", "patch", "delete", "deletecollection"],
            "apiGroups": ["*"], "resources": ["*"]},
        {"verbs": ["create"], "apiGroups": [""], "resources": ["configmaps", "endpoints", "events",
            "persistentvolumeclaims", "persistentvolumes", "pods", "serviceaccounts"]},
        {"verbs": ["create"], "apiGroups": ["apps"],
            "resources": ["controllerrevisions", "replicasets"]},
        {"verbs": ["create"], "apiGroups": ["batch"], "resources": ["jobs"]},
        {"verbs": ["create"], "apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"]},
        {"verbs": ["create"], "apiGroups": ["events.k8s.io"], "resources": ["events"]},
        {"verbs": ["escalate"], "apiGroups": [GROUP], "resources": ["clusterroles"]},
    ])
}

fn scheduler() -> Value {
    json!([{"verbs": ["create"], "apiGroups": [""], "resources": ["pods/binding"]}])
}

/// What a node does with the API. Config maps and secrets are read one by one; of the others it sees only that they
/// change (see `dispatch`).
fn node() -> Value {
    let read = ["get", "list", "watch"];
    json!([
        {"verbs": ["create", "delete", "get", "list", "watch"], "apiGroups": [""], "resources": ["nodes"]},
        {"verbs": ["patch"], "apiGroups": [""], "resources": ["nodes/status"]},
        {"verbs": ["delete", "get", "list", "watch"], "apiGroups": [""], "resources": ["pods"]},
        {"verbs": ["patch"], "apiGroups": [""], "resources": ["pods/status"]},
        {"verbs": read, "apiGroups": [""], "resources": ["services"]},
        {"verbs": read, "apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"]},
        {"verbs": ["get"], "apiGroups": [""], "resources": ["configmaps", "secrets"]},
        {"verbs": ["list", "watch"], "apiGroups": [""],
            "resources": ["configmaps/metadata", "secrets/metadata"]},
        {"verbs": ["get"], "apiGroups": [""], "resources": ["persistentvolumeclaims"]},
        // Those of its own kind end when their folder is removed.
        {"verbs": ["get", "list", "watch", "patch"], "apiGroups": [""], "resources": ["persistentvolumes"]},
        {"verbs": ["get"], "apiGroups": ["node.k8s.io"], "resources": ["runtimeclasses"]},
        {"verbs": ["create"], "apiGroups": [""], "resources": ["serviceaccounts/token"]},
        {"verbs": ["create", "patch"], "apiGroups": [""], "resources": ["events"]},
    ])
}

fn node_leases() -> Value {
    json!([{"verbs": ["create", "get", "patch"], "apiGroups": ["coordination.k8s.io"], "resources": ["leases"]}])
}

fn metadata(namespace: &str, name: &str) -> Value {
    let mut metadata = json!({"name": name,
        "annotations": {"rbac.authorization.kubernetes.io/autoupdate": "true"},
        "labels": {"kubernetes.io/bootstrapping": "rbac-defaults"}});
    if !namespace.is_empty() {
        metadata["namespace"] = namespace.into();
    }
    metadata
}

fn kind_of_role(namespace: &str) -> &'static str {
    if namespace.is_empty() { "ClusterRole" } else { "Role" }
}

fn role(namespace: &str, name: &str, rules: Value) -> Wanted {
    Wanted {
        plural: if namespace.is_empty() { "clusterroles" } else { "roles" },
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        object: json!({"apiVersion": format!("{GROUP}/v1"), "kind": kind_of_role(namespace),
            "metadata": metadata(namespace, name), "rules": rules}),
    }
}

/// Gives the role of the same name to one subject.
fn binding(namespace: &str, name: &str, (kind, subject): (&str, &str)) -> Wanted {
    let role = kind_of_role(namespace);
    Wanted {
        plural: if namespace.is_empty() { "clusterrolebindings" } else { "rolebindings" },
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        object: json!({"apiVersion": format!("{GROUP}/v1"), "kind": format!("{role}Binding"),
            "metadata": metadata(namespace, name),
            "subjects": [{"apiGroup": GROUP, "kind": kind, "name": subject}],
            "roleRef": {"apiGroup": GROUP, "kind": role, "name": name}}),
    }
}
