//! Objects that a real API server accepts: nothing of them is unknown, nothing is refused, and a second pass
//! changes nothing. One rich object per kind, in the words users write.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use k8s_openapi::api::{apps, batch, coordination, core, discovery, policy, rbac};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions;
use registry::Registry;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

fn check(api_version: &str, kind: &str, mut object: Value) -> Value {
    let registry = Registry::new([]);
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let resource = registry.by_kind(group, version, kind).unwrap_or_else(|| panic!("no {kind}"));
    object["apiVersion"] = json!(api_version);
    object["kind"] = json!(kind);
    object["metadata"]["name"] = object["metadata"].get("name").cloned().unwrap_or(json!("x"));
    object["metadata"]["uid"] = json!("uid");
    if resource.namespaced {
        object["metadata"]["namespace"] = json!("ns");
    }
    let written = object.clone();
    assert_eq!(resource.schema().prune(&mut object), [] as [String; 0], "{kind}: unknown fields");
    assert_eq!(object, written, "{kind}: pruning took something away");
    resource.defaults(&mut object);
    let account = json!({"metadata": {"name": "default"}});
    registry::admission::create(&resource, &mut object, Some(&account));
    resource.prepare_create(&mut object);
    let errors = resource.validate_create(&object);
    assert_eq!(
        errors,
        [],
        "{kind}: {}",
        errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    );
    let mut again = object.clone();
    resource.defaults(&mut again);
    resource.prepare_update(&mut again, &object);
    assert_eq!(again, object, "{kind}: a second pass changes it");
    assert_eq!(
        resource.validate_update(&again, &object),
        [],
        "{kind}: an update that changes nothing"
    );
    assert_eq!(
        resource.table_row(&object, jiff::Timestamp::UNIX_EPOCH).len(),
        resource.table_columns().len(),
        "{kind}"
    );
    typed(&object);
    object
}

/// What is stored can be read by clients with types, ours included.
fn typed(object: &Value) {
    fn read<T: DeserializeOwned>(object: &Value) {
        if let Err(error) = serde_json::from_value::<T>(object.clone()) {
            panic!("{}: {error}", object["kind"]);
        }
    }
    match object["kind"].as_str().unwrap() {
        "ConfigMap" => read::<core::v1::ConfigMap>(object),
        "ClusterRole" => read::<rbac::v1::ClusterRole>(object),
        "CronJob" => read::<batch::v1::CronJob>(object),
        "CustomResourceDefinition" => read::<apiextensions::v1::CustomResourceDefinition>(object),
        "DaemonSet" => read::<apps::v1::DaemonSet>(object),
        "Deployment" => read::<apps::v1::Deployment>(object),
        "EndpointSlice" => read::<discovery::v1::EndpointSlice>(object),
        "Endpoints" => read::<core::v1::Endpoints>(object),
        "Job" => read::<batch::v1::Job>(object),
        "Lease" => read::<coordination::v1::Lease>(object),
        "Namespace" => read::<core::v1::Namespace>(object),
        "Node" => read::<core::v1::Node>(object),
        "PersistentVolume" => read::<core::v1::PersistentVolume>(object),
        "PersistentVolumeClaim" => read::<core::v1::PersistentVolumeClaim>(object),
        "Pod" => read::<core::v1::Pod>(object),
        "PodDisruptionBudget" => read::<policy::v1::PodDisruptionBudget>(object),
        "ReplicaSet" => read::<apps::v1::ReplicaSet>(object),
        "RoleBinding" => read::<rbac::v1::RoleBinding>(object),
        "Secret" => read::<core::v1::Secret>(object),
        "Service" => read::<core::v1::Service>(object),
        "StatefulSet" => read::<apps::v1::StatefulSet>(object),
        _ => {}
    }
}

