//! Strategic merge patch: a merge patch that knows which lists merge by key, and carries directives.
//!
//! Directives in an object: `$patch` (`replace`, `delete`, `merge`), `$retainKeys`, `$deleteFromPrimitiveList/NAME` and
//! `$setElementOrder/NAME`. In a list, an item may be `{"$patch": "delete", KEY: ..}` or `{"$patch": "replace"}`.

mod lists;

use serde_json::{Map, Value};

use crate::error::{ApiError, quote};
use crate::schema::{ListType, Schema};

const PATCH: &str = "$patch";
const RETAIN_KEYS: &str = "$retainKeys";
const DELETE_FROM: &str = "$deleteFromPrimitiveList/";
const SET_ORDER: &str = "$setElementOrder/";

type Object = Map<String, Value>;

/// The object with the patch merged in.
pub fn strategic_merge(object: &Value, patch: &Value, schema: &Schema) -> Result<Value, ApiError> {
    let (Some(object), Some(patch)) = (object.as_object(), patch.as_object()) else {
        return Err(ApiError::bad_request(
            "error decoding patch: a strategic merge patch must be an object",
        ));
    };
    let mut out = object.clone();
    merge_objects(&mut out, patch, Some(schema))?;
    Ok(Value::Object(out))
}

/// How the lists at a place are merged.
#[derive(Debug, Clone, Copy)]
enum ListMerge<'a> {
    Replace,
    /// Items are values; each is there once.
    Values,
    ByKey(&'a str),
}

fn list_merge(schema: Option<&Schema>) -> ListMerge<'_> {
    let Some(schema) = schema else { return ListMerge::Replace };
    if !schema.patch_strategy.merge && schema.list_type == ListType::Atomic {
        return ListMerge::Replace;
    }
    let key = schema.patch_merge_key.as_ref().or_else(|| schema.list_map_keys.first());
    key.map_or(ListMerge::Values, |key| ListMerge::ByKey(key))
}

fn merge_objects(
    target: &mut Object,
    patch: &Object,
    schema: Option<&Schema>,
) -> Result<(), ApiError> {
    match patch.get(PATCH) {
        None => {}
        Some(Value::String(directive)) => match directive.as_str() {
            "merge" => {}
            "delete" => {
                target.clear();
                return Ok(());
            }
            "replace" => {
                *target = without_directives(patch);
                return Ok(());
            }
            other => return Err(unknown_directive(other)),
        },
        Some(_) => return Err(unknown_directive("")),
    }
    retain_keys(target, patch)?;
    for (name, change) in patch {
        if let Some(list) = name.strip_prefix(DELETE_FROM) {
            delete_from(target, list, change)?;
        }
    }
    for (name, change) in patch.iter().filter(|(name, _)| !name.starts_with('$')) {
        let order = patch.get(&format!("{SET_ORDER}{name}"));
        let member = schema.and_then(|schema| schema.member(name));
        merge_member(target, name, Change { value: change, order }, member)?;
    }
    for (name, order) in patch {
        let Some(list) = name.strip_prefix(SET_ORDER) else { continue };
        if !patch.contains_key(list) {
            let member = schema.and_then(|schema| schema.member(list));
            if let Some(Value::Array(items)) = target.get_mut(list) {
                lists::reorder(items, order, list_merge(member))?;
            }
        }
    }
    Ok(())
}

struct Change<'a> {
    value: &'a Value,
    /// The `$setElementOrder` list beside it.
    order: Option<&'a Value>,
}

fn merge_member(
    target: &mut Object,
    name: &str,
    change: Change<'_>,
    schema: Option<&Schema>,
) -> Result<(), ApiError> {
    if change.value.is_null() {
        target.remove(name);
        return Ok(());
    }
    match (target.get_mut(name), change.value) {
        (Some(Value::Object(object)), Value::Object(patch)) => merge_objects(object, patch, schema),
        (Some(Value::Array(items)), Value::Array(patch)) => {
            lists::merge(items, patch, change.order, schema)
        }
        (_, Value::Object(patch)) => {
            let mut fresh = Object::new();
            merge_objects(&mut fresh, patch, schema)?;
            let deleted = patch.get(PATCH).is_some_and(|directive| directive == "delete");
            if !deleted {
                target.insert(name.to_owned(), Value::Object(fresh));
            }
            Ok(())
        }
        (_, Value::Array(patch)) => {
            let mut fresh = Vec::new();
            lists::merge(&mut fresh, patch, change.order, schema)?;
            target.insert(name.to_owned(), Value::Array(fresh));
            Ok(())
        }
        (_, value) => {
            target.insert(name.to_owned(), value.clone());
            Ok(())
        }
    }
}

fn retain_keys(target: &mut Object, patch: &Object) -> Result<(), ApiError> {
    let Some(keys) = patch.get(RETAIN_KEYS) else { return Ok(()) };
    let bad = || ApiError::bad_request("invalid patch format of retainKeys");
    let keys = keys.as_array().ok_or_else(bad)?;
    let retained = |name: &String| keys.iter().any(|key| key.as_str() == Some(name));
    let changed = patch.iter().filter(|(name, value)| !name.starts_with('$') && !value.is_null());
    for (name, _) in changed {
        if !retained(name) {
            return Err(bad());
        }
    }
    target.retain(|name, _| retained(name));
    Ok(())
}

fn delete_from(target: &mut Object, list: &str, values: &Value) -> Result<(), ApiError> {
    let Some(values) = values.as_array() else {
        return Err(ApiError::bad_request("invalid patch format of primitive list"));
    };
    if let Some(Value::Array(items)) = target.get_mut(list) {
        items.retain(|item| !values.contains(item));
    }
    Ok(())
}

/// A copy of patch content that becomes part of the object as it is.
fn without_directives(patch: &Object) -> Object {
    let kept = patch.iter().filter(|(name, value)| !name.starts_with('$') && !value.is_null());
    kept.map(|(name, value)| (name.clone(), plain(value))).collect()
}

fn plain(value: &Value) -> Value {
    match value {
        Value::Object(object) => Value::Object(without_directives(object)),
        Value::Array(items) => {
            let special = |item: &&Value| item.get(PATCH).is_some();
            Value::Array(items.iter().filter(|item| !special(item)).map(plain).collect())
        }
        other => other.clone(),
    }
}

fn unknown_directive(directive: &str) -> ApiError {
    ApiError::bad_request(format!("unknown patch type: {}", quote(directive)))
}
