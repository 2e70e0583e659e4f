//! What attackers and broken clients send. Every answer is an error of the client, nothing is stored, and the
//! server goes on.

use serde_json::{Value, json};

use crate::harness::{Sent, Server, WIDGETS, widget};

const MAPS: &str = "/api/v1/namespaces/ns/configmaps";

async fn server() -> Server {
    let server = Server::with_widgets().await;
    server.config_map("ns", "victim", json!({"a": "b"})).await;
    server
}

#[tokio::test]
async fn bodies_that_are_no_objects_are_refused_in_every_verb_and_encoding() {
    let server = server().await;
    server.post(WIDGETS, widget("w", json!({"size": 1}))).await.expect(201);
    let before = server.store.revision();
    let deep = format!(
        "{{\"metadata\":{{\"name\":\"x\"}},\"data\":{}{}}}",
        "[".repeat(50_000),
        "]".repeat(50_000)
    );
    let bodies: Vec<Vec<u8>> = vec![
        vec![],
        b"\0\xff\xfe garbage".to_vec(),
        b"null".to_vec(),
        b"[]".to_vec(),
        b"3".to_vec(),
        b"\"text\"".to_vec(),
        b"{\"metadata\":".to_vec(),
        b"{\"metadata\":{\"name\":\"x\"}} trailing".to_vec(),
        b"{\"metadata\":{\"name\":\"\xff\"}}".to_vec(),
        b"{\"metadata\":{\"name\":1e400}}".to_vec(),
        b"k8s\0\xff\xff\xff\xff\xff".to_vec(),
        deep.into_bytes(),
    ];
    let targets = [
        ("POST", MAPS),
        ("PUT", "/api/v1/namespaces/ns/configmaps/victim"),
        ("POST", WIDGETS),
        ("PUT", "/apis/ex.com/v1/namespaces/ns/widgets/w"),
    ];
    for content_type in
        ["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"]
    {
        for body in &bodies {
            for (method, path) in targets {
                let sent = Sent { content_type, bytes: body.clone().into() };
                let answer = server.request(method, path, sent).await;
                let start = String::from_utf8_lossy(&body[..body.len().min(30)]).into_owned();
                assert!(
                    (400..500).contains(&answer.code.as_u16()),
                    "{method} {path} {content_type} {start}: {} {}",
                    answer.code,
                    answer.text
                );
            }
        }
    }
    for content_type in [
        "application/json-patch+json",
        "application/merge-patch+json",
        "application/strategic-merge-patch+json",
        "application/apply-patch+yaml",
    ] {
        for body in &bodies {
            for path in [
                "/api/v1/namespaces/ns/configmaps/victim?fieldManager=m",
                "/apis/ex.com/v1/namespaces/ns/widgets/w?fieldManager=m",
            ] {
                let sent = Sent { content_type, bytes: body.clone().into() };
                let answer = server.request("PATCH", path, sent).await;
                let start = String::from_utf8_lossy(&body[..body.len().min(30)]).into_owned();
                let code = answer.code.as_u16();
                // An empty list of operations is a patch that changes nothing.
                assert!(
                    (400..500).contains(&code) || body == b"[]",
                    "{path} {content_type} {start}: {code} {}",
                    answer.text
                );
            }
        }
    }
    assert_eq!(server.store.revision(), before, "nothing was stored");
}

#[tokio::test]
async fn wrong_types_are_refused_anywhere_in_an_object() {
    let server = server().await;
    let wrong = [json!(1), json!([]), json!("x"), json!(true), json!({"a": {"b": []}})];
    for value in &wrong {
        for field in [
            "metadata",
            "data",
            "labels",
            "annotations",
            "finalizers",
            "ownerReferences",
            "managedFields",
            "name",
        ] {
            let mut body =
                json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}});
            match field {
                "metadata" | "data" => body[field] = value.clone(),
                _ => body["metadata"][field] = value.clone(),
            }
            let answer = server.post(MAPS, body).await;
            let fits = matches!(
                (field, value),
                ("finalizers" | "ownerReferences" | "managedFields", Value::Array(_))
                    | ("name", Value::String(_))
            );
            let code = answer.code.as_u16();
            assert!(fits || (400..500).contains(&code), "{field} {value}: {code} {}", answer.text);
            if fits && code == 201 {
                server.delete(&format!("{MAPS}/x")).await;
            }
        }
        for field in ["spec", "status", "apiVersion", "kind"] {
            let mut body = widget("y", json!({"size": 1}));
            body[field] = value.clone();
            let answer = server.post(WIDGETS, body).await;
            let code = answer.code.as_u16();
            assert!(
                (400..500).contains(&code) || field == "status",
                "{field} {value}: {code} {}",
                answer.text
            );
            server.delete(&format!("{WIDGETS}/y")).await;
        }
    }
    assert_eq!(server.get(&format!("{MAPS}/victim")).await.code, 200);
}

#[tokio::test]
async fn a_wrong_type_in_a_built_in_kind_is_no_matter_of_validation() {
    let server = server().await;
    let victim = format!("{MAPS}/victim");
    let wrong = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "victim"}, "data": {"a": 1}});
    let why = "json: cannot unmarshal number into Go struct field ConfigMap.data of type string";
    let text = format!("ConfigMap in version \"v1\" cannot be handled as a ConfigMap: {why}");
    for answer in [server.post(MAPS, wrong.clone()).await, server.put(&victim, wrong.clone()).await]
    {
        let status = answer.expect(400);
        assert_eq!((&status["reason"], &status["message"]), (&json!("BadRequest"), &json!(text)));
    }
    let patched = server.merge(&victim, json!({"data": {"a": 1}})).await;
    assert_eq!(patched.message(422), format!("the request is invalid: patch: {why}"));
    assert_eq!(server.apply(&format!("{victim}?fieldManager=m"), wrong).await.code, 400);
}

