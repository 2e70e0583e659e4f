//! `host.sock`: what the agent asks of the host, because its own network reaches no further than the pods.
//!
//! One request and one answer per connection, a JSON line each: pull an image, or carry a DNS query to the host's own
//! resolvers. Anything the agent could do itself does not belong here.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UdpSocket, UnixListener, UnixStream};

use crate::config::Paths;
use crate::images::Store;

const RESOLVE_TIMEOUT: Duration = Duration::from_secs(2);
const DNS_BYTES_MAX: usize = 4096;
/// How long the agent waits for a name: each of the host's resolvers, of which C libraries ask three, gets its time.
const RESOLVE_TIME_MAX: Duration = RESOLVE_TIMEOUT.saturating_mul(4);
/// How long the agent waits for an image. The registry's silence ends a pull much earlier.
const PULL_TIME_MAX: Duration = Duration::from_secs(60 * 60);
/// How long the host waits for a request.
const REQUEST_TIME_MAX: Duration = Duration::from_secs(10);
/// The longest request or answer: bytes of a DNS message as JSON numbers are its largest part.
const LINE_BYTES_MAX: u64 = 1024 * 1024;

#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum HostRequest {
    Pull {
        reference: String,
    },
    /// A DNS query in wire format.
    Resolve {
        query: Vec<u8>,
    },
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum HostAnswer {
    Pulled,
    Resolved { answer: Vec<u8> },
    Failed { message: String },
}

impl HostRequest {
    /// How long the answer is awaited.
    fn patience(&self) -> Duration {
        match self {
            Self::Pull { .. } => PULL_TIME_MAX,
            Self::Resolve { .. } => RESOLVE_TIME_MAX,
        }
    }
}

/// Asks the host; used by the agent.
pub(crate) async fn ask(socket: &Path, request: &HostRequest) -> std::io::Result<HostAnswer> {
    let patience = request.patience();
    match tokio::time::timeout(patience, exchange(socket, request)).await {
        Ok(answer) => answer,
        Err(_) => {
            let text = format!("no answer within {} s", patience.as_secs());
            Err(std::io::Error::new(std::io::ErrorKind::TimedOut, text))
        }
    }
}

async fn exchange(socket: &Path, request: &HostRequest) -> std::io::Result<HostAnswer> {
    let mut stream = UnixStream::connect(socket).await?;
    let mut line = serde_json::to_vec(request).expect("plain data always encodes");
    line.push(b'\n');
    stream.write_all(&line).await?;
    let mut answer = String::new();
    BufReader::new(stream.take(LINE_BYTES_MAX)).read_line(&mut answer).await?;
    serde_json::from_str(&answer).map_err(std::io::Error::other)
}

/// Serves until aborted.
pub(super) fn serve(paths: &Paths, store: Store) -> std::io::Result<tokio::task::JoinHandle<()>> {
    let path = paths.host_sock();
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&path)?;
    Ok(tokio::spawn(async move {
        loop {
            let (stream, _) = crate::accept::next("host.sock", || listener.accept()).await;
            tokio::spawn(connection(stream, store.clone()));
        }
    }))
}

async fn connection(stream: UnixStream, store: Store) {
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    let mut reader = BufReader::new(read.take(LINE_BYTES_MAX));
    if !matches!(
        tokio::time::timeout(REQUEST_TIME_MAX, reader.read_line(&mut line)).await,
        Ok(Ok(_))
    ) {
        return;
    }
    let answer = match serde_json::from_str(&line) {
        Ok(HostRequest::Pull { reference }) => match store.pull(&reference).await {
            Ok(_) => HostAnswer::Pulled,
            Err(error) => HostAnswer::Failed { message: crate::chain(&error) },
        },
        Ok(HostRequest::Resolve { query }) => match resolve(&query).await {
            Ok(answer) => HostAnswer::Resolved { answer },
            Err(error) => HostAnswer::Failed { message: error.to_string() },
        },
        Err(error) => HostAnswer::Failed { message: error.to_string() },
    };
    let mut line = serde_json::to_vec(&answer).expect("plain data always encodes");
    line.push(b'\n');
    // The agent may be gone meanwhile.
    let _ = write.write_all(&line).await;
}

/// Carries a query to the first resolver that answers.
async fn resolve(query: &[u8]) -> std::io::Result<Vec<u8>> {
    let text = tokio::fs::read_to_string("/etc/resolv.conf").await?;
    for server in resolvers(&text) {
        let socket = UdpSocket::bind(match server {
            SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
            SocketAddr::V6(_) => SocketAddr::from((std::net::Ipv6Addr::UNSPECIFIED, 0)),
        })
        .await?;
        // Connected, so that only this server's answer is received.
        socket.connect(server).await?;
        socket.send(query).await?;
        let mut buffer = vec![0; DNS_BYTES_MAX];
        if let Ok(Ok(count)) = tokio::time::timeout(RESOLVE_TIMEOUT, socket.recv(&mut buffer)).await
        {
            buffer.truncate(count);
            return Ok(buffer);
        }
    }
    Err(std::io::Error::other("no resolver of the host answered"))
}

fn resolvers(text: &str) -> Vec<SocketAddr> {
    text.lines()
        .filter_map(|line| line.strip_prefix("nameserver")?.trim().parse().ok())
        .map(|address: std::net::IpAddr| SocketAddr::new(address, 53))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_silent_host_is_not_awaited_for_ever() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("host.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let silent = tokio::spawn(async move {
            let connection = listener.accept().await;
            std::future::pending::<()>().await;
            drop(connection);
        });
        for request in [
            HostRequest::Resolve { query: Vec::new() },
            HostRequest::Pull { reference: "a".to_owned() },
        ] {
            let asked = tokio::time::timeout(PULL_TIME_MAX * 2, ask(&path, &request)).await;
            let error = asked.expect("the deadline is its own").unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
        }
        silent.abort();
    }

    #[test]
    fn resolvers_of_a_resolv_conf() {
        let text = "# x\nnameserver 1.1.1.1\nnameserver  ::1\nsearch a\nnameserver nonsense\n";
        let found = resolvers(text);
        assert_eq!(found, ["1.1.1.1:53".parse().unwrap(), "[::1]:53".parse().unwrap()]);
    }
}
