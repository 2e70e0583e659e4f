//! Service accounts: pods have one that exists, and tokens are good as long as what they are bound to.

use apiserver::Identity;
use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::harness::{Answer, Server, answer};

const ACCOUNTS: &str = "/api/v1/namespaces/ns/serviceaccounts";
const PODS: &str = "/api/v1/namespaces/ns/pods";
const REVIEWS: &str = "/apis/authentication.k8s.io/v1/tokenreviews";

async fn server() -> Server {
    let server = Server::start().await;
    server.namespace("ns").await;
    server
}

fn pod(name: &str, account: &str) -> Value {
    json!({"metadata": {"name": name}, "spec": {"serviceAccountName": account,
        "containers": [{"name": "c", "image": "i"}]}})
}

async fn bind(server: &Server, pod: &str, node: &str) {
    let binding = json!({"target": {"kind": "Node", "name": node}});
    server.post(&format!("{PODS}/{pod}/binding"), binding).await.expect(201);
}

async fn token(server: &Server, spec: Value) -> String {
    let made = server.post(&format!("{ACCOUNTS}/default/token"), json!({"spec": spec})).await;
    made.expect(201)["status"]["token"].as_str().unwrap().to_owned()
}

async fn review(server: &Server, token: &str) -> Value {
    let body = json!({"spec": {"token": token}});
    server.post(REVIEWS, body).await.expect(201)["status"].clone()
}

async fn ask(server: &Server, identity: Identity, spec: Value) -> Answer {
    let request = Request::post(format!("{ACCOUNTS}/default/token"))
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(json!({"spec": spec}).to_string())));
    let Ok(response) = server.api.service_as(identity).oneshot(request.unwrap()).await;
    answer(response).await
}

#[tokio::test]
async fn a_pod_without_an_account_is_refused_and_the_default_one_is_there_at_once() {
    let server = server().await;
    server.post(PODS, pod("p", "default")).await.expect(201);
    let refused = server.post(PODS, pod("q", "nope")).await.expect(403);
    assert_eq!(
        refused["message"],
        r#"pods "q" is forbidden: error looking up service account ns/nope: serviceaccount "nope" not found"#
    );
    assert_eq!(refused["details"], json!({"name": "q", "kind": "pods"}));
}

#[tokio::test]
async fn an_account_that_declines_gives_its_pods_no_token() {
    let server = server().await;
    let quiet = json!({"metadata": {"name": "quiet"}, "automountServiceAccountToken": false,
        "imagePullSecrets": [{"name": "registry"}]});
    server.post(ACCOUNTS, quiet).await.expect(201);
    let made = server.post(PODS, pod("p", "quiet")).await.expect(201);
    assert!(made["spec"].get("volumes").is_none());
    assert_eq!(made["spec"]["imagePullSecrets"], json!([{"name": "registry"}]));
}

#[tokio::test]
async fn a_token_tells_its_pod_and_node_and_ends_with_the_pod() {
    let server = server().await;
    let node = server.post("/api/v1/nodes", json!({"metadata": {"name": "n1"}})).await.expect(201);
    let made = server.post(PODS, pod("p", "default")).await.expect(201);
    bind(&server, "p", "n1").await;
    let text = token(&server, json!({"boundObjectRef": {"kind": "Pod", "name": "p"}})).await;
    let extra = &review(&server, &text).await["user"]["extra"];
    for (key, value) in [
        ("pod-name", &json!("p")),
        ("pod-uid", &made["metadata"]["uid"]),
        ("node-name", &json!("n1")),
        ("node-uid", &node["metadata"]["uid"]),
    ] {
        assert_eq!(extra[format!("authentication.kubernetes.io/{key}")], json!([value]), "{key}");
    }
    // On its way out it may still finish; a minute after its time it is as good as gone.
    server.delete(&format!("{PODS}/p")).await.expect(200);
    assert_eq!(review(&server, &text).await["authenticated"], true);
    server.delete(&format!("{PODS}/p?gracePeriodSeconds=0")).await.expect(200);
    server.post(PODS, pod("p", "default")).await.expect(201);
    assert!(review(&server, &text).await.get("authenticated").is_none(), "another pod of its name");
}

