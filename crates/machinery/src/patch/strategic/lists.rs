//! Merging lists: by key, by value or as a whole, and the order of the result.

use serde_json::Value;

use super::{
    ListMerge, PATCH, list_merge, merge_objects, plain, unknown_directive, without_directives,
};
use crate::error::ApiError;
use crate::schema::Schema;

/// Merges `patch` into `items`; `order` is the `$setElementOrder` list, when there is one.
pub(super) fn merge(
    items: &mut Vec<Value>,
    patch: &[Value],
    order: Option<&Value>,
    schema: Option<&Schema>,
) -> Result<(), ApiError> {
    let how = list_merge(schema);
    let before = items.clone();
    match how {
        ListMerge::Replace => {
            *items = patch.iter().map(plain).collect();
            return Ok(());
        }
        ListMerge::Values => {
            for value in patch {
                if !items.contains(value) {
                    items.push(value.clone());
                }
            }
        }
        ListMerge::ByKey(key) => {
            if replaces(patch) {
                let rest = patch.iter().filter(|item| item.get(PATCH).is_none());
                *items = rest.map(plain).collect();
                return Ok(());
            }
            let item_schema = schema.and_then(|schema| schema.items.as_deref());
            for change in patch {
                merge_item(items, change, key, item_schema)?;
            }
        }
    }
    let given = match order {
        Some(order) => Some(list_of(order)?),
        None => None,
    };
    if let Some(order) = given {
        check_order(patch, order, how)?;
    }
    arrange(items, given.unwrap_or(patch), &before, how);
    Ok(())
}

/// Puts the items of an unpatched list into the given order.
pub(super) fn reorder(
    items: &mut Vec<Value>,
    order: &Value,
    how: ListMerge<'_>,
) -> Result<(), ApiError> {
    let before = items.clone();
    if !matches!(how, ListMerge::Replace) {
        arrange(items, list_of(order)?, &before, how);
    }
    Ok(())
}

fn list_of(order: &Value) -> Result<&[Value], ApiError> {
    let bad = || ApiError::bad_request("invalid patch format of setElementOrder list");
    order.as_array().map(Vec::as_slice).ok_or_else(bad)
}

fn replaces(patch: &[Value]) -> bool {
    patch.iter().any(|item| item.get(PATCH).is_some_and(|directive| directive == "replace"))
}

fn merge_item(
    items: &mut Vec<Value>,
    change: &Value,
    key: &str,
    schema: Option<&Schema>,
) -> Result<(), ApiError> {
    let missing = || {
        ApiError::bad_request(format!("map: {change} does not contain declared merge key: {key}"))
    };
    let change = change.as_object().ok_or_else(missing)?;
    let wanted = change.get(key).ok_or_else(missing)?;
    match change.get(PATCH).map(|directive| directive.as_str().unwrap_or("")) {
        None | Some("merge") => {}
        Some("delete") => {
            items.retain(|item| item.get(key) != Some(wanted));
            return Ok(());
        }
        Some(other) => return Err(unknown_directive(other)),
    }
    let found = items.iter_mut().find(|item| item.get(key) == Some(wanted));
    match found {
        Some(Value::Object(item)) => merge_objects(item, change, schema),
        Some(item) => {
            *item = Value::Object(without_directives(change));
            Ok(())
        }
        None => {
            let mut item = serde_json::Map::new();
            merge_objects(&mut item, change, schema)?;
            items.push(Value::Object(item));
            Ok(())
        }
    }
}

/// Where an item stands in a list of its like.
fn position(list: &[Value], item: &Value, how: ListMerge<'_>) -> Option<usize> {
    match how {
        ListMerge::ByKey(key) => {
            let wanted = item.get(key)?;
            list.iter().position(|one| one.get(key) == Some(wanted))
        }
        _ => list.iter().position(|one| one == item),
    }
}

/// Every kept item of the patch must stand in the order list, in the same order.
fn check_order(patch: &[Value], order: &[Value], how: ListMerge<'_>) -> Result<(), ApiError> {
    let mut last = 0;
    let deleted = |item: &&Value| item.get(PATCH).is_some_and(|directive| directive == "delete");
    for item in patch.iter().filter(|item| !deleted(item)) {
        match position(order, item, how) {
            Some(at) if at >= last => last = at,
            _ => {
                return Err(ApiError::bad_request(
                    "invalid patch format of setElementOrder list: the order in the patch list doesn't match it",
                ));
            }
        }
    }
    Ok(())
}

/// Items named by the patch take its order; the others keep the order they had and stand among them as before.
fn arrange(items: &mut Vec<Value>, wanted: &[Value], before: &[Value], how: ListMerge<'_>) {
    let all = std::mem::take(items);
    let (mut named, mut others): (Vec<Value>, Vec<Value>) =
        all.into_iter().partition(|item| position(wanted, item, how).is_some());
    named.sort_by_key(|item| position(wanted, item, how));
    others.sort_by_key(|item| position(before, item, how).unwrap_or(usize::MAX));
    let (mut named, mut others) = (named.into_iter().peekable(), others.into_iter().peekable());
    loop {
        let other_first = match (others.peek(), named.peek()) {
            (None, None) => return,
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (Some(other), Some(named)) => {
                let places = (position(before, other, how), position(before, named, how));
                matches!(places, (Some(other), Some(named)) if other < named)
            }
        };
        items.extend(if other_first { others.next() } else { named.next() });
    }
}
