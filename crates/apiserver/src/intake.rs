//! From a request as it arrives to an answer, and the body once somebody may send one.
//!
//! Invariant: of a request that nobody may make, the headers are read and nothing else is kept.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::Method;
use machinery::error::ApiError;

use crate::ApiServer;
use crate::arriving::{Arriving, BoxError};
use crate::authn::Identity;
use crate::decode::BODY_BYTES_MAX;
use crate::limits::{Held, Share};
use crate::outgoing::Outgoing;
use crate::respond::Response;
use crate::server::Request;

/// Where a request comes from.
#[derive(Clone, Debug)]
pub(crate) enum Origin {
    /// A listener, with what it holds of bodies.
    Socket(Arc<Held>),
    InProcess,
}

/// The body of a request, before it is read.
pub(crate) struct Unread {
    /// `None` for methods whose body means nothing.
    body: Option<Arriving>,
    origin: Origin,
}

/// Answers a request.
pub(crate) async fn answer<B>(
    server: &ApiServer,
    mut request: http::Request<B>,
    connection: Option<Arc<Identity>>,
    origin: Origin,
) -> Response
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let upgrade = request.extensions_mut().remove::<hyper::upgrade::OnUpgrade>();
    let (parts, body) = request.into_parts();
    let body = Arriving::new(&parts.headers, body, server.limits());
    let body = (!matches!(parts.method, Method::GET | Method::HEAD)).then_some(body);
    let request = Request {
        method: parts.method,
        uri: parts.uri,
        headers: parts.headers,
        body: Unread { body, origin },
        connection,
        upgrade,
    };
    server.answer(request).await
}

impl Unread {
    /// Where what is made for the answer counts.
    pub(crate) fn outgoing(&self, server: &ApiServer) -> Outgoing {
        match &self.origin {
            Origin::Socket(_) => Outgoing::counted(&server.shared().answers, server.limits()),
            Origin::InProcess => Outgoing::uncounted(),
        }
    }

    /// The whole body. It counts as held as long as the share is.
    pub(crate) async fn read(self, server: &ApiServer) -> Result<(Bytes, Share), ApiError> {
        let shared = server.shared();
        let mut share = match &self.origin {
            Origin::Socket(held) => held.share(&shared.limits),
            Origin::InProcess => Share::uncounted(),
        };
        let Some(body) = self.body else { return Ok((Bytes::new(), share)) };
        let whole = tokio::time::timeout(shared.limits.body_timeout, collect(body, &mut share));
        let bytes = whole
            .await
            .unwrap_or_else(|_| Err(ApiError::timeout("the body took too long to arrive")))?;
        Ok((bytes, share))
    }
}

async fn collect(mut body: Arriving, share: &mut Share) -> Result<Bytes, ApiError> {
    if body.length_min() > BODY_BYTES_MAX as u64 {
        return Err(ApiError::too_large(format_args!("limit is {BODY_BYTES_MAX}")));
    }
    // Most bodies are one frame, and that is not copied.
    let (mut first, mut all) = (Bytes::new(), BytesMut::new());
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            ApiError::bad_request(format!("the body could not be read: {error}"))
        })?;
        let Ok(data) = frame.into_data() else { continue };
        share.grow(data.len())?;
        match first.is_empty() {
            true => first = data,
            false => {
                if all.is_empty() {
                    all.extend_from_slice(&first);
                }
                all.extend_from_slice(&data);
            }
        }
    }
    Ok(if all.is_empty() { first } else { all.freeze() })
}
