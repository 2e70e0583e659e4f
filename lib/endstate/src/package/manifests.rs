//! What an installation of an operator consists of, as data: the same objects for any Kubernetes.
//!
//! Invariants: no object names a feature of the embedded cluster; the role holds exactly the verbs that the operator
//! uses (run its tests under it); building them reads no environment and cannot fail.

use k8s_openapi::api::rbac::v1::PolicyRule;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::DynamicObject;
use serde_json::{Value, json};

use super::{Package, installed_name};

/// Where operators are installed.
pub const NAMESPACE: &str = "endstate-system";

/// The port of an operator's health and metrics endpoints.
pub const HEALTH_PORT: u16 = 8081;

/// As whom operators run: nobody in particular.
const USER: u32 = 65_532;

/// The port on loopback at which an operator explains what it would do.
pub const DEBUG_PORT: u16 = 8082;

/// What an operator needs of kinds that it makes, keeps and removes.
const MANAGE: [&str; 6] = ["get", "list", "watch", "create", "patch", "delete"];
const READ: [&str; 3] = ["get", "list", "watch"];

/// The objects to apply, in order. `image` is the image that holds the `endstate` executable at `/endstate`; member
/// pods take the launcher from it too.
///
/// ```
/// # use endstate::package::{Package, manifests};
/// fn print(package: &dyn Package) {
///     for object in manifests(package, "endstate:0.1.0") {
///         println!("{}", serde_json::to_string(&object).unwrap());
///     }
/// }
/// ```
#[must_use]
pub fn manifests(package: &dyn Package, image: &str) -> Vec<DynamicObject> {
    let installation = Installation { package, name: installed_name(package) };
    let crds = package.crds().into_iter().chain(package.beside()).map(|it| json!(it));
    let rest = [
        namespace(),
        installation.service_account(),
        installation.cluster_role(),
        installation.binding("ClusterRole"),
        installation.role(),
        installation.binding("Role"),
        installation.deployment(image),
    ];
    crds.chain(rest).map(object).collect()
}

/// The rule for a kind of which an operator makes, keeps and removes objects, for [`Package::rules`].
///
/// ```
/// let rule = endstate::package::managed("", "configmaps");
/// assert!(rule.verbs.contains(&"delete".to_owned()));
/// ```
#[must_use]
pub fn managed(group: &str, resource: &str) -> PolicyRule {
    rule(group, resource, &MANAGE)
}

fn rule(group: &str, resource: &str, verbs: &[&str]) -> PolicyRule {
    PolicyRule {
        api_groups: Some(vec![group.to_owned()]),
        resources: Some(vec![resource.to_owned()]),
        verbs: verbs.iter().map(|&it| it.to_owned()).collect(),
        ..Default::default()
    }
}

fn object(value: Value) -> DynamicObject {
    serde_json::from_value(value).expect("every manifest has a kind and a name")
}

fn namespace() -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": { "name": NAMESPACE, "labels": {
            "app.kubernetes.io/part-of": "endstate",
            // Whatever runs beside operators has as little power as they.
            "pod-security.kubernetes.io/enforce": "restricted",
        } },
    })
}

/// One package, under one name.
struct Installation<'a> {
    package: &'a dyn Package,
    name: String,
}

