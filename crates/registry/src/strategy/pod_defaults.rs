//! What the API server fills into pod specs, in pods and in templates.

use serde_json::{Value, json};

use crate::value::{at, at_mut, child, default, default_text, flag, items_mut, text};

/// The mode of files of projected volumes: 0644.
const FILE_MODE: i32 = 0o644;

/// Sources of a volume; one that names none is an emptyDir.
pub(super) const VOLUME_SOURCES: &[&str] = &[
    "awsElasticBlockStore",
    "azureDisk",
    "azureFile",
    "cephfs",
    "cinder",
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "fc",
    "flexVolume",
    "flocker",
    "gcePersistentDisk",
    "gitRepo",
    "glusterfs",
    "hostPath",
    "image",
    "iscsi",
    "nfs",
    "persistentVolumeClaim",
    "photonPersistentDisk",
    "portworxVolume",
    "projected",
    "quobyte",
    "rbd",
    "scaleIO",
    "secret",
    "storageos",
    "vsphereVolume",
];

/// Defaults of a pod template at `spec.template`.
pub(crate) fn template(object: &mut Value) {
    if let Some(pod) = at_mut(object, "spec.template.spec") {
        spec(pod);
    }
}

/// Defaults of a pod spec.
pub(super) fn spec(spec: &mut Value) {
    default_text(spec, "dnsPolicy", "ClusterFirst");
    default_text(spec, "restartPolicy", "Always");
    default_text(spec, "schedulerName", "default-scheduler");
    default(spec, "terminationGracePeriodSeconds", 30);
    child(spec, "securityContext");
    same_service_account(spec);
    let host_network = flag(spec, "hostNetwork");
    for list in ["containers", "initContainers", "ephemeralContainers"] {
        for one in items_mut(spec, list) {
            container(one, host_network);
        }
    }
    items_mut(spec, "volumes").iter_mut().for_each(volume);
}

/// `serviceAccount` is the old name of `serviceAccountName`; both are shown.
fn same_service_account(spec: &mut Value) {
    let name = text(spec, "serviceAccountName")
        .filter(|name| !name.is_empty())
        .or_else(|| text(spec, "serviceAccount"))
        .filter(|name| !name.is_empty())
        .map(str::to_owned);
    if let Some(name) = name {
        spec["serviceAccountName"] = name.clone().into();
        spec["serviceAccount"] = name.into();
    }
}

fn container(container: &mut Value, host_network: bool) {
    let policy = pull_policy(text(container, "image").unwrap_or_default());
    default_text(container, "imagePullPolicy", policy);
    default_text(container, "terminationMessagePath", "/dev/termination-log");
    default_text(container, "terminationMessagePolicy", "File");
    child(container, "resources");
    for port in items_mut(container, "ports") {
        default_text(port, "protocol", "TCP");
        if host_network && let Some(number) = at(port, "containerPort").cloned() {
            default(port, "hostPort", number);
        }
    }
    for variable in items_mut(container, "env") {
        if let Some(field) = at_mut(variable, "valueFrom.fieldRef") {
            default_text(field, "apiVersion", "v1");
        }
    }
    for name in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(one) = container.get_mut(name).filter(|probe| probe.is_object()) {
            probe(one);
        }
    }
    for hook in ["lifecycle.postStart", "lifecycle.preStop"] {
        if let Some(hook) = at_mut(container, hook) {
            http_get(hook);
        }
    }
}

/// Images without a tag, or with the tag `latest`, may change, so they are always pulled.
pub(super) fn pull_policy(image: &str) -> &'static str {
    let name = image.rsplit('/').next().unwrap_or_default();
    let tag = name.split_once(':').map_or("latest", |(_, tag)| tag);
    if !image.contains('@') && tag == "latest" { "Always" } else { "IfNotPresent" }
}

