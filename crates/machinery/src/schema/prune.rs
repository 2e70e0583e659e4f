//! Removing what a schema does not specify.

use std::fmt::Write;

use serde_json::Value;

use super::{Additional, Schema};

/// The most unknown paths reported; all of them are removed.
const REPORTED_MAX: usize = 1_000;

pub(super) fn prune(schema: &Schema, value: &mut Value) -> Vec<String> {
    let mut pruner = Pruner { path: String::new(), unknown: Vec::new() };
    pruner.visit(schema, value);
    pruner.unknown
}

pub(super) fn drop_nulls(schema: &Schema, value: &mut Value) {
    match value {
        Value::Object(object) => object.retain(|name, member| {
            let known = schema.member(name);
            if member.is_null() {
                return !schema.typed || known.is_some_and(|known| known.nullable);
            }
            if let Some(known) = known {
                drop_nulls(known, member);
            }
            true
        }),
        Value::Array(items) => {
            let Some(item_schema) = &schema.items else { return };
            items.iter_mut().for_each(|item| drop_nulls(item_schema, item));
        }
        _ => {}
    }
}

/// Removes null members that are neither allowed nor replaced by a default.
pub(super) fn drop_useless_nulls(schema: &Schema, value: &mut Value) {
    match value {
        Value::Object(object) => object.retain(|name, member| {
            let Some(known) = schema.member(name) else { return true };
            if member.is_null() {
                return known.nullable || known.default.is_some();
            }
            drop_useless_nulls(known, member);
            true
        }),
        Value::Array(items) => {
            let Some(item_schema) = &schema.items else { return };
            items.iter_mut().for_each(|item| drop_useless_nulls(item_schema, item));
        }
        _ => {}
    }
}

struct Pruner {
    path: String,
    unknown: Vec<String>,
}

impl Pruner {
    fn visit(&mut self, schema: &Schema, value: &mut Value) {
        match value {
            Value::Object(object) => object.retain(|name, member| self.keep(schema, name, member)),
            Value::Array(items) => {
                let Some(item_schema) = &schema.items else { return };
                if !item_schema.can_hold_members() {
                    return;
                }
                let length = self.path.len();
                for (at, item) in items.iter_mut().enumerate() {
                    if item.is_object() || item.is_array() {
                        write!(self.path, "[{at}]").expect("writing to a string never fails");
                        self.visit(item_schema, item);
                        self.path.truncate(length);
                    }
                }
            }
            _ => {}
        }
    }

    fn keep(&mut self, schema: &Schema, name: &str, member: &mut Value) -> bool {
        let known = match (schema.properties.get(name), &schema.additional) {
            (Some(known), _) | (None, Additional::Schema(known)) => known,
            (None, Additional::Allowed) => return true,
            (None, _) if schema.preserve_unknown => return true,
            (None, _) => {
                self.report(name);
                return false;
            }
        };
        match member {
            Value::Null => !schema.typed || known.nullable,
            Value::Object(_) | Value::Array(_) => {
                let length = self.path.len();
                self.push(name);
                self.visit(known, member);
                self.path.truncate(length);
                true
            }
            _ => true,
        }
    }

    fn push(&mut self, name: &str) {
        if !self.path.is_empty() {
            self.path.push('.');
        }
        self.path.push_str(name);
    }

    fn report(&mut self, name: &str) {
        if self.unknown.len() < REPORTED_MAX {
            let length = self.path.len();
            self.push(name);
            self.unknown.push(self.path.clone());
            self.path.truncate(length);
        }
    }
}

impl Schema {
    /// Whether a value of this schema can have members to prune.
    fn can_hold_members(&self) -> bool {
        use super::Type::{Boolean, Integer, Number, String};
        !matches!(self.type_, Some(String | Integer | Number | Boolean))
    }
}
