//! Durable creates of 1 KB custom resources, beside puts of the same bytes into a bare etcd.

use std::time::{Duration, Instant};

use anyhow::Result;
use bytes::Bytes;
use http::Method;
use serde_json::json;

use crate::Args;
use crate::connection::{Connection, Server};
use crate::etcd::Bare;
use harness::Up;

use crate::report::Report;
use crate::samples::Samples;

/// How long each load lasts.
const LOAD: Duration = Duration::from_secs(5);
const CLIENTS: [usize; 3] = [1, 16, 64];
const BYTES: usize = 1024;
pub(crate) const OBJECTS: &str = "/apis/bench.endstate.dev/v1/namespaces/default/notes";

pub(crate) async fn measure(args: &Args, up: &Up, report: &mut Report) -> Result<()> {
    let server = Server::from_kubeconfig(&up.kubeconfig())?;
    define(&server).await?;
    let etcd = Bare::start(&args.etcd).await?;
    for clients in CLIENTS {
        let (etcd_rate, _) = etcd.load(clients, LOAD, "x".repeat(BYTES)).await?;
        let (rate, times) = load(&server, clients).await?;
        report.add_ratio(
            format!("creates, {clients} clients"),
            rate,
            "/s",
            (etcd_rate, "puts to a bare etcd"),
        );
        report.add(format!("creates, {clients} clients, p50"), times.median_ms(), "ms");
        report.add(format!("creates, {clients} clients, p99"), times.percentile_ms(99), "ms");
    }
    Ok(())
}

/// Makes the kind of the objects, if it is not there.
pub(crate) async fn define(server: &Server) -> Result<()> {
    let schema = json!({"type": "object", "properties": {"spec": {
        "type": "object",
        "required": ["text"],
        "properties": {"text": {"type": "string"}, "number": {"type": "integer", "minimum": 0}},
    }}});
    let version = json!({"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}});
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "notes.bench.endstate.dev"},
        "spec": {
            "group": "bench.endstate.dev",
            "scope": "Namespaced",
            "names": {"plural": "notes", "singular": "note", "kind": "Note"},
            "versions": [version],
        },
    });
    let mut connection = server.connect().await?;
    let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    if connection
        .call(Method::GET, &format!("{path}/notes.bench.endstate.dev"), Bytes::new())
        .await
        .is_err()
    {
        connection.call(Method::POST, path, definition.to_string().into()).await?;
    }
    Ok(())
}

pub(crate) async fn load(server: &Server, clients: usize) -> Result<(f64, Samples)> {
    let mut connections = Vec::new();
    for _ in 0..clients {
        connections.push(server.connect().await?);
    }
    let start = Instant::now();
    let tasks = connections.into_iter().enumerate().map(|(client, connection)| {
        tokio::spawn(create_until(connection, format!("c{clients}-{client}"), start + LOAD))
    });
    let mut times = Vec::new();
    for task in tasks.collect::<Vec<_>>() {
        times.extend(task.await??);
    }
    let rate = times.len() as f64 / start.elapsed().as_secs_f64();
    Ok((rate, Samples::new(times)))
}

async fn create_until(
    mut connection: Connection,
    name: String,
    end: Instant,
) -> Result<Vec<Duration>> {
    let mut times = Vec::new();
    while Instant::now() < end {
        let body = note(&format!("{name}-{}", times.len()));
        let start = Instant::now();
        connection.call(Method::POST, OBJECTS, body).await?;
        times.push(start.elapsed());
    }
    Ok(times)
}

/// An object of 1 KB.
pub(crate) fn note(name: &str) -> Bytes {
    let text = "x".repeat(BYTES - 150);
    let note = json!({
        "apiVersion": "bench.endstate.dev/v1",
        "kind": "Note",
        "metadata": {"name": name},
        "spec": {"text": text, "number": 1},
    });
    note.to_string().into()
}
