//! Looking into a container once: what probes and hooks do.

use std::net::Ipv4Addr;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use k8s_openapi::api::core::v1::{
    Container, ExecAction, GRPCAction, HTTPGetAction, LifecycleHandler, Probe, TCPSocketAction,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::exec::Commands;

/// How much of an answer is kept for messages.
const ANSWER_BYTES_MAX: usize = 10 * 1024;

/// One look, resolved to addresses and numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Check {
    Exec(Vec<String>),
    Http(Http),
    Tcp { address: String, port: u16 },
    Grpc { address: String, port: u16, service: String },
    Sleep(Duration),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Http {
    address: String,
    port: u16,
    path: String,
    https: bool,
    headers: Vec<(String, String)>,
}

impl Check {
    pub(crate) fn of_probe(
        probe: &Probe,
        container: &Container,
        pod: Ipv4Addr,
    ) -> Result<Self, String> {
        if let Some(grpc) = &probe.grpc {
            return of_grpc(grpc, pod);
        }
        of_actions(
            probe.exec.as_ref(),
            probe.http_get.as_ref(),
            probe.tcp_socket.as_ref(),
            (container, pod),
        )
    }

    pub(crate) fn of_hook(
        hook: &LifecycleHandler,
        container: &Container,
        pod: Ipv4Addr,
    ) -> Result<Self, String> {
        if let Some(sleep) = &hook.sleep {
            return Ok(Self::Sleep(Duration::from_secs(u64::try_from(sleep.seconds).unwrap_or(0))));
        }
        of_actions(
            hook.exec.as_ref(),
            hook.http_get.as_ref(),
            hook.tcp_socket.as_ref(),
            (container, pod),
        )
    }

    /// Fine, or why not.
    pub(crate) async fn run(&self, commands: &Commands) -> Result<(), String> {
        match self {
            Self::Exec(command) => {
                let (code, output) = commands.run(command).await?;
                if code == 0 { Ok(()) } else { Err(format!("exit code {code}: {}", output.trim())) }
            }
            Self::Http(http) => http.get().await,
            Self::Tcp { address, port } => {
                let connected = TcpStream::connect((address.as_str(), *port)).await;
                connected.map(|_| ()).map_err(|error| format!("dial tcp {address}:{port}: {error}"))
            }
            Self::Grpc { address, port, service } => grpc(address, *port, service).await,
            Self::Sleep(time) => {
                tokio::time::sleep(*time).await;
                Ok(())
            }
        }
    }
}

fn of_grpc(grpc: &GRPCAction, pod: Ipv4Addr) -> Result<Check, String> {
    let port = u16::try_from(grpc.port).map_err(|_| format!("{} is no port", grpc.port))?;
    let service = grpc.service.clone().unwrap_or_default();
    Ok(Check::Grpc { address: pod.to_string(), port, service })
}

fn of_actions(
    exec: Option<&ExecAction>,
    http: Option<&HTTPGetAction>,
    tcp: Option<&TCPSocketAction>,
    of: (&Container, Ipv4Addr),
) -> Result<Check, String> {
    let (container, pod) = of;
    let host = |host: &Option<String>| match host.as_deref() {
        Some(host) if !host.is_empty() => host.to_owned(),
        _ => pod.to_string(),
    };
    if let Some(exec) = exec {
        return Ok(Check::Exec(exec.command.clone().unwrap_or_default()));
    }
    if let Some(http) = http {
        let headers = http.http_headers.iter().flatten();
        return Ok(Check::Http(Http {
            address: host(&http.host),
            port: port(&http.port, container)?,
            path: http.path.clone().unwrap_or_else(|| "/".to_owned()),
            https: http.scheme.as_deref() == Some("HTTPS"),
            headers: headers.map(|it| (it.name.clone(), it.value.clone())).collect(),
        }));
    }
    if let Some(tcp) = tcp {
        let port = port(&tcp.port, container)?;
        return Ok(Check::Tcp { address: host(&tcp.host), port });
    }
    Err("it has no handler".to_owned())
}

fn port(port: &IntOrString, container: &Container) -> Result<u16, String> {
    let number = match port {
        IntOrString::Int(number) => *number,
        IntOrString::String(name) => {
            let named = container.ports.iter().flatten().find(|it| it.name.as_ref() == Some(name));
            match (named, name.parse()) {
                (Some(named), _) => named.container_port,
                (None, Ok(number)) => number,
                (None, Err(_)) => return Err(format!("the container has no port {name:?}")),
            }
        }
    };
    u16::try_from(number).map_err(|_| format!("{number} is no port"))
}

impl Http {
    async fn get(&self) -> Result<(), String> {
        let target = format!("{}:{}", self.address, self.port);
        let scheme = if self.https { "https" } else { "http" };
        let result = match TcpStream::connect(&target).await {
            Ok(stream) if self.https => match tls(stream, &self.address).await {
                Ok(stream) => self.ask(stream, &target).await,
                Err(error) => Err(error.to_string()),
            },
            Ok(stream) => self.ask(stream, &target).await,
            Err(error) => Err(error.to_string()),
        };
        let status =
            result.map_err(|why| format!("Get \"{scheme}://{target}{}\": {why}", self.path))?;
        if status.is_success() || status.is_redirection() {
            return Ok(());
        }
        Err(format!("HTTP probe failed with statuscode: {}", status.as_u16()))
    }

    async fn ask(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        target: &str,
    ) -> Result<http::StatusCode, String> {
        let connected = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = connected.map_err(|error| error.to_string())?;
        let driver = tokio::spawn(connection);
        let path =
            if self.path.starts_with('/') { self.path.clone() } else { format!("/{}", self.path) };
        let mut request = http::Request::get(path);
        let named =
            |name: &str| self.headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(name));
        if !named("host") {
            request = request.header("Host", target);
        }
        if !named("user-agent") {
            request = request.header("User-Agent", "kube-probe/1.33");
        }
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let request = request.body(Full::<Bytes>::default()).map_err(|error| error.to_string())?;
        let response = sender.send_request(request).await;
        driver.abort();
        response.map(|response| response.status()).map_err(|error| error.to_string())
    }
}

