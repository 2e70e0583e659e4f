//! A body while it arrives, and what becomes of the rest of one that nobody reads to its end.
//!
//! Many clients write a whole request before they read the answer. Closing on them resets the connection, and with it
//! goes the answer that says why. So the rest is read and thrown away within limits, while the answer is on its way.

use bytes::Bytes;
use http::HeaderMap;
use http::header::EXPECT;
use http_body::{Body as _, Frame};
use http_body_util::BodyExt as _;
use http_body_util::combinators::UnsyncBoxBody;

use crate::limits::Limits;

pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

type Incoming = UnsyncBoxBody<Bytes, BoxError>;

/// A body of which more may come.
pub(crate) struct Arriving {
    body: Option<Incoming>,
    /// Whether its sender goes on whatever the answer is; one that asked first does not.
    underway: bool,
    limits: Limits,
}

impl Arriving {
    pub(crate) fn new<B>(headers: &HeaderMap, body: B, limits: &Limits) -> Self
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let body = Some(body.map_err(Into::into).boxed_unsync());
        Self { body, underway: !headers.contains_key(EXPECT), limits: limits.clone() }
    }

    /// How long it is at least.
    pub(crate) fn length_min(&self) -> u64 {
        self.body.as_ref().map_or(0, |body| body.size_hint().lower())
    }

    /// The next part; `None` at the end.
    pub(crate) async fn frame(&mut self) -> Option<Result<Frame<Bytes>, BoxError>> {
        self.underway = true;
        let frame = self.body.as_mut()?.frame().await;
        if !matches!(frame, Some(Ok(_))) {
            self.body = None;
        }
        frame
    }
}

impl Drop for Arriving {
    fn drop(&mut self) {
        let rest = self.body.take().filter(|body| self.underway && !body.is_end_stream());
        if let (Some(rest), Ok(runtime)) = (rest, tokio::runtime::Handle::try_current()) {
            let bytes_max = self.limits.discard_bytes_max;
            let limit = self.limits.discard_timeout;
            runtime.spawn(tokio::time::timeout(limit, discard(rest, bytes_max)));
        }
    }
}

async fn discard(mut body: Incoming, bytes_max: usize) {
    let mut bytes = 0;
    while let Some(Ok(frame)) = body.frame().await {
        bytes += frame.data_ref().map_or(0, Bytes::len);
        if bytes > bytes_max {
            return;
        }
    }
}
