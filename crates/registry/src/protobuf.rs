//! Protobuf bodies of built-in kinds, decoded into the JSON form by the table of facts.
//!
//! kubectl and typed Go clients send these. The decoder is driven by the table, so it knows every built-in kind and
//! grows with it; prost's generated types would be a second model of the whole API beside k8s-openapi's.
//!
//! Bodies may be hostile: every length is checked against what is left, depth is bounded, unknown fields are skipped,
//! and what comes out is never larger than a constant times what came in.

mod wire;

use std::collections::BTreeMap;
use std::rc::Rc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use machinery::error::ApiError;
use serde_json::{Map, Value};

use crate::facts::{self, Field, FieldKind, Many, Type};
use crate::kinds;
use wire::{Reader, Wire, WireError};

/// What a protobuf body begins with.
pub const MAGIC: &[u8; 4] = b"k8s\0";
/// The deepest nesting of messages; real objects have about fifteen levels.
const DEPTH_MAX: usize = 64;

/// Decodes a body into the object it holds, with its `apiVersion` and `kind`.
pub fn decode(bytes: &[u8]) -> Result<Value, ApiError> {
    let envelope = bytes.strip_prefix(MAGIC).ok_or_else(|| {
        ApiError::bad_request(
            "the body does not begin with the magic number of Kubernetes protobuf",
        )
    })?;
    decode_envelope(envelope)
        .map_err(|error| ApiError::bad_request(format!("cannot decode the protobuf body: {error}")))
}

/// The envelope: the type, and the encoded object.
fn decode_envelope(bytes: &[u8]) -> Result<Value, DecodeError> {
    let (mut api_version, mut kind, mut raw) = (String::new(), String::new(), &[][..]);
    let mut reader = Reader::new(bytes);
    while let Some((number, wire)) = reader.next()? {
        match number {
            1 => {
                let mut meta = Reader::new(wire.bytes()?);
                while let Some((number, wire)) = meta.next()? {
                    match number {
                        1 => api_version = wire.text()?,
                        2 => kind = wire.text()?,
                        _ => {}
                    }
                }
            }
            2 => raw = wire.bytes()?,
            _ => {}
        }
    }
    let name = type_name(&api_version, &kind).ok_or_else(|| DecodeError::UnknownKind {
        api_version: api_version.clone(),
        kind: kind.clone(),
    })?;
    let mut object = Map::new();
    Decoder::default().message(&name, raw, &mut object, 0)?;
    object.insert("apiVersion".to_owned(), api_version.into());
    object.insert("kind".to_owned(), kind.into());
    Ok(Value::Object(object))
}

/// Why a body cannot be decoded.
#[derive(Debug, thiserror::Error)]
enum DecodeError {
    #[error("{0}")]
    Wire(#[from] WireError),
    #[error("no kind {kind:?} is registered for version {api_version:?}")]
    UnknownKind { api_version: String, kind: String },
    #[error("it is nested deeper than {DEPTH_MAX} levels")]
    TooDeep,
    #[error("field {0} holds JSON that does not parse")]
    BadJson(String),
}

/// The name in the table of a kind's type: its package is known from its group, or it is a kind of requests.
fn type_name(api_version: &str, kind: &str) -> Option<String> {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    if kind == "DeleteOptions" {
        return Some(format!("apimachinery.pkg.apis.meta.v1.{kind}"));
    }
    // Only groups that have built-in kinds are packages of the table.
    if !kinds::all().any(|one| one.group == group) {
        return None;
    }
    let package = match group {
        "" => "api.core".to_owned(),
        "apiextensions.k8s.io" => "apiextensions-apiserver.pkg.apis.apiextensions".to_owned(),
        "flowcontrol.apiserver.k8s.io" => "api.flowcontrol".to_owned(),
        group => format!("api.{}", group.split('.').next()?),
    };
    let name = format!("{package}.{version}.{kind}");
    facts::of(&name).map(|_| name)
}

/// Texts, numbers and booleans that Go leaves out of JSON when they are zero.
fn is_zero(value: &Value) -> bool {
    match value {
        Value::String(text) => text.is_empty(),
        Value::Bool(flag) => !flag,
        Value::Number(number) => number.as_f64() == Some(0.0),
        _ => false,
    }
}

const SCHEMA: &str = "apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps";

/// The facts of the types that a body holds, each read once: a body may hold very many small messages.
#[derive(Default)]
struct Decoder {
    types: BTreeMap<String, Option<Rc<Type>>>,
}

impl Decoder {
    fn facts(&mut self, name: &str) -> Option<Rc<Type>> {
        if let Some(known) = self.types.get(name) {
            return known.clone();
        }
        let found = facts::of(name).map(Rc::new);
        self.types.insert(name.to_owned(), found.clone());
        found
    }