fn rich_pod_spec() -> Value {
    json!({
        "serviceAccountName": "runner",
        "hostname": "web-0", "subdomain": "web",
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "imagePullSecrets": [{"name": "pull"}],
        "securityContext": {"runAsUser": 1000, "runAsNonRoot": true, "fsGroup": 2000,
            "seccompProfile": {"type": "RuntimeDefault"}, "sysctls": [{"name": "net.core.somaxconn", "value": "1024"}]},
        "affinity": {
            "nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
                {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a", "b"]}]}]}},
            "podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [
                {"weight": 100, "podAffinityTerm": {"topologyKey": "kubernetes.io/hostname",
                    "labelSelector": {"matchLabels": {"app": "a"}}}}]}},
        "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule",
            "labelSelector": {"matchLabels": {"app": "a"}}}],
        "tolerations": [{"key": "dedicated", "operator": "Equal", "value": "etcd", "effect": "NoSchedule"},
            {"operator": "Exists"}],
        "dnsPolicy": "None", "dnsConfig": {"nameservers": ["10.96.0.10"], "options": [{"name": "ndots", "value": "5"}]},
        "initContainers": [
            {"name": "init", "image": "busybox:1", "command": ["sh", "-c", "true"],
             "volumeMounts": [{"name": "data", "mountPath": "/data"}]},
            {"name": "sidecar", "image": "proxy:1", "restartPolicy": "Always",
             "startupProbe": {"tcpSocket": {"port": 15000}}}],
        "containers": [{
            "name": "web", "image": "registry.example/web@sha256:abc", "args": ["--listen=$(ADDR)"], "workingDir": "/w",
            "env": [{"name": "ADDR", "value": ":80"},
                {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                {"name": "CPU", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "1m"}}},
                {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k", "optional": true}}}],
            "envFrom": [{"prefix": "P_", "configMapRef": {"name": "c"}}],
            "ports": [{"name": "http", "containerPort": 80}, {"name": "dns", "containerPort": 53, "protocol": "UDP"}],
            "resources": {"requests": {"cpu": "100m", "memory": 134217728}, "limits": {"cpu": 1, "memory": "256Mi"}},
            "livenessProbe": {"httpGet": {"path": "/healthz", "port": "http", "httpHeaders": [{"name": "X", "value": ""}]}},
            "readinessProbe": {"exec": {"command": ["true"]}, "successThreshold": 2},
            "lifecycle": {"preStop": {"sleep": {"seconds": 5}}, "postStart": {"exec": {"command": ["true"]}}},
            "securityContext": {"capabilities": {"add": ["NET_ADMIN"], "drop": ["ALL"]}, "readOnlyRootFilesystem": true},
            "volumeMounts": [{"name": "data", "mountPath": "/data", "subPath": "d"},
                {"name": "config", "mountPath": "/etc/app", "readOnly": true}, {"name": "all", "mountPath": "/all"}]}],
        "volumes": [
            {"name": "data", "persistentVolumeClaim": {"claimName": "data"}},
            {"name": "config", "configMap": {"name": "c", "items": [{"key": "k", "path": "p", "mode": 256}]}},
            {"name": "scratch", "emptyDir": {"medium": "Memory", "sizeLimit": "64Mi"}},
            {"name": "host", "hostPath": {"path": "/var/log", "type": "Directory"}},
            {"name": "ephemeral", "ephemeral": {"volumeClaimTemplate": {"spec": {"accessModes": ["ReadWriteOnce"],
                "resources": {"requests": {"storage": "1Gi"}}}}}},
            {"name": "all", "projected": {"sources": [{"secret": {"name": "s"}},
                {"downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
                {"serviceAccountToken": {"path": "token", "audience": "vault"}}]}}],
        "readinessGates": [{"conditionType": "example.com/ready"}],
        "terminationGracePeriodSeconds": 0,
        "shareProcessNamespace": true,
    })
}

fn template() -> Value {
    json!({"metadata": {"labels": {"app": "a"}, "annotations": {"a.b/c": "d"}}, "spec": rich_pod_spec()})
}

fn selector() -> Value {
    json!({"matchLabels": {"app": "a"}})
}

#[test]
fn pods() {
    let pod =
        check("v1", "Pod", json!({"metadata": {"labels": {"app": "a"}}, "spec": rich_pod_spec()}));
    assert_eq!(pod["status"], json!({"phase": "Pending", "qosClass": "Burstable"}));
    assert_eq!(pod["spec"]["terminationGracePeriodSeconds"], 0);
    assert_eq!(
        pod["spec"]["containers"][0]["resources"],
        json!({"requests": {"cpu": "100m", "memory": "134217728"}, "limits": {"cpu": "1", "memory": "256Mi"}})
    );
    check(
        "v1",
        "Pod",
        json!({"spec": {"containers": [{"name": "c", "image": "i"}], "hostNetwork": true}}),
    );
}

