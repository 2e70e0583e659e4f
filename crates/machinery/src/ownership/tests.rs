use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::error::Cause;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_764_000_000 + second).unwrap()
}

/// A schema with one list of each type, as a built-in kind has it.
fn schema() -> Schema {
    let schema = json!({"type": "object", "properties": {
        "spec": {"type": "object", "properties": {
            "size": {"type": "integer"},
            "text": {"type": "string"},
            "map": {"type": "object", "additionalProperties": {"type": "string"}},
            "one": {"type": "object", "x-kubernetes-map-type": "atomic", "additionalProperties": {"type": "string"}},
            "set": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"},
            "whole": {"type": "array", "items": {"type": "string"}},
            "ports": {"type": "array", "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["port", "protocol"],
                "items": {"type": "object", "required": ["port"], "properties": {
                    "port": {"type": "integer"},
                    "protocol": {"type": "string", "default": "TCP"},
                    "name": {"type": "string"},
                }}},
        }},
        "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
    }});
    Schema::from_openapi(&schema).unwrap()
}

/// A schema that knows nothing but the metadata, as the recorded server had none.
fn free() -> Schema {
    let schema = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    Schema::from_openapi(&schema).unwrap()
}

struct World {
    schema: Schema,
    object: Option<Value>,
    clock: i64,
}

impl World {
    fn new(schema: Schema) -> Self {
        Self { schema, object: None, clock: 0 }
    }

    fn wrap(part: Value) -> Value {
        let mut object =
            json!({"apiVersion": "ex.com/v1", "kind": "Widget", "metadata": {"name": "a"}});
        for (name, value) in part.as_object().unwrap() {
            match name.as_str() {
                "metadata" => object["metadata"]
                    .as_object_mut()
                    .unwrap()
                    .extend(value.as_object().unwrap().clone()),
                _ => object[name] = value.clone(),
            }
        }
        object
    }

    fn apply_with(&mut self, manager: &str, part: Value, force: bool) -> Result<(), ApiError> {
        self.clock += 1;
        self.object = Some(apply(Apply {
            live: self.object.as_ref(),
            patch: Self::wrap(part),
            manager,
            force,
            subresource: "",
            scope: Scope::WithoutStatus,
            now: at(self.clock),
            schema: &self.schema,
        })?);
        Ok(())
    }

    fn apply(&mut self, manager: &str, part: Value) -> Result<(), ApiError> {
        self.apply_with(manager, part, false)
    }

    fn write(&mut self, manager: &str, subresource: &str, mut new: Value) {
        self.clock += 1;
        let scope = if subresource == "status" { Scope::OnlyStatus } else { Scope::WithoutStatus };
        update(Update {
            live: self.object.as_ref(),
            new: &mut new,
            manager,
            subresource,
            scope,
            now: at(self.clock),
            schema: &self.schema,
        });
        self.object = Some(new);
    }

    /// A client's merge patch.
    fn patch(&mut self, manager: &str, subresource: &str, part: Value) {
        let live = self.object.clone().unwrap_or_else(|| Self::wrap(json!({})));
        self.write(manager, subresource, crate::patch::merge_patch(&live, &part).unwrap());
    }

    fn get(&self, path: &str) -> Value {
        self.object.as_ref().unwrap().pointer(path).cloned().unwrap_or(Value::Null)
    }

    fn fields(&self, manager: &str) -> Value {
        let entries = self.get("/metadata/managedFields");
        let entry = entries.as_array().into_iter().flatten().find(|one| one["manager"] == manager);
        entry.map_or(Value::Null, |entry| entry["fieldsV1"].clone())
    }
}

