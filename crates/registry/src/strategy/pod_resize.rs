//! Writes to a pod's `resize`: the resources of containers, and how each may be changed.

use machinery::error::FieldError;
use machinery::quantity::Quantity;
use serde_json::{Map, Value};

use super::{Errors, pod, pod_rules};
use crate::value::{at, items_mut, keep, list, map, remove, text};

const LISTS: [&str; 2] = ["containers", "initContainers"];
/// What of a container `resize` changes.
const RESIZABLE: [&str; 2] = ["resources", "resizePolicy"];

/// The old pod with the resources of the new one's containers. Lists that do not match are kept for the rules to
/// refuse.
pub(crate) fn prepare(new: &mut Value, old: &Value) {
    let mut next = old.clone();
    let matches = LISTS.iter().all(|key| {
        let path = format!("spec.{key}");
        list(new, &path).len() == list(old, &path).len()
    });
    for key in LISTS {
        let path = format!("spec.{key}");
        let given = list(new, &path);
        if !matches || names(given).ne(names(list(old, &path))) {
            next["spec"][key] = Value::from(given);
            continue;
        }
        let Some(spec) = next.get_mut("spec") else { continue };
        for (container, given) in items_mut(spec, key).iter_mut().zip(given) {
            for field in RESIZABLE {
                keep(container, field, given);
            }
        }
    }
    if let (Some(kept), Some(metadata)) = (next.get_mut("metadata"), new.get("metadata")) {
        for key in ["managedFields", "resourceVersion"] {
            keep(kept, key, metadata);
        }
    }
    *new = next;
}

fn names(containers: &[Value]) -> impl Iterator<Item = Option<&str>> {
    containers.iter().map(|container| text(container, "name"))
}

/// Every reason why a pod cannot be resized so.
pub(crate) fn validate(new: &Value, old: &Value, errors: &mut Errors) {
    if let Some(spec) = new.get("spec") {
        pod_rules::spec(spec, "spec", errors);
    }
    let of_pod = |pod: &Value| {
        ["requests", "limits"].iter().any(|side| {
            map(pod, &format!("spec.resources.{side}")).is_some_and(|amounts| !amounts.is_empty())
        })
    };
    if of_pod(old) || of_pod(new) {
        *errors =
            vec![FieldError::forbidden("", "pods with pod-level resources cannot be resized")];
        return;
    }
    let before = text(old, "status.qosClass").unwrap_or_else(|| pod::qos_class(old));
    if before != pod::qos_class(new) {
        let why = "Pod QOS Class may not change as a result of resizing";
        errors.push(FieldError::invalid("spec", before, why));
    }
    let same = LISTS.map(|key| same_containers(new, old, key, errors));
    if same.contains(&false) {
        return;
    }
    for key in LISTS {
        let path = format!("spec.{key}");
        for (index, pair) in list(new, &path).iter().zip(list(old, &path)).enumerate() {
            container(key, &format!("{path}[{index}].resources"), pair, errors);
        }
    }
}

fn same_containers(new: &Value, old: &Value, key: &str, errors: &mut Errors) -> bool {
    let path = format!("spec.{key}");
    let (new, old) = (list(new, &path), list(old, &path));
    if new.len() != old.len() {
        let why = format!("{key} may not be added or removed on resize");
        errors.push(FieldError::forbidden(path, why));
        return false;
    }
    let mut same = true;
    for (index, (new, old)) in names(new).zip(names(old)).enumerate() {
        if new != old {
            let why = format!("{key} may not be renamed or reordered on resize");
            errors.push(FieldError::forbidden(format!("{path}[{index}].name"), why));
            same = false;
        }
    }
    same
}

fn container(key: &str, path: &str, pair: (&Value, &Value), errors: &mut Errors) {
    let (new, old) = pair;
    let is_init = key == "initContainers";
    if is_init && text(old, "restartPolicy") != Some("Always") {
        if new != old {
            let why = "resources for non-sidecar init containers are immutable";
            errors.push(FieldError::forbidden("spec", why));
        }
        return;
    }
    for (side, why) in [
        ("requests", "resource requests cannot be removed"),
        ("limits", "resource limits cannot be removed"),
    ] {
        let (new, old) = (amounts(new, side), amounts(old, side));
        if old.keys().any(|name| !new.contains_key(name)) {
            errors.push(FieldError::forbidden(format!("{path}.{side}"), why));
        }
    }
    memory_limit(path, pair, errors);
    if others(new) != others(old) {
        let why = match is_init {
            false => "only cpu and memory resources are mutable",
            true => "only cpu and memory resources for sidecar containers are mutable",
        };
        errors.push(FieldError::forbidden("spec", why));
    }
}

