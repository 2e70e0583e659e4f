//! Filling in defaults.

use serde_json::Value;

use super::{Additional, Schema};

pub(super) fn apply(schema: &Schema, value: &mut Value) {
    match value {
        Value::Object(object) => {
            for (name, member) in &schema.properties {
                if let Some(default) = &member.default {
                    let slot = object.get(name);
                    if slot.is_none_or(|slot| slot.is_null() && !member.nullable) {
                        object.insert(name.clone(), default.clone());
                    }
                }
                if member.contains.defaults
                    && let Some(slot) = object.get_mut(name)
                {
                    apply(member, slot);
                }
            }
            let Additional::Schema(other) = &schema.additional else { return };
            for (name, slot) in object.iter_mut() {
                if !schema.properties.contains_key(name) {
                    fill(other, slot);
                }
            }
        }
        Value::Array(items) => {
            let Some(item_schema) = &schema.items else { return };
            items.iter_mut().for_each(|item| fill(item_schema, item));
        }
        _ => {}
    }
}

/// Replaces a null that is not allowed by the default, then goes on below.
fn fill(schema: &Schema, slot: &mut Value) {
    if slot.is_null()
        && !schema.nullable
        && let Some(default) = &schema.default
    {
        *slot = default.clone();
    }
    if schema.contains.defaults {
        apply(schema, slot);
    }
}
