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

/// kube-rs's `finalizer()` sends the first; replacing a status that is not there is java-operator-sdk's.
#[test]
fn absent_members_are_null_to_json_patch() {
    let object = json!({"a": {"null": null, "one": 1}, "l": [1]});
    let one = |operation: Value| json_patch(&object, &json!([operation]));
    for place in ["/b", "/a/b", "/a/null", "/a~1b"] {
        let test = json!({"op": "test", "path": place, "value": null});
        assert_eq!(one(test).unwrap(), object, "{place}");
    }
    let replaced = one(json!({"op": "replace", "path": "/a/b", "value": {"c": 2}})).unwrap();
    assert_eq!(replaced["a"]["b"]["c"], 2);
    for (op, place) in [
        ("test", "/a/one"),
        ("test", "/b/c"),
        ("test", "/l/1"),
        ("replace", "/b/c"),
        ("replace", "/l/1"),
        ("remove", "/b"),
        ("add", "/b/-"),
    ] {
        let error = one(json!({"op": op, "path": place, "value": null})).unwrap_err();
        assert_eq!(error.code, 422, "{op} {place}");
        let text = "the server rejected our request due to an error in our request";
        assert_eq!(error.message, text, "{op} {place}");
    }
    assert!(one(json!({"op": "test", "path": "/b", "value": 1})).is_err());
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

fn pod_schema() -> crate::schema::Schema {
    let item = json!({"type": "object", "properties": {
        "name": {"type": "string"}, "image": {"type": "string"},
        "args": {"type": "array", "items": {"type": "string"}},
        "env": {"type": "array", "x-kubernetes-patch-merge-key": "name", "x-kubernetes-patch-strategy": "merge",
            "items": {"type": "object", "properties": {"name": {"type": "string"}, "value": {"type": "string"}}}},
    }});
    let schema = json!({"type": "object", "properties": {
        "metadata": {"type": "object", "properties": {
            "labels": {"type": "object", "additionalProperties": {"type": "string"}},
            "finalizers": {"type": "array", "items": {"type": "string"}, "x-kubernetes-patch-strategy": "merge"},
        }},
        "spec": {"type": "object", "properties": {
            "containers": {"type": "array", "items": item, "x-kubernetes-patch-merge-key": "name", "x-kubernetes-patch-strategy": "merge"},
            "strategy": {"type": "object", "x-kubernetes-patch-strategy": "retainKeys", "properties": {
                "type": {"type": "string"}, "rollingUpdate": {"type": "object", "properties": {"maxSurge": {"type": "integer"}}}}},
            "tolerations": {"type": "array", "items": {"type": "object"}},
        }},
    }});
    crate::schema::Schema::from_builtin(&schema, &mut |_| None)
}

fn smp(object: &Value, patch: &Value) -> Value {
    strategic_merge(object, patch, &pod_schema()).unwrap()
}

fn containers(list: Value) -> Value {
    json!({"spec": {"containers": list}})
}

#[test]
fn strategic_lists_merge_by_key() {
    let object = containers(
        json!([{"name": "a", "image": "1", "args": ["x"]}, {"name": "b", "image": "1"}]),
    );
    let patch = containers(
        json!([{"name": "b", "image": "2", "env": [{"name": "k", "value": "v"}]}, {"name": "c"}]),
    );
    assert_eq!(
        smp(&object, &patch),
        containers(json!([
            {"name": "a", "image": "1", "args": ["x"]},
            {"name": "b", "image": "2", "env": [{"name": "k", "value": "v"}]},
            {"name": "c"}
        ]))
    );
    let patch = containers(json!([{"name": "a", "args": ["y"], "image": null}]));
    assert_eq!(smp(&object, &patch)["spec"]["containers"][0], json!({"name": "a", "args": ["y"]}));
    let patch = json!({"spec": {"tolerations": [{"key": "x"}]}});
    let object = json!({"spec": {"tolerations": [{"key": "y"}, {"key": "z"}]}});
    assert_eq!(smp(&object, &patch), patch, "a list without a strategy is replaced");
}

#[test]
fn strategic_directives() {
    let object = containers(json!([{"name": "a", "image": "1"}, {"name": "b", "image": "1"}]));
    let deleted = smp(&object, &containers(json!([{"$patch": "delete", "name": "a"}])));
    assert_eq!(deleted, containers(json!([{"name": "b", "image": "1"}])));
    let replaced = smp(&object, &containers(json!([{"name": "z"}, {"$patch": "replace"}])));
    assert_eq!(replaced, containers(json!([{"name": "z"}])));
    let object =
        json!({"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}});
    let retained =
        smp(&object, &json!({"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}));
    assert_eq!(retained, json!({"spec": {"strategy": {"type": "Recreate"}}}));
    let whole =
        smp(&object, &json!({"spec": {"strategy": {"$patch": "replace", "type": "Recreate"}}}));
    assert_eq!(whole, retained);
    let emptied = smp(&object, &json!({"spec": {"strategy": {"$patch": "delete"}}}));
    assert_eq!(emptied, json!({"spec": {"strategy": {}}}));
    let bad = json!({"spec": {"strategy": {"$patch": "dance"}}});
    assert_eq!(strategic_merge(&object, &bad, &pod_schema()).unwrap_err().code, 400);
    let bad = json!({"spec": {"strategy": {"$retainKeys": ["x"], "type": "Recreate"}}});
    assert_eq!(strategic_merge(&object, &bad, &pod_schema()).unwrap_err().code, 400);
}

#[test]
fn strategic_order() {
    let object = containers(json!([{"name": "a"}, {"name": "s"}, {"name": "b"}]));
    let patch = json!({"spec": {
        "$setElementOrder/containers": [{"name": "b"}, {"name": "new"}, {"name": "a"}],
        "containers": [{"name": "new"}],
    }});
    let names = |value: &Value| -> Vec<String> {
        let list = value["spec"]["containers"].as_array().unwrap();
        list.iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&smp(&object, &patch)), ["s", "b", "new", "a"]);
    let only_order =
        json!({"spec": {"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}]}});
    assert_eq!(names(&smp(&object, &only_order)), ["s", "b", "a"]);
    let wrong = json!({"spec": {"$setElementOrder/containers": [{"name": "b"}], "containers": [{"name": "q"}]}});
    assert_eq!(strategic_merge(&object, &wrong, &pod_schema()).unwrap_err().code, 400);
}

#[test]
fn strategic_primitive_lists() {
    let object = json!({"metadata": {"finalizers": ["a", "b"]}});
    let added = smp(&object, &json!({"metadata": {"finalizers": ["c", "a"]}}));
    assert_eq!(added["metadata"]["finalizers"], json!(["c", "a", "b"]));
    let removed =
        smp(&object, &json!({"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"]}}));
    assert_eq!(removed["metadata"]["finalizers"], json!(["b"]));
}

#[test]
fn strategic_patch_creates_what_is_absent() {
    let patch = containers(
        json!([{"name": "a", "env": [{"name": "x", "value": null}, {"$patch": "delete", "name": "y"}]}]),
    );
    assert_eq!(smp(&json!({}), &patch), containers(json!([{"name": "a", "env": [{"name": "x"}]}])));
    let error = strategic_merge(&json!({}), &containers(json!([{"image": "x"}])), &pod_schema())
        .unwrap_err();
    assert_eq!(error.message, "map: {\"image\":\"x\"} does not contain declared merge key: name");
}

mod laws {
    use proptest::prelude::*;

    use super::*;

    fn document() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (0..3i64).prop_map(Value::from)
        ];
        let inner = leaf.prop_recursive(3, 12, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                object_of(inner),
            ]
        });
        object_of(inner)
    }

    fn object_of(inner: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
        let name = prop::sample::select(vec!["a", "b", "c"]);
        prop::collection::btree_map(name, inner, 0..3).prop_map(|members| json!(members))
    }

    fn has_null_in_list(value: &Value) -> bool {
        match value {
            Value::Object(object) => object.values().any(has_null_in_list),
            Value::Array(items) => {
                items.iter().any(|item| has_null_member(item) || has_null_in_list(item))
            }
            _ => false,
        }
    }

    fn has_null_member(value: &Value) -> bool {
        match value {
            Value::Object(object) => {
                object.values().any(|value| value.is_null() || has_null_member(value))
            }
            _ => false,
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn merging_twice_is_merging_once(object in document(), patch in document()) {
            let once = merge_patch(&object, &patch).unwrap();
            prop_assert_eq!(merge_patch(&once, &patch).unwrap(), once);
        }

        #[test]
        fn an_empty_patch_changes_nothing(object in document()) {
            prop_assert_eq!(merge_patch(&object, &json!({})).unwrap(), object);
        }

        #[test]
        fn a_patch_never_brings_nulls_into_objects(patch in document()) {
            let merged = merge_patch(&json!({}), &patch).unwrap();
            prop_assert!(!has_null_member(&merged));
        }

        #[test]
        fn without_a_schema_strategic_is_plain(object in document(), patch in document()) {
            // Null members inside a replaced list mean absent in a strategic merge only.
            prop_assume!(!has_null_in_list(&patch));
            let schema = crate::schema::Schema::anything();
            prop_assert_eq!(strategic_merge(&object, &patch, &schema).unwrap(), merge_patch(&object, &patch).unwrap());
        }
    }
}
