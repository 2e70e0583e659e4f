use serde_json::{Value, json};

use super::*;

pub(super) fn widget() -> Value {
    json!({
        "type": "object",
        "required": ["spec"],
        "properties": {
            "spec": {
                "type": "object",
                "required": ["size"],
                "properties": {
                    "mode": {"type": "string", "enum": ["a", "b"]},
                    "replicas": {"type": "integer", "default": 1},
                    "size": {"type": "integer", "minimum": 1},
                    "tags": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"},
                },
                "x-kubernetes-validations": [
                    {"rule": "self.size < 100", "message": "too big"},
                    {"rule": "self.size >= oldSelf.size"},
                ],
            },
            "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
        },
    })
}

fn object(spec: Value) -> Value {
    json!({"apiVersion": "ex.com/v1", "kind": "Widget", "metadata": {"name": "a"}, "spec": spec})
}

fn texts(errors: &[FieldError]) -> Vec<String> {
    errors.iter().map(FieldError::to_string).collect()
}

fn check(schema: &Value, value: &Value, expected: &[&str]) {
    let schema = Schema::from_openapi(schema).unwrap();
    assert_eq!(texts(&schema.validate(value, None)), expected);
}

/// A schema whose only member is `spec.x`.
fn with(x: Value) -> Value {
    json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {"x": x}}}})
}

#[test]
fn defaults_fill_absent_members() {
    let schema = Schema::from_openapi(&widget()).unwrap();
    let mut value = object(json!({"size": 1}));
    schema.apply_defaults(&mut value);
    assert_eq!(value["spec"], json!({"size": 1, "replicas": 1}));
    let mut null = object(json!({"size": 1, "replicas": null}));
    schema.apply_defaults(&mut null);
    assert_eq!(null["spec"]["replicas"], 1);
    let mut set = object(json!({"size": 1, "replicas": 5}));
    schema.apply_defaults(&mut set);
    assert_eq!(set["spec"]["replicas"], 5);
}

#[test]
fn defaults_reach_items_and_additional_members() {
    let inner =
        json!({"type": "object", "properties": {"p": {"type": "string", "default": "TCP"}}});
    let schema = json!({"type": "object", "properties": {
        "list": {"type": "array", "items": inner},
        "map": {"type": "object", "additionalProperties": inner},
        "deep": {"type": "object", "default": {}, "properties": {"x": {"type": "integer", "default": 2}}},
    }});
    let schema = Schema::from_openapi(&schema).unwrap();
    let mut value = json!({"list": [{}, {"p": "UDP"}], "map": {"k": {}}});
    schema.apply_defaults(&mut value);
    assert_eq!(
        value,
        json!({"list": [{"p": "TCP"}, {"p": "UDP"}], "map": {"k": {"p": "TCP"}}, "deep": {"x": 2}})
    );
}

#[test]
fn pruning_reports_and_removes() {
    let schema = Schema::from_openapi(&widget()).unwrap();
    let mut value = object(json!({"size": 2, "zz": 1}));
    value["metadata"]["labels"] = json!({"any": "thing"});
    value["metadata"]["odd"] = json!(1);
    value["status"] = json!({"free": {"form": [1]}});
    assert_eq!(schema.prune(&mut value), ["metadata.odd", "spec.zz"]);
    let mut expected = object(json!({"size": 2}));
    expected["metadata"]["labels"] = json!({"any": "thing"});
    expected["status"] = json!({"free": {"form": [1]}});
    assert_eq!(value, expected);
}

#[test]
fn pruning_inside_lists_and_preserved_fields() {
    let schema = json!({"type": "object", "properties": {
        "list": {"type": "array", "items": {"type": "object", "properties": {"a": {"type": "string"}}}},
        "open": {"type": "object", "x-kubernetes-preserve-unknown-fields": true,
                 "properties": {"known": {"type": "object", "properties": {"a": {"type": "string"}}}}},
    }});
    let schema = Schema::from_openapi(&schema).unwrap();
    let mut value =
        json!({"list": [{"a": "1"}, {"b": 2}], "open": {"free": {"x": 1}, "known": {"b": 1}}});
    assert_eq!(schema.prune(&mut value), ["list[1].b", "open.known.b"]);
    assert_eq!(value, json!({"list": [{"a": "1"}, {}], "open": {"free": {"x": 1}, "known": {}}}));
}

#[test]
fn built_in_objects_lose_nulls_and_keep_free_form() {
    let schema = json!({"type": "object", "properties": {
        "replicas": {"type": "integer"}, "raw": {"type": "object"}, "metadata": {"$ref": "#/meta"},
    }});
    let schema = Schema::from_builtin(&schema, &mut |_| Some(object_meta()));
    let mut value = json!({"replicas": null, "raw": {"x": null}, "metadata": {"creationTimestamp": null, "name": "a"}});
    assert!(schema.prune(&mut value).is_empty());
    assert_eq!(value, json!({"raw": {"x": null}, "metadata": {"name": "a"}}));
}

