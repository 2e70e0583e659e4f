//! A node with an API server, and what cases do with them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use apiserver::{ApiServer, Config, Identity, Pki, UnixNodeStreams};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, PostParams};
use kube::{Api, Client};
use machinery::stream::{Decoder, Frame, StreamReply, StreamRequest, Target};
use node::{Options, Permissions, Supervisor};
use serde_json::{Value, json};
use store::MemoryStore;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;

const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct World {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) client: Client,
    node: Option<Supervisor>,
    shutdown: CancellationToken,
    nodes: u16,
    permissions: Permissions,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with_nodes(1).await
    }

    pub(crate) async fn with_nodes(nodes: u16) -> Self {
        Self::allowing(nodes, Permissions::default()).await
    }

    pub(crate) async fn allowing(nodes: u16, permissions: Permissions) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let run = dir.path().join("run");
        std::fs::create_dir_all(&run).unwrap();
        let pki = Pki::load_or_create(&dir.path().join("pki"), &[]).unwrap();
        let node_streams = Arc::new(UnixNodeStreams::new(run.join("node.sock")));
        let store = Arc::new(MemoryStore::new());
        let server = ApiServer::start(Config::new(store, pki, node_streams)).await.unwrap();
        let shutdown = CancellationToken::new();
        let plain = UnixListener::bind(run.join("api.sock")).unwrap();
        let tls = UnixListener::bind(run.join("api-tls.sock")).unwrap();
        let (api, token) = (server.clone(), shutdown.clone());
        let identity = Identity::nodes_of("embedded", node::node_names(nodes));
        tokio::spawn(async move { api.serve_unix(plain, identity, token).await });
        let (api, token) = (server.clone(), shutdown.clone());
        tokio::spawn(async move { api.serve_unix_tls(tls, token).await });
        let client = Client::new(server.service(), "default");
        let mut world = Self { dir, client, node: None, shutdown, nodes, permissions };
        world.create_certificate().await;
        world.start_node().await;
        world
    }

    /// What the controllers do in a cluster.
    async fn create_certificate(&self) {
        let ca = json!({"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "kube-root-ca.crt", "namespace": "default"}, "data": {"ca.crt": "ca"}});
        self.create(ca).await;
    }

    pub(crate) async fn start_node(&mut self) {
        let options = Options {
            state_dir: self.dir.path().to_owned(),
            image_store: self.dir.path().join("images"),
            nodes: self.nodes,
            version: "test".to_owned(),
            permissions: self.permissions.clone(),
        };
        let start = Instant::now();
        let mut node = Supervisor::start(options).await.unwrap();
        let up = start.elapsed();
        node.registered().await.unwrap();
        println!("  network up after {up:.1?}, registered after {:.1?}", start.elapsed());
        self.node = Some(node);
    }

    pub(crate) async fn stop_node(&mut self) {
        self.node.take().unwrap().stop().await;
    }

    /// Kills the agent's process 1 or its first stage, as a bug or an operator's mistake would.
    pub(crate) fn kill_agent(&self) {
        let pid = self.node.as_ref().unwrap().pid().unwrap();
        nix::sys::signal::kill(
            nix::unistd::Pid::from_raw(pid.try_into().unwrap()),
            nix::sys::signal::SIGKILL,
        )
        .unwrap();
    }

    /// The agent's process id on the host.
    pub(crate) fn agent(&self) -> Option<u32> {
        self.node.as_ref().and_then(Supervisor::pid)
    }

    pub(crate) fn kill_node(&mut self) {
        drop(self.node.take());
    }

    /// Stops the node and checks that nothing of it is left.
    pub(crate) async fn end(mut self) {
        self.stop_node().await;
        self.check_nothing_runs().await;
        self.shutdown.cancel();
    }

    pub(crate) async fn check_nothing_runs(&self) {
        let path = self.dir.path().to_string_lossy().into_owned();
        until("every process of the node has ended", async || processes(&path).is_empty()).await;
        let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
        assert!(!mounts.contains(&path), "mounts are left");
    }

    pub(crate) fn images(&self) -> PathBuf {
        self.dir.path().join("images")
    }

    pub(crate) fn pods(&self) -> Api<Pod> {
        Api::default_namespaced(self.client.clone())
    }

    /// Creates an object of any kind of the core group or of discovery.
    pub(crate) async fn create(&self, object: Value) {
        self.post("/namespaces/default", object).await;
    }

    /// Creates an object that is in no namespace.
    pub(crate) async fn create_for_all(&self, object: Value) {
        self.post("", object).await;
    }

    async fn post(&self, place: &str, object: Value) {
        let text = serde_json::to_vec(&object).unwrap();
        let kind = object["kind"].as_str().unwrap().to_lowercase();
        let plural = format!("{kind}{}", if kind.ends_with('s') { "es" } else { "s" });
        let prefix = match object["apiVersion"].as_str().unwrap() {
            "v1" => "/api/v1".to_owned(),
            group => format!("/apis/{group}"),
        };
        let request = http::Request::post(format!("{prefix}{place}/{plural}"))
            .header("content-type", "application/json")
            .body(text)
            .unwrap();
        self.client.request::<Value>(request).await.unwrap();
    }

    /// Creates a pod on a node. `spec` needs no more than containers, whose image may be left out.
    pub(crate) async fn create_pod(&self, name: &str, mut spec: Value) -> Pod {
        if spec["nodeName"].is_null() {
            spec["nodeName"] = json!("endstate-0");
        }
        for list in ["containers", "initContainers"] {
            for container in spec[list].as_array_mut().into_iter().flatten() {
                if container["image"].is_null() {
                    container["image"] = json!("endstate:test");
                }
            }
        }
        if spec["initContainers"].is_null() {
            spec.as_object_mut().unwrap().remove("initContainers");
        }
        let pod = json!({"metadata": {"name": name, "labels": {"app": name}}, "spec": spec});
        let pod = serde_json::from_value(pod).unwrap();
        self.pods().create(&PostParams::default(), &pod).await.unwrap()
    }

    /// Runs a program to its end in a pod of its own; returns its exit code and log.
    pub(crate) async fn run(&self, name: &str, args: &[&str]) -> (i32, String) {
        let args: Vec<_> = std::iter::once(&"program").chain(args).collect();
        let spec = json!({"restartPolicy": "Never", "containers": [{"name": "c", "args": args}]});
        self.create_pod(name, spec).await;
        let pod = self
            .pod_until(name, "has ended", |pod| matches!(phase(pod), "Succeeded" | "Failed"))
            .await;
        let status = &pod.status.unwrap().container_statuses.unwrap()[0];
        let ended = status.state.clone().unwrap().terminated.unwrap();
        (ended.exit_code, self.logs(name).await)
    }

    /// Runs a program in a running pod; returns what it wrote to stdout.
    pub(crate) async fn exec(&self, pod: &str, args: &[&str]) -> String {
        let command =
            ["/endstate", "program"].iter().chain(args).map(|it| (*it).to_owned()).collect();
        let exec = machinery::stream::Exec { target: target(pod), command, ..Default::default() };
        let mut stream = self.stream(StreamRequest::Exec(exec)).await;
        stream.rest().await.remove(&machinery::stream::STDOUT).unwrap_or_default()
    }

    pub(crate) async fn logs(&self, name: &str) -> String {
        self.pods().logs(name, &kube::api::LogParams::default()).await.unwrap()
    }

    pub(crate) async fn pod_until(
        &self,
        name: &str,
        what: &str,
        good: impl Fn(&Pod) -> bool,
    ) -> Pod {
        let start = Instant::now();
        loop {
            let pod = self.pods().get(name).await.unwrap();
            if good(&pod) {
                return pod;
            }
            if start.elapsed() > PATIENCE {
                let status = serde_json::to_string_pretty(&pod.status).unwrap();
                panic!("pod {name} not in time: {what}\n{status}\n{:?}", self.events().await);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub(crate) async fn running(&self, name: &str) -> Pod {
        self.pod_until(name, "is ready", |pod| condition(pod, "Ready") == "True").await
    }

    pub(crate) async fn delete(&self, name: &str, grace: u32) {
        let parameters =
            DeleteParams { grace_period_seconds: Some(grace), ..DeleteParams::default() };
        self.pods().delete(name, &parameters).await.unwrap();
    }

    pub(crate) async fn gone(&self, name: &str) {
        until("the pod is gone", async || self.pods().get_opt(name).await.unwrap().is_none()).await;
    }

    pub(crate) async fn events(&self) -> Vec<String> {
        let api: Api<k8s_openapi::api::core::v1::Event> =
            Api::default_namespaced(self.client.clone());
        let events = api.list(&Default::default()).await.unwrap();
        let text = |it: k8s_openapi::api::core::v1::Event| {
            format!("{}: {}", it.reason.unwrap_or_default(), it.message.unwrap_or_default())
        };
        events.into_iter().map(text).collect()
    }

    /// Opens a stream to the node as the API server does.
    pub(crate) async fn stream(&self, request: StreamRequest) -> Stream {
        let mut socket = UnixStream::connect(self.dir.path().join("run/node.sock")).await.unwrap();
        socket.write_all(&request.encode()).await.unwrap();
        let mut line = Vec::new();
        loop {
            let byte = socket.read_u8().await.unwrap();
            line.push(byte);
            if byte == b'\n' {
                break;
            }
        }
        StreamReply::decode(&line).unwrap().into_result().unwrap();
        Stream { socket, decoder: Decoder::new() }
    }
}

pub(crate) struct Stream {
    socket: UnixStream,
    decoder: Decoder,
}

impl Stream {
    pub(crate) async fn send(&mut self, channel: u8, payload: &[u8]) {
        let mut bytes = Vec::new();
        machinery::stream::encode(channel, payload, &mut bytes);
        self.socket.write_all(&bytes).await.unwrap();
    }

    pub(crate) async fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = self.decoder.next_frame().unwrap() {
                return Some(frame);
            }
            let mut buffer = [0; 4096];
            let read = tokio::time::timeout(PATIENCE, self.socket.read(&mut buffer)).await;
            let count = read.expect("a frame in time").unwrap();
            if count == 0 {
                return None;
            }
            self.decoder.feed(&buffer[..count]);
        }
    }

    /// Everything until the end, by channel.
    pub(crate) async fn rest(&mut self) -> std::collections::BTreeMap<u8, String> {
        let mut all = std::collections::BTreeMap::<u8, String>::new();
        while let Some(frame) = self.next().await {
            all.entry(frame.channel)
                .or_default()
                .push_str(&String::from_utf8_lossy(&frame.payload));
        }
        all
    }
}

pub(crate) fn target(pod: &str) -> Target {
    Target { namespace: "default".into(), pod: pod.into(), ..Target::default() }
}

pub(crate) fn phase(pod: &Pod) -> &str {
    pod.status.as_ref().and_then(|it| it.phase.as_deref()).unwrap_or_default()
}

pub(crate) fn condition<'a>(pod: &'a Pod, name: &str) -> &'a str {
    let conditions = pod.status.as_ref().and_then(|it| it.conditions.as_deref());
    let found = conditions.unwrap_or_default().iter().find(|it| it.type_ == name);
    found.map(|it| it.status.as_str()).unwrap_or_default()
}

pub(crate) async fn until(what: &str, good: impl AsyncFn() -> bool) {
    let start = Instant::now();
    while !good().await {
        assert!(start.elapsed() < PATIENCE, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Processes of the node of a state directory: its agent, whose arguments name it, and whoever is in its pid namespace.
pub(crate) fn processes(path: &str) -> Vec<u32> {
    let me = std::process::id();
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|it| it.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).into_owned();
        *pid != me && (line.contains(path) || line.contains("\0program\0"))
    })
    .collect()
}

pub(crate) fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}
