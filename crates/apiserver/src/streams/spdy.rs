//! As much of SPDY/3.1 as `kubectl port-forward` speaks: frames, as bytes.
//!
//! kubectl tunnels SPDY through a WebSocket. Its streams carry headers that say what they are for, compressed with
//! a dictionary that the protocol fixes. Nobody on the other side keeps flow control windows, so none are kept
//! here. Pure: whoever owns the socket moves the bytes.
//!
//! Invariants: a frame longer than [`FRAME_BYTES_MAX`] and headers longer than 16 KiB are errors
//! before they are stored.

mod headers;

use headers::Inflater;

const HEADER_BYTES: usize = 8;
const FRAME_BYTES_MAX: usize = 1024 * 1024;
/// A data frame's length has 24 bits; smaller ones share the connection better.
const DATA_BYTES: usize = 32 * 1024;

const VERSION: u16 = 3;
const SYN_STREAM: u16 = 1;
const SYN_REPLY: u16 = 2;
const RST_STREAM: u16 = 3;
const PING: u16 = 6;
const GOAWAY: u16 = 7;
const FIN: u8 = 1;
/// Why a stream is refused.
pub(super) const REFUSED_STREAM: u32 = 3;

/// A frame from the other side.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame {
    Open {
        stream: u32,
        headers: Vec<(String, String)>,
    },
    Data {
        stream: u32,
        payload: Vec<u8>,
        last: bool,
    },
    Reset {
        stream: u32,
    },
    Ping {
        id: [u8; 4],
    },
    GoAway,
    /// Something that does not matter here.
    Other,
}

/// Why bytes are no SPDY.
#[derive(Debug, thiserror::Error)]
pub(super) enum SpdyError {
    #[error("a frame of {0} bytes is too long")]
    TooLong(usize),
    #[error("version {0} of SPDY is not spoken here")]
    Version(u16),
    #[error("a frame is cut short")]
    Short,
    #[error("headers cannot be read")]
    Headers,
}

/// Collects bytes as they arrive and hands out whole frames.
#[derive(Default)]
pub(super) struct Decoder {
    buffer: Vec<u8>,
    inflater: Inflater,
}

impl Decoder {
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole frame; `None` when more bytes are needed.
    pub(super) fn next_frame(&mut self) -> Result<Option<Frame>, SpdyError> {
        let Some(header) = self.buffer.first_chunk::<HEADER_BYTES>() else { return Ok(None) };
        let [a, b, c, d, flags, high, middle, low] = *header;
        let length = u32::from_be_bytes([0, high, middle, low]) as usize;
        if length > FRAME_BYTES_MAX {
            return Err(SpdyError::TooLong(length));
        }
        if self.buffer.len() < HEADER_BYTES + length {
            return Ok(None);
        }
        let body: Vec<u8> = self.buffer.drain(..HEADER_BYTES + length).skip(HEADER_BYTES).collect();
        if a & 0x80 == 0 {
            let stream = u32::from_be_bytes([a, b, c, d]);
            return Ok(Some(Frame::Data { stream, payload: body, last: flags & FIN != 0 }));
        }
        let version = u16::from_be_bytes([a & 0x7f, b]);
        if version != VERSION {
            return Err(SpdyError::Version(version));
        }
        self.control(u16::from_be_bytes([c, d]), &body).map(Some)
    }

    fn control(&mut self, kind: u16, body: &[u8]) -> Result<Frame, SpdyError> {
        let first = body.first_chunk::<4>().copied().ok_or(SpdyError::Short);
        let stream = |word: [u8; 4]| u32::from_be_bytes(word) & 0x7fff_ffff;
        match kind {
            SYN_STREAM => {
                // The stream, the one it belongs to, its priority and slot; then the headers.
                let block = body.get(10..).ok_or(SpdyError::Short)?;
                let headers = self.inflater.read(block)?;
                Ok(Frame::Open { stream: stream(first?), headers })
            }
            RST_STREAM => Ok(Frame::Reset { stream: stream(first?) }),
            PING => Ok(Frame::Ping { id: first? }),
            GOAWAY => Ok(Frame::GoAway),
            _ => Ok(Frame::Other),
        }
    }
}

