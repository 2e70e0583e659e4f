//! A client as thin as HTTP allows, so that the server is what is measured.

use std::fs::read_to_string;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use base64::Engine;
use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ClientConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Where the server is and how to be let in.
#[derive(Clone)]
pub(crate) struct Server {
    address: String,
    tls: Arc<ClientConfig>,
}

#[derive(Deserialize)]
struct Kubeconfig {
    clusters: Vec<Named<ClusterEntry>>,
    users: Vec<Named<UserEntry>>,
}

#[derive(Deserialize)]
struct Named<T> {
    #[serde(alias = "cluster", alias = "user")]
    entry: T,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct ClusterEntry {
    server: String,
    certificate_authority_data: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct UserEntry {
    client_certificate_data: String,
    client_key_data: String,
}

impl Server {
    pub(crate) fn from_kubeconfig(path: &Path) -> Result<Self> {
        let kubeconfig: Kubeconfig = serde_saphyr::from_str(&read_to_string(path)?)?;
        let cluster = &kubeconfig.clusters.first().context("no cluster in the kubeconfig")?.entry;
        let user = &kubeconfig.users.first().context("no user in the kubeconfig")?.entry;
        let address =
            cluster.server.strip_prefix("https://").context("the server is no https URL")?;
        Ok(Self { address: address.to_owned(), tls: Arc::new(tls(cluster, user)?) })
    }

    /// The same server for another user, with a certificate that the cluster's own authority in `pki` signs.
    pub(crate) fn as_user(&self, name: &str, pki: &Path) -> Result<Self> {
        let authority = read_to_string(pki.join("ca.crt"))?;
        let key = rcgen::KeyPair::from_pem(&read_to_string(pki.join("ca.key"))?)?;
        let issuer = rcgen::Issuer::from_ca_cert_pem(&authority, key)?;
        let own = rcgen::KeyPair::generate()?;
        let mut certificate = rcgen::CertificateParams::default();
        certificate.distinguished_name.push(rcgen::DnType::CommonName, name);
        let certificate = certificate.signed_by(&own, &issuer)?;
        let pem = base64::prelude::BASE64_STANDARD;
        let cluster = ClusterEntry {
            server: self.address.clone(),
            certificate_authority_data: pem.encode(authority),
        };
        let user = UserEntry {
            client_certificate_data: pem.encode(certificate.pem()),
            client_key_data: pem.encode(own.serialize_pem()),
        };
        Ok(Self { address: self.address.clone(), tls: Arc::new(tls(&cluster, &user)?) })
    }

    /// An HTTP/1.1 connection: one request at a time.
    pub(crate) async fn connect(&self) -> Result<Connection> {
        let (sender, connection) =
            http1::handshake(TokioIo::new(self.stream(b"http/1.1").await?)).await?;
        tokio::spawn(connection);
        Ok(Connection(sender))
    }

    /// An HTTP/2 connection: many requests at a time.
    pub(crate) async fn connect_http2(&self) -> Result<http2::SendRequest<Full<Bytes>>> {
        let stream = TokioIo::new(self.stream(b"h2").await?);
        let (sender, connection) = http2::handshake(TokioExecutor::new(), stream).await?;
        tokio::spawn(connection);
        Ok(sender)
    }

    async fn stream(&self, protocol: &[u8]) -> Result<TlsStream<TcpStream>> {
        let tcp = TcpStream::connect(&self.address).await?;
        tcp.set_nodelay(true)?;
        let host =
            self.address.rsplit_once(':').map_or(&*self.address, |(host, _)| host).to_owned();
        let mut tls = (*self.tls).clone();
        tls.alpn_protocols = vec![protocol.to_vec()];
        Ok(TlsConnector::from(Arc::new(tls)).connect(ServerName::try_from(host)?, tcp).await?)
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("https://{}{path}", self.address)
    }
}

/// One HTTP/1.1 connection.
pub(crate) struct Connection(http1::SendRequest<Full<Bytes>>);

impl Connection {
    /// Sends a request and reads the whole answer; an answer that is no success is an error.
    pub(crate) async fn call(&mut self, method: Method, path: &str, body: Bytes) -> Result<Bytes> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "localhost")
            .header("content-type", "application/json")
            .body(Full::new(body))?;
        self.0.ready().await?;
        let response: Response<Incoming> = self.0.send_request(request).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        ensure!(status.is_success(), "{status}: {}", String::from_utf8_lossy(&body));
        Ok(body)
    }

    /// Reads an answer to its end and keeps nothing of it; returns how long it was.
    pub(crate) async fn drain(&mut self, path: &str, accept: &str) -> Result<usize> {
        let request = Request::get(path)
            .header("host", "localhost")
            .header("accept", accept)
            .body(Full::default())?;
        self.0.ready().await?;
        let response = self.0.send_request(request).await?;
        ensure!(response.status().is_success(), "{}", response.status());
        let (mut body, mut length) = (response.into_body(), 0);
        while let Some(frame) = body.frame().await {
            length += frame?.data_ref().map_or(0, Bytes::len);
        }
        Ok(length)
    }
}

fn tls(cluster: &ClusterEntry, user: &UserEntry) -> Result<ClientConfig> {
    let decode = |text: &str| base64::prelude::BASE64_STANDARD.decode(text);
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&decode(&cluster.certificate_authority_data)?)
    {
        roots.add(certificate?)?;
    }
    let own = decode(&user.client_certificate_data)?;
    let own = CertificateDer::pem_slice_iter(&own).collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_slice(&decode(&user.client_key_data)?)?;
    Ok(ClientConfig::builder().with_root_certificates(roots).with_client_auth_cert(own, key)?)
}
