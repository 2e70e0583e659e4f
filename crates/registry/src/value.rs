//! Small readings of JSON values by dotted path (`spec.nodeName`).

use serde_json::{Map, Value};

/// The value at a dotted path, if every step is there.
pub(crate) fn at<'a>(object: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').filter(|step| !step.is_empty()).try_fold(object, |value, step| value.get(step))
}

/// The string at a dotted path.
pub(crate) fn text<'a>(object: &'a Value, path: &str) -> Option<&'a str> {
    at(object, path).and_then(Value::as_str)
}

/// The integer at a dotted path.
pub(crate) fn int(object: &Value, path: &str) -> Option<i64> {
    at(object, path).and_then(Value::as_i64)
}

/// The boolean at a dotted path; absent is false.
pub(crate) fn flag(object: &Value, path: &str) -> bool {
    at(object, path).and_then(Value::as_bool).unwrap_or(false)
}

/// The list at a dotted path; absent or of another type is empty.
pub(crate) fn list<'a>(object: &'a Value, path: &str) -> &'a [Value] {
    at(object, path).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The map at a dotted path.
pub(crate) fn map<'a>(object: &'a Value, path: &str) -> Option<&'a Map<String, Value>> {
    at(object, path).and_then(Value::as_object)
}

/// The map at a key, made if it is absent or null; `None` if something else is there.
pub(crate) fn child<'a>(object: &'a mut Value, key: &str) -> Option<&'a mut Value> {
    let slot = object.as_object_mut()?.entry(key).or_insert(Value::Null);
    if slot.is_null() {
        *slot = Value::Object(Map::new());
    }
    slot.is_object().then_some(slot)
}

/// The map at a dotted path, if it is there already.
pub(crate) fn at_mut<'a>(object: &'a mut Value, path: &str) -> Option<&'a mut Value> {
    path.split('.')
        .filter(|step| !step.is_empty())
        .try_fold(object, |value, step| value.get_mut(step))
}

/// The items of the list at a dotted path, to change.
pub(crate) fn items_mut<'a>(object: &'a mut Value, path: &str) -> &'a mut [Value] {
    at_mut(object, path).and_then(Value::as_array_mut).map_or(&mut [], Vec::as_mut_slice)
}

/// Sets a key of a map if it is absent or null.
pub(crate) fn default(object: &mut Value, key: &str, value: impl Into<Value>) {
    if let Some(map) = object.as_object_mut() {
        let slot = map.entry(key).or_insert(Value::Null);
        if slot.is_null() {
            *slot = value.into();
        }
    }
}

/// As [`default`], and an empty string counts as absent, as it does for Go's zero values.
pub(crate) fn default_text(object: &mut Value, key: &str, value: &str) {
    if object.get(key).and_then(Value::as_str) == Some("") {
        object[key] = value.into();
    } else {
        default(object, key, value);
    }
}

/// Removes a key of a map.
pub(crate) fn remove(object: &mut Value, key: &str) -> Option<Value> {
    object.as_object_mut().and_then(|map| map.remove(key))
}

/// Copies a key from another object, or removes it where the other has none.
pub(crate) fn keep(object: &mut Value, key: &str, from: &Value) {
    match (from.get(key), object.as_object_mut()) {
        (Some(value), Some(map)) => {
            map.insert(key.to_owned(), value.clone());
        }
        (None, Some(map)) => {
            map.remove(key);
        }
        (_, None) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_are_read_and_missing_steps_are_none() {
        let object = json!({"spec": {"n": 3, "on": true, "list": [1]}, "s": "x"});
        assert_eq!(int(&object, "spec.n"), Some(3));
        assert_eq!(int(&object, ".spec.n"), Some(3));
        assert_eq!(text(&object, "s"), Some("x"));
        assert_eq!(text(&object, "s.t"), None);
        assert!(flag(&object, "spec.on"));
        assert_eq!(list(&object, "spec.list").len(), 1);
        assert!(list(&object, "spec.none").is_empty());
    }

    #[test]
    fn defaults_fill_only_what_is_absent_null_or_blank() {
        let mut object = json!({"a": 1, "b": null, "c": ""});
        default(&mut object, "a", 2);
        default(&mut object, "b", 2);
        default_text(&mut object, "c", "x");
        default_text(&mut object, "d", "y");
        assert_eq!(object, json!({"a": 1, "b": 2, "c": "x", "d": "y"}));
    }
}
