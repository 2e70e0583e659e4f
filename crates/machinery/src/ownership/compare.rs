//! What differs between two versions of an object, as sets of fields.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::Scope;
use super::fields::{self, Fields};
use crate::schema::Schema;

/// The difference between two versions.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// Fields that were added or have another value.
    pub touched: Fields,
    /// Fields that are gone; what was below them is not listed.
    pub removed: Fields,
}

impl Changes {
    pub(super) fn is_empty(&self) -> bool {
        self.touched.is_empty() && self.removed.is_empty()
    }

    fn put(&mut self, element: impl FnOnce() -> String, below: Self) {
        if below.is_empty() {
            return;
        }
        let element = element();
        if !below.removed.is_empty() {
            self.removed.insert(element.clone(), Value::Object(below.removed));
        }
        if !below.touched.is_empty() {
            self.touched.insert(element, Value::Object(below.touched));
        }
    }
}

/// Compares whole objects, leaving out what the server sets and what the endpoint does not write.
pub(super) fn compare(schema: &Schema, old: &Value, new: &Value, scope: Scope) -> Changes {
    let empty = Map::new();
    let (old, new) = (old.as_object().unwrap_or(&empty), new.as_object().unwrap_or(&empty));
    let mut out = Changes::default();
    for_each_member(old, new, |name, old, new| {
        if !fields::is_tracked(name, scope) {
            return;
        }
        if name == "metadata" {
            metadata(schema.member(name), old, new, &mut out);
        } else {
            child(&mut out, || format!("f:{name}"), schema.member(name), (old, new));
        }
    });
    out
}

fn metadata(schema: Option<&Schema>, old: Option<&Value>, new: Option<&Value>, out: &mut Changes) {
    let empty = Map::new();
    let old = old.and_then(Value::as_object).unwrap_or(&empty);
    let new = new.and_then(Value::as_object).unwrap_or(&empty);
    let mut below = Changes::default();
    for_each_member(old, new, |name, old, new| {
        if fields::is_tracked_metadata(name) {
            child(&mut below, || format!("f:{name}"), fields::member(schema, name), (old, new));
        }
    });
    out.put(|| "f:metadata".to_owned(), below);
}

/// The two versions of one member or item; it exists on at least one side.
type Sides<'a> = (Option<&'a Value>, Option<&'a Value>);

fn child(
    out: &mut Changes,
    element: impl FnOnce() -> String,
    schema: Option<&Schema>,
    sides: Sides<'_>,
) {
    match sides {
        (Some(old), Some(new)) => {
            let mut below = Changes::default();
            if differ(schema, old, new, &mut below) {
                out.touched.insert(element(), fields::leaf());
            } else {
                out.put(element, below);
            }
        }
        (None, Some(new)) => {
            out.touched.insert(element(), fields::added(schema, new));
        }
        (Some(_), None) => {
            out.removed.insert(element(), fields::leaf());
        }
        (None, None) => {}
    }
}

/// Compares two values in the same place. Answers whether the place itself changed as one value; differences further
/// down go to `out`.
fn differ(schema: Option<&Schema>, old: &Value, new: &Value, out: &mut Changes) -> bool {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) if fields::is_granular(schema) => {
            if !old.is_empty() || !new.is_empty() {
                members(schema, old, new, out);
            }
            false
        }
        (Value::Array(old), Value::Array(new)) => old != new && list(schema, old, new, out),
        _ => old != new,
    }
}

fn members(
    schema: Option<&Schema>,
    old: &Map<String, Value>,
    new: &Map<String, Value>,
    out: &mut Changes,
) {
    for_each_member(old, new, |name, old, new| {
        child(out, || format!("f:{name}"), fields::member(schema, name), (old, new));
    });
}

/// Two different lists. Answers whether they are one value each.
fn list(schema: Option<&Schema>, old: &[Value], new: &[Value], out: &mut Changes) -> bool {
    let elements = (fields::elements(schema, old), fields::elements(schema, new));
    let (Some(old_elements), Some(new_elements)) = elements else { return true };
    let item_schema = schema.and_then(|schema| schema.items.as_deref());
    let mut rest: HashMap<&str, &Value> =
        old_elements.iter().map(String::as_str).zip(old).collect();
    for (element, item) in new_elements.iter().zip(new) {
        let before = rest.remove(element.as_str());
        child(out, || element.clone(), item_schema, (before, Some(item)));
    }
    for element in rest.into_keys() {
        out.removed.insert(element.to_owned(), fields::leaf());
    }
    false
}

/// Visits the members of both objects in order.
fn for_each_member<'a>(
    old: &'a Map<String, Value>,
    new: &'a Map<String, Value>,
    mut visit: impl FnMut(&'a str, Option<&'a Value>, Option<&'a Value>),
) {
    let (mut olds, mut news) = (old.iter().peekable(), new.iter().peekable());
    loop {
        let order = match (olds.peek(), news.peek()) {
            (None, None) => return,
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some((old, _)), Some((new, _))) => old.cmp(new),
        };
        match order {
            std::cmp::Ordering::Less => {
                if let Some((name, value)) = olds.next() {
                    visit(name, Some(value), None);
                }
            }
            std::cmp::Ordering::Greater => {
                if let Some((name, value)) = news.next() {
                    visit(name, None, Some(value));
                }
            }
            std::cmp::Ordering::Equal => {
                if let (Some((name, old)), Some((_, new))) = (olds.next(), news.next()) {
                    visit(name, Some(old), Some(new));
                }
            }
        }
    }
}
