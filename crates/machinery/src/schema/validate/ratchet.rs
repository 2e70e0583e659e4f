//! Ratcheting: on an update, errors on values that did not change are forgiven.

use std::collections::BTreeSet;
use std::fmt::Write;

use serde_json::Value;

use super::{is_associative, lists};
use crate::error::FieldError;
use crate::schema::{ListType, Schema};

/// Removes the errors on paths whose value is the same in `old`.
pub(super) fn drop_unchanged(
    schema: &Schema,
    value: &Value,
    old: &Value,
    errors: &mut Vec<FieldError>,
) {
    if errors.is_empty() {
        return;
    }
    let wanted = errors.iter().map(|error| error.field.clone()).collect();
    let mut search = Search { wanted, forgiven: BTreeSet::new(), path: String::new() };
    search.visit(schema, value, old);
    errors.retain(|error| !search.forgiven.contains(&error.field));
}

struct Search {
    wanted: BTreeSet<String>,
    forgiven: BTreeSet<String>,
    path: String,
}

impl Search {
    /// `value` and `old` are the same place in the two objects.
    fn visit(&mut self, schema: &Schema, value: &Value, old: &Value) {
        if value == old {
            return self.forgive();
        }
        let length = self.path.len();
        match (value, old) {
            (Value::Object(object), Value::Object(old)) => {
                for (name, value) in object {
                    let Some(member) = schema.member(name) else { continue };
                    if let Some(old) = old.get(name) {
                        let dot = if length == 0 { "" } else { "." };
                        write!(self.path, "{dot}{name}").expect("writing to a string never fails");
                        self.visit(member, value, old);
                        self.path.truncate(length);
                    }
                }
            }
            (Value::Array(items), Value::Array(old)) => {
                let Some(item_schema) = &schema.items else { return };
                for (at, item) in items.iter().enumerate() {
                    if let Some(old) = correlate(schema, item, old) {
                        write!(self.path, "[{at}]").expect("writing to a string never fails");
                        self.visit(item_schema, item, old);
                        self.path.truncate(length);
                    }
                }
            }
            _ => {}
        }
    }

    /// Forgives the errors at and below the current path.
    fn forgive(&mut self) {
        let path = if self.path.is_empty() { "<nil>" } else { self.path.as_str() };
        let below = self.wanted.range(path.to_owned()..).take_while(|one| one.starts_with(path));
        let ends = |one: &str| matches!(one.as_bytes().get(path.len()), None | Some(b'.' | b'['));
        let below: Vec<String> = below.filter(|one| ends(one)).cloned().collect();
        if self.path.is_empty() {
            self.forgiven.append(&mut self.wanted);
        } else {
            self.forgiven.extend(below);
        }
    }
}

/// The item of `old` that is the same item: by its keys in a map, by its value in a set.
pub(in crate::schema) fn correlate<'a>(
    schema: &Schema,
    item: &Value,
    old: &'a [Value],
) -> Option<&'a Value> {
    match schema.list_type {
        ListType::Map if is_associative(schema) => {
            let wanted = lists::identity(schema, item);
            old.iter().find(|one| lists::identity(schema, one) == wanted)
        }
        ListType::Set => old.iter().find(|one| *one == item),
        _ => None,
    }
}
