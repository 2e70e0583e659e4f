//! Rules for pod specs, in pods and in templates.

use std::collections::BTreeSet;

use machinery::error::FieldError;
use machinery::names;
use machinery::quantity::Quantity;
use serde_json::Value;

use super::pod_contexts;
use super::pod_defaults::VOLUME_SOURCES;
use super::{Errors, not_negative, one_of};
use crate::metadata;
use crate::value::{at, int, list, map, text};

const PROBES: &[&str] = &["livenessProbe", "readinessProbe", "startupProbe"];
const HANDLERS: &[&str] = &["exec", "grpc", "httpGet", "sleep", "tcpSocket"];

/// Checks a pod template: its metadata and its spec.
pub(crate) fn template(template: &Value, base: &str, errors: &mut Errors) {
    template_with(template, base, BTreeSet::new(), errors);
}

/// As [`template`], with the names of volumes that pods get beside those of the template.
pub(crate) fn template_with(
    template: &Value,
    base: &str,
    volumes: BTreeSet<String>,
    errors: &mut Errors,
) {
    for (path, check) in [
        ("labels", metadata::labels as fn(&Value, &str, &mut Errors)),
        ("annotations", metadata::annotations),
    ] {
        let mut found = Errors::new();
        check(template, &format!("metadata.{path}"), &mut found);
        errors.extend(
            found
                .into_iter()
                .map(|error| FieldError { field: format!("{base}.{}", error.field), ..error }),
        );
    }
    if let Some(pod) = template.get("spec") {
        spec_with(pod, &format!("{base}.spec"), volumes, errors);
    }
}

/// Requires one restart policy of a workload's template.
pub(crate) fn restart_policy(template: &Value, base: &str, allowed: &[&str], errors: &mut Errors) {
    if let Some(spec) = template.get("spec") {
        one_of(spec, &format!("{base}.spec"), "restartPolicy", allowed, errors);
    }
}

/// Checks a pod spec.
pub(crate) fn spec(spec: &Value, base: &str, errors: &mut Errors) {
    spec_with(spec, base, BTreeSet::new(), errors);
}

fn spec_with(spec: &Value, base: &str, mut more: BTreeSet<String>, errors: &mut Errors) {
    more.append(&mut volumes(spec, base, errors));
    let volumes = more;
    containers(spec, base, &volumes, errors);
    one_of(spec, base, "restartPolicy", &["Always", "OnFailure", "Never"], errors);
    let policies = ["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"];
    one_of(spec, base, "dnsPolicy", &policies, errors);
    not_negative(spec, base, "terminationGracePeriodSeconds", errors);
    if let Some(seconds) = int(spec, "activeDeadlineSeconds").filter(|seconds| *seconds < 1) {
        let field = format!("{base}.activeDeadlineSeconds");
        let why = "must be between 1 and 2147483647, inclusive";
        errors.push(FieldError::invalid(field, seconds, why));
    }
    for key in ["hostname", "subdomain"] {
        named(spec, base, key, names::dns_label, errors);
    }
    for key in ["nodeName", "serviceAccountName", "priorityClassName", "runtimeClassName"] {
        named(spec, base, key, names::dns_subdomain, errors);
    }
    for (key, value) in map(spec, "nodeSelector").into_iter().flatten() {
        let field = format!("{base}.nodeSelector");
        for why in names::qualified_name(key) {
            errors.push(FieldError::invalid(field.clone(), key.as_str(), why));
        }
        for why in names::label_value(value.as_str().unwrap_or_default()) {
            errors.push(FieldError::invalid(format!("{field}[{key}]"), value.clone(), why));
        }
    }
    for (index, toleration) in list(spec, "tolerations").iter().enumerate() {
        tolerates(toleration, &format!("{base}.tolerations[{index}]"), errors);
    }
    pod_contexts::pod(spec, base, errors);
}

/// Checks a name, if it is there, with a rule of `names`.
fn named(value: &Value, base: &str, key: &str, rule: fn(&str) -> Vec<String>, errors: &mut Errors) {
    if let Some(name) = value.get(key).and_then(Value::as_str).filter(|name| !name.is_empty()) {
        for why in rule(name) {
            errors.push(FieldError::invalid(format!("{base}.{key}"), name, why));
        }
    }
}

/// Requires a name that is a label and was not seen before.
fn unique_label(value: &Value, base: &str, seen: &mut BTreeSet<String>, errors: &mut Errors) {
    let field = format!("{base}.name");
    let name = text(value, "name").unwrap_or_default();
    if name.is_empty() {
        errors.push(FieldError::required(field, ""));
        return;
    }
    for why in names::dns_label(name) {
        errors.push(FieldError::invalid(field.clone(), name, why));
    }
    if !seen.insert(name.to_owned()) {
        errors.push(FieldError::duplicate(field, name));
    }
}

