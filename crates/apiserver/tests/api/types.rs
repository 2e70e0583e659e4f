//! Every field of every built-in kind with values of wrong types: an error of the client, never a bug of the server.

use serde_json::{Value, json};

use crate::harness::{Answer, Server};

/// How deep schemas are followed, and how many fields of a kind are tried.
const DEPTH_MAX: usize = 6;
const FIELDS_MAX: usize = 1500;

struct Kind {
    api_version: String,
    kind: String,
    path: String,
}

/// What discovery says can be created.
async fn kinds(server: &Server) -> Vec<Kind> {
    let mut versions = vec![("v1".to_owned(), "/api/v1".to_owned())];
    let groups = server.get("/apis").await.expect(200);
    for group in groups["groups"].as_array().unwrap() {
        for version in group["versions"].as_array().unwrap() {
            let version = version["groupVersion"].as_str().unwrap().to_owned();
            versions.push((version.clone(), format!("/apis/{version}")));
        }
    }
    let mut kinds = Vec::new();
    for (api_version, path) in versions {
        let list = server.get(&path).await.expect(200);
        for resource in list["resources"].as_array().unwrap() {
            let name = resource["name"].as_str().unwrap();
            let creates = resource["verbs"].as_array().unwrap().contains(&json!("create"));
            if name.contains('/') || !creates {
                continue;
            }
            let within = if resource["namespaced"] == true { "/namespaces/ns" } else { "" };
            kinds.push(Kind {
                api_version: api_version.clone(),
                kind: resource["kind"].as_str().unwrap().to_owned(),
                path: format!("{path}{within}/{name}"),
            });
        }
    }
    kinds
}

/// The fields of a kind in its OpenAPI document, as paths; `-` is an item of a list, `*` a member of a map.
async fn fields(server: &Server, kind: &Kind) -> Vec<Vec<String>> {
    let group = match kind.api_version.as_str() {
        "v1" => "api/v1".to_owned(),
        other => format!("apis/{other}"),
    };
    let document = server.get(&format!("/openapi/v3/{group}")).await.expect(200);
    let schemas = &document["components"]["schemas"];
    let (group, version) = kind.api_version.rsplit_once('/').unwrap_or(("", &kind.api_version));
    let of_kind = |schema: &&Value| {
        let wanted = json!({"group": group, "version": version, "kind": kind.kind});
        let kinds = schema["x-kubernetes-group-version-kind"].as_array();
        kinds.is_some_and(|kinds| kinds.contains(&wanted))
    };
    let root = schemas.as_object().unwrap().values().find(of_kind);
    let mut found = Vec::new();
    follow(schemas, root.unwrap_or(&Value::Null), &mut Vec::new(), &mut found);
    found
}

fn follow(schemas: &Value, schema: &Value, path: &mut Vec<String>, found: &mut Vec<Vec<String>>) {
    let whole = schema["allOf"].as_array().and_then(|all| all.first()).unwrap_or(schema);
    if let Some(target) = whole["$ref"].as_str() {
        let name = target.rsplit('/').next().unwrap();
        return follow(schemas, &schemas[name], path, found);
    }
    if path.len() >= DEPTH_MAX || found.len() >= FIELDS_MAX {
        return;
    }
    let members = whole["properties"].as_object().into_iter().flatten();
    let members = members.map(|(name, schema)| (name.as_str(), schema));
    let items = whole.get("items").map(|items| ("-", items));
    let others = whole.get("additionalProperties").map(|others| ("*", others));
    for (name, schema) in members.chain(items).chain(others) {
        path.push(name.to_owned());
        found.push(path.clone());
        follow(schemas, schema, path, found);
        path.pop();
    }
}

/// An object in which only one field is set.
fn with(path: &[String], value: Value) -> Value {
    path.iter().rev().fold(value, |value, name| match name.as_str() {
        "-" => json!([value]),
        "*" => json!({"key": value}),
        name => json!({ name: value }),
    })
}

fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from,
    }
}

#[track_caller]
fn check(answer: &Answer, what: &str) {
    let code = answer.code.as_u16();
    assert!(code < 500, "{what}: {code} {}", answer.text);
}

