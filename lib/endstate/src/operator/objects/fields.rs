//! Whether an object is as it was applied, by what the API itself says: the mark of the intent, and who owns its
//! fields. Pure.
//!
//! `managedFields` is a tree: `f:NAME` is a member, `k:{...}` an item of a list by its keys, `v:VALUE` an item of a
//! set. What has nothing below it is owned as a whole.

use kube::ResourceExt;
use kube::api::DynamicObject;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// The annotation with the digest of the intent that was applied last.
const APPLIED: &str = "endstate.dev/applied";

/// Marks an intent, so that the next one is known to differ.
pub(super) fn mark(intent: &mut DynamicObject) {
    let text = serde_json::to_vec(intent).unwrap_or_default();
    let digest: String =
        Sha256::digest(text).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    intent.annotations_mut().insert(APPLIED.to_owned(), digest);
}

/// Whether an object has the mark of an intent, which has one.
pub(super) fn has_mark(current: &DynamicObject, intent: &DynamicObject) -> bool {
    let mark = intent.annotations().get(APPLIED);
    mark.is_some() && current.annotations().get(APPLIED) == mark
}

/// Whether just this intent was applied by the manager, and nobody changed a field of it since.
pub(super) fn is_applied(current: &DynamicObject, intent: &DynamicObject, manager: &str) -> bool {
    if !has_mark(current, intent) {
        return false;
    }
    let version = intent.types.as_ref().map(|it| it.api_version.as_str());
    let ours = current.managed_fields().iter().find(|entry| {
        entry.manager.as_deref() == Some(manager)
            && entry.operation.as_deref() == Some("Apply")
            && entry.subresource.as_deref().unwrap_or_default().is_empty()
            && entry.api_version.as_deref() == version
    });
    let Some(fields) = ours.and_then(|entry| entry.fields_v1.as_ref()?.0.as_object()) else {
        return false;
    };
    let Ok(Value::Object(mut body)) = serde_json::to_value(intent) else { return false };
    for identity in ["apiVersion", "kind"] {
        body.remove(identity);
    }
    if let Some(metadata) = body.get_mut("metadata").and_then(Value::as_object_mut) {
        for identity in ["name", "namespace"] {
            metadata.remove(identity);
        }
    }
    owns(fields, &Value::Object(body))
}

/// Whether a tree of fields has every field of a value.
fn owns(fields: &Map<String, Value>, value: &Value) -> bool {
    if fields.is_empty() {
        // Owned as a whole.
        return true;
    }
    match value {
        Value::Object(members) => members.iter().all(|(name, value)| {
            let below = fields.get(&format!("f:{name}")).and_then(Value::as_object);
            below.is_some_and(|fields| owns(fields, value))
        }),
        Value::Array(items) => items.iter().all(|item| owns_item(fields, item)),
        _ => true,
    }
}

fn owns_item(fields: &Map<String, Value>, item: &Value) -> bool {
    fields.iter().any(|(path, below)| match path.split_once(':') {
        Some(("k", keys)) => {
            is_keyed(keys, item) && below.as_object().is_some_and(|fields| owns(fields, item))
        }
        Some(("v", value)) => serde_json::from_str::<Value>(value).is_ok_and(|it| it == *item),
        _ => false,
    })
}

/// Whether these are the keys of an item; the API may have completed those that the item leaves out.
fn is_keyed(keys: &str, item: &Value) -> bool {
    let Ok(Value::Object(keys)) = serde_json::from_str(keys) else { return false };
    keys.iter().all(|(key, value)| item.get(key).is_none_or(|it| it == value))
}

#[cfg(test)]
mod tests;