#[test]
fn recorded_story_of_writes_and_an_apply() {
    let mut world = World::new(free());
    world.write("curl", "", World::wrap(json!({"spec": {"replicas": 1, "size": 1}})));
    let created = json!([{
        "apiVersion": "ex.com/v1", "fieldsType": "FieldsV1", "manager": "curl", "operation": "Update",
        "fieldsV1": {"f:spec": {".": {}, "f:replicas": {}, "f:size": {}}}, "time": "2025-11-24T16:00:01Z",
    }]);
    assert_eq!(world.get("/metadata/managedFields"), created);
    world.patch("curl", "", json!({"spec": {"size": 5}}));
    assert_eq!(world.fields("curl"), created[0]["fieldsV1"]);
    world.patch("curl", "status", json!({"status": {"x": 1}}));
    let status = &world.get("/metadata/managedFields")[1];
    assert_eq!(status["subresource"], "status");
    assert_eq!(status["fieldsV1"], json!({"f:status": {".": {}, "f:x": {}}}));
    world.apply_with("m1", json!({"spec": {"size": 7}}), true).unwrap();
    let entries = world.get("/metadata/managedFields");
    let sets: Vec<(&str, &str, &Value)> = entries
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            (one["manager"].as_str().unwrap(), one["operation"].as_str().unwrap(), &one["fieldsV1"])
        })
        .collect();
    assert_eq!(
        sets,
        [
            ("m1", "Apply", &json!({"f:spec": {".": {}, "f:size": {}}})),
            ("curl", "Update", &json!({"f:spec": {".": {}, "f:replicas": {}}})),
            ("curl", "Update", &json!({"f:status": {".": {}, "f:x": {}}})),
        ]
    );
    assert_eq!(world.get("/spec"), json!({"replicas": 1, "size": 7}));
}

#[test]
fn recorded_conflict() {
    let mut world = World::new(free());
    world.apply("m1", json!({"spec": {"size": 7, "tags": ["p"]}})).unwrap();
    assert_eq!(world.fields("m1"), json!({"f:spec": {".": {}, "f:size": {}, "f:tags": {}}}));
    let error = world.apply("m2", json!({"spec": {"size": 7, "tags": ["q"]}})).unwrap_err();
    assert_eq!(error.message, "Apply failed with 1 conflict: conflict with \"m1\": .spec.tags");
    assert_eq!(
        error.causes(),
        [Cause::new("FieldManagerConflict", "conflict with \"m1\"", ".spec.tags")]
    );
    assert_eq!(
        error.to_status()["details"],
        json!({"causes": [{"reason": "FieldManagerConflict", "message": "conflict with \"m1\"", "field": ".spec.tags"}]})
    );
}

#[test]
fn conflicts_name_update_managers_and_list_several() {
    let mut world = World::new(schema());
    world.write(
        "curl",
        "",
        World::wrap(json!({"spec": {"size": 1, "ports": [{"port": 80, "name": "x"}]}})),
    );
    let error = world.apply("me", json!({"spec": {"size": 2}})).unwrap_err();
    assert_eq!(error.causes()[0].message, "conflict with \"curl\" using ex.com/v1");
    let error = world
        .apply(
            "me",
            json!({"spec": {"size": 2, "ports": [{"port": 80, "protocol": "TCP", "name": "y"}]}}),
        )
        .unwrap_err();
    assert_eq!(
        error.message,
        "Apply failed with 2 conflicts: conflicts with \"curl\" using ex.com/v1:\n- .spec.ports[port=80,protocol=\"TCP\"].name\n- .spec.size"
    );
}

#[test]
fn recorded_managed_fields_in_a_patch() {
    let mut world = World::new(schema());
    let entry = json!({"manager": "x", "operation": "Apply", "apiVersion": "ex.com/v1", "fieldsType": "FieldsV1", "fieldsV1": {}});
    let error = world.apply("m2", json!({"metadata": {"managedFields": [entry]}})).unwrap_err();
    assert_eq!((error.code, error.message.as_str()), (400, "metadata.managedFields must be nil"));
}