#[tokio::test]
async fn wrong_types_are_errors_of_the_client_in_every_field_of_every_kind() {
    let server = Server::start().await;
    server.namespace("ns").await;
    let wrong = [
        json!("text"),
        json!(-1.5),
        json!(1e300),
        json!([[]]),
        json!({"a": {"b": 1}}),
        json!(true),
    ];
    let mut tried = 0;
    for kind in kinds(&server).await {
        let fields = fields(&server, &kind).await;
        for (number, path) in fields.iter().enumerate() {
            // Every value at every field would take long; over all kinds every combination comes by.
            let values =
                [&wrong[number % wrong.len()], &wrong[(number / wrong.len()) % wrong.len()]];
            for value in values {
                let mut body = json!({"apiVersion": kind.api_version, "kind": kind.kind,
                    "metadata": {"name": format!("o{number}")}});
                merge(&mut body, with(path, value.clone()));
                let what = format!("{} {} = {value}", kind.kind, path.join("."));
                let answer = server.post(&format!("{}?dryRun=All", kind.path), body.clone()).await;
                check(&answer, &what);
                tried += 1;
                if number % 7 == 0 {
                    let answer = server
                        .apply(&format!("{}/o{number}?fieldManager=m&dryRun=All", kind.path), body)
                        .await;
                    check(&answer, &format!("apply {what}"));
                }
            }
        }
    }
    assert!(tried > 10_000, "schemas were read: {tried}");
}

#[tokio::test]
async fn wrong_types_in_requests_that_are_not_stored_are_errors_of_the_client() {
    let server = Server::start().await;
    server.namespace("ns").await;
    let accounts = "/api/v1/namespaces/ns/serviceaccounts";
    server.post(accounts, json!({"metadata": {"name": "a"}})).await.expect(201);
    let pods = "/api/v1/namespaces/ns/pods";
    let pod =
        json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
    server.post(pods, pod).await.expect(201);
    let sets = "/apis/apps/v1/namespaces/ns/replicasets";
    let labels = json!({"a": "b"});
    let set = json!({"metadata": {"name": "r"}, "spec": {"selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "i"}]}}}});
    server.post(sets, set).await.expect(201);
    let targets = [
        (
            "POST",
            format!("{accounts}/a/token"),
            vec!["spec", "audiences", "expirationSeconds", "boundObjectRef"],
        ),
        ("POST", format!("{pods}/p/binding"), vec!["target", "name", "kind"]),
        ("POST", format!("{pods}/p/eviction"), vec!["deleteOptions", "preconditions", "dryRun"]),
        ("PUT", format!("{sets}/r/scale"), vec!["spec", "replicas"]),
        ("PATCH", format!("{sets}/r/scale"), vec!["spec", "replicas"]),
        ("PATCH", format!("{pods}/p/resize"), vec!["spec", "containers", "resources"]),
        ("PATCH", format!("{pods}/p/status"), vec!["status", "conditions"]),
        ("PUT", "/api/v1/namespaces/ns/finalize".to_owned(), vec!["spec", "finalizers"]),
        ("DELETE", format!("{pods}/p"), vec!["preconditions", "gracePeriodSeconds", "dryRun"]),
        ("DELETE", pods.to_owned(), vec!["preconditions", "gracePeriodSeconds", "dryRun"]),
        (
            "POST",
            "/apis/authentication.k8s.io/v1/tokenreviews".to_owned(),
            vec!["spec", "token", "audiences"],
        ),
        (
            "POST",
            "/apis/authorization.k8s.io/v1/subjectaccessreviews".to_owned(),
            vec!["spec", "resourceAttributes", "groups"],
        ),
        (
            "POST",
            "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews".to_owned(),
            vec!["spec", "namespace"],
        ),
    ];
    let wrong = [json!("text"), json!(-1.5), json!([1]), json!({"a": 1}), json!(true)];
    for (method, path, members) in &targets {
        for value in &wrong {
            for depth in 0..=members.len() {
                for member in ["metadata", members[0]] {
                    let inner: Vec<String> = match depth {
                        0 => vec![member.to_owned()],
                        depth => vec![members[0].to_owned(), members[depth - 1].to_owned()],
                    };
                    let body = with(&inner, value.clone());
                    let answer = match *method {
                        "PATCH" => server.merge(path, body.clone()).await,
                        method => {
                            server.request(method, path, crate::harness::Sent::json(&body)).await
                        }
                    };
                    check(&answer, &format!("{method} {path} {body}"));
                }
            }
        }
    }
}
