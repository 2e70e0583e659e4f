//! Logs, exec, attach and port-forward: between a client's WebSocket and the node's stream protocol.
//!
//! Invariants: the pod and its node are looked up at each request, and the node is told the pod's uid; an error
//! before the first byte is a Status, one after it travels on the stream's own error channel.

mod forward;
mod logs;
mod spdy;
mod tunnel;
mod websocket;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use machinery::error::ApiError;
use machinery::stream::{LINE_BYTES_MAX, StreamReply, StreamRequest, Target};
use serde_json::Value;
use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader,
};
use tokio::net::UnixStream;

use crate::call::Call;
use crate::respond::Response;

/// A connection to a node's stream server.
pub trait Connection: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Connection for T {}

/// How a node's stream server is reached.
#[async_trait]
pub trait NodeStreams: Send + Sync + 'static {
    /// Connects to the stream server of a node.
    async fn connect(&self, node: &str) -> io::Result<Box<dyn Connection>>;
}

/// One Unix socket for all nodes: the embedded ones are served by one process.
pub struct UnixNodeStreams {
    socket: PathBuf,
}

impl UnixNodeStreams {
    pub fn new(socket: impl Into<PathBuf>) -> Self {
        Self { socket: socket.into() }
    }
}

#[async_trait]
impl NodeStreams for UnixNodeStreams {
    async fn connect(&self, _node: &str) -> io::Result<Box<dyn Connection>> {
        Ok(Box::new(UnixStream::connect(&self.socket).await?))
    }
}

/// A stream that the node has accepted.
pub(crate) type NodeStream = BufReader<Box<dyn Connection>>;

/// Answers a request on a streaming subresource.
pub(crate) async fn answer(
    call: &Arc<Call>,
    upgrade: Option<hyper::upgrade::OnUpgrade>,
) -> Result<Response, ApiError> {
    let pod = Pod::find(call).await?;
    match call.target.subresource.as_deref() {
        Some("log") => logs::answer(call, pod).await,
        Some("portforward") => forward::answer(call, pod, upgrade).await,
        Some(kind) => {
            websocket::answer(call, websocket::Command { pod, kind: kind.to_owned() }, upgrade)
                .await
        }
        None => Err(call.method_not_allowed()),
    }
}

/// A pod on a node.
pub(crate) struct Pod {
    node: String,
    target: Target,
    object: Value,
}

impl Pod {
    async fn find(call: &Call) -> Result<Self, ApiError> {
        let object = crate::encode::parse(&*call.get(call.name()).await?)?;
        let node = object["spec"]["nodeName"].as_str().unwrap_or("").to_owned();
        let target = Target {
            namespace: call.target.namespace.clone().unwrap_or_default(),
            pod: call.name().to_owned(),
            uid: object["metadata"]["uid"].as_str().map(str::to_owned),
            container: String::new(),
        };
        Ok(Self { node, target, object })
    }

    /// The pod's target with the container that is meant: the one asked for, the default one, or the only one.
    fn container(&self, asked: Option<&str>) -> Result<Target, ApiError> {
        let names: Vec<&str> = ["containers", "initContainers", "ephemeralContainers"]
            .iter()
            .flat_map(|list| self.object["spec"][list].as_array().into_iter().flatten())
            .filter_map(|container| container["name"].as_str())
            .collect();
        let default =
            &self.object["metadata"]["annotations"]["kubectl.kubernetes.io/default-container"];
        let chosen = match asked.or_else(|| default.as_str()) {
            Some(name) => names.iter().find(|it| **it == name).copied(),
            None => names.first().copied(),
        };
        let pod = &self.target.pod;
        match chosen {
            Some(name) => Ok(Target { container: name.to_owned(), ..self.target.clone() }),
            None => Err(ApiError::bad_request(format!(
                "container {} is not valid for pod {pod}; it has {}",
                asked.unwrap_or(""),
                names.join(", ")
            ))),
        }
    }

    /// Opens a stream on the pod's node.
    async fn open(&self, call: &Call, request: &StreamRequest) -> Result<NodeStream, ApiError> {
        if self.node.is_empty() {
            return Err(ApiError::bad_request(format!(
                "pod {} does not have a host assigned",
                self.target.pod
            )));
        }
        let connected = call.server.shared().nodes.connect(&self.node).await;
        let mut connection = connected.map_err(|error| {
            ApiError::service_unavailable(format!("node {} cannot be reached: {error}", self.node))
        })?;
        let broken = |error: io::Error| {
            ApiError::service_unavailable(format!(
                "node {} broke the connection off: {error}",
                self.node
            ))
        };
        connection.write_all(&request.encode()).await.map_err(broken)?;
        connection.flush().await.map_err(broken)?;
        let mut stream = BufReader::new(connection);
        let mut line = Vec::new();
        (&mut stream)
            .take(LINE_BYTES_MAX as u64)
            .read_until(b'\n', &mut line)
            .await
            .map_err(broken)?;
        let reply = StreamReply::decode(&line).map_err(|error| {
            ApiError::internal(format_args!(
                "node {} answered what is no reply: {error}",
                self.node
            ))
        })?;
        reply.into_result()?;
        Ok(stream)
    }
}
