//! Between JSON values and stored bytes.
//!
//! Invariants: an object is written once, its keys sorted, with a hole for the resourceVersion; so stored bytes are
//! what clients are answered, and equal objects have equal bytes.

use bytes::Bytes;
use machinery::error::ApiError;
use registry::{Fields, Resource};
use serde_json::{Map, Value};
use store::{Draft, Index, Object};

const VERSION_KEY: &str = "resourceVersion";

/// The encoding of an object, and what selectors look at.
pub(crate) fn draft(resource: &Resource, object: &Value) -> Draft {
    let Fields { labels, fields } = resource.index(object);
    let boxed = |pairs: Vec<(String, String)>| {
        pairs.into_iter().map(|(key, value)| (key.into(), value.into())).collect()
    };
    let index = Index { labels: boxed(labels), fields: boxed(fields) };
    let (before, after) = with_hole(object);
    Draft { before, after, index }
}

/// The encoding before and after the place of the revision.
fn with_hole(object: &Value) -> (Vec<u8>, Vec<u8>) {
    let (mut before, mut out) = (Vec::new(), Vec::with_capacity(1024));
    let empty = Map::new();
    out.push(b'{');
    for (key, value) in object.as_object().unwrap_or(&empty) {
        write_key(&mut out, key);
        if key == "metadata" {
            before = write_metadata(&mut out, value.as_object().unwrap_or(&empty));
        } else {
            write_value(&mut out, value);
        }
    }
    out.push(b'}');
    (before, out)
}

/// Writes metadata; returns what was written up to the revision and leaves what follows it in `out`.
fn write_metadata(out: &mut Vec<u8>, metadata: &Map<String, Value>) -> Vec<u8> {
    out.push(b'{');
    for (key, value) in metadata.iter().filter(|(key, _)| key.as_str() < VERSION_KEY) {
        write_key(out, key);
        write_value(out, value);
    }
    write_key(out, VERSION_KEY);
    out.push(b'"');
    let before = std::mem::take(out);
    out.push(b'"');
    for (key, value) in metadata.iter().filter(|(key, _)| key.as_str() > VERSION_KEY) {
        write_key(out, key);
        write_value(out, value);
    }
    out.push(b'}');
    before
}

fn write_key(out: &mut Vec<u8>, key: &str) {
    if !matches!(out.last(), Some(b'{')) {
        out.push(b',');
    }
    serde_json::to_writer(&mut *out, key).expect("strings always encode");
    out.push(b':');
}

fn write_value(out: &mut Vec<u8>, value: &Value) {
    serde_json::to_writer(out, value).expect("JSON values always encode");
}

/// A stored object as a value, in the version it is stored in.
pub(crate) fn parse(object: &Object) -> Result<Value, ApiError> {
    parse_bytes(object.bytes())
}

pub(crate) fn parse_bytes(bytes: &[u8]) -> Result<Value, ApiError> {
    serde_json::from_slice(bytes).map_err(|error| {
        tracing::error!(%error, "a stored object cannot be decoded");
        ApiError::internal(format_args!("a stored object cannot be decoded: {error}"))
    })
}

/// Whether a resource shows what is stored as it is.
pub(crate) fn is_stored_form(resource: &Resource) -> bool {
    // A CRD's storage version can change while older objects stay as they were.
    !resource.is_crd() && resource.group == resource.storage_group
}

/// The bytes of a stored object as a resource's version shows them: a change of `apiVersion` alone, except for the
/// one built-in kind that has two forms.
pub(crate) fn at_version(resource: &Resource, bytes: Bytes) -> Bytes {
    if is_stored_form(resource) {
        return bytes;
    }
    if resource.group != resource.storage_group {
        return match parse_bytes(&bytes) {
            Ok(mut value) => {
                resource.from_storage(&mut value);
                serde_json::to_vec(&value).expect("JSON values always encode").into()
            }
            Err(_) => bytes,
        };
    }
    let mine = format!("{{\"apiVersion\":\"{}\"", resource.api_version());
    match std::str::from_utf8(&bytes[..bytes.len().min(512)]).ok().and_then(first_field_end) {
        Some(end) if !bytes.starts_with(mine.as_bytes()) => {
            [mine.as_bytes(), &bytes[end..]].concat().into()
        }
        _ => bytes,
    }
}

/// Where `{"apiVersion":"..."` ends: keys are sorted, so it is always first.
fn first_field_end(text: &str) -> Option<usize> {
    const START: &str = "{\"apiVersion\":\"";
    text.strip_prefix(START)?.find('"').map(|length| START.len() + length + 1)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn filled(object: &Value) -> String {
        let (before, after) = with_hole(object);
        String::from_utf8([&*before, b"7", &*after].concat()).unwrap()
    }

    #[test]
    fn the_revision_stands_where_it_belongs_whatever_is_around_it() {
        for (metadata, expected) in [
            (json!({}), r#"{"resourceVersion":"7"}"#),
            (json!({"name": "a"}), r#"{"name":"a","resourceVersion":"7"}"#),
            (json!({"uid": "u"}), r#"{"resourceVersion":"7","uid":"u"}"#),
            (
                json!({"name": "\"", "resourceVersion": "3", "uid": "u"}),
                r#"{"name":"\"","resourceVersion":"7","uid":"u"}"#,
            ),
        ] {
            let object = json!({"apiVersion": "v1", "metadata": metadata, "spec": {"a": 1}});
            let expected =
                format!(r#"{{"apiVersion":"v1","metadata":{expected},"spec":{{"a":1}}}}"#);
            assert_eq!(filled(&object), expected);
        }
    }

    #[test]
    fn the_first_field_is_found_only_where_it_is() {
        assert_eq!(first_field_end(r#"{"apiVersion":"v1","kind":"Pod"}"#), Some(18));
        assert_eq!(first_field_end(r#"{"kind":"Pod"}"#), None);
        assert_eq!(first_field_end(r#"{"apiVersion":"v1"#), None);
    }
}
