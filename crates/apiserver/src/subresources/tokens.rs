//! `token` of service accounts: signed, bound, short-lived.

use bytes::Bytes;
use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use machinery::error::{ApiError, FieldError};
use serde_json::{Value, json};
use store::Key;

use super::request_body;
use crate::call::Call;
use crate::respond::{self, Response};
use crate::token::{Bound, Claims, ISSUER, Reference};
use crate::{encode, errors, time};

const SECONDS_DEFAULT: i64 = 3600;
const SECONDS_MIN: i64 = 600;
const SECONDS_MAX: i64 = 1 << 32;

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
        SECONDS_MIN..=SECONDS_MAX => return Ok(seconds),
        _ => "may not specify a duration larger than 2^32 seconds",
    };
    let error = FieldError::invalid("spec.expirationSeconds", seconds, text);
    Err(ApiError::invalid("authentication.k8s.io", "TokenRequest", call.name(), vec![error]))
}

fn audiences(spec: &Value) -> Vec<String> {
    let listed = spec["audiences"].as_array().into_iter().flatten();
    let listed: Vec<String> = listed.filter_map(Value::as_str).map(str::to_owned).collect();
    if listed.is_empty() { vec![ISSUER.to_owned()] } else { listed }
}

/// What the token is bound to: the account, and the pod or secret that is named.
async fn bound(call: &Call, reference: &Value, account: &Value) -> Result<Bound, ApiError> {
    let namespace = call.target.namespace.clone().unwrap_or_default();
    let mut bound = Bound {
        namespace,
        node: None,
        pod: None,
        secret: None,
        serviceaccount: reference_to(account),
    };
    let plural = match reference["kind"].as_str() {
        None => return Ok(bound),
        Some("Pod") => "pods",
        Some("Secret") => "secrets",
        Some(other) => {
            return Err(ApiError::bad_request(format!(
                "cannot bind token to object of type {other}"
            )));
        }
    };
    let name = reference["name"].as_str().unwrap_or("");
    let not_found = || ApiError::not_found("", plural, name);
    let key = Key::new(&["core", plural, &bound.namespace, name]).ok_or_else(not_found)?;
    let object = call.store().get(&key).await.map_err(errors::store)?.ok_or_else(not_found)?;
    let object = encode::parse(&object)?;
    let found = reference_to(&object);
    if reference["uid"].as_str().is_some_and(|uid| !uid.is_empty() && uid != found.uid) {
        let why = format!(
            "the UID in the bound object reference ({}) does not match the UID in record ({}). The object might have been deleted and then recreated",
            reference["uid"].as_str().unwrap_or(""),
            found.uid
        );
        return Err(ApiError::conflict("", plural, name, &why));
    }
    if plural == "pods" {
        let owner = object["spec"]["serviceAccountName"].as_str().unwrap_or("default");
        if owner != call.name() {
            return Err(ApiError::bad_request(format!(
                "cannot bind token for serviceaccount {:?} to pod running with different serviceaccount name {owner:?}.",
                call.name()
            )));
        }
        bound.pod = Some(found);
    } else {
        bound.secret = Some(found);
    }
    Ok(bound)
}

fn reference_to(object: &Value) -> Reference {
    let text = |key: &str| object["metadata"][key].as_str().unwrap_or("").to_owned();
    Reference { name: text("name"), uid: text("uid") }
}
