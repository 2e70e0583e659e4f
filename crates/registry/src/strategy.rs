//! Strategy functions of built-in kinds: defaults, preparation and validation, one file per family.
//!
//! Validation runs after the schema accepted the object, so types are right there; every rule is about values.

pub(crate) mod config;
pub(crate) mod event;
pub(crate) mod job;
pub(crate) mod namespace;
pub(crate) mod node;
pub(crate) mod pod;
pub(crate) mod pod_resize;
pub(crate) mod policy;
pub(crate) mod rbac;
pub(crate) mod service;
pub(crate) mod storage;
pub(crate) mod webhook;
pub(crate) mod workload;

mod pod_contexts;
mod pod_defaults;
mod pod_rules;
pub(crate) mod pod_warnings;

use machinery::error::FieldError;
use serde_json::Value;

use crate::value::{at, text};

type Errors = Vec<FieldError>;

/// Requires a text at a path.
fn require(object: &Value, path: &str, errors: &mut Errors) {
    if text(object, path).unwrap_or_default().is_empty() {
        errors.push(FieldError::required(path, ""));
    }
}

/// Requires that a field did not change.
fn immutable(object: &Value, old: &Value, path: &str, errors: &mut Errors) {
    if at(object, path) != at(old, path) {
        let value = at(object, path).cloned().unwrap_or_default();
        errors.push(FieldError::invalid(path, value, "field is immutable"));
    }
}

/// Requires an integer, if it is there, not to be negative.
fn not_negative(object: &Value, base: &str, key: &str, errors: &mut Errors) {
    if let Some(number) = object.get(key).and_then(Value::as_i64)
        && number < 0
    {
        let why = "must be greater than or equal to 0";
        errors.push(FieldError::invalid(format!("{base}.{key}"), number, why));
    }
}

/// Requires a text, if it is there, to be one of a set.
fn one_of(object: &Value, base: &str, key: &str, supported: &[&str], errors: &mut Errors) {
    if let Some(value) = object.get(key).and_then(Value::as_str)
        && !supported.contains(&value)
    {
        let field = if base.is_empty() { key.to_owned() } else { format!("{base}.{key}") };
        errors.push(FieldError::not_supported(field, value, supported));
    }
}

#[cfg(test)]
fn texts(errors: &Errors) -> Vec<String> {
    errors.iter().map(ToString::to_string).collect()
}
