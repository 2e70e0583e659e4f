//! PATCH in its four forms.

use bytes::Bytes;
use http::StatusCode;
use machinery::error::{ApiError, FieldError};
use machinery::patch;
use serde_json::Value;

use crate::call::Call;
use crate::decode;
use crate::fields;
use crate::receive::{self, Received};
use crate::respond::Response;
use crate::write::{self, Change, Endpoint, Tracked};

const JSON: &str = "application/json-patch+json";
const MERGE: &str = "application/merge-patch+json";
const STRATEGIC: &str = "application/strategic-merge-patch+json";
const APPLY: &str = "application/apply-patch+yaml";

/// A patch, decoded.
pub(crate) enum Patch {
    Json(Value),
    Merge(Value),
    Strategic(Value),
    Apply(Value),
}

/// PATCH on an object or on one of its subresources.
pub(crate) async fn patch(
    call: &Call,
    body: &Bytes,
    endpoint: Endpoint,
) -> Result<Response, ApiError> {
    let (patch, duplicates) = receive(call, body)?;
    if let Patch::Apply(intent) = patch {
        return apply(call, Intent { intent, duplicates }, endpoint).await;
    }
    let make = |live: &Value| {
        let object = patched(call, &patch, live)?;
        if let Some(why) = receive::misfit(call, &object) {
            return Err(receive::unusable_patch(&why));
        }
        Ok(Received { object, duplicates: duplicates.clone() })
    };
    let change = Change { name: call.name(), endpoint, tracked: Tracked::NotYet, make: &make };
    let stored = write::modify(call, change).await?;
    call.answer(StatusCode::OK, &stored)
}

/// Decodes the patch of a request.
pub(crate) fn receive(call: &Call, body: &Bytes) -> Result<(Patch, Vec<String>), ApiError> {
    let custom = call.resource.is_crd();
    let kind = match decode::content_type(&call.headers) {
        JSON => Patch::Json as fn(Value) -> Patch,
        MERGE => Patch::Merge,
        STRATEGIC if !custom => Patch::Strategic,
        APPLY => Patch::Apply,
        _ if custom => return Err(ApiError::unsupported_media_type(&[JSON, MERGE, APPLY])),
        _ => return Err(ApiError::unsupported_media_type(&[JSON, MERGE, STRATEGIC, APPLY])),
    };
    let applied = decode::content_type(&call.headers) == APPLY;
    let decoded = if applied { decode::yaml(body) } else { decode::json(body) };
    let decoded = decoded.map_err(|why| {
        let what = if applied { "error decoding YAML" } else { "error decoding patch" };
        ApiError::bad_request(format!("{what}: {why}"))
    })?;
    if !applied && call.query.get("force").is_some() {
        let text = "may not be specified for non-apply patch";
        let error = FieldError::forbidden("force", text);
        return Err(ApiError::invalid("meta.k8s.io", "PatchOptions", "", vec![error]));
    }
    Ok((kind(decoded.value), decoded.duplicates))
}

/// The state that a patch makes of the live one.
pub(crate) fn patched(call: &Call, patch: &Patch, live: &Value) -> Result<Value, ApiError> {
    let mut object = match patch {
        Patch::Json(operations) => patch::json_patch(live, operations)?,
        Patch::Merge(part) => patch::merge_patch(live, part)?,
        Patch::Strategic(part) => patch::strategic_merge(live, part, call.resource.schema())?,
        Patch::Apply(_) => return Err(ApiError::internal("an apply patch is no plain patch")),
    };
    if !object.is_object() {
        return Err(ApiError::bad_request("the patch leaves no object"));
    }
    check_identity(call, &mut object, live)?;
    Ok(object)
}