/// Checks the volumes; answers their names.
fn volumes(spec: &Value, base: &str, errors: &mut Errors) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (index, volume) in list(spec, "volumes").iter().enumerate() {
        let base = format!("{base}.volumes[{index}]");
        unique_label(volume, &base, &mut names, errors);
        let mut sources = VOLUME_SOURCES.iter().filter(|source| volume.get(source).is_some());
        let first = sources.next();
        for second in sources {
            let why = "may not specify more than 1 volume type";
            errors.push(FieldError::forbidden(format!("{base}.{second}"), why));
        }
        let required = match first {
            Some(&"hostPath") => "hostPath.path",
            Some(&"secret") => "secret.secretName",
            Some(&"configMap") => "configMap.name",
            Some(&"persistentVolumeClaim") => "persistentVolumeClaim.claimName",
            Some(&"csi") => "csi.driver",
            _ => continue,
        };
        if text(volume, required).unwrap_or_default().is_empty() {
            errors.push(FieldError::required(format!("{base}.{required}"), ""));
        }
        pod_contexts::host_path(volume, &base, errors);
    }
    names
}

fn containers(spec: &Value, base: &str, volumes: &BTreeSet<String>, errors: &mut Errors) {
    if list(spec, "containers").is_empty() {
        errors.push(FieldError::required(format!("{base}.containers"), ""));
    }
    let mut names = BTreeSet::new();
    for key in ["initContainers", "containers", "ephemeralContainers"] {
        for (index, one) in list(spec, key).iter().enumerate() {
            let base = format!("{base}.{key}[{index}]");
            unique_label(one, &base, &mut names, errors);
            container(one, &base, volumes, errors);
            probes(one, &base, key, errors);
            hooks(one, &base, errors);
            pod_contexts::container(one, &base, errors);
        }
    }
    pod_contexts::host_ports(spec, base, errors);
}

fn container(container: &Value, base: &str, volumes: &BTreeSet<String>, errors: &mut Errors) {
    let image = text(container, "image").unwrap_or_default();
    if image.is_empty() {
        errors.push(FieldError::required(format!("{base}.image"), ""));
    } else if image.trim() != image {
        let why = "must not have leading or trailing whitespace";
        errors.push(FieldError::invalid(format!("{base}.image"), image, why));
    }
    let policies = ["Always", "IfNotPresent", "Never"];
    one_of(container, base, "imagePullPolicy", &policies, errors);
    let policies = ["FallbackToLogsOnError", "File"];
    one_of(container, base, "terminationMessagePolicy", &policies, errors);
    ports(container, base, errors);
    environment(container, base, errors);
    mounts(container, base, volumes, errors);
    resources(container, &format!("{base}.resources"), errors);
}

fn ports(container: &Value, base: &str, errors: &mut Errors) {
    let mut names = BTreeSet::new();
    for (index, port) in list(container, "ports").iter().enumerate() {
        let base = format!("{base}.ports[{index}]");
        let name = text(port, "name").unwrap_or_default();
        if !name.is_empty() {
            for why in names::port_name(name) {
                errors.push(FieldError::invalid(format!("{base}.name"), name, why));
            }
            if !names.insert(name) {
                errors.push(FieldError::duplicate(format!("{base}.name"), name));
            }
        }
        if int(port, "containerPort").unwrap_or(0) == 0 {
            errors.push(FieldError::required(format!("{base}.containerPort"), ""));
        } else {
            port_number(port, &base, "containerPort", errors);
        }
        if int(port, "hostPort") != Some(0) {
            port_number(port, &base, "hostPort", errors);
        }
        one_of(port, &base, "protocol", &["SCTP", "TCP", "UDP"], errors);
    }
}

/// Requires an integer, if it is there, to be a port.
pub(super) fn port_number(value: &Value, base: &str, key: &str, errors: &mut Errors) {
    if let Some(number) = int(value, key).filter(|number| !(1..=65535).contains(number)) {
        let why = "must be between 1 and 65535, inclusive";
        errors.push(FieldError::invalid(format!("{base}.{key}"), number, why));
    }
}