/// Writes frames.
#[derive(Default)]
pub(super) struct Encoder {
    /// The compressed stream of headers has begun.
    begun: bool,
}

impl Encoder {
    /// Accepts a stream. The answer has no headers, so their compression is a formality: a stored block, and an empty
    /// one, at which a reader hands out what it has.
    pub(super) fn reply(&mut self, stream: u32) -> Vec<u8> {
        let mut body = stream.to_be_bytes().to_vec();
        if !std::mem::replace(&mut self.begun, true) {
            body.extend([0x78, 0x01]);
        }
        body.extend([0, 4, 0, 0xfb, 0xff, 0, 0, 0, 0]);
        body.extend([0, 0, 0, 0xff, 0xff]);
        control(SYN_REPLY, &body)
    }
}

/// Data of a stream; the last of it ends this side of the stream.
pub(super) fn data(stream: u32, payload: &[u8], last: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(payload.len() + HEADER_BYTES);
    let mut rest = payload;
    loop {
        let (now, later) = rest.split_at(rest.len().min(DATA_BYTES));
        out.extend(stream.to_be_bytes());
        let flags = if last && later.is_empty() { FIN } else { 0 };
        out.extend(flags_and_length(flags, now.len()));
        out.extend_from_slice(now);
        if later.is_empty() {
            return out;
        }
        rest = later;
    }
}

/// Refuses or ends a stream.
pub(super) fn reset(stream: u32, why: u32) -> Vec<u8> {
    control(RST_STREAM, &[stream.to_be_bytes(), why.to_be_bytes()].concat())
}

/// Answers a ping.
pub(super) fn pong(id: [u8; 4]) -> Vec<u8> {
    control(PING, &id)
}

fn control(kind: u16, body: &[u8]) -> Vec<u8> {
    let mut out = (VERSION | 0x8000).to_be_bytes().to_vec();
    out.extend(kind.to_be_bytes());
    out.extend(flags_and_length(0, body.len()));
    out.extend_from_slice(body);
    out
}

fn flags_and_length(flags: u8, length: usize) -> [u8; 4] {
    let [_, high, middle, low] = u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
    [flags, high, middle, low]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_split_anywhere_come_back_whole() {
        let bytes = [data(5, b"hello", false), data(5, b"", true), pong([1, 2, 3, 4])].concat();
        for cut in 0..bytes.len() {
            let (mut decoder, mut frames) = (Decoder::default(), Vec::new());
            for part in [&bytes[..cut], &bytes[cut..]] {
                decoder.feed(part);
                frames.extend(std::iter::from_fn(|| decoder.next_frame().unwrap()));
            }
            assert_eq!(
                frames,
                [
                    Frame::Data { stream: 5, payload: b"hello".to_vec(), last: false },
                    Frame::Data { stream: 5, payload: Vec::new(), last: true },
                    Frame::Ping { id: [1, 2, 3, 4] },
                ]
            );
        }
    }

    #[test]
    fn long_data_is_split_and_ends_once() {
        let mut decoder = Decoder::default();
        decoder.feed(&data(1, &vec![7; DATA_BYTES + 1], true));
        let frames: Vec<_> = std::iter::from_fn(|| decoder.next_frame().unwrap()).collect();
        let ends: Vec<_> =
            frames.iter().map(|frame| matches!(frame, Frame::Data { last: true, .. })).collect();
        assert_eq!(ends, [false, true]);
    }

    #[test]
    fn hostile_bytes_are_errors() {
        for bytes in [
            &[0x80, 2, 0, 1, 0, 0, 0, 0][..],
            &[0, 0, 0, 1, 0, 0xff, 0xff, 0xff],
            &[0x80, 3, 0, 1, 0, 0, 0, 0],
            &[0x80, 3, 0, 6, 0, 0, 0, 1, 9],
            &[0x80, 3, 0, 1, 0, 0, 0, 14, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff],
        ] {
            let mut decoder = Decoder::default();
            decoder.feed(bytes);
            assert!(decoder.next_frame().is_err(), "{bytes:?}");
        }
    }
}
