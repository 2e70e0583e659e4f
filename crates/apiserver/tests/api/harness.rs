//! A server for one test, and a small client that shows everything of an answer.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use apiserver::{ApiServer, Config, Connection, Limits, NodeStreams, Pki};
use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use serde_json::{Value, json};
use store::{MemoryStore, Store};
use tower::ServiceExt as _;

/// How long anything may take that should happen at once.
pub(crate) const SOON: Duration = Duration::from_secs(10);

pub(crate) struct Server {
    pub(crate) api: ApiServer,
    pub(crate) store: Arc<dyn Store>,
    /// Holds the certificates.
    pub(crate) directory: tempfile::TempDir,
}

/// An answer, whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text)
            .unwrap_or_else(|error| panic!("{error}: {} {}", self.code, self.text))
    }

    #[track_caller]
    pub(crate) fn expect(self, code: u16) -> Value {
        assert_eq!(self.code.as_u16(), code, "{}", self.text);
        self.json()
    }

    /// The message of a failure with this code.
    #[track_caller]
    pub(crate) fn message(self, code: u16) -> String {
        self.expect(code)["message"].as_str().unwrap_or_default().to_owned()
    }
}

/// A node that nobody reaches.
pub(crate) struct NoNodes;

#[async_trait]
impl NodeStreams for NoNodes {
    async fn connect(&self, node: &str) -> io::Result<Box<dyn Connection>> {
        Err(io::Error::other(format!("no node {node}")))
    }
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::with(Arc::new(MemoryStore::new()), Arc::new(NoNodes)).await
    }

    pub(crate) async fn with(store: Arc<dyn Store>, node_streams: Arc<dyn NodeStreams>) -> Self {
        Self::of(store, node_streams, Limits::default()).await
    }

    pub(crate) async fn limited(limits: Limits) -> Self {
        Self::of(Arc::new(MemoryStore::new()), Arc::new(NoNodes), limits).await
    }

    async fn of(store: Arc<dyn Store>, node_streams: Arc<dyn NodeStreams>, limits: Limits) -> Self {
        drop(rustls::crypto::ring::default_provider().install_default());
        let directory = tempfile::tempdir().unwrap();
        let pki = Pki::load_or_create(directory.path(), &[]).unwrap();
        let config = Config {
            limits,
            unattended: &["ingresses.networking.k8s.io", "limitranges"],
            ..Config::new(store.clone(), pki, node_streams)
        };
        let api = ApiServer::start(config).await.unwrap();
        Self { api, store, directory }
    }

    /// A server with the namespace `ns` and the definition of widgets.
    pub(crate) async fn with_widgets() -> Self {
        let server = Self::start().await;
        server.namespace("ns").await;
        server.post(DEFINITIONS, widgets()).await.expect(201);
        server
    }

    pub(crate) fn kube(&self) -> kube::Client {
        kube::Client::new(self.api.service(), "default")
    }

    pub(crate) async fn send(
        &self,
        request: Request<Full<Bytes>>,
    ) -> http::Response<apiserver::Body> {
        let Ok(response) = self.api.service().oneshot(request).await;
        response
    }

    pub(crate) async fn request(&self, method: &str, path: &str, body: Sent) -> Answer {
        let mut request = Request::builder()
            .method(Method::from_bytes(method.as_bytes()).unwrap())
            .uri(path)
            .header("user-agent", "curl/8");
        if !body.content_type.is_empty() {
            request = request.header("content-type", body.content_type);
        }
        let response = self.send(request.body(Full::new(body.bytes)).unwrap()).await;
        answer(response).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.request("GET", path, Sent::nothing()).await
    }

    pub(crate) async fn get_as(&self, path: &str, accept: &str) -> Answer {
        let request = Request::get(path).header("accept", accept).body(Full::default()).unwrap();
        answer(self.send(request).await).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.request("POST", path, Sent::json(&body)).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Answer {
        self.request("PUT", path, Sent::json(&body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.request("DELETE", path, Sent::nothing()).await
    }

    pub(crate) async fn merge(&self, path: impl AsRef<str>, body: Value) -> Answer {
        let sent = Sent { content_type: "application/merge-patch+json", ..Sent::json(&body) };
        self.request("PATCH", path.as_ref(), sent).await
    }

    pub(crate) async fn patch(&self, path: &str, kind: &'static str, body: Value) -> Answer {
        self.request("PATCH", path, Sent { content_type: kind, ..Sent::json(&body) }).await
    }

    pub(crate) async fn apply(&self, path: &str, body: Value) -> Answer {
        self.patch(path, "application/apply-patch+yaml", body).await
    }

    pub(crate) async fn namespace(&self, name: &str) {
        let body = json!({"metadata": {"name": name}});
        self.post("/api/v1/namespaces", body).await.expect(201);
    }

    /// Gives a cluster role to subjects in a namespace.
    pub(crate) async fn bind(&self, namespace: &str, role: &str, subjects: Value) {
        let body = json!({"metadata": {"generateName": "b-"}, "subjects": subjects,
            "roleRef": {"kind": "ClusterRole", "name": role}});
        let path =
            format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/rolebindings");
        self.post(&path, body).await.expect(201);
    }

    pub(crate) async fn config_map(&self, namespace: &str, name: &str, labels: Value) -> Value {
        let body = json!({"metadata": {"name": name, "labels": labels}});
        self.post(&format!("/api/v1/namespaces/{namespace}/configmaps"), body).await.expect(201)
    }

    /// Opens a watch.
    pub(crate) async fn watch(&self, path: &str) -> Events {
        self.events(Request::get(path).body(Full::default()).unwrap()).await
    }

    pub(crate) async fn events(&self, request: Request<Full<Bytes>>) -> Events {
        let response = self.send(request).await;
        assert_eq!(response.status(), 200);
        Events { body: response.into_body(), buffer: Vec::new() }
    }
}

/// A body that is sent.
pub(crate) struct Sent {
    pub(crate) content_type: &'static str,
    pub(crate) bytes: Bytes,
}

impl Sent {
    pub(crate) fn nothing() -> Self {
        Self { content_type: "", bytes: Bytes::new() }
    }

    pub(crate) fn json(value: &Value) -> Self {
        Self::text("application/json", &value.to_string())
    }

    pub(crate) fn text(content_type: &'static str, text: &str) -> Self {
        Self { content_type, bytes: Bytes::copy_from_slice(text.as_bytes()) }
    }
}

pub(crate) async fn answer(response: http::Response<apiserver::Body>) -> Answer {
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    Answer {
        code: parts.status,
        headers: parts.headers,
        text: String::from_utf8_lossy(&bytes).into_owned(),
    }
}

/// The events of a watch.
pub(crate) struct Events {
    body: apiserver::Body,
    buffer: Vec<u8>,
}

impl Events {
    /// The next event; `None` at the end of the stream.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                return Some(serde_json::from_slice(&line).unwrap());
            }
            let frame = tokio::time::timeout(SOON, self.body.frame()).await.expect("no event came");
            self.buffer.extend_from_slice(frame?.unwrap().data_ref().unwrap());
        }
    }

    /// The next event as `TYPE name version`.
    pub(crate) async fn brief(&mut self) -> String {
        match self.next().await {
            None => "end".to_owned(),
            Some(event) => {
                let metadata = &event["object"]["metadata"];
                let text = |key: &str| metadata[key].as_str().unwrap_or("-").to_owned();
                format!(
                    "{} {} {}",
                    event["type"].as_str().unwrap(),
                    text("name"),
                    text("resourceVersion")
                )
            }
        }
    }
}

