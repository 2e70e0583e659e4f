//! From a request as it arrives to one with its whole body.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use machinery::error::ApiError;

use crate::ApiServer;
use crate::authn::Identity;
use crate::decode::BODY_BYTES_MAX;
use crate::negotiate::Format;
use crate::respond::{self, Response};
use crate::server::Request;

/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// Reads the body and answers.
pub(crate) async fn answer<B>(
    server: &ApiServer,
    mut request: http::Request<B>,
    connection: Option<Arc<Identity>>,
) -> Response
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let upgrade = request.extensions_mut().remove::<hyper::upgrade::OnUpgrade>();
    let (parts, body) = request.into_parts();
    let body = match parts.method {
        Method::GET | Method::HEAD => Ok(Bytes::new()),
        _ => collect(body).await,
    };
    let body = match body {
        Ok(body) => body,
        Err(error) => return respond::failure(Format::Json, &error),
    };
    let request = Request {
        method: parts.method,
        uri: parts.uri,
        headers: parts.headers,
        body,
        connection,
        upgrade,
    };
    server.answer(request).await
}

async fn collect<B>(body: B) -> Result<Bytes, ApiError>
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let limited = Box::pin(Limited::new(body, BODY_BYTES_MAX).collect());
    match tokio::time::timeout(BODY_TIMEOUT, limited).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            Err(ApiError::too_large(format_args!("limit is {BODY_BYTES_MAX}")))
        }
        Ok(Err(error)) => {
            Err(ApiError::bad_request(format!("the body could not be read: {error}")))
        }
        Err(_) => Err(ApiError::timeout("the body took too long to arrive")),
    }
}
