//! Columns of nodes.

use serde_json::Value;

use super::{AGE, NAME, age, condition, joined, name, or_blank};
use crate::kind::{Printer, column, wide};
use crate::value::{flag, list, map, text};

pub(crate) const PRINTER: Printer = Printer {
    columns: &[
        NAME,
        column("Status", "string"),
        column("Roles", "string"),
        AGE,
        column("Version", "string"),
        wide("Internal-IP", "string"),
        wide("External-IP", "string"),
        wide("OS-Image", "string"),
        wide("Kernel-Version", "string"),
        wide("Container-Runtime", "string"),
    ],
    cells: |object, now| {
        let unknown = |path: &str| text(object, path).unwrap_or("<unknown>").into();
        vec![
            name(object),
            status(object).into(),
            roles(object).into(),
            age(object, now),
            or_blank(object, "status.nodeInfo.kubeletVersion"),
            address(object, "InternalIP").into(),
            address(object, "ExternalIP").into(),
            unknown("status.nodeInfo.osImage"),
            unknown("status.nodeInfo.kernelVersion"),
            unknown("status.nodeInfo.containerRuntimeVersion"),
        ]
    },
};

fn status(node: &Value) -> String {
    let ready = condition(node, "Ready").map(|ready| text(ready, "status") == Some("True"));
    let mut shown = match ready {
        Some(true) => "Ready".to_owned(),
        Some(false) => "NotReady".to_owned(),
        None => "Unknown".to_owned(),
    };
    if flag(node, "spec.unschedulable") {
        shown.push_str(",SchedulingDisabled");
    }
    shown
}

fn roles(node: &Value) -> String {
    let labels = map(node, "metadata.labels").into_iter().flatten();
    joined(labels.filter_map(|(key, value)| match key.strip_prefix("node-role.kubernetes.io/") {
        Some(role) if !role.is_empty() => Some(role.to_owned()),
        _ => (key == "kubernetes.io/role").then(|| value.as_str().unwrap_or_default().to_owned()),
    }))
}

fn address(node: &Value, kind: &str) -> String {
    let addresses = list(node, "status.addresses").iter();
    let found = addresses
        .filter(|address| text(address, "type") == Some(kind))
        .find_map(|address| text(address, "address"));
    found.unwrap_or("<none>").to_owned()
}
