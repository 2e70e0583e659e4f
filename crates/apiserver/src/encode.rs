//! Between JSON values and stored bytes.
//!
//! Invariants: an object is written once, its keys sorted, with a hole for the resourceVersion; so stored bytes are
//! what clients are answered, and equal objects have equal bytes.

use std::sync::Arc;

use bytes::Bytes;
use machinery::error::ApiError;
use registry::{Fields, Resource};
use serde_json::{Map, Value};
use store::{Draft, Index, Object, Revision};

use crate::outgoing::Pending;

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

/// How a resource shows what is stored.
#[derive(Clone)]
pub(crate) struct View {
    resource: Arc<Resource>,
    /// How the encoding of an object of this version begins: keys are sorted, so `apiVersion` is always first.
    start: Bytes,
    /// Objects last written before the definition changed may lack its defaults.
    changed: Revision,
}

impl View {
    /// `changed` is the revision of the definition behind the resource; zero for built-in kinds.
    pub(crate) fn new(resource: Arc<Resource>, changed: Revision) -> Self {
        let start = format!("{{\"apiVersion\":\"{}\"", resource.api_version());
        let start = start.into();
        Self { resource, start, changed }
    }

    /// Adds a stored object as the resource shows it, at its own revision or a later one.
    pub(crate) fn write(
        &self,
        object: &Object,
        at: Revision,
        out: &mut Pending,
    ) -> Result<(), ApiError> {
        if self.converts(object) {
            let value = self.converted(object, parse_bytes(&object.bytes_at(at))?);
            out.own(serde_json::to_vec(&value).expect("JSON values always encode"));
            return Ok(());
        }
        let mut parts = object.parts_at(at);
        if let Some(end) = self.misnamed(&parts[0]) {
            out.share(self.start.clone());
            drop(parts[0].split_to(end));
        }
        parts.into_iter().for_each(|part| out.share(part));
        Ok(())
    }

    /// The bytes of a stored object as the resource shows them.
    pub(crate) fn bytes(&self, object: &Object) -> Result<Bytes, ApiError> {
        let bytes = object.bytes();
        if self.converts(object) {
            let value = self.converted(object, parse_bytes(bytes)?);
            return Ok(serde_json::to_vec(&value).expect("JSON values always encode").into());
        }
        Ok(match self.misnamed(bytes) {
            Some(end) => [&*self.start, &bytes[end..]].concat().into(),
            None => bytes.clone(),
        })
    }

    /// Whether what is stored has to be parsed to be shown.
    fn converts(&self, object: &Object) -> bool {
        match self.resource.is_crd() {
            true => object.revision() <= self.changed,
            false => self.resource.group != self.resource.storage_group,
        }
    }

    /// A stored object as a value.
    pub(crate) fn value(&self, object: &Object) -> Result<Value, ApiError> {
        self.value_at(object, object.revision())
    }

    /// A stored object as a value, at its own revision or a later one.
    pub(crate) fn value_at(&self, object: &Object, at: Revision) -> Result<Value, ApiError> {
        let value = match at == object.revision() {
            true => parse(object)?,
            false => parse_bytes(&object.bytes_at(at))?,
        };
        Ok(self.converted(object, value))
    }

    fn converted(&self, object: &Object, mut value: Value) -> Value {
        self.resource.from_storage(&mut value);
        if self.resource.is_crd() && object.revision() <= self.changed {
            self.resource.schema().prune(&mut value);
            self.resource.defaults(&mut value);
        }
        value
    }

    /// Where the start of an encoding ends that is not this version's. Another version of a custom resource differs in
    /// its `apiVersion` alone.
    fn misnamed(&self, encoded: &[u8]) -> Option<usize> {
        match self.resource.is_crd() && !encoded.starts_with(&self.start) {
            true => first_field_end(encoded),
            false => None,
        }
    }
}

/// Where `{"apiVersion":"..."` ends: keys are sorted, so it is always first.
fn first_field_end(encoded: &[u8]) -> Option<usize> {
    const START: &[u8] = b"{\"apiVersion\":\"";
    let rest = encoded.strip_prefix(START)?;
    rest.iter().position(|byte| *byte == b'"').map(|length| START.len() + length + 1)
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
        assert_eq!(first_field_end(br#"{"apiVersion":"v1","kind":"Pod"}"#), Some(18));
        assert_eq!(first_field_end(br#"{"kind":"Pod"}"#), None);
        assert_eq!(first_field_end(br#"{"apiVersion":"v1"#), None);
    }
}
