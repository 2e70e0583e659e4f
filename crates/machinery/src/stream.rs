//! The protocol between the API server and the node for logs, exec, attach and port-forward.
//!
//! The client writes one line of JSON, a [`StreamRequest`]; the node answers one line, a [`StreamReply`]; then both
//! sides exchange [`Frame`]s: `[channel: u8][length: u32 big endian][payload]`. Channels are those of the Kubernetes
//! WebSocket protocol v5. Encoding and decoding are pure; whoever owns the socket moves the bytes.
//!
//! Invariants: a line is at most [`LINE_BYTES_MAX`], a payload at most [`PAYLOAD_BYTES_MAX`]; a longer one is an error
//! before it is buffered.

use serde::{Deserialize, Serialize};

use crate::error::{ApiError, Reason};

pub const LINE_BYTES_MAX: usize = 256 * 1024;
pub const PAYLOAD_BYTES_MAX: usize = 1024 * 1024;
pub const HEADER_BYTES: usize = 5;

pub const STDIN: u8 = 0;
pub const STDOUT: u8 = 1;
pub const STDERR: u8 = 2;
/// Carries one `Status` object as JSON: how the command ended.
pub const ERROR: u8 = 3;
/// Carries a [`Resize`] as JSON.
pub const RESIZE: u8 = 4;
/// Carries one byte, the channel that its sender will not write to again.
pub const CLOSE: u8 = 255;

/// The largest number of ports in one forward: two channels each, below [`CLOSE`].
pub const FORWARD_PORTS_MAX: usize = 64;

/// The container a stream talks to. An empty container means the only or default one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    pub namespace: String,
    pub pod: String,
    /// When set, the pod must still be this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub container: String,
}

/// What the client asks for; the first line of a connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum StreamRequest {
    Logs(Logs),
    Exec(Exec),
    Attach(Attach),
    Forward(Forward),
}

impl StreamRequest {
    pub fn target(&self) -> &Target {
        match self {
            Self::Logs(logs) => &logs.target,
            Self::Exec(exec) => &exec.target,
            Self::Attach(attach) => &attach.target,
            Self::Forward(forward) => &forward.target,
        }
    }

    /// The request as a line, with its newline.
    pub fn encode(&self) -> Vec<u8> {
        line(self)
    }

    /// Reads the first line (with or without its newline).
    pub fn decode(line: &[u8]) -> Result<Self, StreamError> {
        read_line(line)
    }
}

/// Log bytes arrive as frames on [`STDOUT`]; the stream ends when the log does.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Logs {
    #[serde(flatten)]
    pub target: Target,
    pub follow: bool,
    /// The log of the previous instance of the container.
    pub previous: bool,
    pub timestamps: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tail_lines: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since_seconds: Option<u64>,
    /// RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit_bytes: Option<u64>,
    /// `Stdout`, `Stderr` or absent for both.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Exec {
    #[serde(flatten)]
    pub target: Target,
    pub command: Vec<String>,
    pub stdin: bool,
    pub stdout: bool,
    pub stderr: bool,
    pub tty: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Attach {
    #[serde(flatten)]
    pub target: Target,
    pub stdin: bool,
    pub stdout: bool,
    pub stderr: bool,
    pub tty: bool,
}

/// Channel `2 * i` carries the data of `ports[i]`, channel `2 * i + 1` its error text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Forward {
    #[serde(flatten)]
    pub target: Target,
    pub ports: Vec<u16>,
}

/// The terminal's size, in the spelling of the Kubernetes resize channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resize {
    #[serde(rename = "Width")]
    pub width: u16,
    #[serde(rename = "Height")]
    pub height: u16,
}

/// Why a request was refused before any frame.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    pub code: u16,
    pub reason: String,
    pub message: String,
}

impl From<&ApiError> for Refusal {
    fn from(error: &ApiError) -> Self {
        Self {
            code: error.code,
            reason: error.reason.as_str().to_owned(),
            message: error.message.clone(),
        }
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        let reason = match refusal.code {
            400 => Reason::BadRequest,
            403 => Reason::Forbidden,
            404 => Reason::NotFound,
            409 => Reason::Conflict,
            503 => Reason::ServiceUnavailable,
            504 => Reason::Timeout,
            _ => Reason::InternalError,
        };
        Self::new(refusal.code, reason, refusal.message)
    }
}

/// The node's one line before the frames.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum StreamReply {
    Refused { error: Refusal },
    Accepted { ok: bool },
}

impl StreamReply {
    pub fn accepted() -> Self {
        Self::Accepted { ok: true }
    }

    pub fn refused(error: &ApiError) -> Self {
        Self::Refused { error: error.into() }
    }

    pub fn encode(&self) -> Vec<u8> {
        line(self)
    }

    pub fn decode(line: &[u8]) -> Result<Self, StreamError> {
        read_line(line)
    }

    /// The reply as a result.
    pub fn into_result(self) -> Result<(), ApiError> {
        match self {
            Self::Accepted { ok: true } => Ok(()),
            Self::Accepted { ok: false } => {
                Err(ApiError::internal("the node neither accepted nor refused the stream"))
            }
            Self::Refused { error } => Err(error.into()),
        }
    }
}

/// One piece of one channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    pub channel: u8,
    pub payload: Vec<u8>,
}

impl Frame {
    pub fn new(channel: u8, payload: impl Into<Vec<u8>>) -> Self {
        Self { channel, payload: payload.into() }
    }

    /// Says that this side writes no more to `channel`.
    pub fn close(channel: u8) -> Self {
        Self::new(CLOSE, [channel])
    }
}