/// Memory in use cannot be taken back, so its limit only shrinks with a restart.
fn memory_limit(path: &str, (new, old): (&Value, &Value), errors: &mut Errors) {
    let mut policies = list(new, "resizePolicy").iter();
    let policy = policies.find(|policy| text(policy, "resourceName") == Some("memory"));
    if policy.and_then(|it| text(it, "restartPolicy")) == Some("RestartContainer") {
        return;
    }
    let limit = |container: &Value| {
        let found = at(container, "resources.limits.memory")?;
        Quantity::from_value(found).ok().map(Quantity::nanos)
    };
    let verb = match (limit(new), limit(old)) {
        (Some(new), Some(old)) if new < old => "decreased",
        (Some(_), None) => "added",
        _ => return,
    };
    let why = format!("memory limits cannot be {verb} unless resizePolicy is RestartContainer");
    errors.push(FieldError::forbidden(format!("{path}.limits[memory]"), why));
}

fn amounts(container: &Value, side: &str) -> Map<String, Value> {
    map(container, &format!("resources.{side}")).cloned().unwrap_or_default()
}

/// A container without what may change: the amounts of CPU and memory.
fn others(container: &Value) -> Value {
    let mut container = container.clone();
    let rest = ["requests", "limits"].map(|side| {
        let mut amounts = amounts(&container, side);
        amounts.retain(|name, _| !matches!(name.as_str(), "cpu" | "memory"));
        amounts
    });
    remove(&mut container, "resources");
    container["resources"] = serde_json::json!(rest);
    container
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::texts;
    use super::*;

    fn pod(containers: Value) -> Value {
        let mut pod = json!({
            "metadata": {"name": "p"},
            "spec": {"containers": containers, "dnsPolicy": "ClusterFirst", "restartPolicy": "Always"},
        });
        pod["status"] = json!({"qosClass": pod::qos_class(&pod)});
        pod
    }

    fn container(resources: Value) -> Value {
        json!({"name": "c", "image": "i", "terminationMessagePolicy": "File",
            "imagePullPolicy": "Always", "resources": resources})
    }

    fn check(before: Value, after: Value) -> Vec<String> {
        let (old, mut new) = (pod(before), pod(after));
        prepare(&mut new, &old);
        let mut errors = Errors::new();
        validate(&new, &old, &mut errors);
        texts(&errors)
    }

    #[test]
    fn only_cpu_and_memory_change_and_nothing_goes() {
        let amounts = |cpu: &str, memory: &str| json!({"requests": {"cpu": cpu, "memory": memory}});
        let limits = |cpu: &str, memory: &str| json!({"requests": {"cpu": "1m"}, "limits": {"cpu": cpu, "memory": memory}});
        let restart = json!([{"resourceName": "memory", "restartPolicy": "RestartContainer"}]);
        let mut with_policy = container(limits("1", "1Gi"));
        with_policy["resizePolicy"] = restart;
        let at = "spec.containers[0].resources";
        let cases = [
            (container(amounts("1", "1Gi")), container(amounts("2", "1Mi")), vec![]),
            (container(limits("1", "1Gi")), container(limits("2", "2Gi")), vec![]),
            (
                container(limits("1", "1Gi")),
                container(limits("1", "1Mi")),
                vec![format!(
                    "{at}.limits[memory]: Forbidden: memory limits cannot be decreased unless resizePolicy is RestartContainer"
                )],
            ),
            (with_policy.clone(), {
                let mut smaller = with_policy.clone();
                smaller["resources"] = limits("1", "1Mi");
                smaller
            }, vec![]),
            (
                container(json!({})),
                container(amounts("1", "1Gi")),
                vec!["spec: Invalid value: \"BestEffort\": Pod QOS Class may not change as a result of resizing".to_owned()],
            ),
            (
                container(amounts("1", "1Gi")),
                container(json!({"requests": {"cpu": "1"}})),
                vec![format!("{at}.requests: Forbidden: resource requests cannot be removed")],
            ),
            (
                container(json!({"requests": {"cpu": "1", "ephemeral-storage": "1Gi"}})),
                container(json!({"requests": {"cpu": "1", "ephemeral-storage": "2Gi"}})),
                vec!["spec: Forbidden: only cpu and memory resources are mutable".to_owned()],
            ),
        ];
        for (before, after, expected) in cases {
            assert_eq!(check(json!([before]), json!([after])), expected, "{before} {after}");
        }
    }

    #[test]
    fn containers_stay_who_they_are() {
        let requests = json!({"requests": {"cpu": "1"}});
        let one = container(requests.clone());
        let mut other = one.clone();
        other["name"] = json!("other");
        assert_eq!(
            check(json!([one]), json!([other])),
            [
                "spec.containers[0].name: Forbidden: containers may not be renamed or reordered on resize"
            ]
        );
        assert_eq!(
            check(json!([one]), json!([one, other])),
            ["spec.containers: Forbidden: containers may not be added or removed on resize"]
        );
        // Other changes are no part of it.
        let mut image = one.clone();
        image["image"] = json!("other");
        assert!(check(json!([one]), json!([image])).is_empty());
    }
}
