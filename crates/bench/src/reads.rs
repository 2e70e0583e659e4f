//! Gets, and lists of 10,000 objects.

use std::time::{Duration, Instant};

use anyhow::Result;
use bytes::Bytes;
use http::Method;

use crate::connection::Server;
use harness::Up;

use crate::report::Report;
use crate::samples::Samples;
use crate::writes::{define, note};

const OBJECTS: usize = 10_000;
const GETS: usize = 10_000;
const LISTS: usize = 10;
const CONNECTIONS: usize = 16;
const PATH: &str = "/apis/bench.endstate.dev/v1/namespaces/reads/notes";

pub(crate) async fn measure(up: &Up, report: &mut Report) -> Result<()> {
    let server = Server::from_kubeconfig(&up.kubeconfig())?;
    define(&server).await?;
    fill(&server).await?;
    let mut connection = server.connect().await?;
    let mut gets = Vec::new();
    for number in 0..GETS {
        let path = format!("{PATH}/n-{}", number % OBJECTS);
        gets.push(timed(connection.call(Method::GET, &path, Bytes::new())).await?.0);
    }
    let gets = Samples::new(gets);
    report.add("get, 1 client, p50", gets.median_ms(), "ms");
    report.add("get, 1 client, p99", gets.percentile_ms(99), "ms");
    let mut lists = Vec::new();
    let mut size = 0;
    for _ in 0..LISTS {
        let (took, body) = timed(connection.call(Method::GET, PATH, Bytes::new())).await?;
        size = body.len();
        lists.push(took);
    }
    let lists = Samples::new(lists);
    report.add("list of 10,000, median", lists.median_ms(), "ms");
    report.add("list of 10,000, rate", size as f64 / 1e6 / (lists.median_ms() / 1e3), "MB/s");
    Ok(())
}

async fn timed<T>(call: impl Future<Output = Result<T>>) -> Result<(Duration, T)> {
    let start = Instant::now();
    let value = call.await?;
    Ok((start.elapsed(), value))
}

async fn fill(server: &Server) -> Result<()> {
    let namespace = r#"{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"reads"}}"#;
    server.connect().await?.call(Method::POST, "/api/v1/namespaces", namespace.into()).await?;
    let tasks = (0..CONNECTIONS).map(|first| {
        let server = server.clone();
        tokio::spawn(async move {
            let mut connection = server.connect().await?;
            for number in (first..OBJECTS).step_by(CONNECTIONS) {
                connection.call(Method::POST, PATH, note(&format!("n-{number}"))).await?;
            }
            anyhow::Ok(())
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await??;
    }
    Ok(())
}
