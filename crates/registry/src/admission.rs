//! Pure mutations on the way in: what a pod gets because it runs in a cluster, and what keeps volumes while they are
//! used.

mod mirror;

use machinery::names;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::resource::Resource;
use crate::value::{child, default, default_text, list, text};

pub(crate) use mirror::annotation as mirror_annotation;

/// Where containers find the token, the CA and the namespace of their service account.
const TOKEN_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
const TOKEN_VOLUME_PREFIX: &str = "kube-api-access-";
/// A little more than an hour, so that a token rotated at 80% lives an hour.
const TOKEN_SECONDS: i64 = 3607;
/// How long a pod stays on a node that is not ready or out of reach.
const TOLERATION_SECONDS: i64 = 300;
const CLUSTER_CRITICAL: (&str, i64) = ("system-cluster-critical", 2_000_000_000);
const NODE_CRITICAL: (&str, i64) = ("system-node-critical", 2_000_001_000);

/// Completes a new object. `account` is the service account that a pod runs as, see [`account_name`].
pub fn create(resource: &Resource, object: &mut Value, account: Option<&Value>) {
    if is_pod(resource) {
        priority(object);
        if let Some(account) = account {
            service_account(object, account);
        }
        tolerations(object);
    }
    if let Some(finalizer) = in_use_protection(resource) {
        protect(object, finalizer);
    }
}

/// Who holds an object of a kind until nothing uses it.
fn in_use_protection(resource: &Resource) -> Option<&'static str> {
    match (resource.group.as_str(), resource.kind.as_str()) {
        ("", "PersistentVolumeClaim") => Some("kubernetes.io/pvc-protection"),
        ("", "PersistentVolume") => Some("kubernetes.io/pv-protection"),
        _ => None,
    }
}

fn protect(object: &mut Value, finalizer: &str) {
    let is_there = list(object, "metadata.finalizers").iter().any(|it| it == finalizer);
    let metadata = child(object, "metadata").filter(|_| !is_there);
    if let Some(metadata) = metadata {
        push(metadata, "finalizers", json!(finalizer));
    }
}

fn is_pod(resource: &Resource) -> bool {
    resource.group.is_empty() && resource.kind == "Pod"
}

/// The service account that a new object runs as; `None` if it runs as none; or why it may not be made.
pub fn account_name<'a>(
    resource: &Resource,
    object: &'a Value,
) -> Result<Option<&'a str>, &'static str> {
    if !is_pod(resource) {
        return Ok(None);
    }
    let named = |path: &str| text(object, path).filter(|name| !name.is_empty());
    let name = named("spec.serviceAccountName").or(named("spec.serviceAccount"));
    if mirror::annotation(object).is_some() {
        return mirror::check(object, name).map(|()| None);
    }
    Ok(Some(name.unwrap_or("default")))
}

/// The priority of the classes every cluster has; without a class it is 0.
fn priority(pod: &mut Value) {
    let Some(spec) = child(pod, "spec") else { return };
    let class = text(spec, "priorityClassName").unwrap_or_default();
    let known = [CLUSTER_CRITICAL, NODE_CRITICAL].into_iter().find(|(name, _)| *name == class);
    let value = known.map_or(0, |(_, value)| value);
    default(spec, "priority", value);
    default_text(spec, "preemptionPolicy", "PreemptLowerPriority");
}

/// A pod runs as a service account, pulls images with its secrets, and can reach the API with its token, unless one of
/// the two declines; the pod's word counts more.
fn service_account(pod: &mut Value, account: &Value) {
    let suffix = suffix(pod);
    let Some(spec) = child(pod, "spec") else { return };
    let name = account["metadata"]["name"].clone();
    spec["serviceAccountName"] = name.clone();
    spec["serviceAccount"] = name;
    if list(spec, "imagePullSecrets").is_empty() && !list(account, "imagePullSecrets").is_empty() {
        spec["imagePullSecrets"] = account["imagePullSecrets"].clone();
    }
    let mounts = |object: &Value| object.get("automountServiceAccountToken")?.as_bool();
    if mounts(spec).or(mounts(account)) == Some(false) {
        return;
    }
    let existing = list(spec, "volumes")
        .iter()
        .filter_map(|volume| text(volume, "name"))
        .find(|name| name.starts_with(TOKEN_VOLUME_PREFIX))
        .map(str::to_owned);
    let volume = existing.clone().unwrap_or_else(|| format!("{TOKEN_VOLUME_PREFIX}{suffix}"));
    let mut used = false;
    for containers in ["containers", "initContainers"] {
        for container in crate::value::items_mut(spec, containers) {
            used |= mount(container, &volume);
        }
    }
    if used && existing.is_none() {
        push(spec, "volumes", token_volume(&volume));
    }
}

/// Mounts the token where nothing else is mounted; answers whether it did.
fn mount(container: &mut Value, volume: &str) -> bool {
    let taken = list(container, "volumeMounts")
        .iter()
        .any(|mount| text(mount, "mountPath") == Some(TOKEN_PATH));
    if !taken {
        let mount = json!({"name": volume, "mountPath": TOKEN_PATH, "readOnly": true});
        push(container, "volumeMounts", mount);
    }
    !taken
}

fn token_volume(name: &str) -> Value {
    json!({"name": name, "projected": {"defaultMode": 0o644, "sources": [
        {"serviceAccountToken": {"expirationSeconds": TOKEN_SECONDS, "path": "token"}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [
            {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}]}},
    ]}})
}