/// A patch cannot make another object of one.
fn check_identity(call: &Call, object: &mut Value, live: &Value) -> Result<(), ApiError> {
    for key in ["apiVersion", "kind"] {
        if object[key] != live[key] {
            return Err(ApiError::bad_request(format!(
                "the patch changes {key} from {} to {}; an object keeps its type",
                live[key], object[key]
            )));
        }
    }
    receive::check_metadata(call, object)?;
    if object["metadata"]["name"] != live["metadata"]["name"] {
        return Err(ApiError::bad_request(format!(
            "the name of the object ({}) does not match the name on the URL ({})",
            object["metadata"]["name"].as_str().unwrap_or(""),
            call.name()
        )));
    }
    Ok(())
}

struct Intent {
    intent: Value,
    duplicates: Vec<String>,
}

/// Server-side apply: changes the object, or creates it.
async fn apply(call: &Call, intent: Intent, endpoint: Endpoint) -> Result<Response, ApiError> {
    let intent = checked(call, intent)?;
    let make = |live: &Value| {
        let object = fields::apply(call, Some(live), intent.intent.clone(), endpoint)?;
        Ok(Received { object, duplicates: Vec::new() })
    };
    let change = Change { name: call.name(), endpoint, tracked: Tracked::Already, make: &make };
    match write::modify(call, change).await {
        Err(error) if error.code == 404 && endpoint == Endpoint::Main => create(call, intent).await,
        result => call.answer(StatusCode::OK, &*result?),
    }
}

async fn create(call: &Call, mut intent: Intent) -> Result<Response, ApiError> {
    let metadata = &intent.intent["metadata"];
    if metadata["uid"].as_str().is_some_and(|uid| !uid.is_empty()) {
        let why = format!(
            "uid mismatch: the provided object specified uid {}, and no existing object was found",
            metadata["uid"].as_str().unwrap_or("")
        );
        return Err(ApiError::conflict(
            &call.resource.group,
            &call.resource.plural,
            call.name(),
            &why,
        ));
    }
    if let Some(metadata) = intent.intent["metadata"].as_object_mut() {
        // A version is a condition on what is there, and nothing is.
        metadata.remove("resourceVersion");
    }
    let object = fields::apply(call, None, intent.intent, Endpoint::Main)?;
    let received = Received { object, duplicates: intent.duplicates };
    let stored = write::insert(call, received, Tracked::Already).await?;
    call.answer(StatusCode::CREATED, &stored)
}

/// An intent that names its object and has nothing in it that only the server writes.
fn checked(call: &Call, intent: Intent) -> Result<Intent, ApiError> {
    let Intent { mut intent, duplicates } = intent;
    if call.query.get("fieldManager").is_none() {
        let error = FieldError::required("fieldManager", "is required for apply patch");
        return Err(ApiError::invalid("meta.k8s.io", "PatchOptions", "", vec![error]));
    }
    if !intent.is_object() {
        return Err(ApiError::bad_request("error decoding YAML: the body is not an object"));
    }
    let managed = &intent["metadata"]["managedFields"];
    if managed.as_array().is_some_and(|list| !list.is_empty()) {
        return Err(ApiError::bad_request("metadata.managedFields must be nil"));
    }
    let body = intent.to_string();
    for key in ["kind", "apiVersion"] {
        if intent[key].as_str().unwrap_or("").is_empty() {
            return Err(ApiError::bad_request(format!(
                "error decoding YAML: Object '{}' is missing in '{body}'",
                if key == "kind" { "Kind" } else { key }
            )));
        }
    }
    receive::check_kind(call, &mut intent, body.as_bytes())?;
    if let Some(why) = receive::misfit(call, &intent) {
        return Err(receive::cannot_be_handled(call, &why));
    }
    receive::check_metadata(call, &mut intent)?;
    match intent["metadata"]["name"].as_str().unwrap_or("") {
        "" => intent["metadata"]["name"] = call.name().into(),
        name if name == call.name() => {}
        name => {
            return Err(ApiError::bad_request(format!(
                "the name of the object ({name}) does not match the name on the URL ({})",
                call.name()
            )));
        }
    }
    receive::tidy_fields(call, &mut intent, &duplicates)?;
    Ok(Intent { intent, duplicates: Vec::new() })
}
