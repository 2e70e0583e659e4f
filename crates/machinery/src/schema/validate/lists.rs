//! Sets and maps written as lists: their items must be unique.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::{ERRORS_MAX, Path, is_associative};
use crate::error::FieldError;
use crate::schema::{ListType, Schema};

pub(super) fn visit(schema: &Schema, value: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    if !schema.contains.lists {
        return;
    }
    match value {
        Value::Object(object) => {
            for (name, value) in object.iter().filter(|(_, value)| is_nested(value)) {
                let Some(member) = schema.member(name) else { continue };
                visit(member, value, &Path::Key(path, name), errors);
            }
        }
        Value::Array(items) => {
            check(schema, items, path, errors);
            let Some(item_schema) = &schema.items else { return };
            for (at, item) in items.iter().enumerate().filter(|(_, item)| is_nested(item)) {
                visit(item_schema, item, &Path::Index(path, at), errors);
            }
        }
        _ => {}
    }
}

fn is_nested(value: &Value) -> bool {
    value.is_object() || value.is_array()
}

fn check(schema: &Schema, items: &[Value], path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let mut report = |at: usize, value: Value| {
        if errors.len() < ERRORS_MAX {
            errors.push(FieldError::duplicate(Path::Index(path, at).to_string(), value));
        }
    };
    // Upstream has rules of its own for the lists of built-in kinds: variables and ports may repeat.
    if schema.is_typed() {
        return;
    }
    match schema.list_type {
        ListType::Set => duplicates(items.iter(), |at| report(at, items[at].clone())),
        ListType::Map if is_associative(schema) => {
            let keys = items.iter().map(|item| identity(schema, item)).collect::<Vec<_>>();
            duplicates(keys.iter(), |at| report(at, keys[at].clone()));
        }
        _ => {}
    }
}

/// The key fields of an item as an object.
pub(super) fn identity(schema: &Schema, item: &Value) -> Value {
    let mut out = Map::new();
    for key in &schema.list_map_keys {
        let default = || schema.items.as_ref()?.properties.get(key)?.default.as_ref();
        if let Some(value) = item.get(key).or_else(default) {
            out.insert(key.clone(), value.clone());
        }
    }
    Value::Object(out)
}

/// Calls `report` for each item equal to an earlier one. Short lists are compared directly, long ones hashed.
fn duplicates<'a>(
    items: impl ExactSizeIterator<Item = &'a Value> + Clone,
    mut report: impl FnMut(usize),
) {
    if items.len() <= 16 {
        for (at, item) in items.clone().enumerate() {
            if items.clone().take(at).any(|earlier| earlier == item) {
                report(at);
            }
        }
        return;
    }
    let mut seen = HashSet::with_capacity(items.len());
    for (at, item) in items.enumerate() {
        if !seen.insert(item) {
            report(at);
        }
    }
}
