//! What real clients send and a server may easily refuse, with the answers of kube-apiserver 1.36.3.

use serde_json::{Value, json};

use crate::harness::{Answer, DEFINITIONS, Sent, Server};

const JSON: &str = "application/json";
const JSON_PATCH: &str = "application/json-patch+json";
const APPLY: &str = "application/apply-patch+yaml";

const CONFIG_MAPS: &str = "/api/v1/namespaces/ns/configmaps";
const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/ns/deployments";
const STATEFUL_SETS: &str = "/apis/apps/v1/namespaces/ns/statefulsets";
const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/ns/leases";
const THINGS: &str = "/apis/ex.com/v1/namespaces/ns/things";

struct Case {
    name: &'static str,
    method: &'static str,
    path: String,
    kind: &'static str,
    body: Value,
    code: u16,
    /// Places of the answer and what is there; null is absent too.
    holds: Vec<(&'static str, Value)>,
    /// All of them.
    warnings: Vec<&'static str>,
}

impl Case {
    fn new(name: &'static str, method: &'static str, path: &str, kind: &'static str) -> Self {
        let (path, holds, warnings) = (format!("{path}?fieldManager=m"), Vec::new(), Vec::new());
        Self { name, method, path, kind, body: Value::Null, code: 200, holds, warnings }
    }

    fn create(name: &'static str, path: &str, body: Value) -> Self {
        Self { body, code: 201, ..Self::new(name, "POST", path, JSON) }
    }

    fn json_patch(name: &'static str, path: &str, operations: Value) -> Self {
        Self { body: operations, ..Self::new(name, "PATCH", path, JSON_PATCH) }
    }

    fn code(self, code: u16) -> Self {
        Self { code, ..self }
    }

    fn holds(mut self, place: &'static str, value: Value) -> Self {
        self.holds.push((place, value));
        self
    }

    fn warns(mut self, warning: &'static str) -> Self {
        self.warnings.push(warning);
        self
    }

