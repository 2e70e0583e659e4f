//! From the bytes of a body to a JSON value.
//!
//! Invariants: the size is limited before anything is parsed, the depth while it is; YAML anchors are refused;
//! duplicate keys are noticed at any depth (the last one counts, as in Go).

use std::fmt;

use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use machinery::error::ApiError;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Largest body that is read.
pub(crate) const BODY_BYTES_MAX: usize = 3 * 1024 * 1024;
/// How much of a body an error message shows.
const SUMMARY_BYTES: usize = 30;
/// How many duplicate keys are reported.
const DUPLICATES_MAX: usize = 100;

/// The encodings of request bodies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Media {
    Json,
    Yaml,
    Protobuf,
}

/// A body as a value, with the paths of keys that stood twice in one map.
#[derive(Debug)]
pub(crate) struct Decoded {
    pub(crate) value: Value,
    pub(crate) duplicates: Vec<String>,
}

/// The encoding that a request says its body has; JSON if it says nothing.
pub(crate) fn media(headers: &HeaderMap) -> Result<Media, ApiError> {
    match content_type(headers) {
        "" | "application/json" => Ok(Media::Json),
        "application/yaml" => Ok(Media::Yaml),
        "application/vnd.kubernetes.protobuf" => Ok(Media::Protobuf),
        _ => Err(ApiError::unsupported_media_type(&[
            "application/json",
            "application/yaml",
            "application/vnd.kubernetes.protobuf",
        ])),
    }
}

/// The content type without parameters.
pub(crate) fn content_type(headers: &HeaderMap) -> &str {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    value.split(';').next().unwrap_or("").trim()
}

/// Decodes an object that should be of `kind`.
pub(crate) fn object(media: Media, bytes: &Bytes, kind: &str) -> Result<Decoded, ApiError> {
    let decoded = match media {
        Media::Json => json(bytes),
        Media::Yaml => yaml(bytes),
        Media::Protobuf => {
            return registry::protobuf::decode(bytes)
                .map(|value| Decoded { value, duplicates: Vec::new() });
        }
    };
    let unrecognized = |why: &str| {
        ApiError::bad_request(format!(
            "the object provided is unrecognized (must be of type {kind}): {why} ({})",
            summary(bytes)
        ))
    };
    match decoded {
        Ok(decoded) if decoded.value.is_object() => Ok(decoded),
        Ok(_) => Err(unrecognized("couldn't get version/kind; json parse error: not an object")),
        Err(why) => {
            Err(unrecognized(&format!("couldn't get version/kind; json parse error: {why}")))
        }
    }
}

/// Decodes JSON; the error is a text for the client.
pub(crate) fn json(bytes: &[u8]) -> Result<Decoded, String> {
    let mut duplicates = Vec::new();
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = Builder(&mut duplicates)
        .deserialize(&mut deserializer)
        .and_then(|value| deserializer.end().map(|()| value))
        .map_err(|error| if error.is_eof() { EOF.to_owned() } else { error.to_string() })?;
    Ok(Decoded { value, duplicates })
}

const EOF: &str = "unexpected end of JSON input";

/// Decodes YAML, which most clients write as JSON.
pub(crate) fn yaml(bytes: &[u8]) -> Result<Decoded, String> {
    let mut decoded = json_or_yaml(bytes)?;
    make_whole(&mut decoded.value);
    Ok(decoded)
}

fn json_or_yaml(bytes: &[u8]) -> Result<Decoded, String> {
    if bytes.first() == Some(&b'{')
        && let Ok(decoded) = json(bytes)
    {
        return Ok(decoded);
    }
    let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
    let mut duplicates = Vec::new();
    let value = serde_saphyr::with_deserializer_from_str_with_options(text, yaml_options(), |it| {
        Builder(&mut duplicates).deserialize(it)
    });
    Ok(Decoded { value: value.map_err(|error| error.to_string())?, duplicates })
}

/// Makes numbers without a fraction integers, as Go does on the way from YAML to JSON: `replicas: 3.0` is 3.
fn make_whole(value: &mut Value) {
    match value {
        Value::Number(number) if number.is_f64() => {
            let float = number.as_f64().filter(|float| float.fract() == 0.0);
            // By its text, because a cast would bend what does not fit.
            let whole = float.and_then(|float| format!("{float:.0}").parse::<i64>().ok());
            if let Some(whole) = whole {
                *value = whole.into();
            }
        }
        Value::Array(items) => items.iter_mut().for_each(make_whole),
        Value::Object(object) => object.values_mut().for_each(make_whole),
        _ => {}
    }
}

fn yaml_options() -> serde_saphyr::Options {
    // An alias may never be replayed: expanding aliases is how a small document becomes a huge one.
    serde_saphyr::options! {
        with_snippet: false,
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: 0,
            max_replay_stack_depth: 0,
            max_alias_expansions_per_anchor: 0,
        },
    }
}