/// TLS with whatever certificate comes: a probe asks whether a program answers, not who it is, as the kubelet does.
async fn tls(stream: TcpStream, address: &str) -> std::io::Result<TlsStream<TcpStream>> {
    static CONFIG: LazyLock<Arc<ClientConfig>> = LazyLock::new(|| {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .expect("ring has the default versions")
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
            .with_no_client_auth();
        Arc::new(config)
    });
    let name = ServerName::try_from(address.to_owned()).map_err(std::io::Error::other)?;
    TlsConnector::from(CONFIG.clone()).connect(name, stream).await
}

#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// `grpc.health.v1.Health/Check`, whose two messages have one field each.
async fn grpc(address: &str, port: u16, service: &str) -> Result<(), String> {
    let target = format!("{address}:{port}");
    let failed = |error: &dyn std::fmt::Display| format!("grpc health check of {target}: {error}");
    let stream = TcpStream::connect(&target).await.map_err(|error| failed(&error))?;
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .map_err(|error| failed(&error))?;
    let driver = tokio::spawn(connection);
    let request = http::Request::post(format!("http://{target}/grpc.health.v1.Health/Check"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(Full::new(health_request(service)))
        .map_err(|error| failed(&error))?;
    let response = sender.send_request(request).await.map_err(|error| failed(&error))?;
    let limited = http_body_util::Limited::new(response.into_body(), ANSWER_BYTES_MAX);
    let collected = limited.collect().await.map_err(|error| failed(&error))?;
    driver.abort();
    match health_status(&collected.to_bytes()) {
        Some(1) => Ok(()),
        Some(status) => Err(format!("service unhealthy (responded with status {status})")),
        None => Err(failed(&"the service does not answer health checks")),
    }
}

/// A gRPC frame with `HealthCheckRequest { service: 1 }`.
fn health_request(service: &str) -> Bytes {
    let mut message = BytesMut::new();
    if !service.is_empty() {
        message.extend_from_slice(&[0x0a, u8::try_from(service.len().min(127)).unwrap_or(127)]);
        message.extend_from_slice(&service.as_bytes()[..service.len().min(127)]);
    }
    let mut frame = BytesMut::from(&[0][..]);
    frame.extend_from_slice(&u32::try_from(message.len()).unwrap_or(0).to_be_bytes());
    frame.extend_from_slice(&message);
    frame.freeze()
}

/// The field `status` of a frame with a `HealthCheckResponse`; absent means 0.
fn health_status(frame: &[u8]) -> Option<u8> {
    let message = frame.get(5..)?;
    match message {
        [] => Some(0),
        [0x08, status, ..] => Some(*status),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn probes_resolve_to_numbers() {
        let container = serde_json::from_value(
            json!({"name": "c", "ports": [{"name": "web", "containerPort": 8080}]}),
        )
        .unwrap();
        let check = |probe: Value| {
            Check::of_probe(
                &serde_json::from_value(probe).unwrap(),
                &container,
                Ipv4Addr::new(10, 1, 1, 1),
            )
        };
        let tcp = check(json!({"tcpSocket": {"port": "web"}})).unwrap();
        assert_eq!(tcp, Check::Tcp { address: "10.1.1.1".into(), port: 8080 });
        let Check::Http(http) = check(json!({"httpGet": {"port": 1, "path": "/x"}})).unwrap()
        else {
            panic!()
        };
        assert_eq!((http.port, http.path.as_str()), (1, "/x"));
        assert!(check(json!({"tcpSocket": {"port": "none"}})).is_err());
        assert!(check(json!({})).is_err());
    }

    #[test]
    fn health_messages() {
        assert_eq!(&health_request("ab")[..], [0, 0, 0, 0, 4, 0x0a, 2, b'a', b'b']);
        assert_eq!(health_status(&[0, 0, 0, 0, 2, 8, 1]), Some(1));
        assert_eq!(health_status(&[0, 0, 0, 0, 0]), Some(0));
        assert_eq!(health_status(&[]), None);
    }
}
