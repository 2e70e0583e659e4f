//! The cluster's DNS server, on UDP and TCP port 53 of the DNS service's address.
//!
//! What a name means is decided in [`zone`], which is pure; here are only the sockets. Names outside the cluster's
//! domain go to the host's resolvers through `host.sock`.

mod zone;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hickory_proto::op::{Message, OpCode, ResponseCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::Semaphore;

use crate::accept;
use crate::config::DNS_ADDRESS;
use crate::supervisor::host::{HostAnswer, HostRequest, ask};
use crate::view::View;

/// Answers larger than what a client can take over UDP are truncated, and it comes back over TCP.
const PLAIN_UDP_BYTES: usize = 512;
const UDP_BYTES_MAX: usize = 4096;
const QUERIES_MAX: usize = 256;
const TCP_IDLE: Duration = Duration::from_secs(10);
/// How long nothing is received after an error of the socket, which may stay.
const UDP_REST: Duration = Duration::from_millis(10);

/// Answers queries; cheap to clone.
#[derive(Clone)]
struct Server {
    view: View,
    host_socket: PathBuf,
    /// Bounds the queries in flight; more wait in the socket's buffer.
    permits: Arc<Semaphore>,
}

/// Binds and serves until the runtime ends.
pub(crate) async fn start(view: View, host_socket: PathBuf) -> std::io::Result<()> {
    let address = SocketAddr::from((DNS_ADDRESS, 53));
    let udp = Arc::new(UdpSocket::bind(address).await?);
    let tcp = TcpListener::bind(address).await?;
    let server = Server { view, host_socket, permits: Arc::new(Semaphore::new(QUERIES_MAX)) };
    tokio::spawn(server.clone().serve_udp(udp));
    tokio::spawn(server.serve_tcp(tcp));
    Ok(())
}

impl Server {
    async fn serve_udp(self, socket: Arc<UdpSocket>) {
        let mut buffer = vec![0; UDP_BYTES_MAX];
        loop {
            let Ok((count, peer)) = socket.recv_from(&mut buffer).await else {
                tokio::time::sleep(UDP_REST).await;
                continue;
            };
            let query = buffer[..count].to_vec();
            let Ok(permit) = self.permits.clone().acquire_owned().await else { return };
            let (server, socket) = (self.clone(), socket.clone());
            tokio::spawn(async move {
                if let Some(answer) = server.answer(&query, Transport::Udp).await {
                    // A client that went away needs no answer.
                    let _ = socket.send_to(&answer, peer).await;
                }
                drop(permit);
            });
        }
    }

    async fn serve_tcp(self, listener: TcpListener) {
        loop {
            let (stream, _) = accept::next("the DNS server", || listener.accept()).await;
            let Ok(permit) = self.permits.clone().acquire_owned().await else { return };
            let server = self.clone();
            tokio::spawn(async move {
                let _ = server.connection(stream).await;
                drop(permit);
            });
        }
    }

    async fn connection(&self, mut stream: TcpStream) -> std::io::Result<()> {
        loop {
            let length = match tokio::time::timeout(TCP_IDLE, stream.read_u16()).await {
                Ok(length) => length?,
                Err(_) => return Ok(()),
            };
            let mut query = vec![0; usize::from(length)];
            tokio::time::timeout(TCP_IDLE, stream.read_exact(&mut query)).await??;
            let Some(answer) = self.answer(&query, Transport::Tcp).await else { return Ok(()) };
            let length = u16::try_from(answer.len()).map_err(std::io::Error::other)?;
            stream.write_u16(length).await?;
            stream.write_all(&answer).await?;
        }
    }

    /// `None` for bytes that are no query.
    async fn answer(&self, query: &[u8], transport: Transport) -> Option<Vec<u8>> {
        let message = Message::from_vec(query).ok()?;
        if message.metadata.message_type != hickory_proto::op::MessageType::Query {
            return None;
        }
        let mut reply = Message::response(message.metadata.id, message.metadata.op_code);
        reply.metadata.recursion_desired = message.metadata.recursion_desired;
        reply.metadata.recursion_available = true;
        reply.add_queries(message.queries.iter().cloned());
        let [question] = message.queries.as_slice() else {
            reply.metadata.response_code = ResponseCode::FormErr;
            return reply.to_vec().ok();
        };
        if message.metadata.op_code != OpCode::Query {
            reply.metadata.response_code = ResponseCode::NotImp;
            return reply.to_vec().ok();
        }
        match zone::answer(question, &zone::Facts::of(&self.view)) {
            zone::Answer::Elsewhere => return self.elsewhere(query, reply).await,
            zone::Answer::Found(records) => {
                reply.metadata.authoritative = true;
                reply.add_answers(records.answers);
                reply.add_additionals(records.additionals);
            }
            zone::Answer::NoData => {
                reply.metadata.authoritative = true;
                reply.add_authority(zone::authority());
            }
            // Not yet known is not absent: a client asks again after a failure, but believes an absence.
            zone::Answer::NoName if !self.view.is_synced() => {
                reply.metadata.response_code = ResponseCode::ServFail;
            }
            zone::Answer::NoName => {
                reply.metadata.authoritative = true;
                reply.metadata.response_code = ResponseCode::NXDomain;
                reply.add_authority(zone::authority());
            }
        }
        let limit = message.edns.as_ref().map_or(PLAIN_UDP_BYTES, |edns| {
            usize::from(edns.max_payload()).clamp(PLAIN_UDP_BYTES, UDP_BYTES_MAX)
        });
        if let Some(edns) = message.edns {
            reply.set_edns(edns);
        }
        let bytes = reply.to_vec().ok()?;
        if transport == Transport::Udp && bytes.len() > limit {
            return reply.truncate().to_vec().ok();
        }
        Some(bytes)
    }

    async fn elsewhere(&self, query: &[u8], mut reply: Message) -> Option<Vec<u8>> {
        let request = HostRequest::Resolve { query: query.to_vec() };
        match ask(&self.host_socket, &request).await {
            Ok(HostAnswer::Resolved { answer }) => Some(answer),
            _ => {
                reply.metadata.response_code = ResponseCode::ServFail;
                reply.to_vec().ok()
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Transport {
    Udp,
    Tcp,
}

/// `/etc/resolv.conf` of a pod that uses the cluster's DNS.
pub(crate) fn resolv_conf(namespace: &str, server: Ipv4Addr) -> String {
    let domain = crate::config::CLUSTER_DOMAIN;
    format!(
        "search {namespace}.svc.{domain} svc.{domain} {domain}\nnameserver {server}\noptions ndots:5\n"
    )
}