/// The start of a body, as upstream shows it in messages.
pub(crate) fn summary(bytes: &[u8]) -> String {
    let shown = &bytes[..bytes.len().min(SUMMARY_BYTES)];
    let more = if bytes.len() > SUMMARY_BYTES { " ..." } else { "" };
    match bytes.first() {
        None => "<empty>".to_owned(),
        Some(b'{') => format!("{}{more}", String::from_utf8_lossy(shown)),
        Some(_) => {
            let hex: String = shown.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("{hex}{more}")
        }
    }
}

/// Builds a value and collects the paths of duplicate keys. Paths are put together on the way out, and only when
/// there is something to report, so that a clean body costs nothing.
struct Builder<'a>(&'a mut Vec<String>);

impl<'de> DeserializeSeed<'de> for Builder<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Builder<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        let number = Number::from_f64(value).ok_or_else(|| E::custom("number out of range"))?;
        Ok(Value::Number(number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        loop {
            let known = self.0.len();
            let Some(item) = items.next_element_seed(Builder(&mut *self.0))? else {
                return Ok(Value::Array(list));
            };
            for path in &mut self.0[known..] {
                let dot = if path.starts_with('[') { "" } else { "." };
                *path = format!("[{}]{dot}{path}", list.len());
            }
            list.push(item);
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            let known = self.0.len();
            let value = entries.next_value_seed(Builder(&mut *self.0))?;
            for path in &mut self.0[known..] {
                let dot = if path.starts_with('[') { "" } else { "." };
                *path = format!("{key}{dot}{path}");
            }
            match map.entry(key) {
                serde_json::map::Entry::Vacant(slot) => drop(slot.insert(value)),
                serde_json::map::Entry::Occupied(mut slot) => {
                    if self.0.len() < DUPLICATES_MAX {
                        self.0.push(slot.key().clone());
                    }
                    slot.insert(value);
                }
            }
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json as value;

    use super::*;

    #[test]
    fn duplicate_keys_are_found_at_any_depth_and_the_last_counts() {
        let text =
            br#"{"spec":{"size":1,"list":[{"a":1},{"b":{"c":1,"c":2}}],"size":3},"m":1,"m":2}"#;
        let decoded = json(text).unwrap();
        assert_eq!(decoded.duplicates, ["spec.list[1].b.c", "spec.size", "m"]);
        assert_eq!(decoded.value["spec"]["size"], 3);
    }

    #[test]
    fn hostile_json_is_an_error() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        for text in ["", "{", "{}x", "\u{feff}{}", "{\"a\":1e999}", "nul", deep.as_str()] {
            assert!(json(text.as_bytes()).is_err(), "{text:.20}");
        }
        assert!(json(b"{\"a\":\"\xff\"}").is_err());
        assert_eq!(json(b"{").unwrap_err(), "unexpected end of JSON input");
    }

    #[test]
    fn yaml_is_read_and_its_aliases_refused() {
        let decoded = yaml(b"a: 1\nb: [x, 'y', true, null]\nc:\n  d: 1.5\n").unwrap();
        assert_eq!(decoded.value, value!({"a": 1, "b": ["x", "y", true, null], "c": {"d": 1.5}}));
        assert!(yaml(b"a: &x [1]\nb: *x\n").is_err());
        assert!(yaml(b"a: [\n").is_err());
    }

    #[test]
    fn whole_numbers_of_yaml_are_integers() {
        let whole = value!({"a": 3, "b": [1000, -2, 0], "c": 1.5, "d": 1e300, "e": "3.0"});
        let text = "a: 3.0\nb: [1e3, -2.0, -0.0]\nc: 1.5\nd: 1e300\ne: '3.0'\n";
        assert_eq!(yaml(text.as_bytes()).unwrap().value, whole);
        let text = br#"{"a":3.0,"b":[1e3,-2.0,-0.0],"c":1.5,"d":1e300,"e":"3.0"}"#;
        assert_eq!(yaml(text).unwrap().value, whole, "JSON sent as YAML");
        assert_eq!(json(b"[3.0]").unwrap().value, value!([3.0]), "JSON stays as it is");
    }

    #[test]
    fn an_unusable_body_is_shown_in_part() {
        let error = object(Media::Json, &Bytes::from_static(b"{"), "Widget").unwrap_err();
        assert_eq!(
            error.message,
            "the object provided is unrecognized (must be of type Widget): couldn't get version/kind; \
             json parse error: unexpected end of JSON input ({)"
        );
        assert_eq!(summary(b"\x01\x02"), "0102");
        assert_eq!(summary(b""), "<empty>");
    }
}
