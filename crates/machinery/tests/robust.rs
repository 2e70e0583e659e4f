//! Arbitrary input is answered, never a panic, and the laws between the operations hold.
#![expect(clippy::unwrap_used, reason = "helpers of tests, which clippy does not know as such")]

use jiff::Timestamp;
use machinery::duration;
use machinery::jsonpath::JsonPath;
use machinery::names;
use machinery::ownership::{self, Apply, Scope, Update};
use machinery::patch;
use machinery::quantity::Quantity;
use machinery::selector::{FieldSelector, LabelSelector};
use machinery::stream::{Decoder, StreamRequest};
use machinery::{Schema, schema};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

const NAMES: [&str; 6] = ["a", "b", "name", "spec", "metadata", "labels"];

fn config() -> ProptestConfig {
    ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() }
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-3..300i64).prop_map(Value::from),
        (0..40u8).prop_map(|number| json!(f64::from(number) / 4.0)),
        prop::sample::select(vec!["", "x", "1Gi", "2026-01-01T00:00:00Z", "é"])
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from), object(inner)]
    })
}

fn object(inner: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    let name = prop::sample::select(NAMES.to_vec());
    prop::collection::btree_map(name, inner, 0..4).prop_map(|members| json!(members))
}

/// A whole object: anything, but with an object as metadata.
fn whole() -> impl Strategy<Value = Value> {
    object(value()).prop_map(|mut object| {
        object["metadata"] = json!({"name": "a", "labels": {"x": "y"}});
        object
    })
}

/// A structural schema of some shape.
fn node() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!({"type": "string", "maxLength": 3})),
        Just(json!({"type": "integer", "minimum": 0, "default": 7})),
        Just(json!({"type": "string", "nullable": true, "format": "date-time"})),
        Just(json!({"x-kubernetes-int-or-string": true})),
        Just(json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})),
        Just(
            json!({"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"})
        ),
        Just(json!({
            "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
            "items": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}, "a": {"type": "integer"}}},
        })),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        let name = prop::sample::select(NAMES[..3].to_vec());
        prop_oneof![
            prop::collection::btree_map(name, inner.clone(), 0..4)
                .prop_map(|properties| json!({"type": "object", "properties": properties})),
            inner.clone().prop_map(|items| json!({"type": "array", "items": items})),
            inner.prop_map(|other| json!({"type": "object", "additionalProperties": other})),
        ]
    })
}

fn schema() -> impl Strategy<Value = Schema> {
    prop::collection::btree_map(prop::sample::select(NAMES[..4].to_vec()), node(), 0..4).prop_map(
        |properties| {
            Schema::from_openapi(&json!({"type": "object", "properties": properties})).unwrap()
        },
    )
}

fn apply(schema: &Schema, live: Option<&Value>, patch: Value, manager: &str) -> Value {
    let request = Apply {
        live,
        patch,
        manager,
        force: true,
        subresource: "",
        scope: Scope::All,
        now: Timestamp::UNIX_EPOCH,
        schema,
    };
    ownership::apply(request).unwrap()
}

