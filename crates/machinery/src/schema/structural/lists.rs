//! Rules for `x-kubernetes-list-type`, `x-kubernetes-list-map-keys` and `x-kubernetes-map-type`.

use serde_json::Value;

use super::{Object, kind_of};
use crate::error::FieldError;

const LIST: &str = "x-kubernetes-list-type";
const KEYS: &str = "x-kubernetes-list-map-keys";
const MAP: &str = "x-kubernetes-map-type";

pub(super) fn check(schema: &Object, path: &str, errors: &mut Vec<FieldError>) {
    check_map(schema, path, errors);
    let list = schema.get(LIST).and_then(Value::as_str);
    let keys: Vec<&str> = schema
        .get(KEYS)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let Some(list) = list else {
        if !keys.is_empty() {
            let why = "must be map if x-kubernetes-list-map-keys is non-empty";
            errors.push(FieldError::required(format!("{path}.{LIST}"), why));
        }
        return;
    };
    if !["atomic", "set", "map"].contains(&list) {
        let path = format!("{path}.{LIST}");
        return errors.push(FieldError::not_supported(path, list, &["atomic", "map", "set"]));
    }
    if kind_of(schema) != "array" {
        let (path, kind) = (format!("{path}.type"), kind_of(schema));
        let why = "must be array if x-kubernetes-list-type is specified";
        errors.push(match kind {
            "" => FieldError::required(path, why),
            _ => FieldError::invalid(path, kind, why),
        });
    }
    match list {
        "map" => check_keys(schema, &keys, path, errors),
        _ if !keys.is_empty() => {
            let why = "must be map if x-kubernetes-list-map-keys is non-empty";
            errors.push(FieldError::invalid(format!("{path}.{LIST}"), list, why));
        }
        "set" => check_set(schema, path, errors),
        _ => {}
    }
}

fn check_map(schema: &Object, path: &str, errors: &mut Vec<FieldError>) {
    let Some(map) = schema.get(MAP).and_then(Value::as_str) else { return };
    if !["atomic", "granular"].contains(&map) {
        let path = format!("{path}.{MAP}");
        errors.push(FieldError::not_supported(path, map, &["atomic", "granular"]));
    } else if kind_of(schema) != "object" {
        let why = "must be object if x-kubernetes-map-type is specified";
        errors.push(match kind_of(schema) {
            "" => FieldError::required(format!("{path}.type"), why),
            kind => FieldError::invalid(format!("{path}.type"), kind, why),
        });
    }
}

fn check_set(schema: &Object, path: &str, errors: &mut Vec<FieldError>) {
    let Some(items) = schema.get("items").and_then(Value::as_object) else { return };
    let atomic = |key: &str| items.get(key).and_then(Value::as_str).unwrap_or("");
    let path = format!("{path}.items");
    match kind_of(items) {
        "array" if !matches!(atomic(LIST), "" | "atomic") => {
            let why = "must be atomic as item of a list with x-kubernetes-list-type=set";
            errors.push(FieldError::invalid(format!("{path}.{LIST}"), atomic(LIST), why));
        }
        "object" if atomic(MAP) != "atomic" => {
            let why = "must be atomic as item of a list with x-kubernetes-list-type=set";
            errors.push(FieldError::invalid(format!("{path}.{MAP}"), atomic(MAP), why));
        }
        _ => {}
    }
    if items.get("nullable") == Some(&Value::Bool(true)) {
        let why = "cannot be nullable when x-kubernetes-list-type is set";
        errors.push(FieldError::forbidden(format!("{path}.nullable"), why));
    }
}

fn check_keys(schema: &Object, keys: &[&str], path: &str, errors: &mut Vec<FieldError>) {
    if keys.is_empty() {
        let why = "must not be empty if x-kubernetes-list-type is map";
        errors.push(FieldError::required(format!("{path}.{KEYS}"), why));
    }
    let Some(items) = schema.get("items").and_then(Value::as_object) else { return };
    if kind_of(items) != "object" {
        let why = "must be object if parent array's x-kubernetes-list-type is map";
        errors.push(FieldError::invalid(format!("{path}.items.type"), kind_of(items), why));
    }
    if items.get("nullable") == Some(&Value::Bool(true)) {
        let why = "cannot be nullable when x-kubernetes-list-type is map";
        errors.push(FieldError::forbidden(format!("{path}.items.nullable"), why));
    }
    let required: Vec<&Value> =
        items.get("required").and_then(Value::as_array).into_iter().flatten().collect();
    for (at, key) in keys.iter().enumerate() {
        let property = items.get("properties").and_then(|all| all.get(*key));
        let Some(property) = property.and_then(Value::as_object) else {
            let why = "entries must all be names of item properties";
            errors.push(FieldError::invalid(format!("{path}.{KEYS}[{at}]"), *key, why));
            continue;
        };
        if matches!(kind_of(property), "array" | "object") {
            let path = format!("{path}.items.properties[{key}].type");
            let why = "must be a scalar type if parent array's x-kubernetes-list-type is map";
            errors.push(FieldError::invalid(path, kind_of(property), why));
        }
        let has_default = property.get("default").is_some_and(|default| !default.is_null());
        if !has_default && !required.iter().any(|name| *name == key) {
            let path = format!("{path}.items.properties[{key}].default");
            let why = "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property";
            errors.push(FieldError::required(path, why));
        }
        if keys[..at].contains(key) {
            errors.push(FieldError::duplicate(format!("{path}.{KEYS}[{at}]"), *key));
        }
    }
}