#[test]
fn what_is_no_longer_applied_is_removed() {
    let mut world = World::new(schema());
    world
        .apply(
            "a",
            json!({"spec": {"size": 1, "text": "x", "map": {"k": "1", "l": "2"}, "set": ["p", "q"],
        "ports": [{"port": 80, "protocol": "TCP"}, {"port": 81, "protocol": "TCP"}]}}),
        )
        .unwrap();
    world.apply("b", json!({"spec": {"size": 1, "map": {"l": "2"}, "set": ["q"]}})).unwrap();
    world.apply("a", json!({"spec": {"ports": [{"port": 81, "protocol": "TCP"}]}})).unwrap();
    assert_eq!(
        world.get("/spec"),
        json!({"size": 1, "map": {"l": "2"}, "set": ["q"], "ports": [{"port": 81, "protocol": "TCP"}]})
    );
    world.apply("b", json!({})).unwrap();
    assert_eq!(world.get("/spec"), json!({"ports": [{"port": 81, "protocol": "TCP"}]}));
    assert_eq!(world.fields("b"), Value::Null, "a manager of nothing is forgotten");
}

#[test]
fn what_updaters_changed_since_stays() {
    let mut world = World::new(schema());
    world.apply("a", json!({"spec": {"size": 1, "text": "x"}})).unwrap();
    world.patch("kubectl-scale", "", json!({"spec": {"size": 5}}));
    assert_eq!(world.fields("a"), json!({"f:spec": {"f:text": {}}}));
    world.apply("a", json!({"spec": {"text": "x"}})).unwrap();
    assert_eq!(world.get("/spec"), json!({"size": 5, "text": "x"}));
}

#[test]
fn item_defaults_below_an_owned_item_go_with_it() {
    let mut world = World::new(schema());
    world.apply("a", json!({"spec": {"ports": [{"port": 80}]}})).unwrap();
    assert_eq!(
        world.fields("a"),
        json!({"f:spec": {"f:ports": {"k:{\"port\":80,\"protocol\":\"TCP\"}": {".": {}, "f:port": {}}}}})
    );
    let mut object = world.object.clone().unwrap();
    world.schema.apply_defaults(&mut object);
    world.object = Some(object);
    world.apply("a", json!({"spec": {"ports": [{"port": 81}]}})).unwrap();
    assert_eq!(world.get("/spec/ports"), json!([{"port": 81}]));
}

#[test]
fn lists_keep_their_order_when_merged() {
    let mut world = World::new(schema());
    world.write("x", "", World::wrap(json!({"spec": {"set": ["a", "b", "c"]}})));
    world.apply("me", json!({"spec": {"set": ["c", "d", "a"]}})).unwrap();
    assert_eq!(world.get("/spec/set"), json!(["b", "c", "d", "a"]));
}

#[test]
fn atomic_values_have_one_owner() {
    let mut world = World::new(schema());
    world.apply("a", json!({"spec": {"one": {"x": "1"}, "whole": ["x"]}})).unwrap();
    assert_eq!(world.fields("a"), json!({"f:spec": {"f:one": {}, "f:whole": {}}}));
    let error = world.apply("b", json!({"spec": {"one": {"y": "1"}}})).unwrap_err();
    assert_eq!(error.causes()[0].field, ".spec.one");
    world.apply_with("b", json!({"spec": {"one": {"y": "1"}}}), true).unwrap();
    assert_eq!(world.get("/spec/one"), json!({"y": "1"}));
    assert_eq!(world.fields("a"), json!({"f:spec": {"f:whole": {}}}));
}

#[test]
fn untracked_objects_get_a_first_manager() {
    let mut world = World::new(schema());
    world.object = Some(World::wrap(json!({"spec": {"size": 1, "text": "x"}})));
    world.patch("curl", "", json!({"spec": {"size": 2}}));
    assert_eq!(world.get("/metadata/managedFields"), Value::Null, "updates do not start tracking");
    let error = world.apply("me", json!({"spec": {"size": 3}})).unwrap_err();
    assert_eq!(error.causes()[0].message, "conflict with \"before-first-apply\" using ex.com/v1");
    world.apply_with("me", json!({"spec": {"size": 3}}), true).unwrap();
    assert_eq!(world.fields("before-first-apply"), json!({"f:spec": {".": {}, "f:text": {}}}));
}