#[tokio::test]
async fn a_body_over_the_limit_is_not_read() {
    let server = server().await;
    let huge = format!(
        r#"{{"metadata":{{"name":"x"}},"data":{{"k":"{}"}}}}"#,
        "x".repeat(4 * 1024 * 1024)
    );
    let answer = server.request("POST", MAPS, Sent::text("application/json", &huge)).await;
    assert_eq!(answer.code, 413);
    assert_eq!(answer.expect(413)["reason"], "RequestEntityTooLarge");
}

#[tokio::test]
async fn patches_cannot_grow_without_bounds() {
    let server = server().await;
    let path = format!("{MAPS}/victim");
    let many: Vec<Value> =
        (0..10_001).map(|_| json!({"op": "test", "path": "/kind", "value": "ConfigMap"})).collect();
    assert_eq!(server.patch(&path, "application/json-patch+json", json!(many)).await.code, 413);
    let mut bomb = vec![json!({"op": "add", "path": "/data", "value": {"a": "x".repeat(100_000)}})];
    for number in 0..20 {
        bomb.push(json!({"op": "copy", "from": "/data", "path": format!("/data/c{number}")}));
    }
    let answer = server.patch(&path, "application/json-patch+json", json!(bomb)).await;
    assert!((400..500).contains(&answer.code.as_u16()), "{}", answer.code);
}

#[tokio::test]
async fn no_path_reaches_what_it_does_not_name() {
    let server = server().await;
    server.namespace("ns1").await;
    server.namespace("ns10").await;
    server.config_map("ns10", "secret", json!({})).await;
    for path in [
        "/api/v1/namespaces/ns1/configmaps/..%2F..%2Fns10%2Fconfigmaps%2Fsecret",
        "/api/v1/namespaces/ns1%2Fx/configmaps",
        "/api/v1/namespaces/ns1/configmaps/%2e%2e",
        "/api/v1/namespaces/ns1/configmaps/secret",
        "/api/v1/namespaces/ns1/configmaps/secret%00",
        "/api/v1/namespaces//configmaps/secret",
        "/api/v1/configmaps/secret",
        "/api/v1/namespaces/ns10/configmaps/secret/status",
        "/api/v1/namespaces/ns10/configmaps/secret/scale",
        "/api/v1/namespaces/ns10/nodes",
        "/api/v1/namespaces/ns10/namespaces/ns1",
        "/apis/ex.com/v1/widgets/a",
        "/apis/ex.com/v2/namespaces/ns/widgets",
        "/APIS/ex.com/v1/namespaces/ns/widgets",
        "/api/v1/namespaces/ns10/ConfigMaps/secret",
    ] {
        let answer = server.get(path).await;
        assert_eq!(answer.code, 404, "{path}: {}", answer.text);
    }
    for name in ["a/b", "..", ".", "A", "a_b", "-a", "a b", "é", &"a".repeat(254), "a\u{0}b"] {
        let answer = server.post(MAPS, json!({"metadata": {"name": name}})).await;
        assert_eq!(answer.code, 422, "{name}: {}", answer.text);
    }
    assert_eq!(server.get("/api/v1/namespaces/ns/configmaps?labelSelector=%zz").await.code, 400);
    let long = "a".repeat(20_000);
    assert_eq!(server.get(&format!("/api/v1/namespaces/ns/configmaps/{long}")).await.code, 404);
}

#[tokio::test]
async fn methods_that_a_path_does_not_have_are_refused() {
    let server = server().await;
    for (method, path) in [
        ("POST", "/api/v1/namespaces/ns/configmaps/victim"),
        ("PUT", MAPS),
        ("PATCH", MAPS),
        ("POST", "/api/v1/configmaps"),
        ("OPTIONS", MAPS),
        ("TRACE", MAPS),
        ("POST", "/version"),
        ("GET", "/apis/authentication.k8s.io/v1/tokenreviews"),
        ("DELETE", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"),
    ] {
        let answer = server.request(method, path, Sent::json(&json!({}))).await;
        assert_eq!(answer.code, 405, "{method} {path}: {}", answer.text);
    }
    assert_eq!(
        server
            .request("PATCH", &format!("{MAPS}/victim"), Sent::text("text/plain", "{}"))
            .await
            .code,
        415
    );
    assert_eq!(server.request("POST", MAPS, Sent::text("application/xml", "<a/>")).await.code, 415);
}

#[tokio::test]
async fn numbers_out_of_range_in_queries_are_refused() {
    let server = server().await;
    for query in
        ["limit=x", "limit=99999999999999999999", "resourceVersionMatch=Sometimes", "continue=%21"]
    {
        let code = server.get(&format!("{MAPS}?{query}")).await.code.as_u16();
        assert!((400..500).contains(&code), "{query}: {code}");
    }
    for query in ["gracePeriodSeconds=x", "dryRun=x", "propagationPolicy=x"] {
        let code = server.delete(&format!("{MAPS}/victim?{query}")).await.code.as_u16();
        assert!((400..500).contains(&code), "{query}: {code}");
    }
    assert_eq!(server.get(&format!("{MAPS}/victim")).await.code, 200);
}

#[tokio::test]
async fn a_watch_that_should_never_end_begins_like_any_other() {
    let server = server().await;
    let path = format!("{MAPS}?watch=true&resourceVersion=0&timeoutSeconds={}", u64::MAX);
    assert!(server.watch(&path).await.brief().await.starts_with("ADDED victim"));
}