#[tokio::test]
async fn a_token_ends_a_minute_after_its_pod_should_have() {
    let server = server().await;
    let mut held = pod("p", "default");
    held["metadata"]["finalizers"] = json!(["example.com/held"]);
    server.post(PODS, held).await.expect(201);
    let text = token(&server, json!({"boundObjectRef": {"kind": "Pod", "name": "p"}})).await;
    server.delete(&format!("{PODS}/p")).await.expect(200);
    assert_eq!(review(&server, &text).await["authenticated"], true);
    let key = store::Key::new(&["core", "pods", "ns", "p"]).unwrap();
    let stored = server.store.get(&key).await.unwrap().unwrap();
    let value: Value = serde_json::from_slice(stored.bytes()).unwrap();
    let now = value["metadata"]["deletionTimestamp"].as_str().unwrap();
    let long_ago = "2020-01-01T00:00:00Z";
    let text_of = std::str::from_utf8(stored.bytes()).unwrap().replace(now, long_ago);
    // The store puts the revision where the object has it.
    let version = value["metadata"]["resourceVersion"].as_str().unwrap();
    let marker = format!("\"resourceVersion\":\"{version}\"");
    let (before, after) = text_of.split_once(&marker).unwrap();
    let draft = store::Draft {
        before: format!("{before}\"resourceVersion\":\"").into_bytes(),
        after: format!("\"{after}").into_bytes(),
        index: store::Index::default(),
    };
    let expected = stored.revision();
    server.store.commit(vec![store::Write::Update { key, draft, expected }]).await.unwrap();
    assert!(review(&server, &text).await.get("authenticated").is_none());
}

#[tokio::test]
async fn a_token_may_be_bound_to_a_node_and_lives_a_year_at_most() {
    let server = server().await;
    server.post("/api/v1/nodes", json!({"metadata": {"name": "n1"}})).await.expect(201);
    let text = token(&server, json!({"boundObjectRef": {"kind": "Node", "name": "n1"}})).await;
    assert_eq!(review(&server, &text).await["authenticated"], true);
    server.delete("/api/v1/nodes/n1").await.expect(200);
    assert!(review(&server, &text).await.get("authenticated").is_none());
    let path = format!("{ACCOUNTS}/default/token");
    let answer = server.post(&path, json!({"spec": {"expirationSeconds": 1_000_000_000}})).await;
    let warning = answer.headers["warning"].to_str().unwrap().to_owned();
    assert!(warning.contains("shortened to 31536000 seconds"), "{warning}");
    assert_eq!(answer.expect(201)["spec"]["expirationSeconds"], 31_536_000);
    for seconds in [0, 599, 1_i64 << 33] {
        let spec = json!({"spec": {"expirationSeconds": seconds}});
        assert_eq!(server.post(&path, spec).await.code, 422, "{seconds}");
    }
}

#[tokio::test]
async fn a_token_for_others_is_nobody_here() {
    let server = server().await;
    let text = token(&server, json!({"audiences": ["vault"]})).await;
    assert!(review(&server, &text).await.get("authenticated").is_none());
    let body = json!({"spec": {"token": text, "audiences": ["vault"]}});
    assert_eq!(server.post(REVIEWS, body).await.expect(201)["status"]["authenticated"], true);
    let it = crate::connections::listen(server).await;
    assert_eq!(it.code_with_token(&text).await, 401);
}

#[tokio::test]
async fn a_node_gets_tokens_for_its_own_pods_and_nothing_else() {
    let server = server().await;
    for (name, node) in [("mine", "n1"), ("theirs", "n2")] {
        server.post(PODS, pod(name, "default")).await.expect(201);
        bind(&server, name, node).await;
    }
    server.post(PODS, pod("waiting", "default")).await.expect(201);
    let uid = |name: &'static str| {
        let server = &server;
        async move { server.get(&format!("{PODS}/{name}")).await.expect(200)["metadata"]["uid"].clone() }
    };
    let (mine, theirs, waiting) = (uid("mine").await, uid("theirs").await, uid("waiting").await);
    let node = || Identity::nodes_of("embedded", vec!["n0".to_owned(), "n1".to_owned()]);
    let of = |name: &str, uid: &Value| {
        json!({"boundObjectRef":
        {"kind": "Pod", "apiVersion": "v1", "name": name, "uid": uid}})
    };
    ask(&server, node(), of("mine", &mine)).await.expect(201);
    for (spec, why) in [
        (json!({}), "not bound to a pod"),
        (json!({"boundObjectRef": {"kind": "Secret", "name": "s"}}), "not bound to a pod"),
        (json!({"boundObjectRef": {"kind": "Pod", "name": "mine"}}), "without a uid"),
        (of("theirs", &theirs), "on a different node"),
        (of("waiting", &waiting), "on a different node"),
    ] {
        let message = ask(&server, node(), spec).await.message(403);
        assert!(message.contains(why), "{message}");
    }
    assert_eq!(ask(&server, node(), of("mine", &theirs)).await.code, 409);
    let other = Identity::new("system:node:n2", &["system:nodes"]);
    assert_eq!(ask(&server, other, of("mine", &mine)).await.code, 403);
}