/// Five characters that are always the same for one pod: pure code has no randomness.
fn suffix(pod: &Value) -> String {
    let identity = ["metadata.uid", "metadata.name", "metadata.generateName"]
        .map(|path| text(pod, path).unwrap_or_default());
    let digest = Sha256::digest(identity.join("/").as_bytes());
    names::suffix([digest[0], digest[1], digest[2], digest[3], digest[4]])
}

fn tolerations(pod: &mut Value) {
    let Some(spec) = child(pod, "spec") else { return };
    for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
        let tolerated = list(spec, "tolerations").iter().any(|toleration| {
            let of = |name: &str| text(toleration, name).unwrap_or_default();
            (of("key") == key || (of("key").is_empty() && of("operator") == "Exists"))
                && matches!(of("effect"), "NoExecute" | "")
        });
        if !tolerated {
            let toleration = json!({"key": key, "operator": "Exists", "effect": "NoExecute",
                "tolerationSeconds": TOLERATION_SECONDS});
            push(spec, "tolerations", toleration);
        }
    }
}

/// Adds an item to a list, which is made if it is absent.
fn push(object: &mut Value, key: &str, item: Value) {
    default(object, key, Value::Array(Vec::new()));
    if let Some(list) = object.get_mut(key).and_then(Value::as_array_mut) {
        list.push(item);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Registry;

    fn admitted(spec: Value) -> Value {
        admitted_as(spec, json!({"metadata": {"name": "default"}}))
    }

    fn admitted_as(spec: Value, account: Value) -> Value {
        let registry = Registry::new([]);
        let pods = registry.resource("", "v1", "pods").unwrap();
        let mut pod = json!({"metadata": {"name": "p", "uid": "u"}, "spec": spec});
        assert_eq!(account_name(&pods, &pod), Ok(account["metadata"]["name"].as_str()));
        create(&pods, &mut pod, Some(&account));
        pod
    }

    #[test]
    fn an_account_declines_the_token_for_its_pods_and_gives_them_its_secrets() {
        let account = json!({"metadata": {"name": "a"}, "automountServiceAccountToken": false,
            "imagePullSecrets": [{"name": "registry"}]});
        let container = json!([{"name": "c"}]);
        let pod =
            admitted_as(json!({"containers": container, "serviceAccount": "a"}), account.clone());
        assert_eq!(pod["spec"]["serviceAccountName"], "a");
        assert_eq!(pod["spec"]["imagePullSecrets"], account["imagePullSecrets"]);
        assert!(pod["spec"].get("volumes").is_none());
        assert!(pod["spec"].get("automountServiceAccountToken").is_none());
        let own = json!({"containers": container, "serviceAccountName": "a",
            "automountServiceAccountToken": true, "imagePullSecrets": [{"name": "mine"}]});
        let pod = admitted_as(own, account);
        assert_eq!(pod["spec"]["imagePullSecrets"][0]["name"], "mine");
        assert_eq!(pod["spec"]["volumes"].as_array().unwrap().len(), 1);
    }

    #[test]
    fn volumes_and_claims_are_held_once() {
        let registry = Registry::new([]);
        let cases = [
            (
                "persistentvolumeclaims",
                json!(["ex.com/f"]),
                json!(["ex.com/f", "kubernetes.io/pvc-protection"]),
            ),
            ("persistentvolumes", Value::Null, json!(["kubernetes.io/pv-protection"])),
            ("configmaps", Value::Null, Value::Null),
        ];
        for (plural, before, after) in cases {
            let resource = registry.resource("", "v1", plural).unwrap();
            let mut object = json!({"metadata": {"name": "x"}});
            if !before.is_null() {
                object["metadata"]["finalizers"] = before;
            }
            create(&resource, &mut object, None);
            create(&resource, &mut object, None);
            assert_eq!(
                object["metadata"].get("finalizers").unwrap_or(&Value::Null),
                &after,
                "{plural}"
            );
        }
    }

    #[test]
    fn a_pod_gets_its_account_token_priority_and_tolerations() {
        let pod = admitted(json!({"containers": [{"name": "c"}]}));
        let spec = &pod["spec"];
        assert_eq!(
            (&spec["serviceAccountName"], &spec["serviceAccount"]),
            (&json!("default"), &json!("default"))
        );
        assert_eq!(spec["priority"], 0);
        assert_eq!(spec["tolerations"].as_array().unwrap().len(), 2);
        let name = spec["volumes"][0]["name"].as_str().unwrap();
        assert!(
            name.starts_with("kube-api-access-") && name.len() == TOKEN_VOLUME_PREFIX.len() + 5
        );
        assert_eq!(spec["containers"][0]["volumeMounts"][0]["name"], name);
        assert_eq!(
            pod,
            admitted(json!({"containers": [{"name": "c"}]})),
            "the name is the pod's own"
        );
    }

    #[test]
    fn a_pod_may_decline_or_bring_its_own() {
        let pod =
            admitted(json!({"containers": [{"name": "c"}], "automountServiceAccountToken": false}));
        assert!(pod["spec"].get("volumes").is_none());
        let own = json!([{"name": "mine", "mountPath": TOKEN_PATH}]);
        let pod = admitted(json!({"containers": [{"name": "c", "volumeMounts": own}],
            "tolerations": [{"operator": "Exists"}]}));
        assert!(pod["spec"].get("volumes").is_none());
        assert_eq!(pod["spec"]["tolerations"].as_array().unwrap().len(), 1);
    }
}