fn probe(probe: &mut Value) {
    for (key, value) in [
        ("timeoutSeconds", 1),
        ("periodSeconds", 10),
        ("successThreshold", 1),
        ("failureThreshold", 3),
    ] {
        // Zero means unset here.
        if probe.get(key).and_then(Value::as_i64) == Some(0) {
            probe[key] = value.into();
        } else {
            default(probe, key, value);
        }
    }
    http_get(probe);
    if let Some(grpc) = probe.get_mut("grpc").filter(|grpc| grpc.is_object()) {
        default(grpc, "service", "");
    }
}

fn http_get(handler: &mut Value) {
    if let Some(get) = handler.get_mut("httpGet").filter(|get| get.is_object()) {
        default_text(get, "path", "/");
        default_text(get, "scheme", "HTTP");
    }
}

fn volume(volume: &mut Value) {
    if !VOLUME_SOURCES.iter().any(|source| volume.get(source).is_some_and(|one| !one.is_null())) {
        volume["emptyDir"] = json!({});
    }
    for name in ["secret", "configMap", "downwardAPI", "projected"] {
        if let Some(source) = volume.get_mut(name).filter(|source| source.is_object()) {
            default(source, "defaultMode", FILE_MODE);
        }
    }
    field_versions(items_mut(volume, "downwardAPI.items"));
    for source in items_mut(volume, "projected.sources") {
        field_versions(items_mut(source, "downwardAPI.items"));
        if let Some(token) = source.get_mut("serviceAccountToken").filter(|token| token.is_object())
        {
            default(token, "expirationSeconds", 3600);
        }
    }
    if let Some(path) = volume.get_mut("hostPath").filter(|path| path.is_object()) {
        default(path, "type", "");
    }
    if let Some(claim) = at_mut(volume, "ephemeral.volumeClaimTemplate.spec") {
        default_text(claim, "volumeMode", "Filesystem");
    }
    if let Some(target) = volume.get_mut("iscsi").filter(|target| target.is_object()) {
        default_text(target, "iscsiInterface", "default");
    }
}

fn field_versions(items: &mut [Value]) {
    for item in items {
        if let Some(field) = item.get_mut("fieldRef").filter(|field| field.is_object()) {
            default_text(field, "apiVersion", "v1");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pull_policies_follow_the_tag() {
        for (image, policy) in [
            ("nginx", "Always"),
            ("nginx:latest", "Always"),
            ("nginx:1.27", "IfNotPresent"),
            ("localhost:5000/nginx", "Always"),
            ("localhost:5000/nginx:1", "IfNotPresent"),
            ("nginx@sha256:abc", "IfNotPresent"),
        ] {
            assert_eq!(pull_policy(image), policy, "{image}");
        }
    }

    #[test]
    fn probes_volumes_and_ports_are_filled_in() {
        let mut pod = json!({
            "hostNetwork": true,
            "serviceAccountName": "sa",
            "containers": [{"name": "c", "image": "i:1", "ports": [{"containerPort": 80}],
                "readinessProbe": {"httpGet": {"port": 80}, "periodSeconds": 0},
                "env": [{"name": "N", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]}],
            "volumes": [{"name": "a"}, {"name": "b", "projected": {"sources": [
                {"serviceAccountToken": {"path": "token"}}]}}, {"name": "c", "hostPath": {"path": "/x"}}],
        });
        spec(&mut pod);
        let container = &pod["containers"][0];
        assert_eq!(
            container["ports"][0],
            json!({"containerPort": 80, "hostPort": 80, "protocol": "TCP"})
        );
        assert_eq!(
            container["readinessProbe"],
            json!({"httpGet": {"port": 80, "path": "/", "scheme": "HTTP"}, "timeoutSeconds": 1,
                "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3})
        );
        assert_eq!(container["env"][0]["valueFrom"]["fieldRef"]["apiVersion"], "v1");
        assert_eq!(pod["serviceAccount"], "sa");
        assert_eq!(pod["volumes"][0]["emptyDir"], json!({}));
        assert_eq!(pod["volumes"][1]["projected"]["defaultMode"], 420);
        assert_eq!(
            pod["volumes"][1]["projected"]["sources"][0]["serviceAccountToken"]["expirationSeconds"],
            3600
        );
        assert_eq!(pod["volumes"][2]["hostPath"]["type"], "");
    }
}
