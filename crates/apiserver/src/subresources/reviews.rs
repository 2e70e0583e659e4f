//! Reviews: questions that are answered and not stored.

use bytes::Bytes;
use http::StatusCode;
use machinery::error::{ApiError, FieldError};
use rbac::Rule;
use serde_json::{Value, json};

use super::request_body;
use crate::authn::{Authenticator, Identity};
use crate::authz::{Action, On};
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
        "SelfSubjectRulesReview" => rules(call, &review["spec"])?,
        _ => return Err(call.method_not_allowed()),
    };
    Ok(respond::value(StatusCode::CREATED, call.form.format, &review))
}

async fn token(call: &Call, spec: &Value) -> Result<Value, ApiError> {
    let token = spec["token"].as_str().unwrap_or("");
    let authenticator =
        Authenticator { store: call.store(), key: call.server.pki().token_key(), now: call.now };
    let Some((claims, identity)) = authenticator.token(token).await? else {
        // What is wrong with it is nothing to tell who may only guess.
        return Ok(json!({"user": {}, "error": "invalid bearer token"}));
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

/// Whether somebody may do something.
fn access(call: &Call, spec: &Value) -> Result<Value, ApiError> {
    let is_own = call.resource.kind == "SelfSubjectAccessReview";
    check_attributes(call, spec)?;
    let other = if is_own { None } else { Some(subject(call, spec)?) };
    let identity = other.as_ref().unwrap_or(&call.identity);
    let verdict = call.server.authorizer().decide(identity, &action(spec));
    let mut status = json!({"allowed": verdict.allowed});
    if !verdict.reason.is_empty() {
        status["reason"] = verdict.reason.into();
    }
    Ok(status)
}

fn refuse(call: &Call, error: FieldError) -> ApiError {
    ApiError::invalid("authorization.k8s.io", &call.resource.kind, "", vec![error])
}

fn check_attributes(call: &Call, spec: &Value) -> Result<(), ApiError> {
    let (resource, path) = (&spec["resourceAttributes"], &spec["nonResourceAttributes"]);
    let is_local = call.resource.kind == "LocalSubjectAccessReview";
    if is_local && !path.is_null() {
        let text = "disallowed on this kind of request";
        return Err(refuse(
            call,
            FieldError::invalid("spec.nonResourceAttributes", path.clone(), text),
        ));
    }
    if resource.is_null() == path.is_null() {
        let text = "exactly one of nonResourceAttributes or resourceAttributes must be specified";
        let error = FieldError::invalid("spec.resourceAttributes", Value::Null, text);
        return Err(refuse(call, error));
    }
    let namespace = resource["namespace"].as_str().unwrap_or("");
    if is_local && Some(namespace) != call.target.namespace.as_deref() {
        let text = "must match metadata.namespace";
        let error = FieldError::invalid("spec.resourceAttributes.namespace", namespace, text);
        return Err(refuse(call, error));
    }
    Ok(())
}

/// Whom a review is about.
fn subject(call: &Call, spec: &Value) -> Result<Identity, ApiError> {
    let texts = |value: &Value| -> Vec<String> {
        value
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect()
    };
    let user = spec["user"].as_str().unwrap_or("");
    let groups = texts(&spec["groups"]);
    if user.is_empty() && groups.is_empty() {
        let text = "at least one of user or group must be specified";
        return Err(refuse(call, FieldError::invalid("spec.user", user, text)));
    }
    let uid = spec["uid"].as_str().unwrap_or("").to_owned();
    // What was granted does not depend on extra values.
    Ok(Identity { user: user.to_owned(), uid, groups, extra: Vec::new() })
}

/// What a review asks about. Selectors only narrow what is asked, and roles do not know them.
fn action(spec: &Value) -> Action<'_> {
    let of = |part: &'static str| move |key: &str| spec[part][key].as_str().unwrap_or("");
    if spec["resourceAttributes"].is_null() {
        let word = of("nonResourceAttributes");
        return Action::Path { verb: word("verb"), path: word("path") };
    }
    let word = of("resourceAttributes");
    Action::Resource(On {
        verb: word("verb"),
        group: word("group"),
        resource: word("resource"),
        subresource: word("subresource"),
        namespace: word("namespace"),
        name: word("name"),
    })
}

/// What whoever asks may do in a namespace.
fn rules(call: &Call, spec: &Value) -> Result<Value, ApiError> {
    let namespace = spec["namespace"].as_str().unwrap_or("");
    if namespace.is_empty() {
        return Err(ApiError::bad_request("no namespace on request"));
    }
    let rights = call.server.authorizer().rights(&call.identity, Some(namespace));
    let (paths, resources): (Vec<&Rule>, Vec<&Rule>) =
        rights.rules.iter().partition(|rule| !rule.non_resource_urls.is_empty());
    let resources = resources.into_iter().map(|rule| {
        let mut one =
            json!({"verbs": rule.verbs, "apiGroups": rule.api_groups, "resources": rule.resources});
        if !rule.resource_names.is_empty() {
            one["resourceNames"] = json!(rule.resource_names);
        }
        one
    });
    let paths = paths
        .into_iter()
        .map(|rule| json!({"verbs": rule.verbs, "nonResourceURLs": rule.non_resource_urls}));
    let mut status = json!({
        "incomplete": false,
        "resourceRules": resources.collect::<Vec<_>>(),
        "nonResourceRules": paths.collect::<Vec<_>>(),
    });
    if let Some(missing) = rights.missing {
        status["evaluationError"] = missing.into();
    }
    Ok(status)
}