/// Every item of a list has another identity: what validation makes sure of before anything is stored.
fn is_valid(schema: &Schema, value: &Value) -> bool {
    schema.validate(value, None).is_empty()
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn pruning_twice_is_pruning_once(schema in schema(), mut object in whole()) {
        schema.prune(&mut object);
        let once = object.clone();
        prop_assert_eq!(schema.prune(&mut object), Vec::<String>::new());
        prop_assert_eq!(object, once);
    }

    #[test]
    fn defaulting_twice_is_defaulting_once(schema in schema(), mut object in whole()) {
        schema.apply_defaults(&mut object);
        let once = object.clone();
        schema.apply_defaults(&mut object);
        prop_assert_eq!(object, once);
    }

    #[test]
    fn an_unchanged_object_is_always_accepted(schema in schema(), object in whole()) {
        prop_assert_eq!(schema.validate(&object, Some(&object)), vec![]);
    }

    #[test]
    fn applying_twice_changes_nothing(schema in schema(), first in whole(), second in whole()) {
        prop_assume!(is_valid(&schema, &first) && is_valid(&schema, &second));
        let live = apply(&schema, None, first, "one");
        let once = apply(&schema, Some(&live), second.clone(), "two");
        let twice = apply(&schema, Some(&once), second, "two");
        prop_assert_eq!(once, twice);
    }

    #[test]
    fn a_create_gives_everything_to_its_manager(schema in schema(), mut object in whole()) {
        let (live, scope, now) = (None, Scope::All, Timestamp::UNIX_EPOCH);
        let request = Update { live, new: &mut object, manager: "me", subresource: "", scope, now, schema: &schema };
        ownership::update(request);
        let entries = object["metadata"]["managedFields"].as_array().unwrap();
        prop_assert_eq!(entries.len(), 1);
        prop_assert_eq!(&entries[0]["manager"], "me");
        // Writing the same again changes nothing.
        let (live, mut again) = (object.clone(), object.clone());
        let request = Update { live: Some(&live), new: &mut again, manager: "other", subresource: "", scope, now, schema: &schema };
        ownership::update(request);
        prop_assert_eq!(live, again);
    }

    #[test]
    fn hostile_managed_fields_do_no_harm(schema in schema(), object in whole(), entry in value()) {
        let mut new = object.clone();
        new["metadata"]["managedFields"] = json!([{"manager": "x", "operation": "Apply", "fieldsType": "FieldsV1", "apiVersion": "v1", "fieldsV1": entry}]);
        let (scope, now) = (Scope::All, Timestamp::UNIX_EPOCH);
        let request = Update { live: Some(&object), new: &mut new, manager: "me", subresource: "", scope, now, schema: &schema };
        ownership::update(request);
        let patch = json!({"metadata": {"name": "a"}, "spec": 1});
        apply(&schema, Some(&new), patch, "me");
    }

    #[test]
    fn any_schema_document_is_answered(document in value()) {
        let _ = Schema::from_openapi(&document);
        let schema = Schema::from_builtin(&document, &mut |_| Some(schema::object_meta()));
        let mut object = json!({"a": 1, "b": [{"name": "x"}], "metadata": {"labels": null}});
        schema.prune(&mut object);
        schema.apply_defaults(&mut object);
        schema.validate(&object, None);
    }

    #[test]
    fn any_patch_is_answered(schema in schema(), object in whole(), change in value()) {
        let _ = patch::json_patch(&object, &change);
        let _ = patch::strategic_merge(&object, &change, &schema);
        if let Ok(once) = patch::merge_patch(&object, &change) {
            prop_assert_eq!(patch::merge_patch(&once, &change).unwrap(), once);
        }
    }

    #[test]
    fn any_text_is_answered(text in "[a-z=!,()<> .\\[\\]?@*'\"\\\\0-9KMGinµé/:-]{0,40}") {
        if let Ok(selector) = LabelSelector::parse(&text) {
            prop_assert_eq!(&LabelSelector::parse(&selector.to_string()).unwrap(), &selector);
        }
        if let Ok(selector) = FieldSelector::parse(&text) {
            prop_assert_eq!(&FieldSelector::parse(&selector.to_string()).unwrap(), &selector);
        }
        if let Ok(path) = JsonPath::parse(&text) {
            path.find(&json!({"a": [{"b": 1}, 2], "c": {"d": null}}));
        }
        let _ = duration::parse(&text);
        for rule in [names::dns_label, names::dns_subdomain, names::qualified_name, names::label_value, names::dns_1035_label, names::config_key, names::port_name, names::path_segment] {
            rule(&text);
        }
    }

    #[test]
    fn quantities_keep_their_value(text in "[+-]?[0-9.]{1,12}(|m|u|n|k|Ki|M|Mi|G|Gi|T|Ti|E|Ei|e[0-9]|E-[0-9])") {
        if let Ok(quantity) = Quantity::parse(&text) {
            prop_assert_eq!(Quantity::parse(&quantity.to_string()).unwrap(), quantity);
        }
    }

    #[test]
    fn any_bytes_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = StreamRequest::decode(&bytes);
        let mut decoder = Decoder::new();
        decoder.feed(&bytes);
        while let Ok(Some(_)) = decoder.next_frame() {}
    }

    #[test]
    fn any_label_selector_object_is_answered(selector in value()) {
        let _ = LabelSelector::from_value(&selector);
        let _ = LabelSelector::from_map(&selector);
        let wrapped = json!({"matchLabels": selector, "matchExpressions": [selector]});
        let _ = LabelSelector::from_value(&wrapped);
    }
}

#[test]
fn metadata_is_never_pruned_away() {
    let schema = Schema::from_openapi(&json!({"type": "object"})).unwrap();
    let mut object =
        json!({"apiVersion": "v1", "kind": "X", "metadata": {"name": "a"}, "other": 1});
    assert_eq!(schema.prune(&mut object), ["other"]);
    let kept: Vec<&String> = object.as_object().map(Map::keys).unwrap().collect();
    assert_eq!(kept, ["apiVersion", "kind", "metadata"]);
}
