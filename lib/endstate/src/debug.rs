//! Answers what an operator would do next: `POST /explain/GROUP/NAMESPACE/NAME`, with a spec in the body or without.
//!
//! It listens on loopback, so in a cluster only those reach it who may forward ports of the operator's pods. A body may
//! have 256 KiB, and each connection ten seconds.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::ObjectKey;
use crate::operator::Explanation;

const BODY_MAX: usize = 256 * 1_024;
const CONNECTION_TIME_MAX: Duration = Duration::from_secs(10);
/// How long nothing is accepted after an error.
const ACCEPT_REST: Duration = Duration::from_millis(50);

/// What is asked of the operator of a group's kind. `None` if there is no such object here.
pub(crate) type Explain = Box<
    dyn Fn(
            String,
            ObjectKey,
            Option<Value>,
        ) -> BoxFuture<'static, Option<Result<Explanation, String>>>
        + Send
        + Sync,
>;

/// Serves until shutdown, one connection after the other: it is for one person.
pub(crate) async fn serve(listener: TcpListener, explain: Explain, shutdown: CancellationToken) {
    let explain = Arc::new(explain);
    loop {
        let stream = tokio::select! {
            () = shutdown.cancelled() => return,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                // Out of file descriptors, or the peer left already.
                Err(_) => {
                    tokio::time::sleep(ACCEPT_REST).await;
                    continue;
                }
            },
        };
        let explain = Arc::clone(&explain);
        let service = service_fn(move |request| {
            let explain = Arc::clone(&explain);
            async move { Ok::<_, Infallible>(answer(request, &explain).await) }
        });
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        let _ = tokio::time::timeout(CONNECTION_TIME_MAX, connection).await;
    }
}

async fn answer(request: Request<Incoming>, explain: &Explain) -> Response<Full<Bytes>> {
    let path = request.uri().path().to_owned();
    let parts: Vec<_> = path.split('/').collect();
    let ["", "explain", group, namespace, name] = parts[..] else {
        return response(StatusCode::NOT_FOUND, "try /explain/GROUP/NAMESPACE/NAME".into());
    };
    let (group, key) = (group.to_owned(), ObjectKey::namespaced(namespace, name));
    let Ok(body) = Limited::new(request.into_body(), BODY_MAX).collect().await else {
        return response(StatusCode::PAYLOAD_TOO_LARGE, "the spec is too large".into());
    };
    let body = body.to_bytes();
    let spec = match body.is_empty() {
        true => Ok(None),
        false => serde_json::from_slice(&body).map(Some),
    };
    let spec = match spec {
        Ok(spec) => spec,
        Err(error) => return response(StatusCode::BAD_REQUEST, error.to_string()),
    };
    match explain(group, key, spec).await {
        None => response(StatusCode::NOT_FOUND, "no such object is looked at here".into()),
        Some(Err(why)) => response(StatusCode::UNPROCESSABLE_ENTITY, why),
        Some(Ok(it)) => response(StatusCode::OK, serde_json::to_string(&it).expect("text is JSON")),
    }
}

fn response(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response
}
