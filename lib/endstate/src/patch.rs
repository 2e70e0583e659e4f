//! Merge patches that turn one observed object into the wanted one.

use serde_json::{Map, Value};

/// The smallest JSON merge patch (RFC 7386) that turns `old` into `new`, or `None` if they are equal. What `new` lacks
/// is set to `null`, so removing a field downstream removes it upstream.
///
/// ```
/// use serde_json::json;
/// let patch = endstate::patch::merge_diff(&json!({"a": 1, "b": 2, "c": [1]}), &json!({"a": 1, "c": [1, 2]}));
/// assert_eq!(patch, Some(json!({"b": null, "c": [1, 2]})));
/// assert_eq!(endstate::patch::merge_diff(&json!({"a": 1}), &json!({"a": 1})), None);
/// ```
pub fn merge_diff(old: &Value, new: &Value) -> Option<Value> {
    let (Value::Object(before), Value::Object(after)) = (old, new) else {
        return (old != new).then(|| new.clone());
    };
    let mut patch = Map::new();
    for (key, value) in after {
        let changed = match before.get(key) {
            Some(previous) => merge_diff(previous, value),
            None => Some(value.clone()),
        };
        if let Some(changed) = changed {
            patch.insert(key.clone(), changed);
        }
    }
    for key in before.keys().filter(|key| !after.contains_key(*key)) {
        patch.insert(key.clone(), Value::Null);
    }
    (!patch.is_empty()).then_some(Value::Object(patch))
}
