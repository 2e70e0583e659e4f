//! What an installation of the operator consists of, as data: the same objects for any Kubernetes.
//!
//! Invariants: no object names a feature of the embedded cluster; the role holds exactly the verbs that the operator
//! uses (the operator's tests run under it); building them reads no environment and cannot fail.

use kube::api::DynamicObject;
use serde_json::{Value, json};

use crate::crd;

/// Where the operator is installed.
pub const NAMESPACE: &str = "endstate-system";

/// The name of the operator's Deployment, ServiceAccount, roles, bindings and lease.
pub const NAME: &str = "endstate-etcd";

/// The port of the operator's health and metrics endpoints.
pub const HEALTH_PORT: u16 = 8081;

/// The objects to apply, in order. `image` is the image that holds the `endstate` executable at `/endstate`; member pods
/// take the launcher from it too.
#[must_use]
pub fn manifests(image: &str) -> Vec<DynamicObject> {
    let crds = crd::crds().into_iter().map(|it| json!(it));
    let rest = [
        namespace(),
        service_account(),
        cluster_role(),
        binding("ClusterRole"),
        role(),
        binding("Role"),
        deployment(image),
    ];
    crds.chain(rest).map(object).collect()
}

fn object(value: Value) -> DynamicObject {
    serde_json::from_value(value).expect("every manifest has a kind and a name")
}

fn labels() -> Value {
    json!({
        "app.kubernetes.io/name": NAME,
        "app.kubernetes.io/part-of": "endstate",
        "app.kubernetes.io/component": "operator",
    })
}

fn namespace() -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": { "name": NAMESPACE, "labels": { "app.kubernetes.io/part-of": "endstate" } },
    })
}

fn service_account() -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": { "name": NAME, "namespace": NAMESPACE, "labels": labels() },
    })
}

fn cluster_role() -> Value {
    let groups = ["etcd.endstate.dev", "etcd.database.coreos.com"];
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": { "name": NAME, "labels": labels() },
        "rules": [
            { "apiGroups": groups, "resources": ["etcdclusters"], "verbs": ["get", "list", "watch"] },
            { "apiGroups": groups, "resources": ["etcdclusters/status"], "verbs": ["get", "patch", "update"] },
            // For owner references that block the deletion of the cluster.
            { "apiGroups": groups, "resources": ["etcdclusters/finalizers"], "verbs": ["update"] },
            { "apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch", "create", "patch", "delete"] },
            { "apiGroups": [""], "resources": ["services"], "verbs": ["get", "list", "watch", "create", "patch", "delete"] },
            { "apiGroups": ["policy"], "resources": ["poddisruptionbudgets"], "verbs": ["get", "list", "watch", "create", "patch", "delete"] },
            // Whether the node of a silent member is gone.
            { "apiGroups": [""], "resources": ["nodes"], "verbs": ["get", "list", "watch"] },
            { "apiGroups": ["", "events.k8s.io"], "resources": ["events"], "verbs": ["create", "patch", "update"] },
        ],
    })
}

/// What the operator may do in its own namespace: hold the lease by which one of its replicas acts.
fn role() -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": { "name": NAME, "namespace": NAMESPACE, "labels": labels() },
        "rules": [
            { "apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "resourceNames": [NAME], "verbs": ["get", "update"] },
            // A name cannot limit what is created: the request does not say it where rules look.
            { "apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["create"] },
        ],
    })
}

/// Gives the role of a kind to the operator's account.
fn binding(role: &str) -> Value {
    let mut binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": format!("{role}Binding"),
        "metadata": { "name": NAME, "labels": labels() },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": role, "name": NAME },
        "subjects": [{ "kind": "ServiceAccount", "name": NAME, "namespace": NAMESPACE }],
    });
    if role == "Role" {
        binding["metadata"]["namespace"] = NAMESPACE.into();
    }
    binding
}

fn deployment(image: &str) -> Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": { "name": NAME, "namespace": NAMESPACE, "labels": labels() },
        "spec": {
            "replicas": 1,
            // The next one is ready, its caches full, before the last one gives its lease up.
            "strategy": { "type": "RollingUpdate", "rollingUpdate": { "maxSurge": 1, "maxUnavailable": 0 } },
            "selector": { "matchLabels": { "app.kubernetes.io/name": NAME } },
            "template": {
                "metadata": { "labels": labels() },
                "spec": {
                    "serviceAccountName": NAME,
                    "terminationGracePeriodSeconds": 15,
                    "securityContext": { "seccompProfile": { "type": "RuntimeDefault" } },
                    "containers": [container(image)],
                },
            },
        },
    })
}

fn container(image: &str) -> Value {
    let probe = |path: &str, period: u8| json!({ "httpGet": { "path": path, "port": "health" }, "periodSeconds": period, "timeoutSeconds": 5 });
    let field = |path: &str| json!({ "fieldRef": { "fieldPath": path } });
    json!({
        "name": "operator",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["/endstate"],
        "args": ["operator", "etcd"],
        "env": [
            { "name": "ENDSTATE_IMAGE", "value": image },
            { "name": "ENDSTATE_HEALTH_ADDRESS", "value": format!("0.0.0.0:{HEALTH_PORT}") },
            { "name": "POD_NAME", "valueFrom": field("metadata.name") },
            { "name": "POD_UID", "valueFrom": field("metadata.uid") },
            { "name": "POD_NAMESPACE", "valueFrom": field("metadata.namespace") },
        ],
        "ports": [{ "name": "health", "containerPort": HEALTH_PORT }],
        "readinessProbe": probe("/readyz", 1),
        "livenessProbe": probe("/livez", 10),
        "resources": {
            "requests": { "cpu": "50m", "memory": "48Mi" },
            "limits": { "memory": "512Mi" },
        },
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
            "capabilities": { "drop": ["ALL"] },
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_installation_is_complete_and_in_order() {
        let kinds: Vec<_> = manifests("endstate:0.1.0")
            .iter()
            .filter_map(|it| it.types.as_ref().map(|it| it.kind.clone()))
            .collect();
        let expected = [
            "CustomResourceDefinition",
            "CustomResourceDefinition",
            "Namespace",
            "ServiceAccount",
            "ClusterRole",
            "ClusterRoleBinding",
            "Role",
            "RoleBinding",
            "Deployment",
        ];
        assert_eq!(kinds, expected);
    }

    #[test]
    fn the_image_is_the_pods_and_the_launchers() {
        let text = serde_json::to_string(&manifests("example.com/endstate:1")).unwrap();
        assert_eq!(text.matches("example.com/endstate:1").count(), 2);
    }

    #[test]
    fn no_right_is_wider_than_a_kind() {
        for role in [cluster_role(), role()] {
            for rule in role["rules"].as_array().unwrap() {
                assert!(!rule.to_string().contains('*'), "{rule}");
                assert!(!rule.to_string().contains("secrets"), "{rule}");
            }
        }
    }

    #[test]
    fn the_lease_is_the_operators_own() {
        assert!(!cluster_role().to_string().contains("leases"));
        let (role, binding) = (role(), binding("Role"));
        for object in [&role, &binding] {
            assert_eq!(object["metadata"]["namespace"], NAMESPACE);
        }
        assert_eq!(role["rules"][0]["resourceNames"], json!([NAME]));
        assert_eq!(role["rules"][1]["verbs"], json!(["create"]));
    }
}
