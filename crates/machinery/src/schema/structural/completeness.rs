//! Value validations may only speak of fields that the structure specifies.

use serde_json::Value;

use super::{Object, objects};
use crate::error::FieldError;

pub(super) fn check(schema: &Object, path: &str, errors: &mut Vec<FieldError>) {
    for key in ["allOf", "anyOf", "oneOf"] {
        for (at, nested) in objects(schema, key).enumerate() {
            let nested_path = format!("{path}.{key}[{at}]");
            compare(Place { schema, path }, Place { schema: nested, path: &nested_path }, errors);
        }
    }
    if let Some(nested) = schema.get("not").and_then(Value::as_object) {
        let nested_path = format!("{path}.not");
        compare(Place { schema, path }, Place { schema: nested, path: &nested_path }, errors);
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

/// A schema and where it stands.
#[derive(Clone, Copy)]
struct Place<'a> {
    schema: &'a Object,
    path: &'a str,
}

/// `nested` restricts the value that `whole` specifies.
fn compare(whole: Place<'_>, nested: Place<'_>, errors: &mut Vec<FieldError>) {
    let properties = nested.schema.get("properties").and_then(Value::as_object);
    for (name, property) in properties.into_iter().flatten() {
        let specified = whole.schema.get("properties").and_then(|all| all.get(name));
        let specified = specified.or_else(|| whole.schema.get("additionalProperties"));
        let (path, nested_path) = below(whole, nested, &format!("properties[{name}]"));
        part((specified, &path), (property, &nested_path), errors);
    }
    if let Some(items) = nested.schema.get("items") {
        let (path, nested_path) = below(whole, nested, "items");
        part((whole.schema.get("items"), &path), (items, &nested_path), errors);
    }
    for key in ["allOf", "anyOf", "oneOf"] {
        for (at, schema) in objects(nested.schema, key).enumerate() {
            let path = format!("{}.{key}[{at}]", nested.path);
            compare(whole, Place { schema, path: &path }, errors);
        }
    }
    if let Some(schema) = nested.schema.get("not").and_then(Value::as_object) {
        let path = format!("{}.not", nested.path);
        compare(whole, Place { schema, path: &path }, errors);
    }
}

fn below(whole: Place<'_>, nested: Place<'_>, part: &str) -> (String, String) {
    (format!("{}.{part}", whole.path), format!("{}.{part}", nested.path))
}

fn part(whole: (Option<&Value>, &str), nested: (&Value, &str), errors: &mut Vec<FieldError>) {
    let (specified, path) = whole;
    let (restricted, nested_path) = nested;
    match (specified.and_then(Value::as_object), restricted.as_object()) {
        (Some(schema), Some(nested)) => {
            compare(Place { schema, path }, Place { schema: nested, path: nested_path }, errors);
        }
        (None, Some(_)) => {
            let why = format!("because it is defined in {nested_path}");
            errors.push(FieldError::required(path, why));
        }
        (_, None) => {}
    }
}