fn environment(container: &Value, base: &str, errors: &mut Errors) {
    for (index, variable) in list(container, "env").iter().enumerate() {
        let base = format!("{base}.env[{index}]");
        let name = text(variable, "name").unwrap_or_default();
        if name.is_empty() {
            errors.push(FieldError::required(format!("{base}.name"), ""));
        } else if name.contains('=') || !name.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
            let why = "a valid environment variable name must consist only of printable ASCII characters other than '='";
            errors.push(FieldError::invalid(format!("{base}.name"), name, why));
        }
        let has_value = !text(variable, "value").unwrap_or_default().is_empty();
        if let Some(from) = map(variable, "valueFrom") {
            let field = format!("{base}.valueFrom");
            if from.is_empty() {
                let why = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`";
                errors.push(FieldError::invalid(field, "", why));
            } else if has_value {
                let why = "may not be specified when `value` is not empty";
                errors.push(FieldError::invalid(field, "", why));
            } else if from.len() > 1 {
                let why = "may not have more than one field specified at a time";
                errors.push(FieldError::invalid(field, "", why));
            }
        }
    }
}

fn mounts(container: &Value, base: &str, volumes: &BTreeSet<String>, errors: &mut Errors) {
    let mut paths = BTreeSet::new();
    for (index, mount) in list(container, "volumeMounts").iter().enumerate() {
        let base = format!("{base}.volumeMounts[{index}]");
        let name = text(mount, "name").unwrap_or_default();
        if name.is_empty() {
            errors.push(FieldError::required(format!("{base}.name"), ""));
        } else if !volumes.contains(name) {
            errors.push(FieldError::not_found(format!("{base}.name"), name));
        }
        let path = text(mount, "mountPath").unwrap_or_default();
        if path.is_empty() {
            errors.push(FieldError::required(format!("{base}.mountPath"), ""));
        } else if !paths.insert(path) {
            errors.push(FieldError::invalid(format!("{base}.mountPath"), path, "must be unique"));
        }
    }
}

/// Quantities are not negative, and no request is above its limit.
fn resources(container: &Value, base: &str, errors: &mut Errors) {
    let read = |side: &str, name: &str| {
        at(container, &format!("resources.{side}"))?
            .get(name)
            .and_then(|value| Quantity::from_value(value).ok())
    };
    for side in ["limits", "requests"] {
        for (name, value) in map(container, &format!("resources.{side}")).into_iter().flatten() {
            let field = format!("{base}.{side}.{name}");
            if Quantity::from_value(value).is_ok_and(|quantity| quantity.is_negative()) {
                let why = "must be greater than or equal to 0";
                errors.push(FieldError::invalid(
                    format!("{base}.{side}[{name}]"),
                    value.clone(),
                    why,
                ));
            }
            for why in names::qualified_name(name) {
                errors.push(FieldError::invalid(field.clone(), name.as_str(), why));
            }
        }
    }
    for (name, value) in map(container, "resources.requests").into_iter().flatten() {
        let (Some(request), Some(limit)) = (read("requests", name), read("limits", name)) else {
            continue;
        };
        if request > limit {
            let shown = at(container, "resources.limits").and_then(|limits| limits.get(name));
            let shown = shown.and_then(Value::as_str).map_or_else(String::new, str::to_owned);
            let why = format!("must be less than or equal to {name} limit of {shown}");
            errors.push(FieldError::invalid(format!("{base}.requests"), value.clone(), why));
        }
    }
}

fn probes(container: &Value, base: &str, list_key: &str, errors: &mut Errors) {
    let sidecar = text(container, "restartPolicy") == Some("Always");
    for &key in PROBES {
        let Some(probe) = container.get(key).filter(|probe| probe.is_object()) else { continue };
        let base = format!("{base}.{key}");
        if list_key == "initContainers" && !sidecar {
            let why = "may not be set for init containers without restartPolicy=Always";
            errors.push(FieldError::forbidden(base, why));
            continue;
        }
        handler(probe, &base, errors);
        for number in [
            "initialDelaySeconds",
            "timeoutSeconds",
            "periodSeconds",
            "successThreshold",
            "failureThreshold",
        ] {
            not_negative(probe, &base, number, errors);
        }
        let successes = int(probe, "successThreshold").unwrap_or(1);
        if key != "readinessProbe" && successes != 1 {
            let field = format!("{base}.successThreshold");
            errors.push(FieldError::invalid(field, successes, "must be 1"));
        }
    }
}

/// Requires one action of a probe or hook, and what that action needs.
fn handler(holder: &Value, base: &str, errors: &mut Errors) {
    match HANDLERS.iter().filter(|handler| holder.get(handler).is_some()).count() {
        0 => errors.push(FieldError::required(base, "must specify a handler type")),
        1 => {}
        _ => {
            let why = "may not specify more than 1 handler type";
            errors.push(FieldError::forbidden(base, why));
        }
    }
    for key in ["httpGet", "tcpSocket", "grpc"] {
        let Some(action) = holder.get(key).filter(|action| action.is_object()) else { continue };
        let base = format!("{base}.{key}");
        match action.get("port") {
            Some(Value::String(name)) => {
                for why in names::port_name(name) {
                    errors.push(FieldError::invalid(format!("{base}.port"), name.as_str(), why));
                }
            }
            Some(Value::Number(_)) => port_number(action, &base, "port", errors),
            _ => errors.push(FieldError::required(format!("{base}.port"), "")),
        }
        if key == "httpGet" {
            one_of(action, &base, "scheme", &["HTTP", "HTTPS"], errors);
        }
    }
    if holder.get("exec").is_some() && list(holder, "exec.command").is_empty() {
        errors.push(FieldError::required(format!("{base}.exec.command"), ""));
    }
}

fn hooks(container: &Value, base: &str, errors: &mut Errors) {
    for key in ["postStart", "preStop"] {
        if let Some(hook) =
            at(container, &format!("lifecycle.{key}")).filter(|hook| hook.is_object())
        {
            handler(hook, &format!("{base}.lifecycle.{key}"), errors);
        }
    }
}

fn tolerates(toleration: &Value, base: &str, errors: &mut Errors) {
    let word = |key: &str| text(toleration, key).unwrap_or_default();
    one_of(toleration, base, "operator", &["Equal", "Exists"], errors);
    if word("key").is_empty() && word("operator") != "Exists" {
        let why = "operator must be Exists when `key` is empty, which means \"match all values and all keys\"";
        errors.push(FieldError::invalid(format!("{base}.operator"), word("operator"), why));
    }
    if word("operator") == "Exists" && !word("value").is_empty() {
        let why = "value must be empty when `operator` is 'Exists'";
        errors.push(FieldError::invalid(format!("{base}.operator"), word("value"), why));
    }
    let effect = word("effect");
    if int(toleration, "tolerationSeconds").is_some() && effect != "NoExecute" {
        let why = "effect must be 'NoExecute' when `tolerationSeconds` is set";
        errors.push(FieldError::invalid(format!("{base}.effect"), effect, why));
    }
    let effects = ["", "NoSchedule", "PreferNoSchedule", "NoExecute"];
    one_of(toleration, base, "effect", &effects, errors);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::texts;
    use super::*;

    fn check(pod: &Value, expected: &[&str]) {
        let mut errors = Errors::new();
        spec(pod, "spec", &mut errors);
        assert_eq!(texts(&errors), expected);
    }

    #[test]
    fn containers_are_required_named_and_unique() {
        check(&json!({"containers": []}), &["spec.containers: Required value"]);
        check(
            &json!({"containers": [{"name": "a", "image": "i"}, {"name": "a"}, {"image": "i"}]}),
            &[
                "spec.containers[1].name: Duplicate value: \"a\"",
                "spec.containers[1].image: Required value",
                "spec.containers[2].name: Required value",
            ],
        );
    }

    #[test]
    fn mounts_need_their_volume() {
        check(
            &json!({"containers": [{"name": "a", "image": "i",
                "volumeMounts": [{"name": "v", "mountPath": "/v"}]}]}),
            &["spec.containers[0].volumeMounts[0].name: Not found: \"v\""],
        );
        check(
            &json!({"containers": [{"name": "a", "image": "i",
                "volumeMounts": [{"name": "v", "mountPath": "/v"}]}],
                "volumes": [{"name": "v", "emptyDir": {}, "secret": {"secretName": "s"}}]}),
            &["spec.volumes[0].secret: Forbidden: may not specify more than 1 volume type"],
        );
    }

    #[test]
    fn requests_stay_below_limits() {
        check(
            &json!({"containers": [{"name": "a", "image": "i",
                "resources": {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}}]}),
            &[
                "spec.containers[0].resources.requests: Invalid value: \"2\": must be less than or equal to cpu limit of 1",
            ],
        );
    }

    #[test]
    fn policies_ports_and_probes() {
        check(
            &json!({"restartPolicy": "Sometimes", "containers": [{"name": "a", "image": "i",
                "ports": [{"containerPort": 70000}], "livenessProbe": {"successThreshold": 2}}]}),
            &[
                "spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive",
                "spec.containers[0].livenessProbe: Required value: must specify a handler type",
                "spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1",
                "spec.restartPolicy: Unsupported value: \"Sometimes\": supported values: \"Always\", \"OnFailure\", \"Never\"",
            ],
        );
    }
}
