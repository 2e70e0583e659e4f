//! What each step of a write costs for an object of about one kilobyte: `cargo bench -p machinery`.
#![expect(clippy::print_stdout, reason = "a benchmark prints its results")]
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use machinery::Schema;
use machinery::ownership::{self, Apply, Scope, Update};
use machinery::patch;
use serde_json::{Value, json};

/// Under `cargo test` each step only runs once.
fn rounds() -> u32 {
    if std::env::args().any(|argument| argument == "--bench") { 200 } else { 1 }
}

fn main() {
    let schema = Schema::from_openapi(&schema(Value::Null)).expect("the schema is structural");
    let rules = json!([{"rule": "self.size < 100 && self.size >= self.replicas", "message": "too big"}, {"rule": "self.size >= oldSelf.size"}]);
    let ruled = Schema::from_openapi(&self::schema(rules)).expect("the rules compile");
    let live = tracked(&schema);
    let mut changed = live.clone();
    changed["spec"]["size"] = json!(7);
    println!("object: {} bytes with its managed fields", live.to_string().len());

    measure("clone and drop, for comparison", || (), |()| drop(live.clone()));
    measure("apply_defaults", || live.clone(), |value| schema.apply_defaults(value));
    measure("prune", || live.clone(), |value| drop(schema.prune(value)));
    measure("validate", || (), |()| drop(schema.validate(&live, None)));
    measure("validate an update", || (), |()| drop(schema.validate(&changed, Some(&live))));
    measure("validate with two rules", || (), |()| drop(ruled.validate(&changed, Some(&live))));
    measure("ownership::update of a create", object, |new| update(&schema, None, new));
    measure(
        "ownership::update of a change",
        || changed.clone(),
        |new| update(&schema, Some(&live), new),
    );
    measure(
        "ownership::update of no change",
        || live.clone(),
        |new| update(&schema, Some(&live), new),
    );
    measure("ownership::apply of no change", object, |intent| apply(&schema, &live, intent));
    let part = json!({"apiVersion": "ex.com/v1", "kind": "Widget", "metadata": {"name": "a"}, "spec": {"size": 9}});
    measure(
        "ownership::apply of one field",
        || part.clone(),
        |intent| apply(&schema, &live, intent),
    );
    let merge = json!({"spec": {"size": 5}});
    measure("merge patch", || (), |()| drop(patch::merge_patch(&live, &merge)));
    measure(
        "strategic merge patch",
        || (),
        |()| drop(patch::strategic_merge(&live, &merge, &schema)),
    );
    measure("all of a create", object, |new| whole(&schema, None, new));
    measure("all of an update", || changed.clone(), |new| whole(&schema, Some(&live), new));
}

/// Times `work` alone, on inputs made before and dropped after.
fn measure<T>(what: &str, input: impl Fn() -> T, work: impl Fn(&mut T)) {
    const BATCH: u32 = 100;
    let mut total = Duration::ZERO;
    for _ in 0..rounds() {
        let mut inputs: Vec<T> = (0..BATCH).map(|_| input()).collect();
        let start = Instant::now();
        for input in &mut inputs {
            work(black_box(input));
        }
        total += start.elapsed();
    }
    let each = total / (rounds() * BATCH);
    println!("{what:<40} {:>8.2} µs", each.as_secs_f64() * 1e6);
}

/// Every step of a write, as the API server does them.
fn whole(schema: &Schema, live: Option<&Value>, new: &mut Value) {
    black_box(schema.prune(new));
    schema.apply_defaults(new);
    black_box(schema.validate(new, live));
    update(schema, live, new);
}

fn update(schema: &Schema, live: Option<&Value>, new: &mut Value) {
    let now = Timestamp::UNIX_EPOCH;
    let (manager, subresource, scope) = ("bench", "", Scope::WithoutStatus);
    ownership::update(Update { live, new, manager, subresource, scope, now, schema });
}

/// Leaves the result in the place of the intent.
fn apply(schema: &Schema, live: &Value, intent: &mut Value) {
    let request = Apply {
        live: Some(live),
        patch: std::mem::take(intent),
        manager: "applier",
        force: true,
        subresource: "",
        scope: Scope::WithoutStatus,
        now: Timestamp::UNIX_EPOCH,
        schema,
    };
    *intent = ownership::apply(request).expect("a forced apply has no conflicts");
}

/// The object as an applier and a status writer left it.
fn tracked(schema: &Schema) -> Value {
    let mut created = object();
    update(schema, None, &mut created);
    let mut live = object();
    apply(schema, &created, &mut live);
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
