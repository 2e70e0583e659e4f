//! The body of a write: decoded, and checked to be what the path says.

use bytes::Bytes;
use machinery::error::{ApiError, FieldError};
use serde_json::{Map, Value, json};

use crate::call::Call;
use crate::decode::{self, Decoded};
use crate::request::Verb;

/// How unknown and duplicate fields are treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FieldValidation {
    Strict,
    Warn,
    Ignore,
}

impl FieldValidation {
    pub(crate) fn of(call: &Call) -> Result<Self, ApiError> {
        match call.query.get("fieldValidation") {
            Some("Strict") => Ok(Self::Strict),
            Some("Warn") | None => Ok(Self::Warn),
            Some("Ignore") => Ok(Self::Ignore),
            Some(other) => {
                let supported = ["Ignore", "Strict", "Warn"];
                let error = FieldError::not_supported("fieldValidation", other, &supported);
                Err(ApiError::invalid("meta.k8s.io", "WriteOptions", "", vec![error]))
            }
        }
    }
}

/// An object as the client sent it, with what is wrong with its fields.
pub(crate) struct Received {
    pub(crate) object: Value,
    pub(crate) duplicates: Vec<String>,
}

/// Decodes the object of a create or update.
pub(crate) fn object(call: &Call, body: &Bytes) -> Result<Received, ApiError> {
    let media = decode::media(&call.headers)?;
    let Decoded { value: mut object, duplicates } =
        decode::object(media, body, &call.resource.kind)?;
    check_kind(call, &mut object, body)?;
    if let Some(why) = misfit(call, &object) {
        return Err(cannot_be_handled(call, &why));
    }
    check_metadata(call, &mut object)?;
    Ok(Received { object, duplicates })
}

/// Why a built-in object does not have the types of its fields. What types custom resources have is a matter of
/// validation.
pub(crate) fn misfit(call: &Call, object: &Value) -> Option<String> {
    let schema = (!call.resource.is_crd()).then(|| call.resource.schema())?;
    schema.misfit(object)
}

/// The refusal of an object that cannot be decoded.
pub(crate) fn cannot_be_handled(call: &Call, why: &str) -> ApiError {
    let (kind, version) = (&call.resource.kind, &call.resource.version);
    ApiError::bad_request(format!(
        "{kind} in version {version:?} cannot be handled as a {kind}: {why}"
    ))
}

/// The refusal of a patch that leaves what cannot be decoded, for which upstream has other words.
pub(crate) fn unusable_patch(why: &str) -> ApiError {
    let error = FieldError::invalid("patch", "", why);
    let mut error = ApiError::invalid("", "", "", vec![error]);
    error.message = format!("the request is invalid: patch: {why}");
    error
}

/// Checks the object's type against the path. Built-in kinds may leave it out.
pub(crate) fn check_kind(call: &Call, object: &mut Value, body: &[u8]) -> Result<(), ApiError> {
    let resource = &call.resource;
    let expected = resource.api_version();
    let text = |key: &str| object.get(key).and_then(Value::as_str).unwrap_or("").to_owned();
    let (version, kind) = (text("apiVersion"), text("kind"));
    for (key, value) in [("Kind", &kind), ("apiVersion", &version)] {
        if value.is_empty() && resource.is_crd() {
            return Err(ApiError::bad_request(format!(
                "the object provided is unrecognized (must be of type {}): Object '{key}' is missing in '{}' ({})",
                resource.kind,
                String::from_utf8_lossy(&body[..body.len().min(1024)]),
                decode::summary(body)
            )));
        }
    }
    if !kind.is_empty() && kind != resource.kind {
        return Err(wrong_kind(call, object, &kind));
    }
    if !version.is_empty() && version != expected {
        return Err(ApiError::bad_request(format!(
            "the API version in the data ({version}) does not match the expected API version ({expected})"
        )));
    }
    object["apiVersion"] = expected.into();
    object["kind"] = resource.kind.clone().into();
    Ok(())
}

fn wrong_kind(call: &Call, object: &Value, kind: &str) -> ApiError {
    let resource = &call.resource;
    if !resource.is_crd() {
        return ApiError::bad_request(format!(
            "{kind} in version {:?} cannot be handled as a {}: no kind {kind:?} is registered for the path",
            resource.version, resource.kind
        ));
    }
    let name = object["metadata"]["name"].as_str().unwrap_or("");
    let error = FieldError::invalid("kind", kind, format!("must be {}", resource.kind));
    ApiError::invalid(&resource.group, kind, name, vec![error])
}

