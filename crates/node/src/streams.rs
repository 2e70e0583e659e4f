//! `node.sock`: logs, exec, attach and port-forward, in the protocol of `machinery::stream`.

mod exec;
mod forward;
mod frames;
mod logs;

use std::path::PathBuf;
use std::sync::Arc;

use machinery::error::ApiError;
use machinery::stream::{LINE_BYTES_MAX, StreamReply, StreamRequest, Target};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};

use self::frames::{FrameReader, FrameWriter};
use crate::config::Paths;
use crate::pod::{Live, LiveContainer, LivePod};
use crate::view::View;

/// What streams need of the node.
#[derive(Clone)]
pub(crate) struct Streams {
    pub(crate) live: Live,
    pub(crate) view: View,
    pub(crate) paths: Paths,
}

type Reader = BufReader<OwnedReadHalf>;

/// Binds and serves until the runtime ends.
pub(crate) fn start(streams: Streams, path: PathBuf) -> std::io::Result<()> {
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&path)?;
    tokio::spawn(async move {
        loop {
            let (stream, _) = crate::accept::next("node.sock", || listener.accept()).await;
            let streams = streams.clone();
            tokio::spawn(async move {
                if let Err(error) = streams.connection(stream).await {
                    tracing::debug!(%error, "a stream ended early");
                }
            });
        }
    });
    Ok(())
}

impl Streams {
    async fn connection(&self, stream: UnixStream) -> std::io::Result<()> {
        let (read, mut write) = stream.into_split();
        let mut reader = BufReader::new(read);
        let mut line = Vec::new();
        let limit = u64::try_from(LINE_BYTES_MAX).unwrap_or(u64::MAX);
        (&mut reader).take(limit).read_until(b'\n', &mut line).await?;
        let request = match StreamRequest::decode(&line) {
            Ok(request) => request,
            Err(error) => {
                let refused = ApiError::bad_request(error.to_string());
                return write.write_all(&StreamReply::refused(&refused).encode()).await;
            }
        };
        let frames = (FrameReader::new(reader), FrameWriter::new(write));
        match request {
            StreamRequest::Logs(request) => self.logs(request, frames).await,
            StreamRequest::Exec(request) => self.exec(request, frames).await,
            StreamRequest::Attach(request) => self.attach(request, frames).await,
            StreamRequest::Forward(request) => self.forward(request, frames).await,
        }
    }

    /// The pod's sandbox, if it is the pod that was meant.
    fn pod(&self, target: &Target) -> Result<LivePod, ApiError> {
        let pod = self.live.get(&target.namespace, &target.pod);
        let pod = pod.filter(|pod| target.uid.as_ref().is_none_or(|uid| *uid == pod.uid));
        match pod {
            Some(pod) => Ok(pod),
            None if self.view.pods.get(&target.namespace, &target.pod).is_some() => {
                Err(ApiError::bad_request(format!("pod {} is not running", target.pod)))
            }
            None => Err(ApiError::not_found("", "pods", &target.pod)),
        }
    }

    fn container(&self, target: &Target) -> Result<Arc<LiveContainer>, ApiError> {
        let pod = self.pod(target)?;
        let name = self.container_name(target)?;
        pod.containers.get(&name).cloned().ok_or_else(|| {
            ApiError::bad_request(format!("container {name} of pod {} is not running", target.pod))
        })
    }

    /// The named container, or the first one, which must exist in the spec.
    fn container_name(&self, target: &Target) -> Result<String, ApiError> {
        let pod = self.view.pods.get(&target.namespace, &target.pod);
        let pod = pod.ok_or_else(|| ApiError::not_found("", "pods", &target.pod))?;
        let spec = pod.spec.clone().unwrap_or_default();
        let annotations = pod.metadata.annotations.as_ref();
        let preferred =
            annotations.and_then(|it| it.get("kubectl.kubernetes.io/default-container"));
        if target.container.is_empty() {
            let first = spec.containers.first().map(|it| it.name.clone());
            let chosen = preferred.cloned().or(first);
            return chosen.ok_or_else(|| ApiError::bad_request("the pod has no container"));
        }
        let mut all = spec.containers.iter().chain(spec.init_containers.iter().flatten());
        let found = all.any(|it| it.name == target.container);
        if found {
            return Ok(target.container.clone());
        }
        let text = format!("container {} is not valid for pod {}", target.container, target.pod);
        Err(ApiError::bad_request(text))
    }
}

type Frames = (FrameReader<Reader>, FrameWriter<OwnedWriteHalf>);
