//! JSON patch (RFC 6902), through the `json-patch` crate, with limits.

use json_patch::jsonptr::PointerBuf;
use json_patch::{AddOperation, Patch, PatchOperation};
use serde_json::Value;

use super::{COPIED_BYTES_MAX, OPERATIONS_MAX};
use crate::error::ApiError;

/// The deepest object a patch may make; below the limit of the JSON parser.
const DEPTH_MAX: usize = 100;

/// The object after all operations, unless one of them failed.
pub fn json_patch(object: &Value, patch: &Value) -> Result<Value, ApiError> {
    let operations = decode(patch)?;
    let mut out = object.clone();
    let mut copied_bytes = 0;
    for operation in &operations {
        if let PatchOperation::Copy(copy) = operation {
            copied_bytes += size_of_place(&out, &copy.from);
            if copied_bytes > COPIED_BYTES_MAX {
                return Err(ApiError::too_large(format_args!(
                    "the copy operations of the patch add more than {COPIED_BYTES_MAX} bytes"
                )));
            }
        }
        apply(&mut out, operation)?;
    }
    if !is_shallow(&out, DEPTH_MAX) {
        return Err(ApiError::unprocessable(format!(
            "the patched object is more than {DEPTH_MAX} levels deep"
        )));
    }
    Ok(out)
}

/// One operation. An absent member of an object is null to the library that upstream uses: a test that it is null
/// passes, and to replace it is to add it.
fn apply(object: &mut Value, operation: &PatchOperation) -> Result<(), ApiError> {
    match operation {
        PatchOperation::Test(test) if test.value.is_null() && is_absent(object, &test.path) => {
            return Ok(());
        }
        PatchOperation::Replace(replace) if is_absent(object, &replace.path) => {
            let (path, value) = (replace.path.clone(), replace.value.clone());
            let add = PatchOperation::Add(AddOperation { path, value });
            return json_patch::patch_unsafe(object, &[add]).map_err(|_| failed());
        }
        _ => {}
    }
    json_patch::patch_unsafe(object, std::slice::from_ref(operation)).map_err(|_| failed())
}

/// Whether a place is a member that an object does not have.
fn is_absent(object: &Value, place: &PointerBuf) -> bool {
    let Some((parent, member)) = place.split_back() else { return false };
    let members = object.pointer(parent.as_str()).and_then(Value::as_object);
    members.is_some_and(|it| !it.contains_key(&*member.decoded()))
}

/// Whether nothing in the value is deeper than `levels`. What nests deeper could be stored but not read again.
fn is_shallow(value: &Value, levels: usize) -> bool {
    let Some(below) = levels.checked_sub(1) else { return false };
    match value {
        Value::Array(items) => items.iter().all(|item| is_shallow(item, below)),
        Value::Object(members) => members.values().all(|member| is_shallow(member, below)),
        _ => true,
    }
}

fn decode(patch: &Value) -> Result<Vec<PatchOperation>, ApiError> {
    let Some(list) = patch.as_array() else {
        let kind = match patch {
            Value::Object(_) => "object",
            Value::String(_) => "string",
            Value::Number(_) => "number",
            Value::Bool(_) => "bool",
            _ => "null",
        };
        return Err(ApiError::bad_request(format!(
            "error decoding patch: json: cannot unmarshal {kind} into Go value of type []handlers.jsonPatchOp"
        )));
    };
    if list.len() > OPERATIONS_MAX {
        return Err(ApiError::too_large(format_args!(
            "The allowed maximum operations in a JSON patch is {OPERATIONS_MAX}, got {}",
            list.len()
        )));
    }
    let patch: Patch = serde_json::from_value(patch.clone())
        .map_err(|error| ApiError::bad_request(format!("error decoding patch: {error}")))?;
    Ok(patch.0)
}

fn size_of_place(object: &Value, place: &PointerBuf) -> usize {
    object.pointer(place.as_str()).map_or(0, crate::patch::size)
}

/// Upstream says no more than this.
fn failed() -> ApiError {
    ApiError::unprocessable("the server rejected our request due to an error in our request")
}
