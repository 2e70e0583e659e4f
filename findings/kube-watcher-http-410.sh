#!/usr/bin/env bash
# kube-runtime 5.0.0: a watch that is refused with HTTP 410 is tried again with the same resourceVersion and never listed
# anew. Only a 410 that comes as an ERROR event inside a stream makes `watcher` list again.
#
# What one would guess: 410 Expired means "list again", however it arrives, as client-go's reflector does.
# Where it matters: a watcher that was away longer than the server keeps history stays behind for ever, and looks alive.
#
# The program serves both forms to `watcher` in process, through the tower service that `kube::Client` takes: no network.
# Seen: see the last lines; the script fails if that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/src"
cat >"$folder/Cargo.toml" <<'TOML'
[package]
name = "seen"
version = "0.0.0"
edition = "2024"
[dependencies]
futures = "=0.3.31"
http = "=1.3.1"
k8s-openapi = { version = "=0.29.0", features = ["v1_33"] }
kube = { version = "=5.0.0", default-features = false, features = ["client", "runtime"] }
tokio = { version = "1", features = ["macros", "rt", "time"] }
tower = { version = "0.5", features = ["util"] }
TOML
cat >"$folder/src/main.rs" <<'RUST'
use std::sync::{Arc, Mutex};

use futures::StreamExt;
use http::{Request, Response};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::client::Body;
use kube::runtime::watcher;
use kube::{Api, Client};

const LIST: &str = r#"{"kind":"ConfigMapList","apiVersion":"v1","metadata":{"resourceVersion":"7"},"items":[]}"#;
const EXPIRED: &str = r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"too old resource version: 7 (99)","reason":"Expired","code":410}"#;

/// What `watcher` asks of a server that answers every watch with Expired: `L` for a list, `W` for a watch.
async fn asked(expired: fn() -> Response<Body>) -> String {
    let asked = Arc::new(Mutex::new(String::new()));
    let seen = asked.clone();
    let server = tower::service_fn(move |request: Request<Body>| {
        let is_watch = request.uri().query().unwrap_or_default().contains("watch=true");
        seen.lock().unwrap().push(if is_watch { 'W' } else { 'L' });
        let list = || Response::new(Body::from(LIST.as_bytes().to_vec()));
        let answer = if is_watch { expired() } else { list() };
        async move { Ok::<_, std::convert::Infallible>(answer) }
    });
    let maps: Api<ConfigMap> = Api::all(Client::new(server, "default"));
    let events = watcher(maps, watcher::Config::default());
    let _ = events.take(12).collect::<Vec<_>>().await;
    asked.lock().unwrap().chars().take(6).collect()
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let by_status = || {
        let body = Body::from(EXPIRED.as_bytes().to_vec());
        Response::builder().status(410).body(body).unwrap()
    };
    let in_stream = || {
        let event = format!("{{\"type\":\"ERROR\",\"object\":{EXPIRED}}}\n");
        Response::new(Body::from(event.into_bytes()))
    };
    println!("410 by HTTP status: {}", asked(by_status).await);
    println!("410 in the stream:  {}", asked(in_stream).await);
}
RUST
seen=$(cd "$folder" && cargo run --quiet)
echo "$seen"
expected='410 by HTTP status: LWWWWW
410 in the stream:  LWLWLW'
[ "$seen" = "$expected" ] || { echo "this has changed; expected:"; echo "$expected"; exit 1; }
