//! Merging an applied object into the live one.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use super::Scope;
use super::fields;
use crate::schema::Schema;

/// Merges at the top of an object, within what the endpoint writes.
pub(super) fn merge(schema: &Schema, live: &mut Value, patch: &Value, scope: Scope) {
    let (Some(live), Some(patch)) = (live.as_object_mut(), patch.as_object()) else { return };
    for (name, value) in patch {
        let covered = scope.covers(name) || matches!(name.as_str(), "apiVersion" | "kind");
        if covered && !(value.is_null() && schema.is_typed()) {
            member(schema.member(name), live, name, value);
        }
    }
    if let Some(Value::Object(metadata)) = live.get_mut("metadata") {
        metadata.remove("managedFields");
    }
    if !scope.covers("metadata") {
        keep_preconditions(live, patch);
    }
}

/// The patch's identity and version still count where its metadata does not.
fn keep_preconditions(live: &mut Map<String, Value>, patch: &Map<String, Value>) {
    let Some(Value::Object(metadata)) = live.get_mut("metadata") else { return };
    for name in ["resourceVersion", "uid"] {
        if let Some(value) = patch.get("metadata").and_then(|metadata| metadata.get(name)) {
            metadata.insert(name.into(), value.clone());
        }
    }
}

fn member(schema: Option<&Schema>, live: &mut Map<String, Value>, name: &str, value: &Value) {
    match live.get_mut(name) {
        Some(slot) => combine(schema, slot, value),
        None => {
            live.insert(name.to_owned(), without_nulls(schema, value));
        }
    }
}

fn combine(schema: Option<&Schema>, live: &mut Value, patch: &Value) {
    match (live, patch) {
        (Value::Object(live), Value::Object(patch)) if fields::is_granular(schema) => {
            let typed = schema.is_some_and(Schema::is_typed);
            for (name, value) in patch {
                if !(typed && value.is_null()) {
                    member(fields::member(schema, name), live, name, value);
                }
            }
        }
        (Value::Array(live), Value::Array(patch)) => combine_lists(schema, live, patch),
        (live, patch) => *live = without_nulls(schema, patch),
    }
}

/// A copy in which null members of built-in structs, which mean absent, are left out.
fn without_nulls(schema: Option<&Schema>, value: &Value) -> Value {
    let mut out = value.clone();
    if schema.is_some_and(Schema::is_typed)
        && let Some(schema) = schema
    {
        schema.drop_nulls(&mut out);
    }
    out
}

/// The place of an item in both lists.
struct Places<'a> {
    live: HashMap<&'a str, usize>,
    patch: HashSet<&'a str>,
}

/// Items of the patch keep the patch's order; other items of the live list stay where they were among them.
fn combine_lists(schema: Option<&Schema>, live: &mut Vec<Value>, patch: &[Value]) {
    let elements = (fields::elements(schema, live), fields::elements(schema, patch));
    let (Some(live_elements), Some(patch_elements)) = elements else {
        *live = patch.to_vec();
        return;
    };
    let places = Places {
        live: live_elements.iter().enumerate().map(|(at, one)| (one.as_str(), at)).collect(),
        patch: patch_elements.iter().map(String::as_str).collect(),
    };
    let item_schema = schema.and_then(|schema| schema.items.as_deref());
    let out = order(&live_elements, &patch_elements, &places);
    *live = out
        .into_iter()
        .map(|step| match step {
            Step::Live(at) => live[at].clone(),
            Step::Patch(at) => match places.live.get(patch_elements[at].as_str()) {
                Some(before) => {
                    let mut item = live[*before].clone();
                    combine(item_schema, &mut item, &patch[at]);
                    item
                }
                None => without_nulls(item_schema, &patch[at]),
            },
        })
        .collect();
}

enum Step {
    Live(usize),
    Patch(usize),
}

fn order(live: &[String], patch: &[String], places: &Places<'_>) -> Vec<Step> {
    let shared = patch.iter().filter(|one| places.live.contains_key(one.as_str()));
    let mut shared = shared.map(String::as_str).peekable();
    let mut merged: HashSet<&str> = HashSet::new();
    let mut out = Vec::with_capacity(live.len() + patch.len());
    let (mut left, mut right) = (0, 0);
    while left < live.len() || right < patch.len() {
        let (mine, theirs) = (live.get(left), patch.get(right));
        if let (Some(mine), Some(theirs)) = (mine, theirs) {
            if mine == theirs {
                if merged.insert(mine) {
                    out.push(Step::Patch(right));
                }
                shared.next_if_eq(&mine.as_str());
                (left, right) = (left + 1, right + 1);
                continue;
            }
            let awaited = shared.peek().is_some_and(|next| *next != mine.as_str());
            if places.patch.contains(mine.as_str()) && awaited {
                left += 1;
                continue;
            }
        }
        if let Some(mine) = mine {
            if !places.patch.contains(mine.as_str()) {
                out.push(Step::Live(left));
                left += 1;
                continue;
            }
            if merged.contains(mine.as_str()) {
                left += 1;
                continue;
            }
        }
        match theirs {
            Some(theirs) => {
                if merged.insert(theirs) {
                    out.push(Step::Patch(right));
                }
                shared.next_if_eq(&theirs.as_str());
                right += 1;
            }
            None => left += 1,
        }
    }
    out
}
