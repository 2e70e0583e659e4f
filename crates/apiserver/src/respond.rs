//! Answers: objects, failures, plain texts.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WARNING};
use http::{HeaderMap, StatusCode};
use machinery::error::ApiError;
use serde_json::Value;

use crate::body::Body;
use crate::negotiate::Format;

pub(crate) type Response = http::Response<Body>;

/// Longest warning, and how long one may be when there are too many.
const WARNINGS_BYTES_MAX: usize = 4 * 1024;
const WARNING_CHARS_SHORT: usize = 256;

/// Bytes of one content type.
pub(crate) fn bytes(
    code: StatusCode,
    content_type: &'static str,
    bytes: impl Into<Bytes>,
) -> Response {
    with_body(code, content_type, Body::whole(bytes))
}

pub(crate) fn with_body(code: StatusCode, content_type: &'static str, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = code;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    response
}

/// Bytes in pieces; what is one piece is an answer like any other. A failure before the second piece is answered as
/// one.
pub(crate) fn pieces(
    code: StatusCode,
    content_type: &'static str,
    mut pieces: impl Iterator<Item = Result<Bytes, ApiError>> + Send + 'static,
) -> Result<Response, ApiError> {
    let (first, second) = (pieces.next().transpose()?, pieces.next().transpose()?);
    let body = match second {
        None => Body::whole(first.unwrap_or_default()),
        Some(_) => Body::pieces(first.into_iter().chain(second).map(Ok).chain(pieces)),
    };
    Ok(with_body(code, content_type, body))
}

/// A value in a format.
pub(crate) fn value(code: StatusCode, format: Format, value: &Value) -> Response {
    bytes(code, format.content_type(), encode(format, value))
}

pub(crate) fn encode(format: Format, value: &Value) -> Vec<u8> {
    match format {
        Format::Json => serde_json::to_vec(value).expect("JSON values always encode"),
        Format::PrettyJson => {
            let mut out = serde_json::to_vec_pretty(value).expect("JSON values always encode");
            out.push(b'\n');
            out
        }
        Format::Yaml => serde_saphyr::to_string(value).map_or_else(
            |error| {
                tracing::error!(%error, "cannot write YAML");
                serde_json::to_vec(value).expect("JSON values always encode")
            },
            String::into_bytes,
        ),
    }
}

/// A failure as a Status object.
pub(crate) fn failure(format: Format, error: &ApiError) -> Response {
    let code = StatusCode::from_u16(error.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = value(code, format, &error.to_status());
    let seconds = error.details.as_ref().map_or(0, |details| details.retry_after_seconds);
    if seconds > 0 {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// A plain text.
pub(crate) fn text(code: StatusCode, text: impl Into<Bytes>) -> Response {
    let mut response = bytes(code, "text/plain; charset=utf-8", text);
    let nosniff = HeaderValue::from_static("nosniff");
    response.headers_mut().insert(http::header::X_CONTENT_TYPE_OPTIONS, nosniff);
    response
}

/// What a path that nothing serves is answered: not a Status.
pub(crate) fn no_such_path() -> Response {
    text(StatusCode::NOT_FOUND, "404 page not found\n")
}

/// Adds warnings for the user.
pub(crate) fn warn(headers: &mut HeaderMap, warnings: &[String]) {
    let total: usize = warnings.iter().map(String::len).sum();
    for warning in warnings {
        let short: String = match total > WARNINGS_BYTES_MAX {
            true => warning.chars().take(WARNING_CHARS_SHORT).collect(),
            false => warning.clone(),
        };
        let clean: String = short.chars().filter(|c| !c.is_control()).collect();
        let quoted = format!("299 - \"{}\"", clean.replace('\\', "\\\\").replace('"', "\\\""));
        if let Ok(value) = HeaderValue::from_bytes(quoted.as_bytes()) {
            headers.append(WARNING, value);
        }
    }
}
