//! The downward API: what a pod may read of itself, by field path or resource. Pure.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, ObjectFieldSelector, Pod, ResourceFieldSelector};
use machinery::quantity::Quantity;

use crate::machine::Amounts;

/// What is not in the pod object.
#[derive(Debug, Clone, Default)]
pub(crate) struct Place {
    pub(crate) pod_address: String,
    pub(crate) host_address: String,
    /// What pods may have of the node.
    pub(crate) allocatable: Amounts,
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

/// The value of a resource reference, in units of its divisor, rounded up. Where a container has no limit, what it may
/// use is what pods may have of the node; where it requests nothing, nothing.
pub(crate) fn resource(
    pod: &Pod,
    container: Option<&Container>,
    place: &Place,
    selector: &ResourceFieldSelector,
) -> Result<String, String> {
    let named = selector.container_name.as_deref().filter(|name| !name.is_empty());
    let container = match named {
        Some(name) => {
            let spec = pod.spec.as_ref().ok_or("no such container")?;
            let mut all = spec.containers.iter().chain(spec.init_containers.iter().flatten());
            all.find(|it| it.name == name).ok_or(format!("container {name} not found"))?
        }
        None => container.ok_or("no such container")?,
    };
    let path = selector.resource.as_str();
    let unsupported = || format!("unsupported container resource: {path}");
    let (kind, name) = path.split_once('.').ok_or_else(unsupported)?;
    let known = matches!(name, "cpu" | "memory" | "ephemeral-storage");
    if !known && !name.starts_with("hugepages-") {
        return Err(unsupported());
    }
    let resources = container.resources.as_ref();
    let (amounts, default) = match kind {
        "limits" => (resources.and_then(|it| it.limits.as_ref()), allocatable(place, name)),
        "requests" => (resources.and_then(|it| it.requests.as_ref()), Quantity::zero()),
        _ => return Err(unsupported()),
    };
    let own = amounts.and_then(|it| it.get(name)).map(|text| parse(&text.0)).transpose()?;
    let own = own.unwrap_or_else(Quantity::zero);
    // A limit of zero is none.
    let amount = if own == Quantity::zero() { default } else { own };
    let divisor = match selector.divisor.as_ref().map(|it| it.0.as_str()) {
        None | Some("" | "0") => Quantity::from_units(1),
        Some(text) => parse(text)?,
    };
    let (amount, divisor) = (amount.nanos(), divisor.nanos().max(1));
    let rest = i128::from(amount % divisor > 0);
    Ok((amount / divisor + rest).to_string())
}

fn allocatable(place: &Place, name: &str) -> Quantity {
    let units = |count: u64| Quantity::from_units(i64::try_from(count).unwrap_or(i64::MAX));
    match name {
        "cpu" => units(place.allocatable.cpus),
        "memory" => units(place.allocatable.memory_kib.saturating_mul(1024)),
        "ephemeral-storage" => units(place.allocatable.disk_kib.saturating_mul(1024)),
        // Huge pages are never overcommitted: without a limit there are none.
        _ => Quantity::zero(),
    }
}

fn parse(text: &str) -> Result<Quantity, String> {
    Quantity::parse(text).map_err(|error| error.to_string())
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
        let place = Place {
            pod_address: "10.1.1.1".into(),
            host_address: "10.2.2.2".into(),
            ..Place::default()
        };
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
    }

    #[test]
    fn resources_default_to_the_node() {
        let pod: Pod = serde_json::from_value(json!({"metadata": {"name": "p"}, "spec": {
            "initContainers": [{"name": "i", "resources": {"limits": {"hugepages-2Mi": "4Mi"}}}],
            "containers": [
                {"name": "c", "resources": {"limits": {"memory": "1500Ki", "cpu": "1500m"}}},
                {"name": "huge", "resources": {"limits": {"memory": "170141183460469231731687303715"}}},
                {"name": "free", "resources": {"limits": {"cpu": "0"}, "requests": {"cpu": "1m"}}}],
        }}))
        .unwrap();
        let allocatable = Amounts { cpus: 4, memory_kib: 2048, disk_kib: 3 };
        let place = Place { allocatable, ..Place::default() };
        let amount = |container: &str, name: &str, divisor: &str| {
            let value = json!({"containerName": container, "resource": name, "divisor": divisor});
            resource(&pod, None, &place, &serde_json::from_value(value).unwrap())
        };
        for (container, name, divisor, expected) in [
            ("c", "limits.memory", "1Mi", "2"),
            ("c", "limits.cpu", "0", "2"),
            ("c", "limits.cpu", "1m", "1500"),
            ("c", "requests.cpu", "1", "0"),
            ("c", "limits.ephemeral-storage", "1Ki", "3"),
            ("free", "limits.cpu", "1", "4"),
            ("free", "limits.memory", "0", "2097152"),
            ("free", "requests.memory", "1", "0"),
            ("free", "requests.cpu", "1", "1"),
            ("free", "limits.hugepages-2Mi", "1", "0"),
            ("i", "limits.hugepages-2Mi", "1Mi", "4"),
            ("huge", "limits.memory", "1", "170141183460469231731687303715"),
            ("huge", "limits.memory", "2", "85070591730234615865843651858"),
        ] {
            assert_eq!(
                amount(container, name, divisor),
                Ok(expected.to_owned()),
                "{container} {name}"
            );
        }
        for (container, name) in [("c", "limits"), ("c", "limits.pods"), ("none", "limits.cpu")] {
            assert!(amount(container, name, "1").is_err(), "{container} {name}");
        }
        // The container itself where none is named.
        let selector = serde_json::from_value(json!({"resource": "limits.cpu"})).unwrap();
        let own = &pod.spec.as_ref().unwrap().containers[0];
        assert_eq!(resource(&pod, Some(own), &place, &selector), Ok("2".to_owned()));
        assert!(resource(&pod, None, &place, &selector).is_err());
    }
}
