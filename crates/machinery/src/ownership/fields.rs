//! Sets of fields in the wire form of `FieldsV1`.
//!
//! A set is a tree: `f:name` a member of an object, `k:{..}` an item of a map list, `v:..` an item of a set list. A
//! node belongs to the set when it has a `.` below it or nothing at all; otherwise only something below it does. The
//! empty root is the empty set. Working on the wire form means that reading and writing a manager's fields costs
//! nothing.

use serde_json::{Map, Value};

use super::Scope;
use crate::schema::{Additional, ListType, MapType, Schema};

pub(super) type Fields = Map<String, Value>;

pub(super) const SELF: &str = ".";

/// Members of `metadata` that the server sets and nobody owns.
const UNTRACKED_METADATA: [&str; 9] = [
    "clusterName",
    "creationTimestamp",
    "generation",
    "managedFields",
    "name",
    "namespace",
    "resourceVersion",
    "selfLink",
    "uid",
];

/// Whether anyone can own this member at the top of an object.
pub(super) fn is_tracked(member: &str, scope: Scope) -> bool {
    !matches!(member, "apiVersion" | "kind") && scope.covers(member)
}

pub(super) fn is_tracked_metadata(member: &str) -> bool {
    !UNTRACKED_METADATA.contains(&member)
}

pub(super) fn leaf() -> Value {
    Value::Object(Map::new())
}

pub(super) fn below(node: &Value) -> Option<&Fields> {
    node.as_object()
}

/// Whether the node itself belongs to the set.
pub(super) fn is_member(node: &Value) -> bool {
    node.as_object().is_none_or(|below| below.is_empty() || below.contains_key(SELF))
}

/// Adds all of `other` to `fields`.
pub(super) fn union(fields: &mut Fields, other: &Fields) {
    for (element, node) in other {
        match fields.get_mut(element) {
            None => {
                fields.insert(element.clone(), node.clone());
            }
            Some(Value::Object(own)) => {
                let Some(node) = node.as_object() else { continue };
                match (own.is_empty(), node.is_empty()) {
                    (true, true) => {}
                    (true, false) => {
                        own.insert(SELF.into(), leaf());
                        union(own, node);
                    }
                    (false, true) => {
                        own.insert(SELF.into(), leaf());
                    }
                    (false, false) => union(own, node),
                }
            }
            Some(_) => {}
        }
    }
}

/// Removes from `fields` every member of `other`, with everything below it.
pub(super) fn subtract(fields: &mut Fields, other: &Fields) {
    if fields.is_empty() {
        return;
    }
    for (element, node) in other.iter().filter(|(element, _)| *element != SELF) {
        let Some(own) = fields.get_mut(element) else { continue };
        let gone = is_member(node)
            || match (own.as_object_mut(), node.as_object()) {
                (Some(own), Some(node)) if !own.is_empty() => {
                    subtract(own, node);
                    normalize(own)
                }
                _ => false,
            };
        if gone {
            fields.remove(element);
        }
    }
}

/// Writes a node that is only itself in its short form; answers whether nothing is left of it.
fn normalize(node: &mut Fields) -> bool {
    if node.is_empty() {
        return true;
    }
    if node.len() == 1 && node.contains_key(SELF) {
        node.clear();
    }
    false
}

/// How the nodes above a leaf are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Count {
    /// Every node belongs to the set: what a write brought into being.
    All,
    /// Objects and lists named by the schema do not: what an apply asks for.
    Claims,
}

/// The set of everything in a value that was not there before.
pub(super) fn added(schema: Option<&Schema>, value: &Value) -> Value {
    Value::Object(node(schema, value, Count::All))
}

/// The set that an applied object asks for.
pub(super) fn claimed(schema: &Schema, patch: &Value, scope: Scope) -> Fields {
    let mut out = Map::new();
    for (name, value) in patch.as_object().into_iter().flatten() {
        if !is_tracked(name, scope) || (value.is_null() && schema.is_typed()) {
            continue;
        }
        let member = schema.member(name);
        let mut below = node(member, value, Count::Claims);
        if name == "metadata" {
            below.retain(|element, _| is_tracked_element(element));
            if below.is_empty() {
                continue;
            }
        } else if below_needs_self(schema, name, value, &below) {
            below.insert(SELF.into(), leaf());
        }
        out.insert(format!("f:{name}"), Value::Object(below));
    }
    out
}