#[test]
fn kubectl_takes_over_what_it_applied_before() {
    let last = World::wrap(json!({"spec": {"size": 1, "text": "x"}})).to_string();
    let annotations =
        json!({"annotations": {"kubectl.kubernetes.io/last-applied-configuration": last}});
    let mut world = World::new(schema());
    world.write(
        "kubectl-client-side-apply",
        "",
        World::wrap(json!({"metadata": annotations, "spec": {"size": 1, "text": "x"}})),
    );
    world.patch("other", "", json!({"spec": {"text": "y"}}));
    assert_eq!(world.apply("me", json!({"spec": {"size": 2}})).unwrap_err().code, 409);
    let error = world.apply("kubectl", json!({"spec": {"size": 2, "text": "z"}})).unwrap_err();
    assert_eq!(error.causes().len(), 1, "only what somebody changed since");
    assert_eq!(error.causes()[0].field, ".spec.text");
    world.apply("kubectl", json!({"spec": {"size": 2}})).unwrap();
    assert_eq!(world.get("/spec/size"), 2);
}

#[test]
fn clients_may_send_or_reset_managed_fields() {
    let mut world = World::new(schema());
    world.write("curl", "", World::wrap(json!({"spec": {"size": 1}})));
    let mut without = world.object.clone().unwrap();
    without["metadata"].as_object_mut().unwrap().remove("managedFields");
    world.write("other", "", without.clone());
    assert_eq!(world.fields("curl")["f:spec"]["f:size"], json!({}), "leaving them out keeps them");
    without["metadata"]["managedFields"] = json!([{"manager": "x", "operation": "Nope"}]);
    world.write("other", "", without.clone());
    assert_eq!(world.fields("curl")["f:spec"]["f:size"], json!({}), "nonsense keeps them");
    without["metadata"]["managedFields"] = json!([{}]);
    world.write("other", "", without);
    assert_eq!(world.get("/metadata/managedFields"), Value::Null);
}

#[test]
fn update_managers_are_capped() {
    let mut world = World::new(schema());
    world.write("m0", "", World::wrap(json!({"spec": {"map": {"k0": "x"}}})));
    for n in 1..30 {
        world.patch(&format!("m{n}"), "", json!({"spec": {"map": {format!("k{n}"): "x"}}}));
    }
    let entries = world.get("/metadata/managedFields");
    assert_eq!(entries.as_array().unwrap().len(), UPDATE_MANAGERS_MAX);
    let ancient = world.fields("ancient-changes");
    assert_eq!(ancient["f:spec"]["f:map"]["f:k0"], json!({}));
    assert_eq!(ancient["f:spec"]["f:map"]["f:k20"], json!({}));
    assert_ne!(world.fields("m29"), Value::Null);
}

#[test]
fn server_set_metadata_is_not_owned() {
    let mut world = World::new(schema());
    let metadata = json!({"uid": "u", "labels": {"a": "b"}, "finalizers": ["x/y"], "generation": 1, "creationTimestamp": "2026-01-01T00:00:00Z"});
    world.write("curl", "", World::wrap(json!({"metadata": metadata})));
    assert_eq!(
        world.fields("curl"),
        json!({"f:metadata": {"f:labels": {".": {}, "f:a": {}}, "f:finalizers": {".": {}, "v:\"x/y\"": {}}}})
    );
    world
        .apply("me", json!({"metadata": {"labels": {"a": "b"}, "creationTimestamp": null}}))
        .unwrap();
    assert_eq!(world.fields("me"), json!({"f:metadata": {"f:labels": {"f:a": {}}}}));
    assert_eq!(world.get("/metadata/creationTimestamp"), "2026-01-01T00:00:00Z");
}

#[test]
fn names_of_managers() {
    assert_eq!(manager_name("me", "curl/8"), "me");
    assert_eq!(manager_name("", "curl/8.1 (x)"), "curl");
    assert_eq!(manager_name("", ""), "unknown");
    assert_eq!(manager_name("", &"é".repeat(300)).chars().count(), 128);
}

