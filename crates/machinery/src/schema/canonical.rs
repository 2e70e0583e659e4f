//! The one form of quantities: `1024Mi` is stored as `1Gi`, `0.5` as `500m`, as a server that decodes them does.

use serde_json::Value;

use super::{Additional, Schema};
use crate::quantity::Quantity;

pub(super) fn canonicalize(schema: &Schema, value: &mut Value) {
    if schema.is_quantity() {
        if let Ok(quantity) = Quantity::from_value(value) {
            let text = quantity.to_string();
            if value.as_str() != Some(&text) {
                *value = Value::String(text);
            }
        }
        return;
    }
    if !schema.contains.quantities {
        return;
    }
    match value {
        Value::Object(object) => {
            if let Additional::Schema(other) = &schema.additional {
                object.values_mut().for_each(|member| canonicalize(other, member));
            }
            for (name, member) in &schema.properties {
                if (member.contains.quantities || member.is_quantity())
                    && let Some(value) = object.get_mut(name)
                {
                    canonicalize(member, value);
                }
            }
        }
        Value::Array(items) => {
            let Some(item_schema) = &schema.items else { return };
            items.iter_mut().for_each(|item| canonicalize(item_schema, item));
        }
        _ => {}
    }
}
