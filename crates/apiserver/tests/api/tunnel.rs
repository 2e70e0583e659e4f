//! `kubectl port-forward`: SPDY through a WebSocket, byte by byte.

use std::sync::Arc;

use futures::{SinkExt as _, StreamExt as _};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use crate::connections::{Listening, streaming};
use crate::harness::SOON;

type Socket = WebSocketStream<TlsStream<TcpStream>>;

const TUNNEL: &str = "SPDY/3.1+portforward.k8s.io";

async fn connect(it: &Listening) -> Socket {
    let pki = it.server.api.pki();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(pki.ca_pem().as_bytes()).unwrap()).unwrap();
    let certificate = CertificateDer::from_pem_slice(pki.admin().certificate.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(pki.admin().key.as_bytes()).unwrap();
    let config = rustls::ClientConfig::builder()
        .with_root_certificates(roots)
        .with_client_auth_cert(vec![certificate], key)
        .unwrap();
    let stream = TcpStream::connect(it.address).await.unwrap();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let stream =
        connector.connect(ServerName::try_from("localhost").unwrap(), stream).await.unwrap();
    let mut request = "wss://localhost/api/v1/namespaces/default/pods/p/portforward"
        .into_client_request()
        .unwrap();
    request.headers_mut().insert("sec-websocket-protocol", TUNNEL.parse().unwrap());
    let (socket, response) = tokio_tungstenite::client_async(request, stream).await.unwrap();
    assert_eq!(response.headers()["sec-websocket-protocol"], TUNNEL);
    socket
}

/// A stream's opening. The headers are "compressed" into stored blocks; `first` begins the zlib stream.
fn open(stream: u32, kind: &str, first: &[u8]) -> Vec<u8> {
    let headers = [("port", "80"), ("requestid", "0"), ("streamtype", kind)];
    let mut plain = 3_u32.to_be_bytes().to_vec();
    for text in headers.iter().flat_map(|(name, value)| [name, value]) {
        plain.extend(u32::try_from(text.len()).unwrap().to_be_bytes());
        plain.extend(text.bytes());
    }
    let length = u16::try_from(plain.len()).unwrap();
    let block = [first, &[0], &length.to_le_bytes(), &(!length).to_le_bytes(), &plain].concat();
    let body = [&stream.to_be_bytes()[..], &[0; 6], &block].concat();
    let size = u32::try_from(body.len()).unwrap().to_be_bytes();
    [&[0x80, 3, 0, 1, 0], &size[1..], &body].concat()
}

fn data(stream: u32, payload: &[u8], flags: u8) -> Vec<u8> {
    let size = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&stream.to_be_bytes()[..], &[flags], &size[1..], payload].concat()
}

/// Whole frames of the server, until one matches.
async fn frame(socket: &mut Socket, buffer: &mut Vec<u8>) -> Vec<u8> {
    loop {
        if buffer.len() >= 8 {
            let length = u32::from_be_bytes([0, buffer[5], buffer[6], buffer[7]]) as usize;
            if buffer.len() >= 8 + length {
                return buffer.drain(..8 + length).collect();
            }
        }
        let message = tokio::time::timeout(SOON, socket.next()).await.unwrap().unwrap().unwrap();
        if let Message::Binary(bytes) = message {
            buffer.extend_from_slice(&bytes);
        }
    }
}

#[tokio::test]
async fn a_pair_of_streams_is_a_connection_to_the_port() {
    let it = streaming().await;
    let mut socket = connect(&it).await;
    let mut buffer = Vec::new();
    // The first frame arrives in two halves.
    let first = open(1, "error", &[0x78, 0x01]);
    let (start, rest) = first.split_at(11);
    socket.send(Message::Binary(start.to_vec().into())).await.unwrap();
    socket.send(Message::Binary(rest.to_vec().into())).await.unwrap();
    socket.send(Message::Binary(open(3, "data", &[]).into())).await.unwrap();
    for stream in [1, 3] {
        let reply = frame(&mut socket, &mut buffer).await;
        assert_eq!((&reply[..4], reply[11]), (&[0x80, 3, 0, 2][..], stream));
    }
    socket.send(Message::Binary(data(3, b"ping", 0).into())).await.unwrap();
    assert_eq!(frame(&mut socket, &mut buffer).await, data(3, b"ping", 0));
    socket.send(Message::Binary(data(3, b"", 1).into())).await.unwrap();
    socket.send(Message::Binary(open(5, "nonsense", &[]).into())).await.unwrap();
    let refused = frame(&mut socket, &mut buffer).await;
    assert_eq!(&refused[..4], &[0x80, 3, 0, 3], "a stream of no kind is reset");
    socket.send(Message::Binary(vec![0x80, 9, 0, 1, 0, 0, 0, 0].into())).await.unwrap();
    let end = tokio::time::timeout(SOON, socket.next()).await.unwrap();
    assert!(end.is_none_or(|message| message.is_err()), "what is no SPDY ends the tunnel");
}
