//! What a node may ask tokens for: the pods that run on it, and nothing else.

use machinery::error::ApiError;
use serde_json::Value;

use crate::call::Call;

fn refuse(call: &Call, why: &str) -> Result<(), ApiError> {
    Err(ApiError::forbidden("", "serviceaccounts", call.name(), why))
}

/// A node's request names a pod, and which one of that name.
pub(super) fn may_request(call: &Call, reference: &Value) -> Result<(), ApiError> {
    if !call.identity.is_node() {
        return Ok(());
    }
    let word = |key: &str| reference[key].as_str().unwrap_or("");
    match (word("kind"), word("name"), word("uid")) {
        ("Pod", "", _) => refuse(call, "node requested token not bound to a pod"),
        ("Pod", _, "") => refuse(call, "node requested token with a pod binding without a uid"),
        ("Pod", ..) => Ok(()),
        _ => refuse(call, "node requested token not bound to a pod"),
    }
}

/// The pod is on the node that asks.
pub(super) fn may_request_for(call: &Call, pod: &Value) -> Result<(), ApiError> {
    if !call.identity.is_node() {
        return Ok(());
    }
    let node = pod["spec"]["nodeName"].as_str().unwrap_or("");
    let is_here = !node.is_empty() && call.identity.nodes().any(|it| it == node);
    match is_here {
        true => Ok(()),
        false => refuse(call, "node requested token bound to a pod scheduled on a different node"),
    }
}
