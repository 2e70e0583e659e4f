//! `portforward` over WebSocket: with channels, as kube-rs speaks it, or as a tunnel for kubectl's SPDY.
//!
//! Channels come in pairs, data and error of each port. Both begin with the port's number, two bytes, little end
//! first.

use std::sync::Arc;

use futures::SinkExt as _;
use hyper::upgrade::OnUpgrade;
use machinery::error::ApiError;
use machinery::stream::{FORWARD_PORTS_MAX, Forward, StreamRequest};
use tokio_tungstenite::tungstenite::Message;

use super::websocket::{Handshake, relay};
use super::{Pod, tunnel};
use crate::call::Call;
use crate::respond::Response;

const TUNNEL: &str = "SPDY/3.1+portforward.k8s.io";
const PROTOCOLS: [&str; 5] = [
    TUNNEL,
    "v5.channel.k8s.io",
    "v4.channel.k8s.io",
    "v4.portforward.k8s.io",
    "portforward.k8s.io",
];

pub(super) async fn answer(
    call: &Arc<Call>,
    pod: Pod,
    upgrade: Option<OnUpgrade>,
) -> Result<Response, ApiError> {
    let handshake = Handshake::of(call, &PROTOCOLS, upgrade)?;
    if handshake.protocol == TUNNEL {
        let (call, pod) = (call.clone(), Arc::new(pod));
        return Ok(handshake.accept(move |socket| tunnel::run(socket, call, pod)));
    }
    let ports = ports(call)?;
    let forward = Forward { target: pod.target.clone(), ports: ports.clone() };
    let stream = pod.open(call, &StreamRequest::Forward(forward)).await?;
    Ok(handshake.accept(move |mut socket| async move {
        for message in greetings(&ports) {
            if socket.send(Message::Binary(message.into())).await.is_err() {
                return;
            }
        }
        relay(socket, stream, None).await;
    }))
}

fn ports(call: &Call) -> Result<Vec<u16>, ApiError> {
    let words = call.query.all("ports").flat_map(|value| value.split(','));
    let ports: Vec<u16> = words
        .map(|word| match word.trim().parse() {
            Ok(port) if port > 0 => Ok(port),
            _ => Err(ApiError::bad_request(format!("{word:?} is not a port"))),
        })
        .collect::<Result<_, _>>()?;
    match ports.len() {
        0 => Err(ApiError::bad_request("query parameter \"ports\" is required")),
        1..=FORWARD_PORTS_MAX => Ok(ports),
        _ => Err(ApiError::bad_request(format!(
            "at most {FORWARD_PORTS_MAX} ports can be forwarded at once"
        ))),
    }
}

/// The first message of each channel.
fn greetings(ports: &[u16]) -> Vec<Vec<u8>> {
    let pair = |(index, port): (usize, &u16)| {
        let [low, high] = port.to_le_bytes();
        let channel = u8::try_from(2 * index).expect("bounded by FORWARD_PORTS_MAX");
        [vec![channel, low, high], vec![channel + 1, low, high]]
    };
    ports.iter().enumerate().flat_map(pair).collect()
}
