//! What a pod spec says twice: accepted, since Kubernetes does, and told.

use serde_json::Value;

use crate::value::{at, int, list, text};

/// Where a kind has its pod spec, if it warns of it.
pub(crate) fn place(group: &str, kind: &str) -> Option<&'static str> {
    match (group, kind) {
        ("", "Pod") => Some("spec"),
        ("", "PodTemplate") => Some("template.spec"),
        ("", "ReplicationController")
        | ("apps", "DaemonSet" | "Deployment" | "ReplicaSet" | "StatefulSet")
        | ("batch", "Job") => Some("spec.template.spec"),
        ("batch", "CronJob") => Some("spec.jobTemplate.spec.template.spec"),
        _ => None,
    }
}

/// The warnings about the pod spec at a place.
pub(crate) fn of(object: &Value, place: &str) -> Vec<String> {
    let Some(spec) = at(object, place) else { return Vec::new() };
    let containers: Vec<(String, &Value)> = ["initContainers", "containers", "ephemeralContainers"]
        .iter()
        .flat_map(|key| {
            let named = move |(index, one)| (format!("{place}.{key}[{index}]"), one);
            list(spec, key).iter().enumerate().map(named)
        })
        .collect();
    let mut warnings = Vec::new();
    for (base, container) in &containers {
        variables(container, base, &mut warnings);
    }
    let ports: Vec<(String, &Value)> = containers
        .iter()
        .flat_map(|(base, container)| {
            let named = move |(index, port)| (format!("{base}.ports[{index}]"), port);
            list(container, "ports").iter().enumerate().map(named)
        })
        .collect();
    overlaps(&ports, &mut warnings);
    names(&ports, &mut warnings);
    warnings
}

/// A variable that makes something of the one of its name before it is meant so: `PATH=/more:$(PATH)`.
fn variables(container: &Value, base: &str, warnings: &mut Vec<String>) {
    let variables = list(container, "env");
    for (index, variable) in variables.iter().enumerate() {
        let name = text(variable, "name").unwrap_or_default();
        let earlier = &variables[..index];
        if !earlier.iter().any(|it| text(it, "name") == Some(name)) {
            continue;
        }
        let (value, reference) =
            (text(variable, "value").unwrap_or_default(), format!("$({name})"));
        let extends =
            variable.get("valueFrom").is_none() && value != reference && value.contains(&reference);
        if !extends {
            warnings.push(format!(
                "{base}.env[{index}]: hides previous definition of {name:?}, which may be dropped when using apply"
            ));
        }
    }
}

/// Of what a port is, as far as it is the same for the node.
fn on_host(port: &Value) -> (&str, i64) {
    (text(port, "hostIP").unwrap_or_default(), int(port, "hostPort").unwrap_or(0))
}

fn overlaps(ports: &[(String, &Value)], warnings: &mut Vec<String>) {
    let inside = |port: &Value| {
        (int(port, "containerPort"), text(port, "protocol").unwrap_or("TCP").to_owned())
    };
    for (index, (place, port)) in ports.iter().enumerate() {
        let same = ports[..index].iter().filter(|(_, other)| inside(other) == inside(port));
        for (other_place, other) in same {
            let ((ip, number), (other_ip, other_number)) = (on_host(port), on_host(other));
            let how = if (ip, number) == (other_ip, other_number) {
                "duplicate"
            } else if number == 0 || other_number == 0 {
                "overlapping"
            } else if number == other_number && ip.is_empty() != other_ip.is_empty() {
                "dangerously ambiguous"
            } else {
                continue;
            };
            warnings.push(format!("{place}: {how} port definition with {other_place}"));
        }
    }
}

fn names(ports: &[(String, &Value)], warnings: &mut Vec<String>) {
    for (index, (place, port)) in ports.iter().enumerate() {
        let name = text(port, "name").unwrap_or_default();
        let first = ports[..index].iter().find(|(_, other)| text(other, "name") == Some(name));
        if let (Some((first, _)), false) = (first, name.is_empty()) {
            warnings.push(format!(
                "{place}: duplicate port name {name:?} with {first}, services and probes that select ports by name will use {first}"
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn variables_that_hide_are_told_and_those_that_extend_are_not() {
        let variable = |value: &str| json!({"name": "A", "value": value});
        let list = [variable("1"), variable("$(A):2"), variable("$(A)"), variable("3")];
        let pod = json!({"spec": {"containers": [{"env": list}]}});
        let hidden = |index: u8| {
            format!(
                "spec.containers[0].env[{index}]: hides previous definition of \"A\", which may be dropped when using apply"
            )
        };
        assert_eq!(of(&pod, "spec"), [hidden(2), hidden(3)]);
    }

    #[test]
    fn ports_are_compared_across_containers() {
        let port = |extra: Value| {
            let mut port = json!({"containerPort": 80, "name": "web"});
            port.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
            port
        };
        let pod = json!({"spec": {
            "initContainers": [{"ports": [port(json!({}))]}],
            "containers": [
                {"ports": [port(json!({"hostPort": 8080, "name": "b"}))]},
                {"ports": [port(json!({"hostPort": 8080, "hostIP": "10.0.0.1", "protocol": "TCP"}))]},
                {"ports": [port(json!({"protocol": "UDP", "name": "c"}))]},
            ],
        }});
        let [first, second, third] = [
            "spec.initContainers[0].ports[0]",
            "spec.containers[0].ports[0]",
            "spec.containers[1].ports[0]",
        ];
        let expected = [
            format!("{second}: overlapping port definition with {first}"),
            format!("{third}: overlapping port definition with {first}"),
            format!("{third}: dangerously ambiguous port definition with {second}"),
            format!(
                "{third}: duplicate port name \"web\" with {first}, services and probes that select ports by name will use {first}"
            ),
        ];
        assert_eq!(of(&pod, "spec"), expected);
    }
}
