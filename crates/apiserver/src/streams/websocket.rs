//! `exec` and `attach` over WebSocket: `v5.channel.k8s.io` and its older forms.
//!
//! A binary message is one frame: its first byte is the channel, the rest the payload. The channels are the node
//! protocol's own, so messages and frames map onto each other one to one.

use std::sync::Arc;

use futures::{SinkExt as _, StreamExt as _};
use http::StatusCode;
use http::header::{
    CONNECTION, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    UPGRADE,
};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use machinery::error::ApiError;
use machinery::stream::{
    self, Attach, CLOSE, ERROR, Exec, HEADER_BYTES, StreamRequest, decode_header,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};

use super::{NodeStream, Pod};
use crate::body::Body;
use crate::call::Call;
use crate::respond::Response;

/// Newest first: what the client offers and the server knows.
const PROTOCOLS: [&str; 4] =
    ["v5.channel.k8s.io", "v4.channel.k8s.io", "v3.channel.k8s.io", "channel.k8s.io"];
const MESSAGE_BYTES_MAX: usize = 4 * 1024 * 1024;

pub(super) type Socket = WebSocketStream<TokioIo<hyper::upgrade::Upgraded>>;

/// A command in a pod: `exec` or `attach`.
pub(super) struct Command {
    pub(super) pod: Pod,
    pub(super) kind: String,
}

pub(super) async fn answer(
    call: &Arc<Call>,
    command: Command,
    upgrade: Option<OnUpgrade>,
) -> Result<Response, ApiError> {
    let request = request(call, &command)?;
    let handshake = Handshake::of(call, &PROTOCOLS, upgrade)?;
    let stream = command.pod.open(call, &request).await?;
    Ok(handshake.accept(move |socket| relay(socket, stream, Some(ERROR))))
}

fn request(call: &Call, command: &Command) -> Result<StreamRequest, ApiError> {
    let query = &call.query;
    let target = command.pod.container(query.get("container"))?;
    let (stdin, stdout) = (query.flag("stdin"), query.flag("stdout"));
    let (stderr, tty) = (query.flag("stderr"), query.flag("tty"));
    if !(stdin || stdout || stderr) {
        return Err(ApiError::bad_request("you must specify at least 1 of stdin, stdout, stderr"));
    }
    if command.kind == "attach" {
        return Ok(StreamRequest::Attach(Attach { target, stdin, stdout, stderr, tty }));
    }
    let words: Vec<String> = query.all("command").map(str::to_owned).collect();
    if words.is_empty() {
        return Err(ApiError::bad_request(
            "you must specify the command to run, in `command` parameters",
        ));
    }
    Ok(StreamRequest::Exec(Exec { target, command: words, stdin, stdout, stderr, tty }))
}

/// A WebSocket request that can be accepted.
pub(super) struct Handshake {
    pub(super) protocol: &'static str,
    accept_key: String,
    upgrade: OnUpgrade,
}

impl Handshake {
    /// Checks that a request asks for a WebSocket with one of the protocols.
    pub(super) fn of(
        call: &Call,
        protocols: &[&'static str],
        upgrade: Option<OnUpgrade>,
    ) -> Result<Self, ApiError> {
        let header = |name| call.headers.get(name).and_then(|value| value.to_str().ok());
        let is_websocket =
            header(UPGRADE).is_some_and(|value| value.eq_ignore_ascii_case("websocket"));
        let (true, Some(key), Some(upgrade)) =
            (is_websocket, call.headers.get(SEC_WEBSOCKET_KEY), upgrade)
        else {
            return Err(ApiError::bad_request(
                "unable to upgrade: this needs a WebSocket connection (HTTP/1.1, Upgrade: websocket)",
            ));
        };
        let offered: Vec<&str> = call
            .headers
            .get_all(SEC_WEBSOCKET_PROTOCOL)
            .into_iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .map(str::trim)
            .collect();
        let protocol = protocols.iter().find(|known| offered.contains(*known)).copied();
        let Some(protocol) = protocol else {
            return Err(ApiError::bad_request(format!(
                "unable to upgrade: none of the offered protocols [{}] is one of [{}]",
                offered.join(", "),
                protocols.join(", ")
            )));
        };
        Ok(Self { protocol, accept_key: derive_accept_key(key.as_bytes()), upgrade })
    }

    /// Switches protocols, and runs a task on the socket.
    pub(super) fn accept<F>(self, run: impl FnOnce(Socket) -> F + Send + 'static) -> Response
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let upgrade = self.upgrade;
        tokio::spawn(async move {
            match upgrade.await {
                Ok(upgraded) => {
                    let config =
                        WebSocketConfig::default().max_message_size(Some(MESSAGE_BYTES_MAX));
                    let io = TokioIo::new(upgraded);
                    run(WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await)
                        .await;
                }
                Err(error) => tracing::debug!(%error, "a connection could not be upgraded"),
            }
        });
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(self.protocol));
        if let Ok(key) = HeaderValue::from_str(&self.accept_key) {
            headers.insert(SEC_WEBSOCKET_ACCEPT, key);
        }
        response
    }
}

/// Passes messages and frames on until the node ends, has sent on the `last` channel, or the client goes.
pub(super) async fn relay(mut socket: Socket, stream: NodeStream, last: Option<u8>) {
    let (mut reader, mut writer) = tokio::io::split(stream);
    let (mut sink, mut source) = (&mut socket).split();
    let inward = async {
        while let Some(Ok(message)) = source.next().await {
            let data = match message {
                Message::Binary(data) => data,
                Message::Text(text) => text.into(),
                Message::Close(_) => break,
                _ => continue,
            };
            let Some((channel, payload)) = data.split_first() else { continue };
            let mut frame = Vec::with_capacity(payload.len() + HEADER_BYTES);
            stream::encode(*channel, payload, &mut frame);
            if writer.write_all(&frame).await.is_err() || writer.flush().await.is_err() {
                break;
            }
        }
    };
    let outward = async {
        let mut header = [0; HEADER_BYTES];
        while reader.read_exact(&mut header).await.is_ok() {
            let Ok((channel, length)) = decode_header(header) else { break };
            let mut message = vec![0; length + 1];
            message[0] = channel;
            if reader.read_exact(&mut message[1..]).await.is_err() {
                break;
            }
            // The client's side of the protocol has no close message from the server.
            let sent = channel == CLOSE || sink.send(Message::Binary(message.into())).await.is_ok();
            if !sent || Some(channel) == last {
                break;
            }
        }
    };
    tokio::select! {
        () = outward => {}
        // The client only stopped talking if it closed the socket; the node notices by the end of the stream.
        () = inward => {}
    }
    // Without a code clients take the end for a fault.
    let normal = CloseFrame { code: CloseCode::Normal, reason: "".into() };
    drop(sink.send(Message::Close(Some(normal))).await);
}