#[test]
fn workloads() {
    let base = || json!({"spec": {"selector": selector(), "template": template()}});
    for kind in ["Deployment", "ReplicaSet", "DaemonSet"] {
        check("apps/v1", kind, base());
    }
    let mut recreate = base();
    recreate["spec"]["strategy"] = json!({"type": "Recreate"});
    check("apps/v1", "Deployment", recreate);
    let mut set = base();
    set["spec"]["serviceName"] = json!("web");
    set["spec"]["volumeClaimTemplates"] = json!([{"metadata": {"name": "data"}, "spec": {
        "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}]);
    set["spec"]["updateStrategy"] = json!({"type": "OnDelete"});
    check("apps/v1", "StatefulSet", set);
    check(
        "apps/v1",
        "ControllerRevision",
        json!({"revision": 1, "data": {"spec": {"any": [1, null]}}}),
    );
    check("v1", "ReplicationController", json!({"spec": {"template": template()}}));
    check("v1", "PodTemplate", json!({"template": template()}));
    check(
        "autoscaling/v2",
        "HorizontalPodAutoscaler",
        json!({"spec": {"maxReplicas": 3,
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
        "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}}]}}),
    );
}

#[test]
fn jobs() {
    let mut template = template();
    template["spec"]["restartPolicy"] = json!("OnFailure");
    check(
        "batch/v1",
        "Job",
        json!({"spec": {"template": template, "completions": 3, "parallelism": 2, "completionMode": "Indexed",
        "backoffLimitPerIndex": 1, "ttlSecondsAfterFinished": 60}}),
    );
    check(
        "batch/v1",
        "CronJob",
        json!({"spec": {"schedule": "*/5 * * * *", "timeZone": "Etc/UTC",
        "jobTemplate": {"spec": {"template": template}}}}),
    );
}

#[test]
fn configuration() {
    check("v1", "Namespace", json!({}));
    check(
        "v1",
        "ConfigMap",
        json!({"data": {"app.conf": "x=1\n"}, "binaryData": {"b": "AAE="}, "immutable": true}),
    );
    check("v1", "Secret", json!({"data": {"k": "dg=="}}));
    check(
        "v1",
        "Secret",
        json!({"type": "kubernetes.io/tls", "data": {"tls.crt": "", "tls.key": ""}}),
    );
    check("v1", "Secret", json!({"type": "helm.sh/release.v1", "data": {"release": "eA=="}}));
    check(
        "v1",
        "ServiceAccount",
        json!({"automountServiceAccountToken": false, "imagePullSecrets": [{"name": "p"}]}),
    );
    check(
        "v1",
        "LimitRange",
        json!({"spec": {"limits": [{"type": "Container", "default": {"cpu": "1"}}]}}),
    );
    check("v1", "ResourceQuota", json!({"spec": {"hard": {"pods": "10", "requests.cpu": 4}}}));
    check("scheduling.k8s.io/v1", "PriorityClass", json!({"value": 1000, "globalDefault": false}));
    check(
        "coordination.k8s.io/v1",
        "Lease",
        json!({"spec": {"holderIdentity": "me", "leaseDurationSeconds": 15,
        "renewTime": "2026-01-01T00:00:00.000000Z", "leaseTransitions": 0}}),
    );
    check(
        "policy/v1",
        "PodDisruptionBudget",
        json!({"spec": {"maxUnavailable": "34%", "selector": selector()}}),
    );
    check("node.k8s.io/v1", "RuntimeClass", json!({"handler": "runc"}));
}

#[test]
fn network() {
    check(
        "v1",
        "Service",
        json!({"spec": {"selector": {"app": "a"}, "ports": [{"port": 80, "targetPort": "http"}]}}),
    );
    check(
        "v1",
        "Service",
        json!({"spec": {"clusterIP": "None", "publishNotReadyAddresses": true, "selector": {"app": "a"},
        "ports": [{"name": "peer", "port": 2380}, {"name": "client", "port": 2379}]}}),
    );
    check(
        "v1",
        "Service",
        json!({"spec": {"type": "ExternalName", "externalName": "db.example.com"}}),
    );
    check(
        "v1",
        "Service",
        json!({"spec": {"type": "LoadBalancer", "sessionAffinity": "ClientIP", "ports": [{"port": 443, "nodePort": 30443}]}}),
    );
    check(
        "v1",
        "Endpoints",
        json!({"subsets": [{"addresses": [{"ip": "10.0.0.1", "targetRef": {"kind": "Pod", "name": "p"}}],
        "ports": [{"port": 80}]}]}),
    );
    check(
        "discovery.k8s.io/v1",
        "EndpointSlice",
        json!({"addressType": "IPv4", "endpoints": [{"addresses": ["10.0.0.1"],
        "conditions": {"ready": true}, "hostname": "a"}], "ports": [{"name": "http", "port": 80}]}),
    );
    check(
        "networking.k8s.io/v1",
        "Ingress",
        json!({"spec": {"ingressClassName": "nginx", "rules": [{"host": "a.b",
        "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "s", "port": {"number": 80}}}}]}}]}}),
    );
    check("networking.k8s.io/v1", "IngressClass", json!({"spec": {"controller": "example.com/c"}}));
    check(
        "networking.k8s.io/v1",
        "NetworkPolicy",
        json!({"spec": {"podSelector": {}, "ingress": [{"from": [{"podSelector": selector()}],
        "ports": [{"port": 80}]}]}}),
    );
}

#[test]
fn access() {
    let rules =
        json!([{"apiGroups": [""], "resources": ["pods", "pods/log"], "verbs": ["get", "list"]}]);
    check("rbac.authorization.k8s.io/v1", "Role", json!({"rules": rules}));
    check(
        "rbac.authorization.k8s.io/v1",
        "ClusterRole",
        json!({"metadata": {"name": "system:x"}, "rules": rules}),
    );
    check(
        "rbac.authorization.k8s.io/v1",
        "ClusterRole",
        json!({"aggregationRule": {"clusterRoleSelectors": [selector()]}, "rules": []}),
    );
    let subjects = json!([{"kind": "ServiceAccount", "name": "s", "namespace": "n"}, {"kind": "User", "name": "u"}]);
    check(
        "rbac.authorization.k8s.io/v1",
        "RoleBinding",
        json!({"roleRef": {"kind": "ClusterRole", "name": "r"}, "subjects": subjects}),
    );
    check(
        "rbac.authorization.k8s.io/v1",
        "ClusterRoleBinding",
        json!({"roleRef": {"apiGroup": "rbac.authorization.k8s.io",
        "kind": "ClusterRole", "name": "r"}, "subjects": subjects}),
    );
    let client =
        json!({"service": {"name": "s", "namespace": "n", "path": "/v"}, "caBundle": "eA=="});
    let webhooks = json!([{"name": "v.example.com", "admissionReviewVersions": ["v1"], "sideEffects": "None", "clientConfig": client,
        "rules": [{"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["deployments"]}]}]);
    check(
        "admissionregistration.k8s.io/v1",
        "ValidatingWebhookConfiguration",
        json!({"webhooks": webhooks}),
    );
    check(
        "admissionregistration.k8s.io/v1",
        "MutatingWebhookConfiguration",
        json!({"webhooks": webhooks}),
    );
}

#[test]
fn storage_and_nodes() {
    check(
        "v1",
        "PersistentVolume",
        json!({"spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"],
        "local": {"path": "/d"}, "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [
            {"key": "kubernetes.io/hostname", "operator": "In", "values": ["n"]}]}]}}}}),
    );
    check(
        "v1",
        "PersistentVolumeClaim",
        json!({"spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "",
        "resources": {"requests": {"storage": "1Gi"}}}}),
    );
    check(
        "storage.k8s.io/v1",
        "StorageClass",
        json!({"provisioner": "example.com/p", "parameters": {"type": "fast"}}),
    );
    check(
        "v1",
        "Node",
        json!({"metadata": {"labels": {"kubernetes.io/hostname": "n"}}, "spec": {"podCIDR": "10.244.0.0/24",
        "taints": [{"key": "a", "effect": "NoSchedule"}]}}),
    );
    check(
        "v1",
        "Event",
        json!({"involvedObject": {"kind": "Pod", "name": "p", "namespace": "ns", "uid": "u"}, "reason": "Started",
        "message": "m", "type": "Normal", "firstTimestamp": "2026-01-01T00:00:00Z", "count": 1,
        "source": {"component": "kubelet", "host": "n"}, "eventTime": "2026-01-01T00:00:00.000000Z"}),
    );
    check(
        "events.k8s.io/v1",
        "Event",
        json!({"regarding": {"kind": "Pod", "name": "p"}, "reason": "Started", "note": "m",
        "type": "Normal", "action": "Start", "eventTime": "2026-01-01T00:00:00.000000Z", "reportingController": "c",
        "reportingInstance": "i", "series": {"count": 2, "lastObservedTime": "2026-01-01T00:00:00.000000Z"}}),
    );
}

#[test]
fn definitions() {
    check(
        "apiextensions.k8s.io/v1",
        "CustomResourceDefinition",
        json!({"metadata": {"name": "widgets.ex.com"}, "spec": {
        "group": "ex.com", "scope": "Namespaced", "names": {"kind": "Widget", "plural": "widgets", "shortNames": ["wd"]},
        "versions": [{"name": "v1", "served": true, "storage": true, "subresources": {"status": {}},
            "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                "spec": {"type": "object", "required": ["size"], "properties": {
                    "size": {"type": "integer", "minimum": 1, "default": 3},
                    "port": {"x-kubernetes-int-or-string": true, "anyOf": [{"type": "integer"}, {"type": "string"}]},
                    "tags": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"},
                    "any": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
                    "labels": {"type": "object", "additionalProperties": {"type": "string"}}},
                    "x-kubernetes-validations": [{"rule": "self.size < 10", "message": "too big"}]},
                "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}}}]}}),
    );
}
