//! Columns of small core kinds.

use serde_json::Value;

use super::{AGE, NAME, age, containers, labels, name, or_blank};
use crate::kind::{Printer, column};
use crate::value::{list, map};

pub(crate) const NAMESPACE: Printer = Printer {
    columns: &[NAME, column("Status", "string"), AGE],
    cells: |object, now| vec![name(object), or_blank(object, "status.phase"), age(object, now)],
};

pub(crate) const CONFIG_MAP: Printer = Printer {
    columns: &[NAME, column("Data", "string"), AGE],
    cells: |object, now| {
        let count = entries(object, "data") + entries(object, "binaryData");
        vec![name(object), count.into(), age(object, now)]
    },
};

pub(crate) const SECRET: Printer = Printer {
    columns: &[NAME, column("Type", "string"), column("Data", "string"), AGE],
    cells: |object, now| {
        vec![
            name(object),
            or_blank(object, "type"),
            entries(object, "data").into(),
            age(object, now),
        ]
    },
};

pub(crate) const SERVICE_ACCOUNT: Printer = Printer {
    columns: &[NAME, column("Secrets", "string"), AGE],
    cells: |object, now| vec![name(object), list(object, "secrets").len().into(), age(object, now)],
};

pub(crate) const LIMIT_RANGE: Printer = super::PLAIN;

pub(crate) const POD_TEMPLATE: Printer = Printer {
    columns: &[
        NAME,
        column("Containers", "string"),
        column("Images", "string"),
        column("Pod Labels", "string"),
    ],
    cells: |object, _| {
        let [names, images] = containers(object, "template.spec");
        vec![name(object), names, images, labels(object, "template.metadata.labels").into()]
    },
};

pub(crate) const RESOURCE_QUOTA: Printer = Printer {
    columns: &[NAME, column("Request", "string"), column("Limit", "string"), AGE],
    cells: |object, now| {
        let side = |limit: bool| quota(object, limit).into();
        vec![name(object), side(false), side(true), age(object, now)]
    },
};

fn entries(object: &Value, path: &str) -> usize {
    map(object, path).map_or(0, serde_json::Map::len)
}

/// `cpu: 1/2, memory: 1Gi/2Gi` of one side.
fn quota(object: &Value, limits: bool) -> String {
    let hard = map(object, "status.hard").into_iter().flatten();
    let shown = hard.filter(|(key, _)| key.starts_with("limits.") == limits).map(|(key, hard)| {
        let used = map(object, "status.used").and_then(|used| used.get(key));
        let used = used.and_then(Value::as_str).unwrap_or("0");
        format!("{key}: {used}/{}", hard.as_str().unwrap_or_default())
    });
    shown.collect::<Vec<_>>().join(", ")
}
