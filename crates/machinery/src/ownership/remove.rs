//! Removing what a manager applied before and does not apply any more.

use serde_json::{Map, Value};

use super::entries::Entry;
use super::fields::{self, Fields, SELF};
use crate::schema::Schema;

/// Who owned and who owns what.
pub(super) struct Owners<'a> {
    /// The applier, before this apply.
    pub previous: &'a Entry,
    /// What it applies now.
    pub wanted: &'a Fields,
    pub others: &'a [Entry],
}

/// Removes the fields that only the applier owned and that it does not want any more.
pub(super) fn no_longer_applied(object: &mut Value, owners: &Owners<'_>, schema: &Schema) {
    let mut kept: Vec<&Fields> = owners.others.iter().map(|entry| &entry.fields).collect();
    kept.push(owners.wanted);
    if let Some(object) = object.as_object_mut() {
        members(object, &owners.previous.fields, &kept, Some(schema));
    }
}

/// The sets below one element, of those sets that have it.
fn descend<'a>(kept: &[&'a Fields], element: &str) -> Vec<&'a Fields> {
    kept.iter().filter_map(|fields| fields.get(element)?.as_object()).collect()
}

fn members(
    object: &mut Map<String, Value>,
    previous: &Fields,
    kept: &[&Fields],
    schema: Option<&Schema>,
) {
    for (element, node) in previous {
        let Some(name) = element.strip_prefix("f:") else { continue };
        let below = descend(kept, element);
        if below.is_empty() {
            object.remove(name);
        } else if let (Some(node), Some(value)) = (node.as_object(), object.get_mut(name)) {
            value_below(value, node, &below, fields::member(schema, name));
        }
    }
}

fn value_below(value: &mut Value, previous: &Fields, kept: &[&Fields], schema: Option<&Schema>) {
    match value {
        Value::Object(object) => members(object, previous, kept, schema),
        Value::Array(items) => {
            let Some(elements) = fields::elements(schema, items) else { return };
            let item_schema = schema.and_then(|schema| schema.items.as_deref());
            let mut elements = elements.into_iter();
            items.retain_mut(|item| {
                let Some(element) = elements.next() else { return true };
                let Some(node) = previous.get(&element) else { return true };
                let below = descend(kept, &element);
                let owned = below.iter().any(|fields| is_owned(fields));
                if fields::is_member(node) && !owned {
                    return false;
                }
                if let Some(node) = node.as_object() {
                    value_below(item, node, &below, item_schema);
                }
                true
            });
        }
        _ => {}
    }
}

/// Whether a set has the item itself, not only something in it.
fn is_owned(fields: &Fields) -> bool {
    fields.is_empty() || fields.contains_key(SELF)
}
