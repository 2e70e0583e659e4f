//! Whether anything happens on a connection.
//!
//! Invariant: a response whose body is still being sent is something that happens, so no watch is idle.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use crate::body::{Body, BodyError};
use crate::limits::Limits;
use crate::respond::Response;

/// What happened on one connection so far.
#[derive(Default)]
pub(crate) struct Activity {
    begun: AtomicU64,
    ended: AtomicU64,
}

/// One request, from its headers to the end of its response.
pub(crate) struct Open(Arc<Activity>);

impl Activity {
    pub(crate) fn begin(self: &Arc<Self>) -> Open {
        self.begun.fetch_add(1, Ordering::Relaxed);
        Open(self.clone())
    }

    /// Waits until no request came for too long. It looks once a period, which costs requests nothing but a count.
    pub(crate) async fn idle(&self, limits: &Limits) {
        let mut period = limits.headers_timeout;
        let mut before = (0, 0);
        loop {
            tokio::time::sleep(period).await;
            let now = (self.begun.load(Ordering::Relaxed), self.ended.load(Ordering::Relaxed));
            if now == before && now.0 == now.1 {
                return;
            }
            before = now;
            period = limits.idle_timeout;
        }
    }
}

impl Open {
    /// The response, which ends the request when it has been sent or given up.
    pub(crate) fn until_sent(self, response: Response) -> http::Response<OpenBody> {
        response.map(|body| OpenBody { body, _open: self })
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Ordering::Relaxed);
    }
}

/// A body that holds its request open.
pub(crate) struct OpenBody {
    body: Body,
    _open: Open,
}

impl http_body::Body for OpenBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
