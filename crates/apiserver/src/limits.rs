//! How much a server takes from its peers: named limits, and the count of what it holds of their requests.
//!
//! Requests of this process are not counted: what they carry is in memory already.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use machinery::error::ApiError;

use crate::decode::BODY_BYTES_MAX;

/// What peers may cost. A watch, a followed log and a command may stay open as long as they like under all of them.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections on one listener; one more is closed as it comes. Listeners do not share them, so that pods cannot
    /// shut the administrator out. One that was upgraded (exec, port-forward) does not count any more: whoever opened
    /// it had an identity.
    pub connections_max: usize,
    /// Bytes of the bodies of all requests of one listener that are being read or answered; one more is answered 429.
    /// Listeners do not share them either: what pods send must not stop the node's writes.
    pub body_bytes_max: usize,
    /// Bytes made for the answers of all connections that no reader has taken yet: pieces of lists, events in a form
    /// that is not the stored one. With more a list is answered 429, or cut off where it is, and a watch ends. Stored
    /// bytes are not counted: answers share them with the store.
    pub answer_bytes_max: usize,
    /// From accepting a connection to the end of the TLS handshake.
    pub handshake_timeout: Duration,
    /// From there to the end of the first request's headers. Those of later ones are part of an idle time.
    pub headers_timeout: Duration,
    /// For the body of a request.
    pub body_timeout: Duration,
    /// Of a body that is refused before it has come: how much is read and thrown away, so that a client that writes
    /// before it reads finds the answer.
    pub discard_bytes_max: usize,
    pub discard_timeout: Duration,
    /// Without any whole request. A connection is closed after between one and two of these.
    pub idle_timeout: Duration,
    /// While something is to be sent and the peer's socket takes nothing of it. An HTTP/2 peer that answers pings and
    /// opens no window is not found by it: its streams, of which a connection has few, wait as a quiet watch does.
    pub stall_timeout: Duration,
    /// For a connection that was told to end.
    pub end_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 4096,
            body_bytes_max: 64 << 20,
            answer_bytes_max: 256 << 20,
            handshake_timeout: Duration::from_secs(10),
            headers_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(60),
            discard_bytes_max: 16 << 20,
            discard_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(90),
            // Who reads a log page by page takes nothing for minutes.
            stall_timeout: Duration::from_secs(600),
            end_timeout: Duration::from_secs(5),
        }
    }
}

/// How many bytes of the request bodies of one listener are in memory.
#[derive(Debug, Default)]
pub(crate) struct Held {
    bytes: AtomicUsize,
}

/// The part of one request, given back when it is answered.
pub(crate) struct Share {
    held: Option<Arc<Held>>,
    bytes: usize,
    bytes_max: usize,
}

impl Held {
    pub(crate) fn share(self: &Arc<Self>, limits: &Limits) -> Share {
        Share { held: Some(self.clone()), bytes: 0, bytes_max: limits.body_bytes_max }
    }
}

impl Share {
    /// Of a request that is not counted.
    pub(crate) fn uncounted() -> Self {
        Self { held: None, bytes: 0, bytes_max: usize::MAX }
    }

    /// Takes more, unless it is too much for one request or for all of its listener.
    pub(crate) fn grow(&mut self, bytes: usize) -> Result<(), ApiError> {
        if bytes > BODY_BYTES_MAX - self.bytes {
            return Err(ApiError::too_large(format_args!("limit is {BODY_BYTES_MAX}")));
        }
        self.bytes += bytes;
        let Some(held) = &self.held else { return Ok(()) };
        // Added before it is compared: two requests cannot both take the last of it.
        if held.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes > self.bytes_max {
            let text = "too many requests with bodies are being answered, please try again later";
            return Err(ApiError::too_many_requests(text, 1));
        }
        Ok(())
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        if let Some(held) = &self.held {
            held.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_request_held_is_given_back_even_if_it_was_refused() {
        let limits = Limits { body_bytes_max: 1000, ..Limits::default() };
        let held = Arc::new(Held::default());
        let mut first = held.share(&limits);
        first.grow(400).unwrap();
        first.grow(200).unwrap();
        let mut second = held.share(&limits);
        assert_eq!(second.grow(401).unwrap_err().code, 429);
        drop(second);
        held.share(&limits).grow(400).unwrap();
        drop(first);
        held.share(&limits).grow(1000).unwrap();
        assert_eq!(held.share(&limits).grow(BODY_BYTES_MAX + 1).unwrap_err().code, 413);
        assert_eq!(held.bytes.load(Ordering::Relaxed), 0);
    }
}
