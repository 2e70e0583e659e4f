//! `token` of service accounts: signed, bound, short-lived.

use bytes::Bytes;
use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use machinery::error::{ApiError, FieldError};
use serde_json::{Value, json};
use store::Key;

use super::{nodes, request_body};
use crate::call::Call;
use crate::respond::{self, Response};
use crate::token::{Bound, Claims, ISSUER, Reference};
use crate::{encode, errors, time};

const SECONDS_DEFAULT: i64 = 3600;
const SECONDS_MIN: i64 = 600;
const SECONDS_MAX: i64 = 1 << 32;
/// A year: the longest that a token lives, whatever was asked for.
const SECONDS_GIVEN_MAX: i64 = 365 * 24 * 3600;

pub(super) async fn request(call: &Call, body: &Bytes) -> Result<Response, ApiError> {
    let mut request = request_body(call, body, "TokenRequest")?;
    let account = encode::parse(&*call.get(call.name()).await?)?;
    let seconds = seconds(call, &request["spec"])?;
    let audiences = audiences(&request["spec"]);
    let bound = bound(call, &request["spec"]["boundObjectRef"], &account).await?;
    let now = call.now.as_second();
    let claims = Claims {
        aud: audiences.clone(),
        exp: now + seconds,
        iat: now,
        iss: ISSUER.to_owned(),
        jti: call.server.uid()?,
        sub: format!("system:serviceaccount:{}:{}", bound.namespace, bound.serviceaccount.name),
        bound,
        nbf: now,
    };
    let token = call.server.pki().token_key().sign(&claims);
    let token = token.ok_or_else(|| ApiError::internal("the system has no randomness"))?;
    let end = call.now.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MAX);
    request["apiVersion"] = "authentication.k8s.io/v1".into();
    request["kind"] = "TokenRequest".into();
    request["metadata"] = json!({"name": call.name(), "namespace": call.target.namespace,
        "creationTimestamp": time::seconds(call.now)});
    request["spec"]["audiences"] = json!(audiences);
    request["spec"]["expirationSeconds"] = seconds.into();
    request["status"] = json!({"token": token, "expirationTimestamp": time::seconds(end)});
    Ok(respond::value(StatusCode::CREATED, call.form.format, &request))
}

fn seconds(call: &Call, spec: &Value) -> Result<i64, ApiError> {
    let seconds = spec["expirationSeconds"].as_i64().unwrap_or(SECONDS_DEFAULT);
    let text = match seconds {
        ..SECONDS_MIN => "may not specify a duration less than 10 minutes",
        SECONDS_MIN..=SECONDS_MAX => return Ok(shortened(call, seconds)),
        _ => "may not specify a duration larger than 2^32 seconds",
    };
    let error = FieldError::invalid("spec.expirationSeconds", seconds, text);
    Err(ApiError::invalid("authentication.k8s.io", "TokenRequest", "", vec![error]))
}

fn shortened(call: &Call, seconds: i64) -> i64 {
    if seconds > SECONDS_GIVEN_MAX {
        call.warn(format!(
            "requested expiration of {seconds} seconds shortened to {SECONDS_GIVEN_MAX} seconds"
        ));
    }
    seconds.min(SECONDS_GIVEN_MAX)
}

fn audiences(spec: &Value) -> Vec<String> {
    let listed = spec["audiences"].as_array().into_iter().flatten();
    let listed: Vec<String> = listed.filter_map(Value::as_str).map(str::to_owned).collect();
    if listed.is_empty() { vec![ISSUER.to_owned()] } else { listed }
}

/// What the token is bound to: the account, and the pod, secret or node that is named.
async fn bound(call: &Call, reference: &Value, account: &Value) -> Result<Bound, ApiError> {
    let mut bound = Bound {
        namespace: call.target.namespace.clone().unwrap_or_default(),
        node: None,
        pod: None,
        secret: None,
        serviceaccount: reference_to(account),
    };
    nodes::may_request(call, reference)?;
    if reference.is_null() {
        return Ok(bound);
    }
    let kind = Kind::of(reference);
    match (kind.group, kind.kind) {
        ("", "Pod") => {
            let pod = named(call, "pods", reference).await?;
            nodes::may_request_for(call, &pod)?;
            check_account(call, &pod)?;
            bound.node = node_of(call, &pod).await?;
            bound.pod = Some(reference_to(&pod));
        }
        ("", "Secret") => {
            bound.secret = Some(reference_to(&named(call, "secrets", reference).await?))
        }
        ("", "Node") => bound.node = Some(reference_to(&named(call, "nodes", reference).await?)),
        // Without a kind too: a token that was to be bound and is not would outlive what it was for.
        _ => {
            let Kind { group, version, kind } = kind;
            let text =
                format!("cannot bind token to object of type {group}/{version}, Kind={kind}");
            return Err(ApiError::bad_request(text));
        }
    }
    Ok(bound)
}

/// What a reference says that its object is. Parts that it leaves out are empty.
struct Kind<'a> {
    group: &'a str,
    version: &'a str,
    kind: &'a str,
}

impl Kind<'_> {
    fn of(reference: &Value) -> Kind<'_> {
        let word = |key: &str| reference[key].as_str().unwrap_or("");
        let api_version = word("apiVersion");
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        Kind { group, version, kind: word("kind") }
    }
}

/// The object that a reference means, which must be the one of its uid.
async fn named(call: &Call, plural: &str, reference: &Value) -> Result<Value, ApiError> {
    let name = reference["name"].as_str().unwrap_or("");
    let object = find(call, plural, name).await?;
    let object = object.ok_or_else(|| ApiError::not_found("", plural, name))?;
    let found = reference_to(&object);
    match reference["uid"].as_str() {
        Some(uid) if !uid.is_empty() && uid != found.uid => {
            let why = format!(
                "the UID in the bound object reference ({uid}) does not match the UID in record ({}). The object might have been deleted and then recreated",
                found.uid
            );
            Err(ApiError::conflict("", plural, name, &why))
        }
        _ => Ok(object),
    }
}

async fn find(call: &Call, plural: &str, name: &str) -> Result<Option<Value>, ApiError> {
    let namespace = call.target.namespace.as_deref().filter(|_| plural != "nodes");
    let segments: Vec<&str> = ["core", plural].into_iter().chain(namespace).chain([name]).collect();
    let Some(key) = Key::new(&segments) else { return Ok(None) };
    let object = call.store().get(&key).await.map_err(errors::store)?;
    object.map(|object| encode::parse(&object)).transpose()
}

fn check_account(call: &Call, pod: &Value) -> Result<(), ApiError> {
    let owner = pod["spec"]["serviceAccountName"].as_str().unwrap_or("default");
    match owner == call.name() {
        true => Ok(()),
        false => Err(ApiError::bad_request(format!(
            "cannot bind token for serviceaccount {:?} to pod running with different serviceaccount name {owner:?}.",
            call.name()
        ))),
    }
}

/// The node that a pod is on, which a token of the pod tells.
async fn node_of(call: &Call, pod: &Value) -> Result<Option<Reference>, ApiError> {
    let Some(name) = pod["spec"]["nodeName"].as_str().filter(|it| !it.is_empty()) else {
        return Ok(None);
    };
    let node = find(call, "nodes", name).await?;
    let absent = || Reference { name: name.to_owned(), uid: String::new() };
    Ok(Some(node.as_ref().map_or_else(absent, reference_to)))
}

fn reference_to(object: &Value) -> Reference {
    let text = |key: &str| object["metadata"][key].as_str().unwrap_or("").to_owned();
    Reference { name: text("name"), uid: text("uid") }
}
