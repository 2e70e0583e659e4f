//! Response bodies: whole, in pieces made on demand, or a stream without an end.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use http_body::{Frame, SizeHint};
use machinery::error::ApiError;

/// The body of a response.
pub struct Body(Kind);

enum Kind {
    Whole(Option<Bytes>),
    Pieces(Box<dyn Iterator<Item = Result<Bytes, ApiError>> + Send>),
    Stream(Pin<Box<dyn Stream<Item = Bytes> + Send>>),
}

/// Why a body ends before its end. The connection or its stream is aborted: a part of an answer is no answer.
#[derive(Debug, thiserror::Error)]
#[error("the answer could not be finished: {0}")]
pub struct BodyError(String);

impl Body {
    pub(crate) fn whole(bytes: impl Into<Bytes>) -> Self {
        Self(Kind::Whole(Some(bytes.into())))
    }

    pub(crate) fn empty() -> Self {
        Self(Kind::Whole(None))
    }

    /// Pieces that are made when the reader takes them.
    pub(crate) fn pieces(
        pieces: impl Iterator<Item = Result<Bytes, ApiError>> + Send + 'static,
    ) -> Self {
        Self(Kind::Pieces(Box::new(pieces)))
    }

    pub(crate) fn stream(stream: impl Stream<Item = Bytes> + Send + 'static) -> Self {
        Self(Kind::Stream(Box::pin(stream)))
    }

    /// Nothing comes after the last piece, a failure, or a panic of what makes them.
    fn next_piece(&mut self) -> Option<Result<Bytes, BodyError>> {
        let Kind::Pieces(pieces) = &mut self.0 else { return None };
        let next = std::panic::catch_unwind(AssertUnwindSafe(|| pieces.next()));
        let failure = match next {
            Ok(Some(Ok(piece))) => return Some(Ok(piece)),
            Ok(None) => None,
            Ok(Some(Err(error))) => Some(error.message),
            Err(_) => Some("it hit a bug in the server".to_owned()),
        };
        *self = Self::empty();
        failure.map(|text| {
            tracing::error!(why = text, "an answer was cut off");
            Err(BodyError(text))
        })
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let next = match &mut self.0 {
            Kind::Whole(bytes) => {
                Poll::Ready(bytes.take().filter(|bytes| !bytes.is_empty()).map(Ok))
            }
            Kind::Pieces(_) => Poll::Ready(self.next_piece()),
            Kind::Stream(stream) => stream.poll_next_unpin(context).map(|it| it.map(Ok)),
        };
        next.map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Whole(bytes) => bytes.as_ref().is_none_or(Bytes::is_empty),
            Kind::Pieces(_) | Kind::Stream(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Whole(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            Kind::Pieces(_) | Kind::Stream(_) => SizeHint::default(),
        }
    }
}