impl Installation<'_> {
    fn labels(&self) -> Value {
        json!({
            "app.kubernetes.io/name": self.name,
            "app.kubernetes.io/part-of": "endstate",
            "app.kubernetes.io/component": "operator",
        })
    }

    fn service_account(&self) -> Value {
        json!({
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": { "name": self.name, "namespace": NAMESPACE, "labels": self.labels() },
        })
    }

    fn cluster_role(&self) -> Value {
        let mut rules: Vec<PolicyRule> = self.package.crds().iter().flat_map(kind_rules).collect();
        rules.extend(self.package.beside().iter().flat_map(beside_rules));
        rules.extend([
            managed("", "pods"),
            managed("", "services"),
            managed("policy", "poddisruptionbudgets"),
            // Whether the node of a silent member is gone.
            rule("", "nodes", &READ),
            // Whether there is a default for what a spec leaves open.
            rule("storage.k8s.io", "storageclasses", &READ),
            rule("lifecycle.k8s.io", "evictions", &READ),
            rule("lifecycle.k8s.io", "evictions/status", &["get", "patch"]),
            rule("events.k8s.io", "events", &["create", "patch", "update"]),
            rule("", "events", &["create", "patch", "update"]),
        ]);
        rules.extend(self.package.rules());
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": { "name": self.name, "labels": self.labels() },
            "rules": rules,
        })
    }

    /// What the operator may do in its own namespace: hold the lease by which one of its replicas acts.
    fn role(&self) -> Value {
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "Role",
            "metadata": { "name": self.name, "namespace": NAMESPACE, "labels": self.labels() },
            "rules": [
                { "apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "resourceNames": [self.name], "verbs": ["get", "update"] },
                // A name cannot limit what is created: the request does not say it where rules look.
                { "apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["create"] },
            ],
        })
    }

    /// Gives the role of a kind to the operator's account.
    fn binding(&self, role: &str) -> Value {
        let name = &self.name;
        let mut binding = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": format!("{role}Binding"),
            "metadata": { "name": name, "labels": self.labels() },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": role, "name": name },
            "subjects": [{ "kind": "ServiceAccount", "name": name, "namespace": NAMESPACE }],
        });
        if role == "Role" {
            binding["metadata"]["namespace"] = NAMESPACE.into();
        }
        binding
    }

    fn deployment(&self, image: &str) -> Value {
        json!({
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": { "name": self.name, "namespace": NAMESPACE, "labels": self.labels() },
            "spec": {
                "replicas": 1,
                // The next one is ready, its caches full, before the last one gives its lease up.
                "strategy": { "type": "RollingUpdate", "rollingUpdate": { "maxSurge": 1, "maxUnavailable": 0 } },
                "selector": { "matchLabels": { "app.kubernetes.io/name": self.name } },
                "template": {
                    "metadata": { "labels": self.labels() },
                    "spec": {
                        "serviceAccountName": self.name,
                        "terminationGracePeriodSeconds": 15,
                        "securityContext": {
                            "runAsNonRoot": true,
                            "runAsUser": USER,
                            "runAsGroup": USER,
                            "seccompProfile": { "type": "RuntimeDefault" },
                        },
                        "containers": [self.container(image)],
                    },
                },
            },
        })
    }

    fn container(&self, image: &str) -> Value {
        let probe = |path: &str, period: u8| json!({ "httpGet": { "path": path, "port": "health" }, "periodSeconds": period, "timeoutSeconds": 5 });
        let field = |path: &str| json!({ "fieldRef": { "fieldPath": path } });
        json!({
            "name": "operator",
            "image": image,
            "imagePullPolicy": "IfNotPresent",
            "command": ["/endstate"],
            "args": ["operator", self.package.name()],
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
}

/// What an operator does with a kind that declares clusters: it reads the object and writes the status.
fn kind_rules(crd: &CustomResourceDefinition) -> [PolicyRule; 3] {
    let (group, plural) = (&crd.spec.group, &crd.spec.names.plural);
    [
        rule(group, plural, &READ),
        rule(group, &format!("{plural}/status"), &["get", "patch", "update"]),
        // For owner references that block the deletion of the cluster.
        rule(group, &format!("{plural}/finalizers"), &["update"]),
    ]
}

/// What is declared beside clusters is read, told of, and kept until the application has let go of it.
fn beside_rules(crd: &CustomResourceDefinition) -> [PolicyRule; 2] {
    let (group, plural) = (&crd.spec.group, &crd.spec.names.plural);
    [
        rule(group, plural, &["get", "list", "watch", "patch"]),
        rule(group, &format!("{plural}/status"), &["get", "patch"]),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Engine;
    use crate::operator::Health;

    struct Toys;

    impl Package for Toys {
        fn name(&self) -> &'static str {
            "toys"
        }

        fn about(&self) -> &'static str {
            "toy clusters"
        }

        fn crds(&self) -> Vec<CustomResourceDefinition> {
            let mut crd = CustomResourceDefinition::default();
            crd.metadata.name = Some("toys.example.com".into());
            crd.spec.group = "example.com".into();
            crd.spec.names.plural = "toys".into();
            vec![crd]
        }

        fn rules(&self) -> Vec<PolicyRule> {
            vec![managed("", "configmaps")]
        }

        fn operate(&self, _: &mut Engine, _: &str) -> Vec<Health> {
            vec![]
        }
    }

    fn installation() -> Installation<'static> {
        Installation { package: &Toys, name: installed_name(&Toys) }
    }

    #[test]
    fn an_installation_is_complete_and_in_order() {
        let kinds: Vec<_> = manifests(&Toys, "endstate:0.1.0")
            .iter()
            .filter_map(|it| it.types.as_ref().map(|it| it.kind.clone()))
            .collect();
        let expected = [
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
        let text = serde_json::to_string(&manifests(&Toys, "example.com/endstate:1")).unwrap();
        assert_eq!(text.matches("example.com/endstate:1").count(), 2);
    }

    #[test]
    fn rights_are_those_of_every_operator_its_kinds_and_what_the_package_asks_for() {
        let role = installation().cluster_role();
        let rules = role["rules"].as_array().unwrap();
        let verbs = |resource: &str| {
            let of = rules.iter().find(|it| it["resources"] == json!([resource]));
            of.map(|it| it["verbs"].clone())
        };
        assert_eq!(verbs("toys"), Some(json!(READ)));
        assert_eq!(verbs("pods"), Some(json!(MANAGE)));
        assert_eq!(verbs("configmaps"), Some(json!(MANAGE)));
        assert_eq!(verbs("secrets"), None);
        let role = installation().role();
        for rule in rules.iter().chain(role["rules"].as_array().unwrap()) {
            assert!(!rule.to_string().contains('*'), "{rule}");
        }
    }

    #[test]
    fn the_lease_is_the_operators_own() {
        let it = installation();
        assert!(!it.cluster_role().to_string().contains("leases"));
        let (role, binding) = (it.role(), it.binding("Role"));
        for object in [&role, &binding] {
            assert_eq!(object["metadata"]["namespace"], NAMESPACE);
        }
        assert_eq!(role["rules"][0]["resourceNames"], json!(["endstate-toys"]));
        assert_eq!(role["rules"][1]["verbs"], json!(["create"]));
    }
}