/// Checks and completes `metadata`: the namespace is the path's.
pub(crate) fn check_metadata(call: &Call, object: &mut Value) -> Result<(), ApiError> {
    let metadata = &mut object["metadata"];
    if metadata.is_null() {
        *metadata = Value::Object(Map::new());
    }
    let Some(metadata) = metadata.as_object_mut() else {
        let why = "json: cannot unmarshal into Go struct field PartialObjectMetadata.metadata of type v1.ObjectMeta";
        return Err(cannot_be_handled(call, why));
    };
    check_metadata_types(call, metadata)?;
    let Some(namespace) = &call.target.namespace else {
        if !call.resource.namespaced && metadata.get("namespace") == Some(&Value::from("")) {
            metadata.remove("namespace");
        }
        return Ok(());
    };
    match metadata.get("namespace").and_then(Value::as_str).unwrap_or("") {
        "" => drop(metadata.insert("namespace".into(), namespace.clone().into())),
        same if same == namespace => {}
        _ => {
            return Err(ApiError::bad_request(
                "the namespace of the provided object does not match the namespace sent on the request",
            ));
        }
    }
    Ok(())
}

/// The fields of metadata that are used before the schema is asked have its types.
fn check_metadata_types(call: &Call, metadata: &mut Map<String, Value>) -> Result<(), ApiError> {
    for key in ["name", "generateName", "namespace", "uid", "resourceVersion", "managedFields"] {
        let list = key == "managedFields";
        match metadata.get(key) {
            Some(Value::Null) => drop(metadata.remove(key)),
            None => {}
            Some(Value::String(_)) if !list => {}
            Some(Value::Array(_)) if list => {}
            Some(_) => {
                let wanted = if list { "[]v1.ManagedFieldsEntry" } else { "string" };
                let field = format!("ObjectMeta.metadata.{key}");
                let why =
                    format!("json: cannot unmarshal into Go struct field {field} of type {wanted}");
                return Err(cannot_be_handled(call, &why));
            }
        }
    }
    Ok(())
}

/// Removes fields that the schema does not know, and refuses or reports them and duplicates.
pub(crate) fn tidy_fields(
    call: &Call,
    object: &mut Value,
    duplicates: &[String],
) -> Result<(), ApiError> {
    let unknown = call.resource.schema().prune(object);
    let validation = FieldValidation::of(call)?;
    if validation == FieldValidation::Ignore || (duplicates.is_empty() && unknown.is_empty()) {
        return Ok(());
    }
    let duplicates = duplicates.iter().map(|path| format!("duplicate field {path:?}"));
    let unknown = unknown.iter().map(|path| format!("unknown field {path:?}"));
    let problems: Vec<String> = duplicates.chain(unknown).collect();
    if validation == FieldValidation::Strict {
        return Err(strict_error(call, &problems.join(", ")));
    }
    for problem in problems {
        call.warn(problem);
    }
    Ok(())
}

/// Brings metadata into the one form it is stored in: what is empty is left out, each owner is named once.
pub(crate) fn tidy_metadata(call: &Call, object: &mut Value) {
    if let Some(metadata) = object["metadata"].as_object_mut() {
        for (key, empty) in [
            ("annotations", json!({})),
            ("finalizers", json!([])),
            ("labels", json!({})),
            ("ownerReferences", json!([])),
        ] {
            if metadata.get(key) == Some(&empty) {
                metadata.remove(key);
            }
        }
    }
    tidy_owners(call, object);
}

/// Names each owner once. Whoever sends one twice is told.
fn tidy_owners(call: &Call, object: &mut Value) {
    let owners = object["metadata"].get_mut("ownerReferences").and_then(Value::as_array_mut);
    let Some(owners) = owners.filter(|owners| owners.len() > 1) else { return };
    let mut kept: Vec<Value> = Vec::with_capacity(owners.len());
    let mut repeated = Vec::new();
    for owner in owners.drain(..) {
        match kept.contains(&owner) {
            true => repeated.push(owner["uid"].as_str().unwrap_or("").to_owned()),
            false => kept.push(owner),
        }
    }
    *owners = kept;
    if !repeated.is_empty() {
        call.warn(format!(
            ".metadata.ownerReferences contains duplicate entries, the API server keeps one of each; duplicate UID(s) \
             observed: {}",
            repeated.join(", ")
        ));
    }
}

/// The failure of strict validation.
fn strict_error(call: &Call, problems: &str) -> ApiError {
    let why = format!("strict decoding error: {problems}");
    match call.verb {
        Verb::Patch => unusable_patch(&why),
        _ => cannot_be_handled(call, &why),
    }
}
