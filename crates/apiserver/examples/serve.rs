//! An API server alone, without controllers or nodes: `cargo run -p apiserver --example serve -- DIR [ADDRESS]`.
//!
//! Writes `DIR/kubeconfig` and serves until it is interrupted. Objects are kept in memory, or durably below DIR
//! with `DURABLE=1`.

use std::path::PathBuf;
use std::sync::Arc;

use apiserver::{ApiServer, Config, Pki, UnixNodeStreams};
use store::{EmbeddedStore, MemoryStore, Store};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

#[tokio::main]
#[expect(clippy::print_stdout, reason = "an example that says where it listens")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    drop(rustls::crypto::ring::default_provider().install_default());
    let started = std::time::Instant::now();
    let mut arguments = std::env::args().skip(1);
    let directory = PathBuf::from(arguments.next().ok_or("usage: serve DIR [ADDRESS]")?);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:0".to_owned());
    let pki = Pki::load_or_create(&directory.join("pki"), &[])?;
    let store: Arc<dyn Store> = match std::env::var_os("DURABLE") {
        Some(_) => {
            Arc::new(EmbeddedStore::open(directory.join("store"), store::Options::default())?)
        }
        None => Arc::new(MemoryStore::new()),
    };
    let node_streams = Arc::new(UnixNodeStreams::new(directory.join("node.sock")));
    let server = ApiServer::start(Config::new(store, pki.clone(), node_streams)).await?;
    let listener = TcpListener::bind(&address).await?;
    let url = format!("https://{}", listener.local_addr()?);
    std::fs::write(directory.join("kubeconfig"), pki.kubeconfig(&url))?;
    println!("ready in {:?} at {url}", started.elapsed());
    let shutdown = CancellationToken::new();
    let serving = server.serve(listener, shutdown.clone());
    tokio::select! {
        () = serving => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    server.shut_down();
    shutdown.cancel();
    Ok(())
}
