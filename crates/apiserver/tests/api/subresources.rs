//! Evictions, tokens, reviews, and streams to a node.

use std::io;
use std::sync::{Arc, Mutex};

use apiserver::{Connection, NodeStreams};
use async_trait::async_trait;
use machinery::stream::{ERROR, Logs, STDIN, STDOUT, StreamReply, StreamRequest, encode};
use serde_json::json;
use store::MemoryStore;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};

use crate::harness::{SOON, Sent, Server};

const PODS: &str = "/api/v1/namespaces/ns/pods";

async fn pod(server: &Server, name: &str) -> String {
    let body = json!({"metadata": {"name": name, "labels": {"app": "x"}},
        "spec": {"containers": [{"name": "main", "image": "i"}, {"name": "side", "image": "i"}]}});
    server.post(PODS, body).await.expect(201);
    let path = format!("{PODS}/{name}");
    let binding = json!({"target": {"kind": "Node", "name": "n1"}});
    server.post(&format!("{path}/binding"), binding).await.expect(201);
    let ready = json!({"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}});
    server.merge(format!("{path}/status"), ready).await.expect(200);
    path
}

async fn server() -> Server {
    let server = Server::start().await;
    server.namespace("ns").await;
    server
}

#[tokio::test]
async fn a_pod_is_bound_once() {
    let server = server().await;
    let path = pod(&server, "p").await;
    let bound = server.get(&path).await.expect(200);
    assert_eq!(bound["spec"]["nodeName"], "n1");
    let again = json!({"target": {"kind": "Node", "name": "n2"}});
    let message = server.post(&format!("{path}/binding"), again).await.message(409);
    assert!(message.contains("pod p is already assigned to node \"n1\""), "{message}");
}

#[tokio::test]
async fn subresources_change_their_part_of_a_pod_and_nothing_else() {
    let server = server().await;
    let path = pod(&server, "p").await;
    let kind = "application/strategic-merge-patch+json";
    let resize = json!({"spec": {"containers": [
        {"name": "main", "image": "other", "resources": {"requests": {"cpu": "1"}}}]}});
    let message = server.patch(&format!("{path}/resize"), kind, resize.clone()).await.message(422);
    let why =
        "spec: Invalid value: \"BestEffort\": Pod QOS Class may not change as a result of resizing";
    assert!(message.ends_with(why), "{message}");
    let small = json!({"requests": {"cpu": "100m"}});
    let body = json!({"metadata": {"name": "q"}, "spec": {"containers": [
        {"name": "main", "image": "i", "resources": small}]}});
    server.post(PODS, body).await.expect(201);
    let path = format!("{PODS}/q");
    let changed = server.patch(&format!("{path}/resize"), kind, resize).await.expect(200);
    let container = &changed["spec"]["containers"][0];
    assert_eq!(
        (&container["resources"]["requests"]["cpu"], &container["image"]),
        (&json!("1"), &json!("i"))
    );
    assert_eq!(changed["metadata"]["generation"], 2);
    assert_eq!(
        server.get("/api/v1/nodes/n1/proxy").await.code,
        405,
        "not served, and not the node"
    );
}

#[tokio::test]
async fn ephemeral_containers_are_refused_on_every_way_because_nothing_would_run_them() {
    let server = server().await;
    let path = pod(&server, "p").await;
    let debug = json!({"spec": {"ephemeralContainers": [{"name": "debug", "image": "d"}]}});
    let kind = "application/strategic-merge-patch+json";
    let answer = server.patch(&format!("{path}/ephemeralcontainers"), kind, debug.clone()).await;
    let status = answer.expect(404);
    // kubectl debug takes this for a cluster without them and shows the message.
    assert_eq!((&status["reason"], &status["details"]), (&json!("NotFound"), &json!({})));
    assert_eq!(status["message"], "the nodes of this cluster do not run ephemeral containers");
    server.get(&format!("{path}/ephemeralcontainers")).await.expect(200);
    let message = server.patch(&path, kind, debug.clone()).await.message(422);
    assert!(message.contains("spec: Forbidden: pod updates may not change fields"), "{message}");
    let mut new = debug;
    new["metadata"] = json!({"name": "q"});
    new["spec"]["containers"] = json!([{"name": "main", "image": "i"}]);
    let message = server.post("/api/v1/namespaces/ns/pods", new).await.message(422);
    assert_eq!(
        message,
        "Pod \"q\" is invalid: spec.ephemeralContainers: Forbidden: cannot be set on create"
    );
}

#[tokio::test]
async fn the_kubernetes_service_leads_somewhere() {
    let server = Server::start().await;
    let namespace = "/namespaces/default";
    let endpoints =
        server.get(&format!("/api/v1{namespace}/endpoints/kubernetes")).await.expect(200);
    assert_eq!(endpoints["subsets"][0]["addresses"][0]["ip"], "10.96.0.1");
    let slices = format!(
        "/apis/discovery.k8s.io/v1{namespace}/endpointslices?labelSelector=kubernetes.io/service-name%3Dkubernetes"
    );
    let slices = server.get(&slices).await.expect(200);
    assert_eq!(slices["items"][0]["endpoints"][0]["addresses"], json!(["10.96.0.1"]));
    assert_eq!(slices["items"][0]["ports"][0]["port"], 443);
}

#[tokio::test]
async fn evictions_spend_a_budget_and_then_wait() {
    let server = server().await;
    let budgets = "/apis/policy/v1/namespaces/ns/poddisruptionbudgets";
    let budget = json!({"metadata": {"name": "b"}, "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "x"}}}});
    server.post(budgets, budget).await.expect(201);
    let (first, second) = (pod(&server, "a").await, pod(&server, "b").await);
    let evict = |path: String, name: &str| {
        let body =
            json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}});
        let server = &server;
        async move { server.post(&format!("{path}/eviction"), body).await }
    };
    let unseen = evict(first.clone(), "a").await;
    assert_eq!(unseen.headers["retry-after"], "10");
    let unseen = unseen.expect(429);
    assert!(
        unseen["details"]["causes"][0]["message"]
            .as_str()
            .unwrap()
            .contains("still being processed")
    );
    let status = json!({"status": {"observedGeneration": 1, "disruptionsAllowed": 1, "currentHealthy": 2, "desiredHealthy": 1, "expectedPods": 2}});
    server.merge(format!("{budgets}/b/status"), status).await.expect(200);
    evict(first.clone(), "a").await.expect(201);
    assert!(server.get(&first).await.expect(200)["metadata"]["deletionTimestamp"].is_string());
    let refused = evict(second.clone(), "b").await.expect(429);
    assert_eq!(
        refused["message"],
        "Cannot evict pod as it would violate the pod's disruption budget."
    );
    assert_eq!(
        refused["details"]["causes"][0],
        json!({"reason": "DisruptionBudget", "message": "The disruption budget b needs 1 healthy pods and has 2 currently"})
    );
    let budget = server.get(&format!("{budgets}/b")).await.expect(200);
    assert!(budget["status"]["disruptedPods"]["a"].is_string());
    assert_eq!(budget["status"]["disruptionsAllowed"], 0);
}

#[tokio::test]
async fn a_token_is_good_while_its_account_and_pod_are() {
    let server = server().await;
    let accounts = "/api/v1/namespaces/ns/serviceaccounts";
    let path = pod(&server, "p").await;
    let request =
        json!({"spec": {"expirationSeconds": 600, "boundObjectRef": {"kind": "Pod", "name": "p"}}});
    let token = server.post(&format!("{accounts}/default/token"), request).await.expect(201);
    let token = token["status"]["token"].as_str().unwrap().to_owned();
    let review = || async {
        let body = json!({"spec": {"token": token}});
        server.post("/apis/authentication.k8s.io/v1/tokenreviews", body).await.expect(201)["status"]
            .clone()
    };
    let status = review().await;
    assert_eq!(
        (&status["authenticated"], &status["user"]["username"]),
        (&json!(true), &json!("system:serviceaccount:ns:default"))
    );
    server.delete(&format!("{path}?gracePeriodSeconds=0")).await.expect(200);
    assert!(review().await.get("authenticated").is_none(), "its pod is gone");
    let short = json!({"spec": {"expirationSeconds": 60}});
    assert_eq!(server.post(&format!("{accounts}/default/token"), short).await.code, 422);
}

#[tokio::test]
async fn reviews_say_who_and_what() {
    let server = server().await;
    let who = server
        .post("/apis/authentication.k8s.io/v1/selfsubjectreviews", json!({}))
        .await
        .expect(201);
    assert_eq!(who["status"]["userInfo"]["groups"][0], "system:masters");
    let can = json!({"spec": {"resourceAttributes": {"verb": "create", "resource": "pods"}}});
    let can = server
        .post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", can)
        .await
        .expect(201);
    assert_eq!(can["status"]["allowed"], true);
    let nothing = server
        .post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", json!({"spec": {}}))
        .await;
    assert_eq!(nothing.code, 422);
}

/// A node that remembers requests, echoes commands' input and logs two lines.
#[derive(Default)]
pub(crate) struct EchoNode {
    pub(crate) requests: Arc<Mutex<Vec<(String, StreamRequest)>>>,
}

#[async_trait]
impl NodeStreams for EchoNode {
    async fn connect(&self, node: &str) -> io::Result<Box<dyn Connection>> {
        let (near, far) = tokio::io::duplex(64 * 1024);
        let (node, requests) = (node.to_owned(), self.requests.clone());
        tokio::spawn(async move {
            let mut far = BufReader::new(far);
            let mut line = Vec::new();
            far.read_until(b'\n', &mut line).await.unwrap();
            let request = StreamRequest::decode(&line).unwrap();
            requests.lock().unwrap().push((node, request.clone()));
            far.write_all(&StreamReply::accepted().encode()).await.unwrap();
            serve(far, request).await;
        });
        Ok(Box::new(near))
    }
}

async fn serve(mut stream: BufReader<tokio::io::DuplexStream>, request: StreamRequest) {
    let mut out = Vec::new();
    match request {
        StreamRequest::Logs(_) => {
            encode(STDOUT, b"one\n", &mut out);
            encode(STDOUT, b"two\n", &mut out);
        }
        StreamRequest::Exec(_) | StreamRequest::Attach(_) => {
            let mut header = [0; 5];
            stream.read_exact(&mut header).await.unwrap();
            assert_eq!(header[0], STDIN);
            let mut input = vec![0; usize::from(header[4])];
            stream.read_exact(&mut input).await.unwrap();
            encode(STDOUT, &input, &mut out);
            encode(ERROR, br#"{"metadata":{},"status":"Success"}"#, &mut out);
        }
        StreamRequest::Forward(_) => {
            let mut header = [0; 5];
            stream.read_exact(&mut header).await.unwrap();
            let mut input = vec![0; usize::from(header[4])];
            stream.read_exact(&mut input).await.unwrap();
            encode(header[0], &input, &mut out);
        }
    }
    stream.write_all(&out).await.unwrap();
    stream.flush().await.unwrap();
    // The client ends it.
    drop(stream.read_to_end(&mut Vec::new()).await);
}

#[tokio::test]
async fn logs_come_from_the_pods_node() {
    let node = EchoNode::default();
    let requests = node.requests.clone();
    let server = Server::with(Arc::new(MemoryStore::new()), Arc::new(node)).await;
    server.namespace("ns").await;
    let path = pod(&server, "p").await;
    let request = http::Request::get(format!("{path}/log?container=side&tailLines=5&follow=true"));
    let response = server.send(request.body(http_body_util::Full::default()).unwrap()).await;
    assert_eq!(response.status(), 200);
    use http_body_util::BodyExt as _;
    let mut body = response.into_body();
    let mut text = String::new();
    while text.len() < 8 {
        let frame = body.frame().await.unwrap().unwrap();
        text.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap());
    }
    assert_eq!(text, "one\ntwo\n");
    let (node, request) = requests.lock().unwrap()[0].clone();
    let StreamRequest::Logs(Logs { target, tail_lines, follow, .. }) = request else { panic!() };
    assert_eq!(
        (node.as_str(), target.container.as_str(), tail_lines, follow),
        ("n1", "side", Some(5), true)
    );
    let wrong = server.get(&format!("{path}/log?container=none")).await.message(400);
    assert!(wrong.contains("container none is not valid for pod p"), "{wrong}");
    let gone = server.get(&format!("{PODS}/none/log")).await;
    assert_eq!(gone.code, 404);
    let plain = server.get(&format!("{path}/exec?command=ls&stdout=true")).await.message(400);
    assert!(plain.contains("unable to upgrade"), "{plain}");
}

#[tokio::test]
async fn unbound_pods_and_unreachable_nodes_say_so() {
    let server = server().await;
    let body =
        json!({"metadata": {"name": "u"}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
    server.post(PODS, body).await.expect(201);
    let unbound = server.get(&format!("{PODS}/u/log")).await.message(400);
    assert_eq!(unbound, "pod u does not have a host assigned");
    let path = pod(&server, "p").await;
    let message = server.get(&format!("{path}/log")).await.message(503);
    assert!(message.contains("node n1 cannot be reached"), "{message}");
}

/// Fails if who may only delete pods reads their logs by a DELETE, or if any subresource answers what it does not list.
#[tokio::test]
async fn a_subresource_answers_the_methods_it_lists_and_no_other() {
    let server = Server::with(Arc::new(MemoryStore::new()), Arc::new(EchoNode::default())).await;
    server.namespace("ns").await;
    let path = pod(&server, "p").await;
    for (subresource, methods, code) in [
        ("log", "POST PUT PATCH DELETE", 405),
        ("exec", "PUT PATCH DELETE", 405),
        ("attach", "PUT PATCH DELETE", 405),
        ("portforward", "PUT PATCH DELETE", 405),
        // There to be upgraded, which this client does not do.
        ("exec", "GET POST", 400),
        ("attach", "GET POST", 400),
        ("portforward", "GET POST", 400),
        ("binding", "GET PUT PATCH DELETE", 405),
        ("eviction", "GET PUT PATCH DELETE", 405),
        ("resize", "POST DELETE", 405),
        ("status", "POST DELETE", 405),
        ("ephemeralcontainers", "POST DELETE", 405),
        ("ephemeralcontainers", "PUT PATCH", 404),
    ] {
        for method in methods.split(' ') {
            let sent = Sent::json(&json!({}));
            let asked = format!("{path}/{subresource}?command=ls&stdout=true&ports=80");
            // An answer that has no end is a wrong one too.
            let answer = server.request(method, &asked, sent);
            let answer = tokio::time::timeout(SOON, answer).await.unwrap();
            assert_eq!(answer.code.as_u16(), code, "{method} {subresource}: {}", answer.text);
        }
    }
}
