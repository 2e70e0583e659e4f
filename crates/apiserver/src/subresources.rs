//! What is not a plain object: reviews, and subresources other than `status` and the streams.

mod evict;
mod nodes;
mod paths;
pub(crate) mod pods;
mod reviews;
mod scale;
mod tokens;

use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use machinery::error::ApiError;
use serde_json::{Value, json};

use crate::call::Call;
use crate::request::Verb;
use crate::respond::{self, Response};
use crate::write::Endpoint;
use crate::{decode, patch, read, write};

pub(crate) use reviews::review;

/// What is refused otherwise than by saying that the method is not allowed.
pub(crate) fn unserved(name: &str, verb: Verb) -> Option<ApiError> {
    let written = name == "ephemeralcontainers" && matches!(verb, Verb::Update | Verb::Patch);
    written.then(pods::no_ephemeral_containers)
}

/// Answers a request on a subresource that the registry knows, by a verb that it lists there.
pub(crate) async fn answer(
    call: &Arc<Call>,
    name: &str,
    body: &Bytes,
) -> Result<Response, ApiError> {
    match (name, call.verb) {
        ("scale", verb) => scale::answer(call, verb, body).await,
        ("binding", Verb::Create) => pods::bind(call, body).await,
        ("eviction", Verb::Create) => evict::evict(call, body).await,
        ("token", Verb::Create) => tokens::request(call, body).await,
        ("finalize", Verb::Update) => write::update(call, body, Endpoint::Finalize).await,
        ("approval" | "ephemeralcontainers" | "resize", Verb::Get) => read::get(call).await,
        ("resize", Verb::Update) => write::update(call, body, Endpoint::Resize).await,
        ("resize", Verb::Patch) => patch::patch(call, body, Endpoint::Resize).await,
        ("approval", Verb::Update) => write::update(call, body, Endpoint::Status).await,
        ("approval", Verb::Patch) => patch::patch(call, body, Endpoint::Status).await,
        _ => Err(call.method_not_allowed()),
    }
}

/// Decodes a body of a kind that is not stored.
fn request_body(call: &Call, body: &Bytes, kind: &str) -> Result<Value, ApiError> {
    let decoded = decode::object(decode::media(&call.headers)?, body, kind)?;
    match decoded.value["kind"].as_str() {
        None | Some("") => {}
        Some(given) if given == kind => {}
        Some(given) => {
            return Err(ApiError::bad_request(format!(
                "the body is a {given}; this path takes a {kind}"
            )));
        }
    }
    for key in ["metadata", "spec", "status"] {
        let part = &decoded.value[key];
        if !part.is_object() && !part.is_null() {
            return Err(ApiError::bad_request(format!(
                "{kind} cannot be handled as a {kind}: json: {key} is no object"
            )));
        }
    }
    Ok(decoded.value)
}

/// What a subresource answers that makes no object.
fn created(call: &Call) -> Response {
    let status = json!({"apiVersion": "v1", "kind": "Status", "metadata": {}, "status": "Success", "code": 201});
    respond::value(StatusCode::CREATED, call.form.format, &status)
}