pub(crate) const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
pub(crate) const WIDGETS: &str = "/apis/ex.com/v1/namespaces/ns/widgets";

/// The definition that the recordings were made with.
pub(crate) fn widgets() -> Value {
    let spec = json!({"type": "object", "required": ["size"], "properties": {
        "mode": {"type": "string", "enum": ["a", "b"]},
        "replicas": {"type": "integer", "default": 1},
        "size": {"type": "integer", "minimum": 1},
        "tags": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"}},
        "x-kubernetes-validations": [
            {"rule": "self.size < 100", "message": "too big"},
            {"rule": "self.size >= oldSelf.size"}]});
    let status = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let schema = json!({"type": "object", "required": ["spec"],
        "properties": {"spec": spec, "status": status}});
    let scale =
        json!({"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"});
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.ex.com"},
        "spec": {
            "group": "ex.com",
            "scope": "Namespaced",
            "names": {"plural": "widgets", "singular": "widget", "kind": "Widget",
                "shortNames": ["wd"], "categories": ["all"]},
            "versions": [{"name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": schema},
                "subresources": {"status": {}, "scale": scale},
                "additionalPrinterColumns":
                    [{"name": "Size", "type": "integer", "jsonPath": ".spec.size"}]}],
        },
    })
}

pub(crate) fn widget(name: &str, spec: Value) -> Value {
    json!({"apiVersion": "ex.com/v1", "kind": "Widget", "metadata": {"name": name}, "spec": spec})
}
