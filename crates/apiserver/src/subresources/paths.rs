//! Values at paths such as `.spec.replicas`.

use serde_json::{Map, Value};

fn steps(path: &str) -> impl Iterator<Item = &str> {
    path.split('.').filter(|step| !step.is_empty())
}

/// The value at a path.
pub(super) fn get<'a>(object: &'a Value, path: &str) -> Option<&'a Value> {
    steps(path).try_fold(object, |value, step| value.get(step))
}

/// Puts a value at a path, making the maps on the way.
pub(super) fn set(object: &mut Value, path: &str, value: Value) {
    let mut place = object;
    for step in steps(path) {
        if !place.is_object() {
            *place = Value::Object(Map::new());
        }
        place = &mut place[step];
    }
    *place = value;
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_set_is_found() {
        let mut object = json!({"spec": null});
        set(&mut object, ".spec.a.b", 3.into());
        assert_eq!(get(&object, ".spec.a.b"), Some(&json!(3)));
        assert_eq!(get(&object, ".status.a"), None);
    }
}
