//! `Table` objects: the printed form of objects that `kubectl get` asks for.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::duration;
use crate::jsonpath::JsonPath;

/// One column of a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Column {
    pub name: String,
    /// `string`, `integer`, `number`, `boolean` or `date`.
    pub kind: String,
    pub format: String,
    pub description: String,
    /// Columns above 0 are only shown when wide.
    pub priority: i32,
}

impl Column {
    pub fn new(name: &str, kind: &str, description: &str) -> Self {
        let (name, kind, description) = (name.into(), kind.into(), description.into());
        Self { name, kind, description, ..Self::default() }
    }

    /// The object's name, the first column of every table.
    pub fn name() -> Self {
        let column = Self::new(
            "Name",
            "string",
            "The name, unique among objects of its kind in a namespace.",
        );
        Self { format: "name".into(), ..column }
    }

    /// The object's age.
    pub fn age() -> Self {
        Self::new("Age", "date", "How long ago the object was created.")
    }

    /// A column that only wide output shows.
    #[must_use]
    pub fn wide(self) -> Self {
        Self { priority: 1, ..self }
    }

    fn to_value(&self) -> Value {
        json!({
            "name": self.name, "type": self.kind, "format": self.format,
            "description": self.description, "priority": self.priority,
        })
    }
}

/// How much of the object a row carries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum IncludeObject {
    None,
    #[default]
    Metadata,
    Object,
}

impl IncludeObject {
    /// Reads the query parameter `includeObject`; nothing means the metadata.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "" | "Metadata" => Some(Self::Metadata),
            "None" => Some(Self::None),
            "Object" => Some(Self::Object),
            _ => None,
        }
    }
}

/// A table of `version` (`v1`, or the older `v1beta1`). In a watch only the first table has columns.
pub fn table(
    version: &str,
    columns: Option<&[Column]>,
    rows: Vec<Value>,
    metadata: Value,
) -> Value {
    let columns = match columns {
        Some(columns) => columns.iter().map(Column::to_value).collect(),
        None => Value::Null,
    };
    json!({
        "kind": "Table", "apiVersion": format!("meta.k8s.io/{version}"), "metadata": metadata,
        "columnDefinitions": columns, "rows": rows,
    })
}

/// One row.
pub fn row(cells: Vec<Value>, object: &Value, include: IncludeObject) -> Value {
    let object = match include {
        IncludeObject::None => Value::Null,
        IncludeObject::Metadata => partial_metadata(object),
        IncludeObject::Object => object.clone(),
    };
    let mut out = Map::new();
    out.insert("cells".into(), Value::Array(cells));
    out.insert("object".into(), object);
    Value::Object(out)
}

/// The object's metadata as a `PartialObjectMetadata`.
pub fn partial_metadata(object: &Value) -> Value {
    let metadata = object.get("metadata").cloned().unwrap_or_else(|| json!({}));
    json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": metadata})
}

/// The cell of a column described by a path; null when there is nothing or something else than the column's type.
pub fn path_cell(kind: &str, path: &JsonPath, object: &Value, now: Timestamp) -> Value {
    let Some(found) = path.first(object) else { return Value::Null };
    match (kind, found) {
        (_, Value::Null) => Value::Null,
        ("string", Value::String(_)) => found.clone(),
        ("string", other) => other.to_string().into(),
        ("integer", Value::Number(number)) => integer(number),
        ("number", Value::Number(_)) | ("boolean", Value::Bool(_)) => found.clone(),
        ("date", Value::String(text)) => age(text, now).into(),
        _ => Value::Null,
    }
}

fn integer(number: &serde_json::Number) -> Value {
    if number.is_i64() || number.is_u64() {
        return Value::Number(number.clone());
    }
    let whole = number.as_f64().filter(|number| number.abs() < 9.0e15).map(f64::trunc);
    #[expect(clippy::cast_possible_truncation, reason = "whole and within the exact range of f64")]
    whole.map_or(Value::Null, |whole| Value::from(whole as i64))
}

/// How long ago a time was, as `kubectl get` shows it.
pub fn age(timestamp: &str, now: Timestamp) -> String {
    match timestamp.parse::<Timestamp>() {
        Ok(then) => duration::human(now.as_second() - then.as_second()),
        Err(_) if timestamp.is_empty() => "<unknown>".to_owned(),
        Err(_) => "<invalid>".to_owned(),
    }
}

/// The age of an object, by its creation time.
pub fn object_age(object: &Value, now: Timestamp) -> String {
    let metadata = object.get("metadata");
    let created = metadata.and_then(|metadata| metadata.get("creationTimestamp"));
    age(created.and_then(Value::as_str).unwrap_or(""), now)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-11-23T04:35:59Z".parse().unwrap()
    }

    #[test]
    fn recorded_table_without_objects() {
        let size = Column::new("Size", "integer", "x");
        let object = json!({"metadata": {"name": "a"}, "spec": {"size": 7}});
        let path = JsonPath::parse(".spec.size").unwrap();
        let cells = vec!["a".into(), path_cell("integer", &path, &object, now())];
        let rows = vec![row(cells, &object, IncludeObject::None)];
        let table =
            table("v1", Some(&[Column::name(), size]), rows, json!({"resourceVersion": "10"}));
        assert_eq!(table["apiVersion"], "meta.k8s.io/v1");
        assert_eq!(table["rows"], json!([{"cells": ["a", 7], "object": null}]));
        assert_eq!(table["columnDefinitions"][0]["format"], "name");
        assert_eq!(
            table["columnDefinitions"][1],
            json!({"name": "Size", "type": "integer", "format": "", "description": "x", "priority": 0})
        );
    }

    #[test]
    fn later_tables_of_a_watch_have_no_columns() {
        let object = json!({"metadata": {"name": "a"}, "spec": {}});
        let table =
            table("v1", None, vec![row(vec![], &object, IncludeObject::Metadata)], json!({}));
        assert_eq!(table["columnDefinitions"], Value::Null);
        assert_eq!(table["rows"][0]["object"]["kind"], "PartialObjectMetadata");
        assert_eq!(table["rows"][0]["object"]["metadata"]["name"], "a");
    }

    #[test]
    fn cells_have_the_type_of_their_column() {
        let object = json!({"n": 5, "f": 1.5, "s": "x", "b": true, "o": {"a": 1}, "t": "2026-11-23T04:30:59Z", "z": null});
        let cell = |kind: &str, path: &str| {
            path_cell(kind, &JsonPath::parse(path).unwrap(), &object, now())
        };
        for (kind, path, expected) in [
            ("integer", ".n", json!(5)),
            ("integer", ".f", json!(1)),
            ("number", ".f", json!(1.5)),
            ("string", ".n", json!("5")),
            ("string", ".o", json!("{\"a\":1}")),
            ("boolean", ".b", json!(true)),
            ("boolean", ".s", json!(null)),
            ("date", ".t", json!("5m")),
            ("date", ".s", json!("<invalid>")),
            ("string", ".none", json!(null)),
            ("string", ".z", json!(null)),
        ] {
            assert_eq!(cell(kind, path), expected, "{kind} {path}");
        }
        assert_eq!(object_age(&json!({}), now()), "<unknown>");
    }
}
