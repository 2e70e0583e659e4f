//! What each step of a write costs for an object of about one kilobyte: `cargo bench -p machinery`.
#![expect(clippy::print_stdout, reason = "a benchmark prints its results")]
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

use std::hint::black_box;
use std::time::Instant;

use jiff::Timestamp;
use machinery::Schema;
use machinery::ownership::{self, Apply, Scope, Update};
use machinery::patch;
use serde_json::{Value, json};

/// Under `cargo test` each step only runs once.
fn rounds() -> u32 {
    if std::env::args().any(|argument| argument == "--bench") { 20_000 } else { 1 }
}

fn main() {
    let schema = Schema::from_openapi(&schema(Value::Null)).expect("the schema is structural");
    let rules = json!([{"rule": "self.size < 100 && self.size >= self.replicas", "message": "too big"}, {"rule": "self.size >= oldSelf.size"}]);
    let ruled = Schema::from_openapi(&self::schema(rules)).expect("the rules compile");
    let live = tracked(&schema);
    let mut changed = live.clone();
    changed["spec"]["size"] = json!(7);
    println!("object: {} bytes with its managed fields", live.to_string().len());

    measure("clone of the object, for comparison", || live.clone());
    measure("apply_defaults", || {
        let mut value = live.clone();
        schema.apply_defaults(&mut value);
        value
    });
    measure("prune", || {
        let mut value = live.clone();
        black_box(schema.prune(&mut value));
        value
    });
    measure("validate", || schema.validate(&live, None));
    measure("validate an update", || schema.validate(&changed, Some(&live)));
    measure("validate an update with two rules", || ruled.validate(&changed, Some(&live)));
    measure("ownership::update of a create", || update(&schema, None, &object()));
    measure("ownership::update of a change", || update(&schema, Some(&live), &changed));
    measure("ownership::update of no change", || update(&schema, Some(&live), &live));
    measure("ownership::apply of no change", || apply(&schema, &live, object()));
    let intent = json!({"apiVersion": "ex.com/v1", "kind": "Widget", "metadata": {"name": "a"}, "spec": {"size": 9}});
    measure("ownership::apply of one field", || apply(&schema, &live, intent.clone()));
    let merge = json!({"spec": {"size": 5}});
    measure("merge patch", || patch::merge_patch(&live, &merge));
    measure("strategic merge patch", || patch::strategic_merge(&live, &merge, &schema));
    measure("all of a create", || whole(&schema, None, object()));
    measure("all of an update", || whole(&schema, Some(&live), changed.clone()));
}

fn measure<T>(what: &str, work: impl Fn() -> T) {
    for _ in 0..rounds() / 10 {
        black_box(work());
    }
    let start = Instant::now();
    for _ in 0..rounds() {
        black_box(work());
    }
    let each = start.elapsed() / rounds();
    println!("{what:<40} {:>8.2} µs", each.as_secs_f64() * 1e6);
}

/// Every step of a write, as the API server does them.
fn whole(schema: &Schema, live: Option<&Value>, mut new: Value) -> Value {
    black_box(schema.prune(&mut new));
    schema.apply_defaults(&mut new);
    black_box(schema.validate(&new, live));
    update(schema, live, &new)
}

fn update(schema: &Schema, live: Option<&Value>, new: &Value) -> Value {
    let mut new = new.clone();
    let now = Timestamp::UNIX_EPOCH;
    let (manager, subresource, scope) = ("bench", "", Scope::WithoutStatus);
    ownership::update(Update { live, new: &mut new, manager, subresource, scope, now, schema });
    new
}

fn apply(schema: &Schema, live: &Value, patch: Value) -> Value {
    let request = Apply {
        live: Some(live),
        patch,
        manager: "applier",
        force: true,
        subresource: "",
        scope: Scope::WithoutStatus,
        now: Timestamp::UNIX_EPOCH,
        schema,
    };
    ownership::apply(request).expect("a forced apply has no conflicts")
}

/// The object as an applier and a status writer left it.
fn tracked(schema: &Schema) -> Value {
    let mut live = update(schema, None, &object());
    live = apply(schema, &live, object());
    live["status"] = json!({"ready": 3, "phase": "Running"});
    live
}

fn object() -> Value {
    let template = |name: &str| json!({"name": name, "image": format!("registry.example/{name}:v1"), "port": 80, "args": ["--verbose", "--data-dir=/var/lib"]});
    json!({
        "apiVersion": "ex.com/v1", "kind": "Widget",
        "metadata": {"name": "a", "namespace": "ns", "labels": {"app": "a", "tier": "db"}, "annotations": {"note": "x".repeat(100)}},
        "spec": {
            "size": 5, "replicas": 3, "mode": "a", "tags": ["one", "two", "three"],
            "settings": {"heartbeat": "100", "election": "1000", "snapshots": "5"},
            "containers": [template("main"), template("side"), template("third")],
        },
    })
}

fn schema(rules: Value) -> Value {
    let mut spec = json!({
        "type": "object", "required": ["size"],
        "properties": {
            "size": {"type": "integer", "minimum": 1},
            "replicas": {"type": "integer", "default": 1},
            "paused": {"type": "boolean", "default": false},
            "mode": {"type": "string", "enum": ["a", "b"]},
            "tags": {"type": "array", "items": {"type": "string", "maxLength": 63}, "x-kubernetes-list-type": "set"},
            "settings": {"type": "object", "additionalProperties": {"type": "string"}},
            "containers": {
                "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
                "items": {"type": "object", "required": ["name"], "properties": {
                    "name": {"type": "string", "pattern": "^[a-z]+$"}, "image": {"type": "string"},
                    "port": {"type": "integer", "minimum": 1, "maximum": 65535},
                    "policy": {"type": "string", "default": "Always"},
                    "args": {"type": "array", "items": {"type": "string"}},
                }},
            },
        },
    });
    if rules.is_array() {
        spec["x-kubernetes-validations"] = rules;
    }
    json!({"type": "object", "properties": {
        "spec": spec, "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
    }})
}
