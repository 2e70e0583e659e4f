//! Reviews: questions that are answered and not stored.

use bytes::Bytes;
use http::StatusCode;
use machinery::error::ApiError;
use serde_json::{Value, json};

use super::request_body;
use crate::authn::Authenticator;
use crate::call::Call;
use crate::respond::{self, Response};
use crate::token::ISSUER;

/// POST on a kind that is not stored.
pub(crate) async fn review(call: &Call, body: &Bytes) -> Result<Response, ApiError> {
    let resource = &call.resource;
    let mut review = request_body(call, body, &resource.kind)?;
    review["apiVersion"] = resource.api_version().into();
    review["kind"] = resource.kind.clone().into();
    if review["metadata"].is_null() {
        review["metadata"] = json!({"creationTimestamp": null});
    }
    review["status"] = match resource.kind.as_str() {
        "TokenReview" => token(call, &review["spec"]).await?,
        "SelfSubjectReview" => json!({"userInfo": call.identity.to_value()}),
        "SelfSubjectAccessReview" | "SubjectAccessReview" | "LocalSubjectAccessReview" => {
            access(call, &review["spec"])?
        }
        "SelfSubjectRulesReview" => json!({
            "incomplete": false,
            "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}],
            "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
        }),
        _ => return Err(call.method_not_allowed()),
    };
    Ok(respond::value(StatusCode::CREATED, call.form.format, &review))
}

async fn token(call: &Call, spec: &Value) -> Result<Value, ApiError> {
    let token = spec["token"].as_str().unwrap_or("");
    let authenticator =
        Authenticator { store: call.store(), key: call.server.pki().token_key(), now: call.now };
    let Some((claims, identity)) = authenticator.token(token).await? else {
        return Ok(
            json!({"user": {}, "error": "the token is invalid, expired, or of an object that is gone"}),
        );
    };
    let wanted: Vec<&str> =
        spec["audiences"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let wanted = if wanted.is_empty() { vec![ISSUER] } else { wanted };
    let shared: Vec<&str> =
        wanted.into_iter().filter(|audience| claims.aud.iter().any(|it| it == audience)).collect();
    if shared.is_empty() {
        return Ok(json!({"user": {}, "error": "the token is for other audiences"}));
    }
    Ok(json!({"authenticated": true, "user": identity.to_value(), "audiences": shared}))
}

/// Authenticated is allowed; see `authz`.
fn access(call: &Call, spec: &Value) -> Result<Value, ApiError> {
    let other = call.resource.kind != "SelfSubjectAccessReview";
    let user = spec["user"].as_str().unwrap_or("");
    let groups = spec["groups"].as_array().is_some_and(|groups| !groups.is_empty());
    if spec["resourceAttributes"].is_null() == spec["nonResourceAttributes"].is_null() {
        let text = "exactly one of nonResourceAttributes or resourceAttributes must be specified";
        let error =
            machinery::error::FieldError::invalid("spec.resourceAttributes", Value::Null, text);
        return Err(ApiError::invalid(
            "authorization.k8s.io",
            &call.resource.kind,
            "",
            vec![error],
        ));
    }
    if other && user.is_empty() && !groups {
        let text = "at least one of user or group must be specified";
        let error = machinery::error::FieldError::invalid("spec.user", user, text);
        return Err(ApiError::invalid(
            "authorization.k8s.io",
            &call.resource.kind,
            "",
            vec![error],
        ));
    }
    let allowed = !other || user != "system:anonymous";
    Ok(json!({"allowed": allowed, "reason": "authenticated users may do everything"}))
}
