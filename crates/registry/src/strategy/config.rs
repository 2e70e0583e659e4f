//! ConfigMaps and Secrets.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use machinery::error::FieldError;
use machinery::names;
use serde_json::Value;

use super::{Errors, immutable};
use crate::kind::Strategy;
use crate::value::{child, default_text, flag, map, remove, text};

const SIZE_BYTES_MAX: usize = 1024 * 1024;

pub(crate) const CONFIG_MAP: Strategy = Strategy {
    validate: |object, errors| data(object, &["data", "binaryData"], errors),
    validate_update: |object, old, errors| frozen(object, old, &["data", "binaryData"], errors),
    ..Strategy::PLAIN
};

pub(crate) const SECRET: Strategy = Strategy {
    fields: &[("type", "")],
    defaults: |object| {
        default_text(object, "type", "Opaque");
        merge_string_data(object);
    },
    validate: validate_secret,
    validate_update: |object, old, errors| {
        immutable(object, old, "type", errors);
        frozen(object, old, &["data"], errors);
    },
    ..Strategy::PLAIN
};

/// `stringData` is a way to write `data` only; it is never stored.
fn merge_string_data(object: &mut Value) {
    let Some(Value::Object(texts)) = remove(object, "stringData") else { return };
    let Some(data) = child(object, "data").and_then(Value::as_object_mut) else { return };
    for (key, value) in texts {
        if let Value::String(text) = value {
            data.insert(key, STANDARD.encode(text).into());
        }
    }
}

fn data(object: &Value, fields: &[&str], errors: &mut Errors) {
    let mut bytes = 0;
    let mut seen = BTreeSet::new();
    for &field in fields {
        for (key, value) in map(object, field).into_iter().flatten() {
            for why in names::config_key(key) {
                errors.push(FieldError::invalid(format!("{field}[{key}]"), key.as_str(), why));
            }
            if !seen.insert(key) {
                let why = "duplicate of key present in data";
                errors.push(FieldError::invalid(format!("{field}[{key}]"), key.as_str(), why));
            }
            let text = value.as_str().unwrap_or_default();
            let encoded = field == "binaryData" || text_is_secret(object);
            bytes += if encoded { text.len() / 4 * 3 } else { text.len() };
        }
    }
    if bytes > SIZE_BYTES_MAX {
        // So upstream names the whole of an object.
        errors.push(FieldError::too_long("[]", SIZE_BYTES_MAX as u64));
    }
}

fn text_is_secret(object: &Value) -> bool {
    object.get("type").is_some()
}

/// Keys that a secret of a type must hold; of the last group, one is enough.
fn validate_secret(object: &Value, errors: &mut Errors) {
    data(object, &["data"], errors);
    let required: &[&str] = match text(object, "type").unwrap_or_default() {
        "kubernetes.io/tls" => &["tls.crt", "tls.key"],
        "kubernetes.io/dockerconfigjson" => &[".dockerconfigjson"],
        "kubernetes.io/dockercfg" => &[".dockercfg"],
        "kubernetes.io/ssh-auth" => &["ssh-privatekey"],
        _ => &[],
    };
    for &key in required {
        if map(object, "data").is_none_or(|data| !data.contains_key(key)) {
            errors.push(FieldError::required(format!("data[{key}]"), ""));
        }
    }
    let account = map(object, "metadata.annotations")
        .and_then(|annotations| annotations.get("kubernetes.io/service-account.name"));
    if text(object, "type") == Some("kubernetes.io/service-account-token") && account.is_none() {
        let field = "metadata.annotations[kubernetes.io/service-account.name]";
        errors.push(FieldError::required(field, ""));
    }
}

/// What an object that is marked immutable may not change.
fn frozen(object: &Value, old: &Value, fields: &[&str], errors: &mut Errors) {
    if !flag(old, "immutable") {
        return;
    }
    let why = "field is immutable when `immutable` is set";
    if !flag(object, "immutable") {
        errors.push(FieldError::forbidden("immutable", why));
    }
    for &field in fields {
        let content = |value| map(value, field).filter(|map| !map.is_empty());
        if content(object) != content(old) {
            errors.push(FieldError::forbidden(field, why));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::texts;
    use super::*;

    #[test]
    fn string_data_is_merged_into_data() {
        let mut secret = json!({"data": {"a": "eA=="}, "stringData": {"b": "hello"}});
        (SECRET.defaults)(&mut secret);
        assert_eq!(secret, json!({"type": "Opaque", "data": {"a": "eA==", "b": "aGVsbG8="}}));
    }

    #[test]
    fn keys_types_and_sizes_are_checked() {
        let mut errors = Errors::new();
        (SECRET.validate)(
            &json!({"type": "kubernetes.io/tls", "data": {"tls.crt": ""}}),
            &mut errors,
        );
        (CONFIG_MAP.validate)(&json!({"data": {"a/b": "x"}}), &mut errors);
        (CONFIG_MAP.validate)(&json!({"data": {"a": "x".repeat(SIZE_BYTES_MAX + 1)}}), &mut errors);
        let texts = texts(&errors);
        assert_eq!(texts[0], "data[tls.key]: Required value");
        assert!(texts[1].starts_with("data[a/b]: Invalid value: \"a/b\": a valid config key"));
        assert_eq!(texts[2], "[]: Too long: may not be more than 1048576 bytes");
    }

    #[test]
    fn immutable_data_stays() {
        let old = json!({"data": {"a": "1"}, "immutable": true});
        let mut errors = Errors::new();
        (CONFIG_MAP.validate_update)(
            &json!({"data": {"a": "2"}, "immutable": true}),
            &old,
            &mut errors,
        );
        assert_eq!(texts(&errors), ["data: Forbidden: field is immutable when `immutable` is set"]);
        errors.clear();
        let secret = |kind| json!({"type": kind});
        (SECRET.validate_update)(&secret("a"), &secret("b"), &mut errors);
        assert_eq!(texts(&errors), ["type: Invalid value: \"a\": field is immutable"]);
    }
}
