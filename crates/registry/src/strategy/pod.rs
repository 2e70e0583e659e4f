//! Pods.

use machinery::error::FieldError;
use machinery::quantity::Quantity;
use serde_json::{Value, json};

use super::{Errors, pod_defaults, pod_rules};
use crate::admission::mirror_annotation;
use crate::kind::{DeleteResponse, Strategy};
use crate::value::{at, at_mut, default, items_mut, list, map, remove, text};

pub(crate) use super::pod_defaults::template as template_defaults;
pub(crate) use super::pod_rules::{
    restart_policy, template as validate_template, template_with as validate_template_with,
};

pub(crate) const STRATEGY: Strategy = Strategy {
    graceful: true,
    delete_response: DeleteResponse::Object,
    fields: &[
        ("spec.hostNetwork", "false"),
        ("spec.nodeName", ""),
        ("spec.restartPolicy", ""),
        ("spec.schedulerName", ""),
        ("spec.serviceAccountName", ""),
        ("status.nominatedNodeName", ""),
        ("status.phase", ""),
        ("status.podIP", ""),
    ],
    defaults,
    prepare_create: |object| {
        let qos = qos_class(object);
        object["status"] = json!({"phase": "Pending", "qosClass": qos});
    },
    validate: |object, errors| {
        if let Some(spec) = object.get("spec") {
            pod_rules::spec(spec, "spec", errors);
        }
    },
    validate_create: |object, errors| {
        if !list(object, "spec.ephemeralContainers").is_empty() {
            let why = "cannot be set on create";
            errors.push(FieldError::forbidden("spec.ephemeralContainers", why));
        }
        mirror_has_node(object, errors);
    },
    validate_update: unchanged_but_images,
    ..Strategy::SPEC_AND_STATUS
};

/// The pod of a process that a node started is on that node, and nobody schedules it.
fn mirror_has_node(pod: &Value, errors: &mut Errors) {
    let Some(value) = mirror_annotation(pod) else { return };
    if text(pod, "spec.nodeName").unwrap_or("").is_empty() {
        let path = "metadata.annotations[kubernetes.io/config.mirror]";
        let why = "must set spec.nodeName if mirror pod annotation is set";
        errors.push(FieldError::invalid(path, value.clone(), why));
    }
}

fn defaults(object: &mut Value) {
    let Some(spec) = at_mut(object, "spec") else { return };
    pod_defaults::spec(spec);
    default(spec, "enableServiceLinks", true);
    for list in ["containers", "initContainers"] {
        items_mut(spec, list).iter_mut().for_each(requests_from_limits);
    }
}

/// What a container is limited to it also requests, unless it says otherwise.
fn requests_from_limits(container: &mut Value) {
    let Some(limits) = map(container, "resources.limits").cloned() else { return };
    let Some(resources) = at_mut(container, "resources") else { return };
    let Some(requests) = crate::value::child(resources, "requests") else { return };
    for (name, limit) in limits {
        default(requests, &name, limit);
    }
}

/// The quality of service that the requests and limits of cpu and memory amount to.
pub(crate) fn qos_class(pod: &Value) -> &'static str {
    let containers: Vec<&Value> = ["spec.containers", "spec.initContainers"]
        .into_iter()
        .flat_map(|path| list(pod, path))
        .collect();
    let amount = |container: &Value, side: &str, name: &str| {
        let found = at(container, &format!("resources.{side}"))?.get(name)?;
        Quantity::from_value(found)
            .ok()
            .map(|quantity| quantity.nanos())
            .filter(|nanos| *nanos != 0)
    };
    let names = ["cpu", "memory"];
    let any = containers.iter().any(|container| {
        names.iter().any(|name| {
            amount(container, "limits", name).is_some()
                || amount(container, "requests", name).is_some()
        })
    });
    let guaranteed = containers.iter().all(|container| {
        names.iter().all(|name| {
            let limit = amount(container, "limits", name);
            limit.is_some() && limit == amount(container, "requests", name)
        })
    });
    match (any, guaranteed) {
        (false, _) => "BestEffort",
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
    }
}

const MUTABLE: &str = "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";

