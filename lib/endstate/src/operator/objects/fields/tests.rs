use serde_json::json;

use super::*;

fn owned(fields: Value, value: Value) -> bool {
    owns(fields.as_object().unwrap(), &value)
}

#[test]
fn every_field_of_an_intent_must_be_owned() {
    let key = r#"k:{"port":80,"protocol":"TCP"}"#;
    let ports = json!({"f:ports": {key: {".": {}, "f:port": {}, "f:name": {}}}});
    let cases = [
        (json!({"f:a": {}}), json!({"a": 1}), true),
        // Somebody took a field over.
        (json!({"f:a": {}}), json!({"a": 1, "b": 2}), false),
        (json!({"f:m": {".": {}, "f:a": {}}}), json!({"m": {"a": 1}}), true),
        (json!({"f:m": {".": {}, "f:b": {}}}), json!({"m": {"a": 1}}), false),
        // Owned as a whole, whatever is in it.
        (json!({"f:m": {}}), json!({"m": {"a": {"b": 1}}}), true),
        (json!({"f:l": {}}), json!({"l": [{"a": 1}, 2]}), true),
        // A key that the API completed.
        (ports.clone(), json!({"ports": [{"port": 80, "name": "http"}]}), true),
        (ports.clone(), json!({"ports": [{"port": 80, "name": "http", "protocol": "UDP"}]}), false),
        (ports.clone(), json!({"ports": [{"port": 80, "targetPort": 8080}]}), false),
        (ports, json!({"ports": [{"port": 80}, {"port": 81}]}), false),
        (json!({"f:s": {"v:\"a\"": {}}}), json!({"s": ["a"]}), true),
        (json!({"f:s": {"v:\"a\"": {}}}), json!({"s": ["a", "b"]}), false),
    ];
    for (fields, value, expected) in cases {
        assert_eq!(owned(fields.clone(), value.clone()), expected, "{fields} {value}");
    }
}

fn object(data: Value) -> DynamicObject {
    let mut body = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "n"}});
    body["data"] = data;
    serde_json::from_value(body).unwrap()
}

fn stored(intent: &DynamicObject, manager: &str, operation: &str) -> DynamicObject {
    let mut stored = intent.clone();
    let fields = json!({"f:metadata": {"f:annotations": {"f:endstate.dev/applied": {}}}, "f:data": {"f:a": {}}});
    let entry = json!([{"manager": manager, "operation": operation, "apiVersion": "v1", "fieldsV1": fields}]);
    stored.metadata.managed_fields = serde_json::from_value(entry).unwrap();
    stored
}

#[test]
fn an_intent_is_applied_if_the_manager_owns_just_that() {
    let mut intent = object(json!({"a": "1"}));
    mark(&mut intent);
    assert!(is_applied(&stored(&intent, "us", "Apply"), &intent, "us"));
    assert!(!is_applied(&stored(&intent, "them", "Apply"), &intent, "us"));
    assert!(!is_applied(&stored(&intent, "us", "Update"), &intent, "us"));
    assert!(!is_applied(&intent, &intent, "us"), "somebody cleared the managed fields");
    for other in [json!({"a": "2"}), json!({}), json!({"a": "1", "b": "2"})] {
        let mut changed = object(other.clone());
        mark(&mut changed);
        assert!(!is_applied(&stored(&intent, "us", "Apply"), &changed, "us"), "{other}");
    }
}
