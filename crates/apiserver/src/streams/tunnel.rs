//! `portforward` as kubectl speaks it: SPDY in a WebSocket, a pair of streams for each connection.
//!
//! kubectl opens an error stream and a data stream for each local connection; headers say which, for what port and
//! which pair. Every pair is one stream to the node. What goes wrong with a pair is told on its error stream, and
//! harms no other.

use std::collections::HashMap;
use std::sync::Arc;

use futures::{SinkExt as _, StreamExt as _};
use machinery::stream::{self, CLOSE, Forward, HEADER_BYTES, StreamRequest, decode_header};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;

use super::spdy::{self, Decoder, Encoder, Frame, REFUSED_STREAM};
use super::websocket::Socket;
use super::{NodeStream, Pod};
use crate::call::Call;

/// Pairs that one client may have open at once.
const PAIRS_MAX: usize = 256;
/// Pieces that wait for a slow side before the fast one has to.
const QUEUE: usize = 16;

/// Serves one client until it goes.
pub(super) async fn run(socket: Socket, call: Arc<Call>, pod: Arc<Pod>) {
    let (mut sink, mut source) = socket.split();
    let (out, mut queue) = mpsc::channel::<Vec<u8>>(QUEUE);
    let outward = async move {
        while let Some(bytes) = queue.recv().await {
            if sink.send(Message::Binary(bytes.into())).await.is_err() {
                return;
            }
        }
    };
    let mut session = Session {
        call,
        pod,
        out,
        encoder: Encoder::default(),
        pairs: HashMap::new(),
        inward: HashMap::new(),
    };
    let inward = async move {
        let mut decoder = Decoder::default();
        while let Some(Ok(message)) = source.next().await {
            match message {
                Message::Binary(bytes) => decoder.feed(&bytes),
                Message::Close(_) => return,
                _ => continue,
            }
            loop {
                match decoder.next_frame() {
                    Ok(Some(Frame::GoAway)) => return,
                    Ok(Some(frame)) => session.frame(frame).await,
                    Ok(None) => break,
                    Err(error) => {
                        return tracing::debug!(%error, "a port-forward client speaks no SPDY");
                    }
                }
            }
        }
    };
    tokio::select! {
        () = inward => {}
        () = outward => {}
    }
}

/// A pair that is not complete yet.
#[derive(Default)]
struct Pair {
    error: Option<u32>,
    data: Option<u32>,
}

struct Session {
    call: Arc<Call>,
    pod: Arc<Pod>,
    out: mpsc::Sender<Vec<u8>>,
    encoder: Encoder,
    /// By the number that kubectl gives them.
    pairs: HashMap<String, Pair>,
    /// Where data goes, by its stream; `None` once the client has ended it.
    inward: HashMap<u32, Option<mpsc::Sender<Vec<u8>>>>,
}

impl Session {
    async fn frame(&mut self, frame: Frame) {
        match frame {
            Frame::Open { stream, headers } => self.open(stream, &headers).await,
            Frame::Data { stream, payload, last } => self.data(stream, payload, last).await,
            Frame::Reset { stream } => drop(self.inward.remove(&stream)),
            Frame::Ping { id } => self.send(spdy::pong(id)).await,
            Frame::GoAway | Frame::Other => {}
        }
    }

    async fn send(&self, bytes: Vec<u8>) {
        // A client that is gone is noticed by the end of its socket.
        drop(self.out.send(bytes).await);
    }

    async fn open(&mut self, stream: u32, headers: &[(String, String)]) {
        let header = |name: &str| {
            let found = headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
            found.map(|(_, value)| value.as_str())
        };
        self.inward.retain(|_, queue| queue.as_ref().is_none_or(|queue| !queue.is_closed()));
        let port = header("port").and_then(|port| port.parse().ok());
        let (Some(port), true) = (port, self.pairs.len() + self.inward.len() < PAIRS_MAX) else {
            return self.send(spdy::reset(stream, REFUSED_STREAM)).await;
        };
        let number = header("requestid").unwrap_or_default().to_owned();
        let pair = self.pairs.entry(number.clone()).or_default();
        match header("streamtype") {
            Some("error") => pair.error = Some(stream),
            Some("data") => pair.data = Some(stream),
            _ => return self.send(spdy::reset(stream, REFUSED_STREAM)).await,
        }
        let complete = pair.error.zip(pair.data);
        let reply = self.encoder.reply(stream);
        self.send(reply).await;
        if let Some((error, data)) = complete {
            self.pairs.remove(&number);
            let (sender, receiver) = mpsc::channel(QUEUE);
            self.inward.insert(data, Some(sender));
            let carrier = Carrier { error, data, port, out: self.out.clone() };
            tokio::spawn(carrier.run(self.call.clone(), self.pod.clone(), receiver));
        }
    }

    async fn data(&mut self, stream: u32, payload: Vec<u8>, last: bool) {
        let Some(slot) = self.inward.get_mut(&stream) else { return };
        if let Some(queue) = slot
            && !payload.is_empty()
        {
            // A pair that is over takes no more.
            drop(queue.send(payload).await);
        }
        if last {
            self.inward.remove(&stream);
        }
    }
}

/// One connection to a port of the pod.
struct Carrier {
    error: u32,
    data: u32,
    port: u16,
    out: mpsc::Sender<Vec<u8>>,
}

impl Carrier {
    async fn run(self, call: Arc<Call>, pod: Arc<Pod>, inward: mpsc::Receiver<Vec<u8>>) {
        let forward = Forward { target: pod.target.clone(), ports: vec![self.port] };
        match pod.open(&call, &StreamRequest::Forward(forward)).await {
            Ok(stream) => self.carry(stream, inward).await,
            Err(error) => self.send(spdy::data(self.error, error.message.as_bytes(), false)).await,
        }
        self.send(spdy::data(self.error, b"", true)).await;
        self.send(spdy::data(self.data, b"", true)).await;
    }

    async fn send(&self, bytes: Vec<u8>) {
        drop(self.out.send(bytes).await);
    }

    async fn carry(&self, stream: NodeStream, mut inward: mpsc::Receiver<Vec<u8>>) {
        let (mut reader, mut writer) = tokio::io::split(stream);
        let to_node = async {
            let mut frames = Vec::new();
            while let Some(payload) = inward.recv().await {
                frames.clear();
                stream::encode(0, &payload, &mut frames);
                if writer.write_all(&frames).await.is_err() || writer.flush().await.is_err() {
                    return;
                }
            }
            frames.clear();
            stream::encode(CLOSE, &[0], &mut frames);
            if writer.write_all(&frames).await.is_ok() && writer.flush().await.is_ok() {
                // The pod may still have something to say.
                std::future::pending::<()>().await;
            }
        };
        let from_node = async {
            let mut header = [0; HEADER_BYTES];
            while reader.read_exact(&mut header).await.is_ok() {
                let Ok((channel, length)) = decode_header(header) else { return };
                let mut payload = vec![0; length];
                if reader.read_exact(&mut payload).await.is_err() {
                    return;
                }
                match (channel, payload.as_slice()) {
                    (0, data) => self.send(spdy::data(self.data, data, false)).await,
                    (1, text) => self.send(spdy::data(self.error, text, false)).await,
                    (CLOSE, [0]) => return,
                    _ => {}
                }
            }
        };
        tokio::select! {
            () = from_node => {}
            () = to_node => {}
        }
    }
}