    /// Decodes the fields of a message into the members of a JSON object.
    fn message(
        &mut self,
        name: &str,
        bytes: &[u8],
        object: &mut Map<String, Value>,
        depth: usize,
    ) -> Result<(), DecodeError> {
        if depth > DEPTH_MAX {
            return Err(DecodeError::TooDeep);
        }
        let Some(facts) = self.facts(name) else { return Ok(()) };
        let mut reader = Reader::new(bytes);
        while let Some((number, wire)) = reader.next()? {
            let Some(field) = facts.fields.iter().find(|field| field.number == number) else {
                continue;
            };
            match (&field.kind, field.name) {
                (FieldKind::Message(inlined), "") => {
                    self.message(inlined, wire.bytes()?, object, depth + 1)?
                }
                _ => self.member(field, wire, object, depth)?,
            }
        }
        Ok(())
    }

    /// Decodes one occurrence of a field.
    fn member(
        &mut self,
        field: &Field,
        wire: Wire<'_>,
        object: &mut Map<String, Value>,
        depth: usize,
    ) -> Result<(), DecodeError> {
        match field.many {
            Many::One => {
                if let Some(value) = self.value(field, wire, depth)?
                    && (field.optional || !is_zero(&value))
                {
                    object.insert(field.name.to_owned(), value);
                }
            }
            Many::List => {
                let list = object.entry(field.name).or_insert_with(|| Value::Array(Vec::new()));
                let Value::Array(list) = list else { return Ok(()) };
                match (&field.kind, wire) {
                    // Numbers may be packed.
                    (FieldKind::Integer, Wire::Bytes(packed)) => {
                        let mut reader = Reader::new(packed);
                        while !reader.is_empty() {
                            list.push(reader.varint()?.cast_signed().into());
                        }
                    }
                    (_, wire) => list.extend(self.value(field, wire, depth)?),
                }
            }
            Many::Map => {
                let (key, value) = self.entry(field, wire.bytes()?, depth)?;
                let map = object.entry(field.name).or_insert_with(|| Value::Object(Map::new()));
                if let Value::Object(map) = map {
                    map.insert(key, value);
                }
            }
        }
        Ok(())
    }

    /// One entry of a map: key 1, value 2.
    fn entry(
        &mut self,
        field: &Field,
        bytes: &[u8],
        depth: usize,
    ) -> Result<(String, Value), DecodeError> {
        let mut key = String::new();
        let mut found = None;
        let mut reader = Reader::new(bytes);
        while let Some((number, wire)) = reader.next()? {
            match number {
                1 => key = wire.text()?,
                2 => found = self.value(field, wire, depth)?,
                _ => {}
            }
        }
        let value = found.unwrap_or_else(|| match &field.kind {
            FieldKind::Texts => Value::Array(Vec::new()),
            FieldKind::Message(_) => Value::Object(Map::new()),
            FieldKind::Integer => 0.into(),
            FieldKind::Boolean => false.into(),
            _ => "".into(),
        });
        Ok((key, value))
    }

