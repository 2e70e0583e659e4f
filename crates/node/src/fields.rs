//! The downward API: what a pod may read of itself, by field path or resource. Pure.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, ObjectFieldSelector, Pod, ResourceFieldSelector};
use machinery::quantity::Quantity;

/// What is not in the pod object.
#[derive(Debug, Clone, Default)]
pub(crate) struct Place {
    pub(crate) pod_address: String,
    pub(crate) host_address: String,
}

/// The value of a field reference.
pub(crate) fn field(
    pod: &Pod,
    place: &Place,
    selector: &ObjectFieldSelector,
) -> Result<String, String> {
    let meta = &pod.metadata;
    let spec = pod.spec.as_ref();
    let path = selector.field_path.as_str();
    if let Some((map, key)) = subscript(path) {
        let values = match map {
            "metadata.labels" => meta.labels.as_ref(),
            "metadata.annotations" => meta.annotations.as_ref(),
            _ => return Err(unknown(path)),
        };
        return Ok(values.and_then(|it| it.get(key)).cloned().unwrap_or_default());
    }
    let value = match path {
        "metadata.name" => meta.name.clone(),
        "metadata.namespace" => meta.namespace.clone(),
        "metadata.uid" => meta.uid.clone(),
        "metadata.labels" => Some(lines(meta.labels.as_ref())),
        "metadata.annotations" => Some(lines(meta.annotations.as_ref())),
        "spec.nodeName" => spec.and_then(|it| it.node_name.clone()),
        "spec.serviceAccountName" => spec.and_then(|it| it.service_account_name.clone()),
        "status.hostIP" | "status.hostIPs" => Some(place.host_address.clone()),
        "status.podIP" | "status.podIPs" => Some(place.pod_address.clone()),
        _ => return Err(unknown(path)),
    };
    Ok(value.unwrap_or_default())
}

fn unknown(path: &str) -> String {
    format!("unsupported fieldPath {path:?}")
}

/// `a.b['key']` as `a.b` and `key`.
fn subscript(path: &str) -> Option<(&str, &str)> {
    let (map, rest) = path.split_once('[')?;
    let key = rest.strip_suffix(']')?;
    Some((map, key.trim_matches(|quote| quote == '\'' || quote == '"')))
}

/// `key="value"` lines, as the files of a downward API volume have them.
fn lines(map: Option<&BTreeMap<String, String>>) -> String {
    let all: Vec<_> =
        map.into_iter().flatten().map(|(key, value)| format!("{key}={value:?}")).collect();
    all.join("\n")
}

/// The value of a resource reference, in units of its divisor, rounded up.
pub(crate) fn resource(
    pod: &Pod,
    container: Option<&Container>,
    selector: &ResourceFieldSelector,
) -> Result<String, String> {
    let named = selector.container_name.as_ref().and_then(|name| {
        pod.spec.as_ref()?.containers.iter().find(|container| container.name == *name)
    });
    let container = named.or(container).ok_or("no such container")?;
    let path = selector.resource.as_str();
    let (kind, name) = path.split_once('.').ok_or(format!("unsupported resource {path:?}"))?;
    let resources = container.resources.clone().unwrap_or_default();
    let amounts = match kind {
        "limits" => resources.limits,
        "requests" => resources.requests,
        _ => return Err(format!("unsupported resource {path:?}")),
    };
    let amount = amounts.as_ref().and_then(|it| it.get(name)).map(|it| it.0.as_str());
    let amount = amount.map_or_else(|| Ok(machine(name)), parse)?;
    let divisor = match selector.divisor.as_ref().map(|it| it.0.as_str()) {
        None | Some("" | "0") => Quantity::from_units(1),
        Some(text) => parse(text)?,
    };
    let (amount, divisor) = (amount.nanos(), divisor.nanos().max(1));
    Ok(((amount + divisor - 1) / divisor).to_string())
}

fn parse(text: &str) -> Result<Quantity, String> {
    Quantity::parse(text).map_err(|error| error.to_string())
}

/// Without a limit a container may use the machine.
fn machine(name: &str) -> Quantity {
    match name {
        "cpu" => {
            let count = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
            Quantity::from_units(i64::try_from(count).unwrap_or(1))
        }
        _ => Quantity::zero(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_and_resources() {
        let pod: Pod = serde_json::from_value(json!({
            "metadata": {"name": "p", "labels": {"a": "1", "b": "x\"y"}},
            "spec": {"nodeName": "n", "containers": [
                {"name": "c", "resources": {"limits": {"memory": "1500Ki", "cpu": "1500m"}}}]},
        }))
        .unwrap();
        let place = Place { pod_address: "10.1.1.1".into(), host_address: "10.2.2.2".into() };
        let get = |path: &str| {
            let selector = ObjectFieldSelector { field_path: path.into(), ..Default::default() };
            field(&pod, &place, &selector)
        };
        assert_eq!(get("metadata.name").unwrap(), "p");
        assert_eq!(get("metadata.labels['a']").unwrap(), "1");
        assert_eq!(get("metadata.labels['z']").unwrap(), "");
        assert_eq!(get("metadata.labels").unwrap(), "a=\"1\"\nb=\"x\\\"y\"");
        assert_eq!(get("status.podIP").unwrap(), "10.1.1.1");
        assert!(get("spec.containers").is_err());
        let amount = |resource_: &str, divisor: &str| {
            let value = json!({"containerName": "c", "resource": resource_, "divisor": divisor});
            resource(&pod, None, &serde_json::from_value(value).unwrap())
        };
        assert_eq!(amount("limits.memory", "1Mi").unwrap(), "2");
        assert_eq!(amount("limits.cpu", "0").unwrap(), "2");
        assert_eq!(amount("limits.cpu", "1m").unwrap(), "1500");
        assert!(amount("limits", "1").is_err());
    }
}