pub(super) fn is_tracked_element(element: &str) -> bool {
    element != SELF && element.strip_prefix("f:").is_none_or(is_tracked_metadata)
}

fn below_needs_self(schema: &Schema, name: &str, value: &Value, below: &Fields) -> bool {
    let named = schema.properties.contains_key(name);
    !named && !value.is_null() && !below.is_empty()
}

fn node(schema: Option<&Schema>, value: &Value, count: Count) -> Fields {
    let mut out = Map::new();
    match value {
        Value::Object(object) if is_granular(schema) => {
            for (name, value) in object {
                if value.is_null() && schema.is_some_and(Schema::is_typed) {
                    continue;
                }
                let mut below = node(member(schema, name), value, count);
                let named = schema.is_some_and(|schema| schema.properties.contains_key(name));
                if count == Count::Claims && !named && !below.is_empty() {
                    below.insert(SELF.into(), leaf());
                }
                out.insert(format!("f:{name}"), Value::Object(below));
            }
        }
        Value::Array(items) => {
            let elements = elements(schema, items);
            let item_schema = schema.and_then(|schema| schema.items.as_deref());
            for (element, item) in elements.into_iter().flatten().zip(items) {
                let mut below = match element.starts_with("k:") {
                    true => node(item_schema, item, count),
                    false => Map::new(),
                };
                if count == Count::Claims && !below.is_empty() {
                    below.insert(SELF.into(), leaf());
                }
                out.insert(element, Value::Object(below));
            }
        }
        _ => {}
    }
    if count == Count::All && !out.is_empty() {
        out.insert(SELF.into(), leaf());
    }
    out
}

/// The schema of a member; none means free-form.
pub(super) fn member<'a>(schema: Option<&'a Schema>, name: &str) -> Option<&'a Schema> {
    let schema = schema?;
    match (schema.properties.get(name), &schema.additional) {
        (Some(member), _) | (None, Additional::Schema(member)) => Some(member),
        _ => None,
    }
}

/// Whether the members of an object can have different owners.
pub(super) fn is_granular(schema: Option<&Schema>) -> bool {
    schema.is_none_or(|schema| schema.map_type == MapType::Granular)
}

/// The items of a list as path elements; none when the list is one value or an item has no identity.
pub(super) fn elements(schema: Option<&Schema>, items: &[Value]) -> Option<Vec<String>> {
    let schema = schema?;
    match schema.list_type {
        ListType::Atomic => None,
        ListType::Set => Some(items.iter().map(|item| format!("v:{item}")).collect()),
        ListType::Map => items.iter().map(|item| key_element(schema, item)).collect(),
    }
}

fn key_element(schema: &Schema, item: &Value) -> Option<String> {
    let item_schema = schema.items.as_deref();
    let mut keys: Vec<(&str, &Value)> = Vec::with_capacity(schema.list_map_keys.len());
    for key in &schema.list_map_keys {
        let default = || item_schema?.properties.get(key)?.default.as_ref();
        if let Some(value) = item.as_object()?.get(key).or_else(default) {
            keys.push((key, value));
        }
    }
    if keys.is_empty() {
        return None;
    }
    keys.sort_unstable_by_key(|(key, _)| *key);
    let mut out = String::from("k:{");
    for (at, (key, value)) in keys.into_iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        out.push_str(&crate::error::quote(key));
        out.push(':');
        out.push_str(&value.to_string());
    }
    out.push('}');
    Some(out)
}

/// Whether a tree that came from a client is a set of fields.
pub(super) fn is_valid(fields: &Fields, depth: usize) -> bool {
    depth < crate::schema::DEPTH_MAX
        && fields.iter().all(|(element, node)| {
            let known = match element.split_once(':') {
                Some(("f", _)) => true,
                Some(("k" | "v", text)) => {
                    serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
                }
                Some(("i", text)) => text.parse::<u32>().is_ok(),
                _ => element == SELF && depth > 0,
            };
            known && node.as_object().is_some_and(|below| is_valid(below, depth + 1))
        })
}
