//! `log`: the container's output as plain text.

use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use machinery::error::ApiError;
use machinery::stream::{HEADER_BYTES, Logs, StreamRequest, decode_header};
use tokio::io::AsyncReadExt as _;

use super::{NodeStream, Pod};
use crate::body::Body;
use crate::call::Call;
use crate::respond::{self, Response};

pub(super) async fn answer(call: &Arc<Call>, pod: Pod) -> Result<Response, ApiError> {
    let query = &call.query;
    let number = |name: &str| match query.get(name).map(str::parse) {
        None => Ok(None),
        Some(Ok(number)) => Ok(Some(number)),
        Some(Err(_)) => {
            Err(ApiError::bad_request(format!("{name}: must be a number of zero or more")))
        }
    };
    let logs = Logs {
        target: pod.container(query.get("container"))?,
        follow: query.flag("follow"),
        previous: query.flag("previous"),
        timestamps: query.flag("timestamps"),
        tail_lines: number("tailLines")?,
        since_seconds: number("sinceSeconds")?,
        since_time: query.get("sinceTime").map(str::to_owned),
        limit_bytes: number("limitBytes")?,
        stream: query.get("stream").filter(|name| *name != "All").map(str::to_owned),
    };
    let stream = pod.open(call, &StreamRequest::Logs(logs)).await?;
    let shutdown = call.server.shutdown_token().clone();
    let pieces = futures::stream::unfold(stream, next);
    let pieces = futures::StreamExt::take_until(pieces, shutdown.cancelled_owned());
    Ok(respond::with_body(StatusCode::OK, "text/plain", Body::stream(pieces)))
}

/// The next frame's payload; the end when the node ends, or is cut off.
async fn next(mut stream: NodeStream) -> Option<(Bytes, NodeStream)> {
    let mut header = [0; HEADER_BYTES];
    stream.read_exact(&mut header).await.ok()?;
    let (_channel, length) = decode_header(header).ok()?;
    let mut payload = vec![0; length];
    stream.read_exact(&mut payload).await.ok()?;
    Some((payload.into(), stream))
}