#[test]
fn recorded_and_upstream_messages() {
    check(
        &widget(),
        &object(json!({"size": 0})),
        &["spec.size: Invalid value: 0: spec.size in body should be greater than or equal to 1"],
    );
    check(
        &widget(),
        &json!({"metadata": {}}),
        &[
            "spec: Required value",
            "<nil>: Invalid value: \"null\": some validation rules were not checked because the object was invalid; correct the existing errors to complete validation",
        ],
    );
    let errors = Schema::from_openapi(&widget())
        .unwrap()
        .validate(&object(json!({"size": "x", "mode": "c"})), None);
    assert_eq!(
        texts(&errors)[..2],
        [
            "spec.mode: Unsupported value: \"c\": supported values: \"a\", \"b\"",
            "spec.size: Invalid value: \"string\": spec.size in body must be of type integer: \"string\"",
        ]
    );
}

#[test]
fn each_check_has_its_text() {
    let spec = |x: Value| json!({"spec": {"x": x}});
    for (schema, value, expected) in [
        (
            json!({"type": "integer", "maximum": 5}),
            json!(6),
            "spec.x: Invalid value: 6: spec.x in body should be less than or equal to 5",
        ),
        (
            json!({"type": "integer", "minimum": 5, "exclusiveMinimum": true}),
            json!(5),
            "spec.x: Invalid value: 5: spec.x in body should be greater than 5",
        ),
        (
            json!({"type": "integer", "multipleOf": 3}),
            json!(4),
            "spec.x: Invalid value: 4: spec.x in body should be a multiple of 3",
        ),
        (
            json!({"type": "string", "minLength": 2}),
            json!("é"),
            "spec.x: Invalid value: \"é\": spec.x in body should be at least 2 chars long",
        ),
        (
            json!({"type": "string", "maxLength": 2}),
            json!("abc"),
            "spec.x: Too long: may not be more than 2 bytes",
        ),
        (
            json!({"type": "string", "pattern": "^a+$"}),
            json!("b"),
            "spec.x: Invalid value: \"b\": spec.x in body should match '^a+$'",
        ),
        (
            json!({"type": "string", "format": "uuid"}),
            json!("b"),
            "spec.x: Invalid value: \"b\": spec.x in body must be of type uuid: \"b\"",
        ),
        (
            json!({"type": "string"}),
            json!(null),
            "spec.x: Invalid value: \"null\": spec.x in body must be of type string: \"null\"",
        ),
        (
            json!({"x-kubernetes-int-or-string": true}),
            json!(true),
            "spec.x: Invalid value: \"boolean\": spec.x in body must be of type integer,string: \"boolean\"",
        ),
        (
            json!({"type": "array", "items": {"type": "string"}, "maxItems": 1}),
            json!(["a", "b"]),
            "spec.x: Too many: 2: must have at most 1 item",
        ),
        (
            json!({"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"}),
            json!(["a", "b", "a"]),
            "spec.x[2]: Duplicate value: \"a\"",
        ),
        (
            json!({"type": "object", "additionalProperties": {"type": "string"}}),
            json!({"k": 1}),
            "spec.x.k: Invalid value: \"integer\": spec.x.k in body must be of type string: \"integer\"",
        ),
        (
            json!({"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}}, "oneOf": [{"required": ["a"]}, {"required": ["b"]}]}),
            json!({}),
            "spec.x: Invalid value: \"\": \"spec.x\" must validate one and only one schema (oneOf). Found none valid",
        ),
        (
            json!({"type": "integer", "not": {"minimum": 5}}),
            json!(6),
            "spec.x: Invalid value: \"\": \"spec.x\" must not validate the schema (not)",
        ),
    ] {
        check(&with(schema), &spec(value), &[expected]);
    }
    for (schema, value) in [
        (json!({"type": "string", "nullable": true}), json!(null)),
        (json!({"type": "integer"}), json!(1.0)),
        (json!({"type": "number"}), json!(1)),
        (
            json!({"x-kubernetes-int-or-string": true, "anyOf": [{"type": "integer"}, {"type": "string"}]}),
            json!("25%"),
        ),
    ] {
        check(&with(schema), &spec(value), &[]);
    }
}

fn keyed_list() -> Value {
    with(json!({
        "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name", "port"],
        "items": {"type": "object", "required": ["name"], "properties": {
            "name": {"type": "string"}, "port": {"type": "integer", "default": 80},
            "text": {"type": "string", "maxLength": 3},
        }},
    }))
}

#[test]
fn items_of_map_lists_are_unique_by_key() {
    let value = json!({"spec": {"x": [{"name": "a"}, {"name": "a", "port": 81}, {"name": "a", "port": 80}]}});
    let expected = ["spec.x[2]: Duplicate value: {\"name\":\"a\",\"port\":80}"];
    check(&keyed_list(), &value, &expected);
}

#[test]
fn unchanged_values_are_forgiven_on_update() {
    let schema = Schema::from_openapi(&keyed_list()).unwrap();
    let old = json!({"spec": {"x": [{"name": "a", "text": "long"}, {"name": "b"}]}});
    let moved = json!({"spec": {"x": [{"name": "b"}, {"name": "a", "text": "long", "port": 80}]}});
    assert_eq!(texts(&schema.validate(&moved, Some(&old))), [""; 0]);
    let changed = json!({"spec": {"x": [{"name": "a", "text": "longer"}]}});
    assert_eq!(schema.validate(&changed, Some(&old)).len(), 1);
    let schema = Schema::from_openapi(&widget()).unwrap();
    let (old, new) =
        (object(json!({"size": 0, "mode": "a"})), object(json!({"size": 0, "mode": "b"})));
    assert_eq!(texts(&schema.validate(&new, Some(&old))), [""; 0]);
}

#[test]
fn recorded_schema_errors() {
    let schema =
        json!({"type": "object", "properties": {"spec": {"properties": {"a": {"type": "array"}}}}});
    let errors = Schema::from_openapi(&schema).unwrap_err();
    assert_eq!(
        texts(&errors),
        [
            "openAPIV3Schema.properties[spec].properties[a].items: Required value: must be specified",
            "openAPIV3Schema.properties[spec].type: Required value: must not be empty for specified object fields",
        ]
    );
}

#[test]
fn each_structural_rule() {
    for (schema, part) in [
        (json!({}), "openAPIV3Schema.type: Required value: must not be empty at the root"),
        (json!({"type": "string"}), "must be object at the root"),
        (json!({"type": "object", "nullable": true}), "nullable cannot be true at the root"),
        (
            json!({"type": "object", "additionalProperties": {"type": "string"}}),
            "must not be used at the root",
        ),
        (with(json!({"type": "string", "pattern": "("})), "must be a valid regular expression"),
        (
            with(json!({"type": "integer", "default": "x"})),
            "properties[x].default: Invalid value: \"string\"",
        ),
        (with(json!({"type": "object", "default": {"a": 1}})), "must not have unknown fields"),
        (
            with(json!({"type": "object", "x-kubernetes-embedded-resource": true})),
            "must not be empty if x-kubernetes-embedded-resource",
        ),
        (
            with(
                json!({"type": "array", "items": {"type": "object"}, "x-kubernetes-list-type": "map"}),
            ),
            "must not be empty if x-kubernetes-list-type is map",
        ),
        (
            with(
                json!({"type": "array", "items": {"type": "object"}, "x-kubernetes-list-type": "set"}),
            ),
            "must be atomic as item of a list",
        ),
        (
            with(json!({"type": "string", "x-kubernetes-list-type": "set"})),
            "must be array if x-kubernetes-list-type is specified",
        ),
        (
            with(json!({"type": "object", "anyOf": [{"properties": {"q": {"minimum": 1}}}]})),
            "because it is defined in openAPIV3Schema.properties[spec].properties[x].anyOf[0].properties[q]",
        ),
        (
            with(json!({"type": "object", "anyOf": [{"type": "object"}]})),
            "must be empty to be structural",
        ),
        (
            with(json!({"type": "array", "items": {"type": "string"}, "uniqueItems": true})),
            "uniqueItems cannot be set to true",
        ),
        (with(json!({"type": "string", "$ref": "x"})), "$ref is not supported"),
        (
            json!({"type": "object", "properties": {"metadata": {"type": "object", "properties": {"labels": {"type": "object"}}}}}),
            "must not specify anything other than name and generateName",
        ),
        (with(json!({"type": "strange"})), "Unsupported value: \"strange\""),
    ] {
        let errors = texts(&Schema::from_openapi(&schema).unwrap_err());
        assert!(errors.iter().any(|text| text.contains(part)), "{part} in {errors:?}");
    }
}

#[test]
fn quantities_have_one_form() {
    let schema = json!({"type": "object", "properties": {
        "limits": {"type": "object", "additionalProperties": {"$ref": "q"}},
        "list": {"type": "array", "items": {"type": "object", "properties": {"size": {"$ref": "q"}}}},
        "text": {"type": "string"},
    }});
    let schema = Schema::from_builtin(&schema, &mut |_| Some(Arc::new(Schema::quantity())));
    let mut value = json!({"limits": {"memory": "1024Mi", "cpu": 0.5, "odd": "x"}, "list": [{"size": "1000m"}], "text": "1000m"});
    schema.canonicalize(&mut value);
    let expected = json!({"limits": {"memory": "1Gi", "cpu": "500m", "odd": "x"}, "list": [{"size": "1"}], "text": "1000m"});
    assert_eq!(value, expected);
}

#[test]
fn deep_schemas_are_refused() {
    let mut schema = json!({"type": "string"});
    for _ in 0..DEPTH_MAX + 5 {
        schema = json!({"type": "object", "properties": {"x": schema}});
    }
    assert!(Schema::from_openapi(&schema).is_err());
}
