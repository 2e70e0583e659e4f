//! Value validations may only speak of fields that the structure specifies.

use serde_json::Value;

use super::{Object, objects};
use crate::error::FieldError;

pub(super) fn check(schema: &Object, path: &str, errors: &mut Vec<FieldError>) {
    for key in ["allOf", "anyOf", "oneOf"] {
        for (at, nested) in objects(schema, key).enumerate() {
            compare(schema, path, nested, &format!("{path}.{key}[{at}]"), errors);
        }
    }
    if let Some(nested) = schema.get("not").and_then(Value::as_object) {
        compare(schema, path, nested, &format!("{path}.not"), errors);
    }
    let properties = schema.get("properties").and_then(Value::as_object);
    for (name, property) in properties.into_iter().flatten() {
        if let Some(property) = property.as_object() {
            check(property, &format!("{path}.properties[{name}]"), errors);
        }
    }
    for key in ["items", "additionalProperties"] {
        if let Some(nested) = schema.get(key).and_then(Value::as_object) {
            check(nested, &format!("{path}.{key}"), errors);
        }
    }
}

/// `nested` restricts the value that `schema` specifies.
fn compare(
    schema: &Object,
    path: &str,
    nested: &Object,
    nested_path: &str,
    errors: &mut Vec<FieldError>,
) {
    let properties = nested.get("properties").and_then(Value::as_object);
    for (name, property) in properties.into_iter().flatten() {
        let nested_path = format!("{nested_path}.properties[{name}]");
        let specified = schema.get("properties").and_then(|all| all.get(name));
        let specified = specified.or_else(|| schema.get("additionalProperties"));
        match (specified.and_then(Value::as_object), property.as_object()) {
            (Some(specified), Some(property)) => {
                let path = format!("{path}.properties[{name}]");
                compare(specified, &path, property, &nested_path, errors);
            }
            _ => {
                let why = format!("because it is defined in {nested_path}");
                errors.push(FieldError::required(format!("{path}.properties[{name}]"), why));
            }
        }
    }
    if let Some(items) = nested.get("items").and_then(Value::as_object) {
        let nested_path = format!("{nested_path}.items");
        match schema.get("items").and_then(Value::as_object) {
            Some(specified) => {
                compare(specified, &format!("{path}.items"), items, &nested_path, errors);
            }
            None => {
                let why = format!("because it is defined in {nested_path}");
                errors.push(FieldError::required(format!("{path}.items"), why));
            }
        }
    }
    for key in ["allOf", "anyOf", "oneOf"] {
        for (at, deeper) in objects(nested, key).enumerate() {
            compare(schema, path, deeper, &format!("{nested_path}.{key}[{at}]"), errors);
        }
    }
    if let Some(deeper) = nested.get("not").and_then(Value::as_object) {
        compare(schema, path, deeper, &format!("{nested_path}.not"), errors);
    }
}