    /// Runs it without storing anything.
    async fn run(self, server: &Server) {
        let sent = Sent { content_type: self.kind, ..Sent::json(&self.body) };
        let path = format!("{}&dryRun=All", self.path);
        let answer = server.request(self.method, &path, sent).await;
        assert_eq!(answer.code.as_u16(), self.code, "{}: {}", self.name, answer.text);
        let warnings: Vec<_> = self.warnings.iter().map(|it| quoted(it)).collect();
        assert_eq!(told(&answer), warnings, "{}", self.name);
        let object = answer.json();
        for (place, expected) in self.holds {
            let found = object.pointer(place).unwrap_or(&Value::Null);
            assert_eq!(found, &expected, "{} at {place}", self.name);
        }
    }
}

fn told(answer: &Answer) -> Vec<String> {
    let headers = answer.headers.get_all("warning").iter();
    headers.map(|it| it.to_str().unwrap().to_owned()).collect()
}

fn quoted(warning: &str) -> String {
    format!("299 - \"{}\"", warning.replace('"', "\\\""))
}

/// A custom resource with fields of every shape, one with a default, one that may be null.
fn things() -> Value {
    let text = json!({"type": "string"});
    let spec = json!({"type": "object", "properties": {
        "plain": text, "object": {"type": "object", "properties": {"x": text}},
        "map": {"type": "object", "additionalProperties": text},
        "list": {"type": "array", "items": {"type": "object", "properties": {"y": text}}},
        "nullable": {"type": "string", "nullable": true},
        "default": {"type": "string", "default": "d"},
        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
    }});
    let status = json!({"type": "object", "properties": {"ready": {"type": "integer"}}});
    let schema = json!({"type": "object", "properties": {"spec": spec, "status": status}});
    json!({"metadata": {"name": "things.ex.com"}, "spec": {
        "group": "ex.com", "scope": "Namespaced",
        "names": {"plural": "things", "singular": "thing", "kind": "Thing", "listKind": "ThingList"},
        "versions": [{"name": "v1", "served": true, "storage": true, "subresources": {"status": {}},
            "schema": {"openAPIV3Schema": schema}}],
    }})
}

fn thing(name: &str, spec: Value) -> Value {
    let (version, kind) = ("ex.com/v1", "Thing");
    json!({"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": spec})
}

fn workload(container: Value) -> Value {
    let mut whole = json!({"name": "c", "image": "busybox:1.36"});
    whole.as_object_mut().unwrap().extend(container.as_object().unwrap().clone());
    json!({"metadata": {"name": "w"}, "spec": {
        "replicas": 0, "selector": {"matchLabels": {"a": "b"}},
        "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [whole]}},
    }})
}

async fn server() -> Server {
    let server = Server::start().await;
    server.namespace("ns").await;
    server.post(DEFINITIONS, things()).await.expect(201);
    server.post(THINGS, thing("made", json!({"plain": "p"}))).await.expect(201);
    let map = json!({"metadata": {"name": "j"}, "data": {"k": "v"}});
    server.post(CONFIG_MAPS, map).await.expect(201);
    server
}

async fn run(cases: impl IntoIterator<Item = Case>) {
    let server = server().await;
    for case in cases {
        case.run(&server).await;
    }
}

#[tokio::test]
async fn json_patches() {
    let (map, thing) = (format!("{CONFIG_MAPS}/j"), format!("{THINGS}/made"));
    let refused = "the server rejected our request due to an error in our request";
    let annotate = json!([
        {"op": "test", "path": "/metadata/annotations", "value": null},
        {"op": "add", "path": "/metadata/annotations", "value": {"a": "b"}},
    ]);
    let finalize = json!([
        {"op": "test", "path": "/metadata/finalizers", "value": null},
        {"op": "add", "path": "/metadata/finalizers", "value": ["a.b/c"]},
    ]);
    let ready = json!([{"op": "replace", "path": "/status", "value": {"ready": 1}}]);
    let nothing = json!([{"op": "add", "path": "/metadata/finalizers/-", "value": "a.b/c"}]);
    let other = json!([{"op": "test", "path": "/data/k", "value": "w"}]);
    let null = json!([{"op": "add", "path": "/spec/object", "value": null}]);
    run([
        Case::json_patch("test of an absent member", &map, annotate)
            .holds("/metadata/annotations", json!({"a": "b"})),
        Case::json_patch("kube-rs finalizer()", &thing, finalize)
            .holds("/metadata/finalizers", json!(["a.b/c"])),
        Case::json_patch("replace of an absent status", &format!("{thing}/status"), ready)
            .holds("/status", json!({"ready": 1})),
        Case::json_patch("append to nothing", &map, nothing)
            .code(422)
            .holds("/message", json!(refused)),
        Case::json_patch("test that fails", &map, other)
            .code(422)
            .holds("/message", json!(refused)),
        Case::json_patch("null in a custom resource", &thing, null)
            .holds("/spec", json!({"plain": "p", "default": "d"})),
    ])
    .await;
}

#[tokio::test]
async fn nulls_in_custom_resources() {
    let create = |name, spec| Case::create(name, THINGS, thing("x", spec));
    let spec = json!({"plain": "p", "object": null});
    let mut replaced = thing("made", spec.clone());
    replaced["metadata"]["resourceVersion"] = "".into();
    let made = format!("{THINGS}/made");
    let live = server().await.get(&made).await.expect(200);
    assert_eq!(live["spec"], json!({"plain": "p", "default": "d"}));
    let applied = Case { body: thing("x", spec), ..Case::new("applied", "PATCH", "", APPLY) };
    run([
        create("members", json!({"plain": null, "object": null, "default": null}))
            .holds("/spec", json!({"default": "d"})),
        create("a member that may be null", json!({"nullable": null}))
            .holds("/spec", json!({"default": "d", "nullable": null})),
        create("a value of a map", json!({"map": {"a": null, "b": "1"}}))
            .holds("/spec/map", json!({"b": "1"})),
        create("a member of an item", json!({"list": [{"y": null}]}))
            .holds("/spec/list", json!([{}])),
        create("below what is preserved", json!({"free": {"a": null}}))
            .holds("/spec/free", json!({"a": null})),
        create("an item", json!({"list": [null]})).code(422),
        Case { path: format!("{THINGS}/x?fieldManager=m"), code: 422, ..applied },
    ])
    .await;
}

#[tokio::test]
async fn finalizers_of_custom_resources() {
    let mut vague = thing("x", json!({}));
    vague["metadata"]["finalizers"] =
        json!(["resources-finalizer.argocd.argoproj.io", "a.b/c", "foregroundDeletion"]);
    let mut map = json!({"metadata": {"name": "x", "finalizers": ["nodomain"]}});
    let refused = Case::create("of a built-in kind", CONFIG_MAPS, map.take()).code(422);
    let bad = json!({"apiVersion": "ex.com/v1", "kind": "Thing",
        "metadata": {"name": "x", "finalizers": ["a b"]}, "spec": {}});
    run([
        Case::create("without a domain", THINGS, vague).warns(
            "metadata.finalizers: \"resources-finalizer.argocd.argoproj.io\": prefer a domain-qualified finalizer name \
             including a path (/) to avoid accidental conflicts with other finalizer writers",
        ),
        Case::create("that is no name", THINGS, bad).code(422),
        refused,
    ])
    .await;
}

#[tokio::test]
async fn what_workloads_say_twice() {
    let variables = json!({"env": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]});
    let extended = json!({"env": [{"name": "A", "value": "1"}, {"name": "A", "value": "$(A)2"}]});
    let ports = json!({"ports": [
        {"name": "http", "containerPort": 9090}, {"name": "admin", "containerPort": 9090},
    ]});
    let names = json!({"ports": [
        {"name": "http", "containerPort": 80}, {"name": "http", "containerPort": 81},
    ]});
    run([
        Case::create("variables", DEPLOYMENTS, workload(variables)).warns(
            "spec.template.spec.containers[0].env[1]: hides previous definition of \"A\", which may be dropped when \
             using apply",
        ),
        Case::create("a variable that extends itself", DEPLOYMENTS, workload(extended)),
        Case::create("ports", DEPLOYMENTS, workload(ports)).warns(
            "spec.template.spec.containers[0].ports[1]: duplicate port definition with \
             spec.template.spec.containers[0].ports[0]",
        ),
        Case::create("names of ports", DEPLOYMENTS, workload(names)).code(422),
    ])
    .await;
}

#[tokio::test]
async fn claims_and_leases() {
    let mounted = |name: &str| {
        let mut set = workload(json!({"volumeMounts": [{"name": name, "mountPath": "/d"}]}));
        set["spec"]["serviceName"] = "w".into();
        set["spec"]["volumeClaimTemplates"] = json!([{"metadata": {"name": "data"}, "spec": {
            "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}]);
        set
    };
    let lease = json!({"metadata": {"name": "l"}, "spec": {
        "holderIdentity": "", "leaseDurationSeconds": 1, "leaseTransitions": 3,
        "acquireTime": "2026-01-01T00:00:00.000000Z", "renewTime": "2026-01-01T00:00:00.000000Z"}});
    run([
        Case::create("a mount of a claim template", STATEFUL_SETS, mounted("data")),
        Case::create("a mount of nothing", STATEFUL_SETS, mounted("other")).code(422),
        Case::create("a lease that was released", LEASES, lease)
            .holds("/spec/holderIdentity", json!("")),
    ])
    .await;
}
