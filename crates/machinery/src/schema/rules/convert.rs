//! From JSON to CEL, guided by the schema: formats become times, durations and bytes; names of members are escaped.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use base64::Engine;
use kube_cel::cel::Value as Cel;
use kube_cel::cel::objects::{Key, Map, OptionalValue};
use serde_json::Value;

use crate::duration;
use crate::schema::{Additional, Schema, Type};

/// Words of the language that a member's name may not be.
const RESERVED: [&str; 21] = [
    "as",
    "break",
    "const",
    "continue",
    "else",
    "false",
    "for",
    "function",
    "if",
    "import",
    "in",
    "let",
    "loop",
    "namespace",
    "null",
    "package",
    "return",
    "true",
    "var",
    "void",
    "while",
];

/// The largest list or map, and the longest text, of what was converted.
#[derive(Debug, Default)]
pub(super) struct Size {
    pub items: usize,
    pub text: usize,
}

/// The value of a node with rules. Only the members the rules name are converted, when they name them.
pub(super) fn root(
    schema: &Schema,
    value: &Value,
    members: Option<&BTreeSet<String>>,
    size: &mut Size,
) -> Cel {
    match (value, members) {
        (Value::Object(object), Some(members)) if !is_map(schema) => {
            let mut out = HashMap::with_capacity(members.len());
            for (name, value) in object {
                let escaped = escape(name);
                if members.contains(escaped.as_ref()) {
                    let value = convert(schema.member(name), value, size);
                    out.insert(Key::from(escaped.into_owned()), value);
                }
            }
            Cel::Map(Map { map: Arc::new(out) })
        }
        _ => convert(Some(schema), value, size),
    }
}

/// An optional value.
pub(super) fn optional(value: Option<Cel>) -> Cel {
    Cel::Opaque(Arc::new(value.map_or_else(OptionalValue::none, OptionalValue::of)))
}

fn convert(schema: Option<&Schema>, value: &Value, size: &mut Size) -> Cel {
    match value {
        Value::Null => Cel::Null,
        Value::Bool(value) => Cel::Bool(*value),
        Value::Number(number) => {
            let float = schema.is_some_and(|schema| schema.type_ == Some(Type::Number));
            match (float, number.as_i64(), number.as_u64(), number.as_f64()) {
                (false, Some(number), _, _) => Cel::Int(number),
                (false, None, Some(number), _) => Cel::UInt(number),
                (_, _, _, number) => float_or_int(schema, number.unwrap_or(f64::NAN)),
            }
        }
        Value::String(text) => {
            size.text = size.text.max(text.len());
            convert_text(schema, text)
        }
        Value::Array(items) => {
            size.items = size.items.max(items.len());
            let schema = schema.and_then(|schema| schema.items.as_deref());
            Cel::List(Arc::new(items.iter().map(|item| convert(schema, item, size)).collect()))
        }
        Value::Object(object) => {
            size.items = size.items.max(object.len());
            let is_map = schema.is_some_and(is_map);
            let mut out = HashMap::with_capacity(object.len());
            for (name, value) in object {
                let key = if is_map { Cow::Borrowed(name.as_str()) } else { escape(name) };
                let member = schema.and_then(|schema| schema.member(name));
                out.insert(Key::from(key.into_owned()), convert(member, value, size));
            }
            Cel::Map(Map { map: Arc::new(out) })
        }
    }
}

/// Whole numbers of integer fields stay integers however they are written.
fn float_or_int(schema: Option<&Schema>, number: f64) -> Cel {
    let integer = schema.is_some_and(|schema| schema.type_ == Some(Type::Integer));
    if integer && number.fract() == 0.0 && number.abs() < 9.0e15 {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "whole and in the exact range of f64"
        )]
        return Cel::Int(number as i64);
    }
    Cel::Float(number)
}

/// Whether the keys of an object are data and not names.
fn is_map(schema: &Schema) -> bool {
    !matches!(schema.additional, Additional::Unspecified | Additional::Denied)
}

fn convert_text(schema: Option<&Schema>, text: &str) -> Cel {
    let format = schema.and_then(|schema| schema.format.as_deref()).unwrap_or("");
    let converted = match format {
        "date-time" => chrono::DateTime::parse_from_rfc3339(text).ok().map(Cel::Timestamp),
        "date" => chrono::DateTime::parse_from_rfc3339(&format!("{text}T00:00:00Z"))
            .ok()
            .map(Cel::Timestamp),
        "duration" => {
            let nanos = duration::parse(text).ok();
            nanos.map(|nanos| Cel::Duration(chrono::Duration::nanoseconds(nanos)))
        }
        "byte" => {
            let bytes = base64::engine::general_purpose::STANDARD.decode(text).ok();
            bytes.map(|bytes| Cel::Bytes(Arc::new(bytes)))
        }
        _ => None,
    };
    converted.unwrap_or_else(|| Cel::String(Arc::new(text.to_owned())))
}

/// The name of a member as expressions write it.
pub(super) fn escape(name: &str) -> Cow<'_, str> {
    if RESERVED.contains(&name) {
        return format!("__{name}__").into();
    }
    if !name.contains(['.', '-', '/']) && !name.contains("__") {
        return name.into();
    }
    let mut out = String::with_capacity(name.len() + 16);
    let mut rest = name;
    while let Some(first) = rest.chars().next() {
        let (piece, length) = match first {
            '.' => ("__dot__", 1),
            '-' => ("__dash__", 1),
            '/' => ("__slash__", 1),
            '_' if rest.starts_with("__") => ("__underscores__", 2),
            other => (&rest[..other.len_utf8()], other.len_utf8()),
        };
        out.push_str(piece);
        rest = &rest[length..];
    }
    out.into()
}