fn spec() -> impl Strategy<Value = Value> {
    let word = prop::sample::select(vec!["a", "b", "c"]);
    let ports = prop::collection::btree_map(80..83u16, prop::option::of(word.clone()), 0..3);
    let set = prop::collection::btree_set(word.clone(), 0..3);
    let map = prop::collection::btree_map(word.clone(), word.clone(), 0..3);
    let parts = (
        prop::option::of(0..3u8),
        prop::option::of(map),
        prop::option::of(set),
        prop::option::of(ports),
        prop::option::of(word),
    );
    parts.prop_map(|(size, map, set, ports, text)| {
        let mut out = serde_json::Map::new();
        if let Some(size) = size {
            out.insert("size".into(), size.into());
        }
        if let Some(text) = text {
            out.insert("text".into(), text.into());
        }
        if let Some(map) = map {
            out.insert("map".into(), json!(map));
        }
        if let Some(set) = set {
            out.insert("set".into(), json!(set));
        }
        if let Some(ports) = ports {
            let item = |(port, name): (u16, Option<&str>)| match name {
                Some(name) => json!({"port": port, "protocol": "TCP", "name": name}),
                None => json!({"port": port, "protocol": "TCP"}),
            };
            out.insert("ports".into(), ports.into_iter().map(item).collect());
        }
        json!({"spec": out})
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn applying_twice_changes_nothing(first in spec(), other in spec(), second in spec()) {
        let mut world = World::new(schema());
        world.apply("a", first).unwrap();
        world.apply_with("b", other, true).unwrap();
        world.apply_with("a", second.clone(), true).unwrap();
        let once = world.object.clone();
        world.apply("a", second).unwrap();
        prop_assert_eq!(once, world.object);
    }

    #[test]
    fn what_is_applied_is_there(first in spec(), second in spec()) {
        let mut world = World::new(schema());
        world.apply("a", first).unwrap();
        world.apply_with("b", second.clone(), true).unwrap();
        let wanted = &second["spec"];
        for name in ["size", "text"] {
            if let Some(value) = wanted.get(name) {
                prop_assert_eq!(&world.get(&format!("/spec/{name}")), value);
            }
        }
        for (key, value) in wanted["map"].as_object().into_iter().flatten() {
            prop_assert_eq!(&world.get(&format!("/spec/map/{key}")), value);
        }
        for item in wanted["set"].as_array().into_iter().flatten() {
            prop_assert!(world.get("/spec/set").as_array().unwrap().contains(item));
        }
    }

    #[test]
    fn a_sole_applier_gets_exactly_its_intent(first in spec(), second in spec()) {
        let mut world = World::new(schema());
        world.apply("a", first).unwrap();
        world.apply("a", second.clone()).unwrap();
        let mut fresh = World::new(schema());
        fresh.apply("a", second).unwrap();
        prop_assert_eq!(world.get("/spec"), fresh.get("/spec"));
        prop_assert_eq!(world.fields("a"), fresh.fields("a"));
    }

    #[test]
    fn a_field_belongs_to_whoever_changed_it_last(writes in prop::collection::vec((0..3usize, 0..4u8), 1..20)) {
        let mut world = World::new(schema());
        world.write("creator", "", World::wrap(json!({"spec": {"map": {"x": "start"}}})));
        let (mut owner, mut value) = ("creator".to_owned(), "start".to_owned());
        for (manager, next) in writes {
            let (manager, next) = (format!("m{manager}"), next.to_string());
            world.patch(&manager, "", json!({"spec": {"map": {"x": next}}}));
            if next != value {
                (owner, value) = (manager, next);
            }
            for name in ["creator", "m0", "m1", "m2"] {
                let owns = world.fields(name)["f:spec"]["f:map"].get("f:x").is_some();
                prop_assert_eq!(owns, name == owner);
            }
        }
    }
}
