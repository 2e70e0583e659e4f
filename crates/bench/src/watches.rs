//! From a write to the last of 1,000 watchers.
//!
//! The clock starts when the write is sent: the moment of the commit cannot be seen from outside, and watchers often
//! know before the writer does. So each figure holds the write itself, whose own time stands beside it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::SendRequest;
use tokio::sync::{Barrier, mpsc};

use crate::connection::Server;
use harness::Up;

use crate::report::Report;
use crate::samples::Samples;
use crate::writes::{define, note};

const WATCHERS: usize = 1_000;
/// HTTP/2 streams on one connection.
const PER_CONNECTION: usize = 100;
const COMMITS: usize = 100;
const EVENT_MAX: Duration = Duration::from_secs(10);
const PATH: &str = "/apis/bench.endstate.dev/v1/namespaces/watches/notes";

pub(crate) async fn measure(up: &Up, report: &mut Report) -> Result<()> {
    let server = Server::from_kubeconfig(&up.kubeconfig())?;
    define(&server).await?;
    let mut writer = server.connect().await?;
    let namespace = r#"{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"watches"}}"#;
    writer.call(Method::POST, "/api/v1/namespaces", namespace.into()).await?;
    let mut arrivals = watch(&server).await?;
    let (mut writes, mut half, mut last) = (Vec::new(), Vec::new(), Vec::new());
    for number in 0..COMMITS {
        let sent = Instant::now();
        writer.call(Method::POST, PATH, note(&format!("w-{number}"))).await?;
        writes.push(sent.elapsed());
        let mut times = Vec::with_capacity(WATCHERS);
        for _ in 0..WATCHERS {
            let arrival = tokio::time::timeout(EVENT_MAX, arrivals.recv()).await?;
            times.push(arrival.context("a watcher ended")?.duration_since(sent));
        }
        times.sort();
        half.push(times[WATCHERS / 2]);
        last.push(times[WATCHERS - 1]);
    }
    let (writes, half, last) = (Samples::new(writes), Samples::new(half), Samples::new(last));
    report.add("write → acknowledged, 1,000 watchers", writes.median_ms(), "ms");
    report.add("write → half of 1,000 watchers", half.median_ms(), "ms");
    report.add("write → the last of 1,000 watchers", last.median_ms(), "ms");
    report.add("write → the last of 1,000 watchers, p99", last.percentile_ms(99), "ms");
    Ok(())
}

/// Opens all watches; each event's arrival comes out of the channel.
async fn watch(server: &Server) -> Result<mpsc::UnboundedReceiver<Instant>> {
    let (arrived, arrivals) = mpsc::unbounded_channel();
    let open = Arc::new(Barrier::new(WATCHERS + 1));
    for _ in 0..WATCHERS / PER_CONNECTION {
        let connection = server.connect_http2().await?;
        for _ in 0..PER_CONNECTION {
            let url = server.url(&format!("{PATH}?watch=true&timeoutSeconds=600"));
            let watcher = follow(connection.clone(), url, Arc::clone(&open), arrived.clone());
            tokio::spawn(watcher);
        }
    }
    tokio::time::timeout(EVENT_MAX, open.wait()).await.context("not all watches opened")?;
    Ok(arrivals)
}

async fn follow(
    mut connection: SendRequest<Full<Bytes>>,
    url: String,
    open: Arc<Barrier>,
    arrived: mpsc::UnboundedSender<Instant>,
) -> Result<()> {
    let request = Request::builder().method(Method::GET).uri(url).body(Full::default())?;
    let response = connection.send_request(request).await?;
    ensure!(response.status().is_success(), "a watch was refused: {}", response.status());
    open.wait().await;
    let mut body = response.into_body();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data() {
            let now = Instant::now();
            for _ in data.iter().filter(|byte| **byte == b'\n') {
                arrived.send(now)?;
            }
        }
    }
    Ok(())
}
