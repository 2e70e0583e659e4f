//! Tables: what `kubectl get` shows, for built-in kinds and for custom resources.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::printer::since;
use crate::resource::{Resource, Source};
use crate::value::{at, int, text};

/// The description of the Name column, which kubectl's help shows.
const NAME: &str = "Name must be unique within a namespace. Is required when creating resources, although some resources may allow a client to request the generation of an appropriate name automatically. Name is primarily intended for creation idempotence and configuration definition. Cannot be updated. More info: http://kubernetes.io/docs/user-guide/identifiers#names";
const AGE: &str = "CreationTimestamp is a timestamp representing the server time when this object was created. It is not guaranteed to be set in happens-before order across separate operations. Clients may not set this value. It is represented in RFC3339 form and is in UTC.\n\nPopulated by the system. Read-only. Null for lists. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata";

/// Column definitions.
pub(crate) fn columns(resource: &Resource) -> Vec<Value> {
    match &resource.source {
        Source::BuiltIn(kind) => kind
            .printer
            .columns
            .iter()
            .map(|column| {
                let description = match column.name {
                    "Name" => NAME,
                    "Age" | "Created At" => AGE,
                    _ => "",
                };
                json!({"name": column.name, "type": column.kind, "format": column.format,
                    "description": description, "priority": column.priority})
            })
            .collect(),
        Source::Custom(custom) => {
            let name = json!({"name": "Name", "type": "string", "format": "name",
                "description": NAME, "priority": 0});
            let own = custom.columns.iter().map(custom_column);
            let age = custom.columns.is_empty().then(|| {
                json!({"name": "Age", "type": "date", "format": "", "description": AGE, "priority": 0})
            });
            std::iter::once(name).chain(own).chain(age).collect()
        }
    }
}

fn custom_column(column: &Value) -> Value {
    let word = |key: &str| text(column, key).unwrap_or_default();
    let description = match word("description") {
        "" => {
            format!("Custom resource definition column (in JSONPath format): {}", word("jsonPath"))
        }
        description => description.to_owned(),
    };
    json!({"name": word("name"), "type": word("type"), "format": word("format"),
        "description": description, "priority": int(column, "priority").unwrap_or(0)})
}

/// The cells of an object, one for each column.
pub(crate) fn cells(resource: &Resource, object: &Value, now: Timestamp) -> Vec<Value> {
    match &resource.source {
        Source::BuiltIn(kind) => (kind.printer.cells)(object, now),
        Source::Custom(custom) => {
            let name = text(object, "metadata.name").unwrap_or_default().into();
            let own = custom.columns.iter().map(|column| custom_cell(column, object, now));
            let created = text(object, "metadata.creationTimestamp");
            let age = custom.columns.is_empty().then(|| since(created, now).into());
            std::iter::once(name).chain(own).chain(age).collect()
        }
    }
}

/// The cell of a printer column; what is absent or of another type is shown as nothing.
fn custom_cell(column: &Value, object: &Value, now: Timestamp) -> Value {
    let found = text(column, "jsonPath").and_then(|path| at(object, path)).cloned();
    let Some(found) = found else { return Value::Null };
    match (text(column, "type").unwrap_or_default(), found) {
        ("date", Value::String(time)) => since(Some(&time), now).into(),
        ("string", Value::String(text)) => text.into(),
        ("string", Value::Null) => Value::Null,
        ("string", other) => other.to_string().into(),
        ("integer" | "number", number @ Value::Number(_)) => number,
        ("boolean", flag @ Value::Bool(_)) => flag,
        _ => Value::Null,
    }
}
