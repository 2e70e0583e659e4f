//! Durable creates per second: `cargo run --release -p apiserver --example creates -- [CLIENTS] [SECONDS]`.
//!
//! Server and clients share this process. Every client has a TLS connection of its own (HTTP/1.1) and creates
//! custom resources of 1 KB, one after the other; an answer means that the object is on disk.

use std::sync::Arc;
use std::time::{Duration, Instant};

use apiserver::{ApiServer, Config, Pki, UnixNodeStreams};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use serde_json::json;
use store::{EmbeddedStore, MemoryStore, Store};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

type Failure = Box<dyn std::error::Error + Send + Sync>;
type Client = SendRequest<Full<Bytes>>;

const OBJECTS: &str = "/apis/bench.example.com/v1/namespaces/default/notes";

#[tokio::main]
#[expect(clippy::print_stdout, reason = "an example that prints what it measured")]
async fn main() -> Result<(), Failure> {
    drop(rustls::crypto::ring::default_provider().install_default());
    let mut arguments = std::env::args().skip(1);
    let clients: usize = arguments.next().unwrap_or_else(|| "64".to_owned()).parse()?;
    let seconds: u64 = arguments.next().unwrap_or_else(|| "5".to_owned()).parse()?;
    let directory = std::path::PathBuf::from(format!(
        "{}/creates-{}",
        std::env::temp_dir().display(),
        std::process::id()
    ));
    let pki = Pki::load_or_create(&directory.join("pki"), &[])?;
    let store: Arc<dyn Store> = match std::env::var_os("MEMORY") {
        Some(_) => Arc::new(MemoryStore::new()),
        None => Arc::new(EmbeddedStore::open(directory.join("store"), store::Options::default())?),
    };
    let node_streams = Arc::new(UnixNodeStreams::new("/nowhere"));
    let server = ApiServer::start(Config::new(store, pki.clone(), node_streams)).await?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move { server.serve(listener, CancellationToken::new()).await });
    let connect = Connect { address, tls: Arc::new(tls(&pki)?) };
    define(&mut connect.client().await?).await?;
    let mut tasks = Vec::new();
    let start = Instant::now();
    for number in 0..clients {
        let client = connect.client().await?;
        tasks.push(tokio::spawn(load(client, number, start + Duration::from_secs(seconds))));
    }
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await??);
    }
    let elapsed = start.elapsed().as_secs_f64();
    times.sort_unstable();
    let percentile = |part: usize| times[(times.len() - 1) * part / 100];
    println!(
        "{clients} clients: {:.0} creates/s, p50 {:?}, p99 {:?}, max {:?}",
        f64::from(u32::try_from(times.len())?) / elapsed,
        percentile(50),
        percentile(99),
        percentile(100)
    );
    std::fs::remove_dir_all(&directory)?;
    Ok(())
}

struct Connect {
    address: std::net::SocketAddr,
    tls: Arc<rustls::ClientConfig>,
}

impl Connect {
    async fn client(&self) -> Result<Client, Failure> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let name = ServerName::try_from("localhost")?;
        let stream =
            tokio_rustls::TlsConnector::from(self.tls.clone()).connect(name, stream).await?;
        let (client, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(client)
    }
}

fn tls(pki: &Pki) -> Result<rustls::ClientConfig, Failure> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(pki.ca_pem().as_bytes())?)?;
    let certificate = CertificateDer::from_pem_slice(pki.admin().certificate.as_bytes())?;
    let key = PrivateKeyDer::from_pem_slice(pki.admin().key.as_bytes())?;
    Ok(rustls::ClientConfig::builder()
        .with_root_certificates(roots)
        .with_client_auth_cert(vec![certificate], key)?)
}

async fn post(client: &mut Client, path: &str, body: String) -> Result<(), Failure> {
    let request = http::Request::post(path)
        .header("host", "localhost")
        .header("content-type", "application/json")
        .body(Full::from(body))?;
    client.ready().await?;
    let response = client.send_request(request).await?;
    let code = response.status();
    let bytes = response.into_body().collect().await?.to_bytes();
    if code != 201 {
        return Err(format!("{code}: {}", String::from_utf8_lossy(&bytes)).into());
    }
    Ok(())
}

async fn define(client: &mut Client) -> Result<(), Failure> {
    let text = json!({"type": "string"});
    let number = json!({"type": "integer", "minimum": 0});
    let spec = json!({"type": "object", "properties": {"text": text, "number": number}});
    let schema = json!({"type": "object", "properties": {"spec": spec}});
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "notes.bench.example.com"},
        "spec": {
            "group": "bench.example.com",
            "scope": "Namespaced",
            "names": {"plural": "notes", "kind": "Note"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}}],
        },
    });
    post(client, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition.to_string())
        .await
}

/// Creates one object after the other until the time is over; how long each took.
async fn load(mut client: Client, number: usize, end: Instant) -> Result<Vec<Duration>, Failure> {
    let text = "x".repeat(900);
    let mut times = Vec::new();
    while Instant::now() < end {
        let name = format!("c{number}-{}", times.len());
        let body = json!({"apiVersion": "bench.example.com/v1", "kind": "Note", "metadata": {"name": name},
            "spec": {"text": text, "number": times.len()}});
        let before = Instant::now();
        post(&mut client, OBJECTS, body.to_string()).await?;
        times.push(before.elapsed());
    }
    Ok(times)
}
