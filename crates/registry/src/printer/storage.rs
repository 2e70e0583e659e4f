//! Columns of volumes, claims, classes and drivers.

use serde_json::Value;

use super::{AGE, NAME, age, name, or_blank};
use crate::kind::{Printer, column, wide};
use crate::value::{flag, list, map, text};

pub(crate) const VOLUME: Printer = Printer {
    columns: &[
        NAME,
        column("Capacity", "string"),
        column("Access Modes", "string"),
        column("Reclaim Policy", "string"),
        column("Status", "string"),
        column("Claim", "string"),
        column("StorageClass", "string"),
        column("VolumeAttributesClass", "string"),
        column("Reason", "string"),
        AGE,
        wide("VolumeMode", "string"),
    ],
    cells: |object, now| {
        let part = |key: &str| text(object, &format!("spec.claimRef.{key}"));
        let claim = match (part("namespace"), part("name")) {
            (Some(namespace), Some(name)) => format!("{namespace}/{name}"),
            _ => String::new(),
        };
        vec![
            name(object),
            storage(object, "spec.capacity").into(),
            modes(object, "spec.accessModes").into(),
            or_blank(object, "spec.persistentVolumeReclaimPolicy"),
            phase(object).into(),
            claim.into(),
            or_blank(object, "spec.storageClassName"),
            unset(object, "spec.volumeAttributesClassName"),
            or_blank(object, "status.reason"),
            age(object, now),
            unset(object, "spec.volumeMode"),
        ]
    },
};

pub(crate) const CLAIM: Printer = Printer {
    columns: &[
        NAME,
        column("Status", "string"),
        column("Volume", "string"),
        column("Capacity", "string"),
        column("Access Modes", "string"),
        column("StorageClass", "string"),
        column("VolumeAttributesClass", "string"),
        AGE,
        wide("VolumeMode", "string"),
    ],
    cells: |object, now| {
        let bound = text(object, "spec.volumeName").is_some_and(|name| !name.is_empty());
        let (capacity, modes) = if bound {
            (storage(object, "status.capacity"), modes(object, "status.accessModes"))
        } else {
            (String::new(), String::new())
        };
        vec![
            name(object),
            phase(object).into(),
            or_blank(object, "spec.volumeName"),
            capacity.into(),
            modes.into(),
            or_blank(object, "spec.storageClassName"),
            unset(object, "spec.volumeAttributesClassName"),
            age(object, now),
            unset(object, "spec.volumeMode"),
        ]
    },
};

pub(crate) const CLASS: Printer = Printer {
    columns: &[
        NAME,
        column("Provisioner", "string"),
        column("ReclaimPolicy", "string"),
        column("VolumeBindingMode", "string"),
        column("AllowVolumeExpansion", "string"),
        AGE,
    ],
    cells: |object, now| {
        let annotation = "storageclass.kubernetes.io/is-default-class";
        let default = map(object, "metadata.annotations")
            .and_then(|annotations| annotations.get(annotation))
            .is_some_and(|value| value == "true");
        let mark = if default { " (default)" } else { "" };
        vec![
            format!("{}{mark}", text(object, "metadata.name").unwrap_or_default()).into(),
            or_blank(object, "provisioner"),
            or_blank(object, "reclaimPolicy"),
            or_blank(object, "volumeBindingMode"),
            flag(object, "allowVolumeExpansion").into(),
            age(object, now),
        ]
    },
};

pub(crate) const VOLUME_ATTACHMENT: Printer = Printer {
    columns: &[
        NAME,
        column("Attacher", "string"),
        column("PV", "string"),
        column("Node", "string"),
        column("Attached", "boolean"),
        AGE,
    ],
    cells: |object, now| {
        vec![
            name(object),
            or_blank(object, "spec.attacher"),
            or_blank(object, "spec.source.persistentVolumeName"),
            or_blank(object, "spec.nodeName"),
            flag(object, "status.attached").into(),
            age(object, now),
        ]
    },
};

pub(crate) const CSI_DRIVER: Printer = Printer {
    columns: &[
        NAME,
        column("AttachRequired", "boolean"),
        column("PodInfoOnMount", "boolean"),
        column("StorageCapacity", "boolean"),
        AGE,
    ],
    cells: |object, now| {
        let attach = crate::value::at(object, "spec.attachRequired").and_then(Value::as_bool);
        vec![
            name(object),
            attach.unwrap_or(true).into(),
            flag(object, "spec.podInfoOnMount").into(),
            flag(object, "spec.storageCapacity").into(),
            age(object, now),
        ]
    },
};

pub(crate) const CSI_NODE: Printer = Printer {
    columns: &[NAME, column("Drivers", "integer"), AGE],
    cells: |object, now| {
        vec![name(object), list(object, "spec.drivers").len().into(), age(object, now)]
    },
};

pub(crate) const CSI_CAPACITY: Printer = Printer {
    columns: &[NAME, column("StorageClassName", "string"), column("Capacity", "string"), AGE],
    cells: |object, now| {
        vec![
            name(object),
            or_blank(object, "storageClassName"),
            or_blank(object, "capacity"),
            age(object, now),
        ]
    },
};

fn phase(object: &Value) -> String {
    if text(object, "metadata.deletionTimestamp").is_some() {
        return "Terminating".to_owned();
    }
    text(object, "status.phase").unwrap_or_default().to_owned()
}

fn storage(object: &Value, path: &str) -> String {
    match map(object, path).and_then(|capacity| capacity.get("storage")) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    }
}

fn unset(object: &Value, path: &str) -> Value {
    text(object, path).unwrap_or("<unset>").into()
}

/// `RWO,ROX`: access modes in their short forms, in the order kubectl shows them.
fn modes(object: &Value, path: &str) -> String {
    let has = |mode: &str| list(object, path).iter().any(|one| one == mode);
    let short = [
        ("ReadWriteOnce", "RWO"),
        ("ReadOnlyMany", "ROX"),
        ("ReadWriteMany", "RWX"),
        ("ReadWriteOncePod", "RWOP"),
    ];
    let shown: Vec<&str> =
        short.into_iter().filter(|(mode, _)| has(mode)).map(|(_, short)| short).collect();
    shown.join(",")
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::json;

    use super::*;

    #[test]
    fn claims_show_their_volume_once_bound() {
        let mut claim = json!({"metadata": {"name": "c"}, "spec": {"storageClassName": "s"},
            "status": {"phase": "Pending"}});
        let cells = (CLAIM.cells)(&claim, Timestamp::UNIX_EPOCH);
        assert_eq!(cells[1..5], ["Pending", "", "", ""]);
        claim["spec"]["volumeName"] = json!("v");
        claim["status"] = json!({"phase": "Bound", "capacity": {"storage": "1Gi"},
            "accessModes": ["ReadWriteOnce"]});
        let cells = (CLAIM.cells)(&claim, Timestamp::UNIX_EPOCH);
        assert_eq!(cells[1..5], ["Bound", "v", "1Gi", "RWO"]);
    }
}