/// A pod's spec stays as it is, but for images, deadlines, added tolerations and lifted scheduling gates.
fn unchanged_but_images(object: &Value, old: &Value, errors: &mut Errors) {
    let (Some(new_spec), Some(old_spec)) = (object.get("spec"), old.get("spec")) else { return };
    for key in ["containers", "initContainers"] {
        if list(new_spec, key).len() != list(old_spec, key).len() {
            let why = "pod updates may not add or remove containers";
            errors.push(FieldError::forbidden(format!("spec.{key}"), why));
            return;
        }
    }
    let lost = list(old_spec, "tolerations").iter().any(|toleration| {
        !list(new_spec, "tolerations").iter().any(|one| same_toleration(one, toleration))
    });
    if lost {
        let why = "existing toleration can not be modified except its tolerationSeconds";
        errors.push(FieldError::forbidden("spec.tolerations", why));
        return;
    }
    gates(new_spec, old_spec, errors);
    if comparable(new_spec, old_spec) != comparable(old_spec, old_spec) {
        errors.push(FieldError::forbidden("spec", MUTABLE));
    }
}

fn same_toleration(a: &Value, b: &Value) -> bool {
    ["key", "operator", "value", "effect"].iter().all(|key| text(a, key) == text(b, key))
}

fn gates(new_spec: &Value, old_spec: &Value, errors: &mut Errors) {
    let old = list(old_spec, "schedulingGates");
    let added = list(new_spec, "schedulingGates").iter().find(|gate| !old.contains(gate));
    if let Some(gate) = added {
        let name = text(gate, "name").unwrap_or_default();
        let why = format!("only deletion is allowed, but found new scheduling gate '{name}'");
        errors.push(FieldError::forbidden("spec.schedulingGates", why));
    }
}

/// The spec without what may change.
fn comparable(spec: &Value, old_spec: &Value) -> Value {
    let mut spec = spec.clone();
    for key in ["containers", "initContainers"] {
        for container in items_mut(&mut spec, key) {
            remove(container, "image");
        }
    }
    for key in ["activeDeadlineSeconds", "tolerations", "schedulingGates"] {
        remove(&mut spec, key);
    }
    if !list(old_spec, "schedulingGates").is_empty() {
        for key in ["nodeSelector", "affinity"] {
            remove(&mut spec, key);
        }
    }
    spec
}

#[cfg(test)]
mod tests {
    use super::super::texts;
    use super::*;

    fn pod() -> Value {
        json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "nginx"}]}})
    }

    #[test]
    fn defaults_are_those_of_the_api_server() {
        let mut pod = pod();
        defaults(&mut pod);
        assert_eq!(
            pod["spec"],
            json!({
                "containers": [{"name": "c", "image": "nginx", "imagePullPolicy": "Always", "resources": {},
                    "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File"}],
                "dnsPolicy": "ClusterFirst", "enableServiceLinks": true, "restartPolicy": "Always",
                "schedulerName": "default-scheduler", "securityContext": {}, "terminationGracePeriodSeconds": 30
            })
        );
        let once = pod.clone();
        defaults(&mut pod);
        assert_eq!(pod, once, "defaults are idempotent");
    }

    #[test]
    fn quality_of_service() {
        let with = |resources: Value| json!({"spec": {"containers": [{"name": "c", "resources": resources}]}});
        assert_eq!(qos_class(&with(json!({}))), "BestEffort");
        assert_eq!(qos_class(&with(json!({"requests": {"cpu": "1"}}))), "Burstable");
        let both = json!({"cpu": "1", "memory": "1Gi"});
        let equal = json!({"cpu": "1000m", "memory": "1Gi"});
        assert_eq!(qos_class(&with(json!({"requests": both, "limits": equal}))), "Guaranteed");
    }

    #[test]
    fn only_images_tolerations_and_deadlines_change() {
        let mut old = pod();
        defaults(&mut old);
        let check = |change: fn(&mut Value)| {
            let mut new = old.clone();
            change(&mut new);
            let mut errors = Errors::new();
            unchanged_but_images(&new, &old, &mut errors);
            texts(&errors)
        };
        assert!(check(|pod| pod["spec"]["containers"][0]["image"] = json!("other")).is_empty());
        assert!(check(|pod| pod["spec"]["tolerations"] = json!([{"key": "a"}])).is_empty());
        assert_eq!(
            check(|pod| pod["spec"]["restartPolicy"] = json!("Never")),
            [format!("spec: Forbidden: {MUTABLE}")]
        );
        assert_eq!(
            check(|pod| pod["spec"]["containers"] = json!([])),
            ["spec.containers: Forbidden: pod updates may not add or remove containers"]
        );
    }
}
