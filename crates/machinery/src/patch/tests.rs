use serde_json::{Value, json};

use super::*;

#[test]
fn merge_examples() {
    let object = json!({"a": {"b": 1, "c": 2}, "l": [1, 2]});
    let merged =
        merge_patch(&object, &json!({"a": {"b": null, "d": {"e": null, "f": 1}}, "l": [3]}));
    assert_eq!(merged.unwrap(), json!({"a": {"c": 2, "d": {"f": 1}}, "l": [3]}));
    assert_eq!(merge_patch(&object, &json!([])).unwrap_err().code, 400);
}

#[test]
fn json_operations() {
    let object = json!({"a": [1, 2], "b": "x"});
    let patch = json!([
        {"op": "test", "path": "/b", "value": "x"},
        {"op": "add", "path": "/a/-", "value": 3},
        {"op": "copy", "from": "/b", "path": "/c"},
        {"op": "remove", "path": "/b"},
    ]);
    assert_eq!(json_patch(&object, &patch).unwrap(), json!({"a": [1, 2, 3], "c": "x"}));
}

#[test]
fn recorded_json_patch_that_is_no_list() {
    let error = json_patch(&json!({}), &json!({})).unwrap_err();
    assert_eq!(
        error.message,
        "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp"
    );
    assert_eq!(error.code, 400);
}

#[test]
fn json_failures() {
    let object = json!({"b": "x", "big": "y".repeat(100_000)});
    let one = |operation: Value| json_patch(&object, &json!([operation])).unwrap_err();
    let test = one(json!({"op": "test", "path": "/b", "value": 1}));
    assert_eq!((test.code, test.reason), (422, crate::error::Reason::Invalid));
    assert_eq!(one(json!({"op": "remove", "path": "/zz"})).code, 422);
    assert_eq!(one(json!({"op": "dance", "path": "/zz"})).code, 400);
    let many = vec![json!({"op": "test", "path": "/b", "value": "x"}); OPERATIONS_MAX + 1];
    assert_eq!(json_patch(&object, &Value::Array(many)).map(drop).unwrap_err().code, 413);
    let bomb = vec![json!({"op": "copy", "from": "", "path": "/z"}); 64];
    assert_eq!(json_patch(&object, &Value::Array(bomb)).map(drop).unwrap_err().code, 413);
    let nest = vec![json!({"op": "copy", "from": "", "path": "/z"}); 200];
    let error = json_patch(&json!({}), &Value::Array(nest)).unwrap_err();
    assert!(error.message.contains("levels deep"));
}
