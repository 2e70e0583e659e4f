//! What the server's memory does while many watch and much is listed, and afterwards.
//!
//! Growth is that of the resident memory of `endstate up` itself over what it had before each step. The peak is the
//! kernel's own record, set back before the step.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use harness::Up;
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2::SendRequest;
use serde_json::json;
use tokio::task::JoinSet;

use crate::Args;
use crate::connection::Server;
use crate::report::Report;
use crate::writes::define;

const WATCHES: usize = 1_500;
/// HTTP/2 streams on one connection.
const PER_CONNECTION: usize = 100;
const LARGE_BYTES: usize = 2_600_000;
const LARGE: &str = "/apis/bench.endstate.dev/v1/namespaces/default/notes";
const SMALL: usize = 188_000;
const WRITERS: usize = 64;
const MAPS: &str = "/api/v1/namespaces/default/configmaps";
/// Freed memory goes back within this.
const SETTLE: Duration = Duration::from_secs(12);
const OPEN_MAX: Duration = Duration::from_secs(300);

const FORMS: [(&str, &str, &str); 5] = [
    ("JSON", "", "application/json"),
    ("indented JSON", "?pretty=true", "application/json"),
    ("YAML", "", "application/yaml"),
    ("Table", "", "application/json;as=Table;v=v1;g=meta.k8s.io"),
    ("metadata", "", "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"),
];

/// Whether a watcher takes what it is sent.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reader {
    TakesAll,
    TakesNothing,
}

pub(crate) async fn measure(args: &Args, report: &mut Report) -> Result<()> {
    watches(args, report).await?;
    lists(args, report).await
}

async fn watches(args: &Args, report: &mut Report) -> Result<()> {
    for (what, reader) in
        [("that took it", Reader::TakesAll), ("that take nothing", Reader::TakesNothing)]
    {
        let up = Up::start_executable(&args.endstate, 1).await?;
        let server = Server::from_kubeconfig(&up.kubeconfig())?;
        define(&server).await?;
        let large = json!({"apiVersion": "bench.endstate.dev/v1", "kind": "Note",
            "metadata": {"name": "large"}, "spec": {"text": "x".repeat(LARGE_BYTES)}});
        server.connect().await?.call(Method::POST, LARGE, large.to_string().into()).await?;
        let before = settled(&up).await?;
        let watches = watch(&server, reader).await?;
        let during = settled(&up).await?;
        drop(watches);
        let after = settled(&up).await?;
        let name = format!("1,500 watches of one 2.6 MB object {what}");
        report.add(format!("{name}: growth"), during - before, "MB");
        report.add(format!("{name}: after they ended"), after - before, "MB");
        up.stop().await?;
    }
    Ok(())
}

async fn lists(args: &Args, report: &mut Report) -> Result<()> {
    let mut up = Up::start_executable(&args.endstate, 1).await?;
    fill(&Server::from_kubeconfig(&up.kubeconfig())?).await?;
    for (form, query, accept) in FORMS {
        // What one form left must not hide what the next one takes.
        up.end().await?;
        up.restart().await?;
        let server = Server::from_kubeconfig(&up.kubeconfig())?;
        let before = settled(&up).await?;
        // Sets the peak back to what is resident now.
        std::fs::write(format!("/proc/{}/clear_refs", up.id()?), "5")?;
        let start = Instant::now();
        let bytes = server.connect().await?.drain(&format!("{MAPS}{query}"), accept).await?;
        let took = start.elapsed();
        let peak = status_mb(&up, "VmHWM:")?;
        let after = settled(&up).await?;
        let name = format!("list of 188,000 ConfigMaps, {form}");
        report.add(format!("{name}: size"), bytes as f64 / 1e6, "MB");
        report.add(format!("{name}: time"), took.as_secs_f64(), "s");
        report.add(format!("{name}: growth at the peak"), peak - before, "MB");
        report.add(format!("{name}: afterwards"), after - before, "MB");
    }
    up.stop().await
}

async fn settled(up: &Up) -> Result<f64> {
    tokio::time::sleep(SETTLE).await;
    status_mb(up, "VmRSS:")
}

fn status_mb(up: &Up, field: &str) -> Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", up.id()?))?;
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let number = line.and_then(|it| it.split_whitespace().next()).context("no such field")?;
    Ok(number.parse::<f64>()? / 1024.0)
}

/// Opens all watches, which end when they are dropped.
async fn watch(server: &Server, reader: Reader) -> Result<JoinSet<Result<()>>> {
    let mut opening = JoinSet::new();
    for _ in 0..WATCHES / PER_CONNECTION {
        let connection = server.connect_http2().await?;
        for _ in 0..PER_CONNECTION {
            let url = server.url(&format!("{LARGE}?watch=true&timeoutSeconds=3600"));
            opening.spawn(open(connection.clone(), url, reader));
        }
    }
    let mut watches = JoinSet::new();
    let all = async {
        while let Some(opened) = opening.join_next().await {
            let mut body = opened??;
            watches.spawn(async move {
                if reader == Reader::TakesAll {
                    while body.frame().await.transpose()?.is_some() {}
                }
                std::future::pending::<()>().await;
                drop(body);
                Ok(())
            });
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(OPEN_MAX, all).await.context("not all watches opened")??;
    Ok(watches)
}

async fn open(
    mut connection: SendRequest<Full<Bytes>>,
    url: String,
    reader: Reader,
) -> Result<Incoming> {
    let request = Request::builder().method(Method::GET).uri(url).body(Full::default())?;
    let response = connection.send_request(request).await?;
    ensure!(response.status().is_success(), "a watch was refused: {}", response.status());
    let mut body = response.into_body();
    let mut taken = 0;
    while reader == Reader::TakesAll && taken < LARGE_BYTES {
        let frame = body.frame().await.context("a watch ended")??;
        taken += frame.data_ref().map_or(0, Bytes::len);
    }
    Ok(body)
}

async fn fill(server: &Server) -> Result<()> {
    let mut writers = JoinSet::new();
    for first in 0..WRITERS {
        let mut connection = server.connect().await?;
        writers.spawn(async move {
            for number in (first..SMALL).step_by(WRITERS) {
                let map = json!({"apiVersion": "v1", "kind": "ConfigMap",
                    "metadata": {"name": format!("m-{number}")}, "data": {"key": "value"}});
                connection.call(Method::POST, MAPS, map.to_string().into()).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(done) = writers.join_next().await {
        done??;
    }
    Ok(())
}
