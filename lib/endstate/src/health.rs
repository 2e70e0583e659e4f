//! `/livez` and `/readyz` for probes, `/metrics` and `/report`: the smallest HTTP that a kubelet and Prometheus speak.
//!
//! It answers one request per connection, reads at most 4 KiB of it, and holds at most 16 connections, each for at most
//! two seconds; so no client can exhaust the operator. More connections wait in the listener's
//! queue.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::Metrics;

const CONNECTIONS_MAX: usize = 16;
const REQUEST_BYTES_MAX: usize = 4_096;
const CONNECTION_TIME_MAX: Duration = Duration::from_secs(2);

/// What the endpoints ask.
pub struct Endpoints {
    /// For `/readyz`: whether the caches are complete.
    pub is_ready: Box<dyn Fn() -> bool + Send + Sync>,
    /// For `/metrics`.
    pub metrics: Metrics,
    /// For `/report`, if there is one: JSON for whoever asked this process for something.
    pub report: Option<Report>,
}

/// What a process says of what it was asked for.
pub type Report = Box<dyn Fn() -> String + Send + Sync>;

/// Serves until shutdown. `/livez` succeeds as long as this process schedules tasks.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use tokio::io::{AsyncReadExt, AsyncWriteExt};
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
/// let address = listener.local_addr().unwrap();
/// let shutdown = endstate::CancellationToken::new();
/// # let metrics = endstate::Metrics::default();
/// let endpoints = endstate::health::Endpoints { is_ready: Box::new(|| false), metrics, report: None };
/// tokio::spawn(endstate::health::serve(listener, endpoints, shutdown.clone()));
///
/// let mut client = tokio::net::TcpStream::connect(address).await.unwrap();
/// client.write_all(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
/// let mut answer = String::new();
/// client.read_to_string(&mut answer).await.unwrap();
/// assert!(answer.starts_with("HTTP/1.1 503 "));
/// # }
/// ```
pub async fn serve(listener: TcpListener, endpoints: Endpoints, shutdown: CancellationToken) {
    let endpoints = Arc::new(endpoints);
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        // Before it accepts: a probe that is turned away counts as a failure, one that waits a moment does not.
        let slot = tokio::select! {
            () = shutdown.cancelled() => return,
            slot = slots.clone().acquire_owned() => slot,
        };
        let stream = tokio::select! {
            () = shutdown.cancelled() => return,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                // Out of file descriptors, or the peer left already.
                Err(_) => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
        };
        let endpoints = endpoints.clone();
        tokio::spawn(async move {
            let _ = tokio::time::timeout(CONNECTION_TIME_MAX, answer(stream, &endpoints)).await;
            drop(slot);
        });
    }
}

async fn answer(mut stream: TcpStream, endpoints: &Endpoints) {
    let mut request = Vec::new();
    let mut buffer = [0; 512];
    while !request.windows(4).any(|it| it == b"\r\n\r\n") && request.len() < REQUEST_BYTES_MAX {
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(count) => request.extend_from_slice(&buffer[..count]),
        }
    }
    let path = request.split(|it| *it == b' ').nth(1).unwrap_or_default();
    let path = path.split(|it| *it == b'?').next().unwrap_or_default();
    let (status, body) = match path {
        b"/livez" | b"/healthz" => ("200 OK", "ok".to_owned()),
        b"/readyz" if (endpoints.is_ready)() => ("200 OK", "ok".to_owned()),
        b"/readyz" => ("503 Service Unavailable", "the caches are not complete".to_owned()),
        b"/metrics" => ("200 OK", endpoints.metrics.text()),
        b"/report" if endpoints.report.is_some() => {
            ("200 OK", endpoints.report.as_ref().map(|it| it()).unwrap_or_default())
        }
        _ => ("404 Not Found", "try /livez, /readyz or /metrics".to_owned()),
    };
    let media_type = match path {
        b"/metrics" => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        b"/report" if endpoints.report.is_some() => "application/json",
        _ => "text/plain",
    };
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {media_type}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let _ = stream.write_all(answer.as_bytes()).await;
    let _ = stream.shutdown().await;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoints() -> Endpoints {
        Endpoints { is_ready: Box::new(|| true), metrics: Metrics::default(), report: None }
    }

    #[tokio::test]
    async fn metrics_are_in_the_format_that_their_type_says() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let endpoints = endpoints();
        endpoints.metrics.rejected("toy");
        let serving = tokio::spawn(serve(listener, endpoints, shutdown.clone()));
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(b"GET /metrics HTTP/1.1\r\n\r\n").await.unwrap();
        let mut text = String::new();
        client.read_to_string(&mut text).await.unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains("Content-Type: application/openmetrics-text"), "{head}");
        assert!(head.contains(&format!("Content-Length: {}", body.len())), "{head}");
        assert!(body.contains("endstate_plans_rejected_total") && body.ends_with("# EOF\n"));
        shutdown.cancel();
        serving.await.unwrap();
    }

    #[tokio::test]
    async fn a_probe_beyond_the_limit_waits_and_is_answered() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let serving = tokio::spawn(serve(listener, endpoints(), shutdown.clone()));
        let mut idle = Vec::new();
        for _ in 0..CONNECTIONS_MAX {
            idle.push(TcpStream::connect(address).await.unwrap());
        }
        let mut probe = TcpStream::connect(address).await.unwrap();
        probe.write_all(b"GET /livez HTTP/1.1\r\n\r\n").await.unwrap();
        let mut text = String::new();
        let read = tokio::time::timeout(CONNECTION_TIME_MAX * 4, probe.read_to_string(&mut text));
        read.await.unwrap().unwrap();
        assert!(text.starts_with("HTTP/1.1 200 "), "{text}");
        drop(idle);
        shutdown.cancel();
        serving.await.unwrap();
    }
}