#[tokio::test]
async fn a_node_reads_secrets_by_name_and_of_the_others_that_they_change() {
    let server = server().await;
    let secret = json!({"metadata": {"name": "s"}, "stringData": {"k": "hidden"}});
    server.post("/api/v1/namespaces/ns/secrets", secret).await.expect(201);
    let get = |path: &'static str, accept: &'static str| {
        let request = Request::get(path).header("accept", accept).body(Full::<Bytes>::default());
        let service = server.api.service_as(Identity::nodes_of("embedded", Vec::new()));
        async move {
            let Ok(response) = service.oneshot(request.unwrap()).await;
            answer(response).await
        }
    };
    let metadata = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
    get("/api/v1/namespaces/ns/secrets/s", "application/json").await.expect(200);
    let list = get("/api/v1/secrets", metadata).await;
    assert!(list.text.contains("\"s\"") && !list.text.contains("aGlkZGVu"), "{}", list.text);
    list.expect(200);
    for accept in [
        "application/json",
        "application/json;as=Table;g=meta.k8s.io;v=v1",
        "application/json, application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1;q=0.1",
    ] {
        assert_eq!(get("/api/v1/secrets", accept).await.code, 403, "{accept}");
    }
    assert_eq!(get("/api/v1/namespaces/ns/secrets/s/metadata", metadata).await.code, 403);
}

/// Fails if a reference that names no kind makes a token that no object bounds.
#[tokio::test]
async fn a_token_is_bound_to_what_its_reference_names_or_not_made() {
    let server = server().await;
    server.post(PODS, pod("p", "default")).await.expect(201);
    let path = format!("{ACCOUNTS}/default/token");
    for (reference, kind) in [
        (json!({"name": "p"}), "/, Kind="),
        (json!({}), "/, Kind="),
        (json!({"kind": "", "apiVersion": "v1", "name": "p"}), "/v1, Kind="),
        (json!({"kind": "ConfigMap", "apiVersion": "v1", "name": "p"}), "/v1, Kind=ConfigMap"),
        (json!({"kind": "Pod", "apiVersion": "apps/v1", "name": "p"}), "apps/v1, Kind=Pod"),
    ] {
        let body = json!({"spec": {"boundObjectRef": reference}});
        let message = server.post(&path, body).await.message(400);
        assert_eq!(message, format!("cannot bind token to object of type {kind}"));
    }
    for spec in [json!({}), json!({"boundObjectRef": null})] {
        token(&server, spec).await;
    }
}

/// Fails if an annotation that anybody may set lets a pod run as an account that is not looked at.
#[tokio::test]
async fn a_mirror_pod_names_no_account_and_no_secret() {
    let server = server().await;
    let volume =
        |source: Value| json!({"volumes": [{"name": "v", "projected": {"sources": [source]}}]});
    let env = json!([{"name": "E", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]);
    for (spec, why) in [
        (json!({"serviceAccountName": "nope"}), "a mirror pod may not reference service accounts"),
        (json!({"serviceAccount": "default"}), "a mirror pod may not reference service accounts"),
        (
            volume(json!({"serviceAccountToken": {"path": "token"}})),
            "a mirror pod may not use ServiceAccountToken volume projections",
        ),
        (volume(json!({"secret": {"name": "s"}})), "a mirror pod may not reference secrets"),
        (
            json!({"containers": [{"name": "c", "image": "i", "env": env}]}),
            "a mirror pod may not reference secrets",
        ),
        (json!({"imagePullSecrets": [{"name": "s"}]}), "a mirror pod may not reference secrets"),
    ] {
        let message = server.post(PODS, mirror("m", &spec)).await.message(403);
        assert_eq!(message, format!("pods \"m\" is forbidden: {why}"));
    }
    let message = server.post(PODS, mirror("m", &json!({}))).await.message(422);
    assert!(
        message.contains("must set spec.nodeName if mirror pod annotation is set"),
        "{message}"
    );
    let made = server.post(PODS, mirror("m", &json!({"nodeName": "n1"}))).await.expect(201);
    assert!(made["spec"].get("volumes").is_none());
}

fn mirror(name: &str, spec: &Value) -> Value {
    let mut pod = json!({"metadata": {"name": name, "annotations": {"kubernetes.io/config.mirror": "x"}},
        "spec": {"containers": [{"name": "c", "image": "i"}]}});
    for (key, value) in spec.as_object().into_iter().flatten() {
        pod["spec"][key] = value.clone();
    }
    pod
}