/// Appends frames of `payload` to `out`; a long payload becomes several, an empty one becomes one empty frame.
pub fn encode(channel: u8, payload: &[u8], out: &mut Vec<u8>) {
    let mut rest = payload;
    loop {
        let (now, later) = rest.split_at(rest.len().min(PAYLOAD_BYTES_MAX));
        let length = u32::try_from(now.len()).expect("bounded by PAYLOAD_BYTES_MAX");
        out.push(channel);
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(now);
        if later.is_empty() {
            return;
        }
        rest = later;
    }
}

/// Reads a frame's header: its channel and payload length.
pub fn decode_header(header: [u8; HEADER_BYTES]) -> Result<(u8, usize), StreamError> {
    let [channel, a, b, c, d] = header;
    let length = u32::from_be_bytes([a, b, c, d]) as usize;
    if length > PAYLOAD_BYTES_MAX {
        return Err(StreamError::FrameTooLong { channel, length });
    }
    Ok((channel, length))
}

/// Collects bytes as they arrive and hands out whole frames.
#[derive(Debug, Default)]
pub struct Decoder {
    buffer: Vec<u8>,
    start: usize,
}

impl Decoder {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn feed(&mut self, bytes: &[u8]) {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole frame, or `None` when more bytes are needed.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, StreamError> {
        let rest = &self.buffer[self.start..];
        let Some(header) = rest.first_chunk::<HEADER_BYTES>() else { return Ok(None) };
        let (channel, length) = decode_header(*header)?;
        let Some(payload) = rest.get(HEADER_BYTES..HEADER_BYTES + length) else {
            return Ok(None);
        };
        let frame = Frame::new(channel, payload);
        self.start += HEADER_BYTES + length;
        Ok(Some(frame))
    }

    /// Whether bytes of an unfinished frame are left, which at the end of a stream means it was cut off.
    pub fn is_mid_frame(&self) -> bool {
        self.start < self.buffer.len()
    }
}

/// What makes bytes no stream.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    #[error("a frame on channel {channel} announces {length} bytes, more than {PAYLOAD_BYTES_MAX}")]
    FrameTooLong { channel: u8, length: usize },
    #[error("the first line has {length} bytes, more than {LINE_BYTES_MAX}")]
    LineTooLong { length: usize },
    #[error("the first line is not a message of the stream protocol")]
    Line {
        #[source]
        source: serde_json::Error,
    },
}

fn line(message: &impl Serialize) -> Vec<u8> {
    let mut out = serde_json::to_vec(message).expect("plain data always encodes");
    out.push(b'\n');
    out
}

fn read_line<T: for<'de> Deserialize<'de>>(line: &[u8]) -> Result<T, StreamError> {
    if line.len() > LINE_BYTES_MAX {
        return Err(StreamError::LineTooLong { length: line.len() });
    }
    serde_json::from_slice(line).map_err(|source| StreamError::Line { source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_survives_the_line() {
        let target = Target { namespace: "ns".into(), pod: "p".into(), ..Target::default() };
        let exec = Exec { target, command: vec!["sh".into()], stdin: true, ..Exec::default() };
        let request = StreamRequest::Exec(exec);
        let line = request.encode();
        assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
        assert_eq!(StreamRequest::decode(&line).unwrap(), request);
    }

    #[test]
    fn short_requests_are_understood() {
        let line = br#"{"type":"logs","namespace":"ns","pod":"p","follow":true}"#;
        let StreamRequest::Logs(logs) = StreamRequest::decode(line).unwrap() else { panic!() };
        assert!(logs.follow && !logs.previous && logs.tail_lines.is_none());
        assert_eq!(logs.target.pod, "p");
        StreamRequest::decode(b"{\"type\":\"dance\"}").unwrap_err();
    }

    #[test]
    fn replies() {
        assert_eq!(StreamReply::accepted().encode(), b"{\"ok\":true}\n");
        StreamReply::decode(b"{\"ok\":true}").unwrap().into_result().unwrap();
        let refused = StreamReply::refused(&ApiError::not_found("", "pods", "p")).encode();
        let error = StreamReply::decode(&refused).unwrap().into_result().unwrap_err();
        assert_eq!((error.code, error.message.as_str()), (404, "pods \"p\" not found"));
    }

    #[test]
    fn frames_split_anywhere_come_back_whole() {
        let mut bytes = Vec::new();
        encode(STDOUT, b"hello", &mut bytes);
        encode(STDERR, b"", &mut bytes);
        encode(CLOSE, &[STDIN], &mut bytes);
        for cut in 0..bytes.len() {
            let mut decoder = Decoder::new();
            let mut frames = Vec::new();
            for part in [&bytes[..cut], &bytes[cut..]] {
                decoder.feed(part);
                while let Some(frame) = decoder.next_frame().unwrap() {
                    frames.push(frame);
                }
            }
            assert!(!decoder.is_mid_frame());
            assert_eq!(
                frames,
                [Frame::new(STDOUT, *b"hello"), Frame::new(STDERR, *b""), Frame::close(STDIN)]
            );
        }
    }

    #[test]
    fn long_payloads_are_split_and_longer_headers_refused() {
        let mut bytes = Vec::new();
        encode(STDOUT, &vec![7; PAYLOAD_BYTES_MAX + 1], &mut bytes);
        let mut decoder = Decoder::new();
        decoder.feed(&bytes);
        assert_eq!(decoder.next_frame().unwrap().unwrap().payload.len(), PAYLOAD_BYTES_MAX);
        assert_eq!(decoder.next_frame().unwrap().unwrap().payload, [7]);
        decode_header([1, 255, 255, 255, 255]).unwrap_err();
    }
}