    /// Decodes one value; `None` stands for a value that JSON would show as null.
    fn value(
        &mut self,
        field: &Field,
        wire: Wire<'_>,
        depth: usize,
    ) -> Result<Option<Value>, DecodeError> {
        Ok(Some(match &field.kind {
            FieldKind::Text => wire.text()?.into(),
            FieldKind::Integer => wire.varint()?.cast_signed().into(),
            FieldKind::Boolean => (wire.varint()? != 0).into(),
            FieldKind::Float => number(wire.float()?),
            FieldKind::Bytes => STANDARD.encode(wire.bytes()?).into(),
            FieldKind::Time => return time(wire, TimeForm::Seconds),
            FieldKind::MicroTime => return time(wire, TimeForm::Micros),
            FieldKind::Quantity => first(wire, 1)?.map_or(Ok("0".to_owned()), Wire::text)?.into(),
            FieldKind::IntOrString => int_or_string(wire)?,
            FieldKind::Raw => return raw(field, wire),
            FieldKind::Texts => {
                all(wire, 1)?.into_iter().map(Wire::text).collect::<Result<Vec<_>, _>>()?.into()
            }
            FieldKind::SchemaOrArray => {
                let list = all(wire, 2)?;
                match first(wire, 1)? {
                    Some(one) => self.schema(one, depth)?,
                    None => list
                        .into_iter()
                        .map(|one| self.schema(one, depth))
                        .collect::<Result<Vec<_>, _>>()?
                        .into(),
                }
            }
            FieldKind::SchemaOrBool => match first(wire, 2)? {
                Some(one) => self.schema(one, depth)?,
                None => (first(wire, 1)?.map_or(Ok(0), Wire::varint)? != 0).into(),
            },
            FieldKind::SchemaOrTexts => match first(wire, 1)? {
                Some(one) => self.schema(one, depth)?,
                None => {
                    all(wire, 2)?.into_iter().map(Wire::text).collect::<Result<Vec<_>, _>>()?.into()
                }
            },
            FieldKind::Message(name) => {
                let mut object = Map::new();
                self.message(name, wire.bytes()?, &mut object, depth + 1)?;
                Value::Object(object)
            }
        }))
    }

    fn schema(&mut self, wire: Wire<'_>, depth: usize) -> Result<Value, DecodeError> {
        let mut object = Map::new();
        self.message(SCHEMA, wire.bytes()?, &mut object, depth + 1)?;
        Ok(Value::Object(object))
    }
}

/// The last occurrence of a field of a small message.
fn first(wire: Wire<'_>, wanted: u32) -> Result<Option<Wire<'_>>, WireError> {
    Ok(all(wire, wanted)?.pop())
}

/// Every occurrence of a field of a small message.
fn all(wire: Wire<'_>, wanted: u32) -> Result<Vec<Wire<'_>>, WireError> {
    let mut reader = Reader::new(wire.bytes()?);
    let mut found = Vec::new();
    while let Some((number, wire)) = reader.next()? {
        if number == wanted {
            found.push(wire);
        }
    }
    Ok(found)
}

/// A whole number is written without a fraction, as Go does.
fn number(float: f64) -> Value {
    #[expect(clippy::cast_possible_truncation, reason = "compared with the original below")]
    let whole = float as i64;
    #[expect(clippy::cast_precision_loss, reason = "only whole numbers that survive are taken")]
    let survives = whole as f64 == float;
    if survives { whole.into() } else { float.into() }
}

fn int_or_string(wire: Wire<'_>) -> Result<Value, WireError> {
    let kind = first(wire, 1)?.map_or(Ok(0), Wire::varint)?;
    Ok(if kind == 0 {
        first(wire, 2)?.map_or(Ok(0), Wire::varint)?.cast_signed().into()
    } else {
        first(wire, 3)?.map_or(Ok(String::new()), Wire::text)?.into()
    })
}

/// JSON inside of protobuf.
fn raw(field: &Field, wire: Wire<'_>) -> Result<Option<Value>, DecodeError> {
    let Some(bytes) =
        first(wire, 1)?.map(Wire::bytes).transpose()?.filter(|bytes| !bytes.is_empty())
    else {
        return Ok(None);
    };
    serde_json::from_slice(bytes).map(Some).map_err(|_| DecodeError::BadJson(field.name.to_owned()))
}

/// How times are written.
#[derive(Clone, Copy)]
enum TimeForm {
    Seconds,
    Micros,
}

/// Seconds and nanoseconds; an empty message is the time that JSON shows as null.
fn time(wire: Wire<'_>, form: TimeForm) -> Result<Option<Value>, DecodeError> {
    let number = |field| -> Result<Option<i64>, WireError> {
        first(wire, field)?.map(Wire::varint).transpose().map(|found| found.map(u64::cast_signed))
    };
    let (seconds, nanos) = (number(1)?, number(2)?);
    if seconds.is_none() && nanos.is_none() {
        return Ok(None);
    }
    let nanos = i32::try_from(nanos.unwrap_or(0)).map_err(|_| WireError::BadTime)?;
    let time = Timestamp::new(seconds.unwrap_or(0), nanos).map_err(|_| WireError::BadTime)?;
    let text = match form {
        TimeForm::Seconds => time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        TimeForm::Micros => time.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string(),
    };
    Ok(Some(text.into()))
}

#[cfg(test)]
mod tests;
