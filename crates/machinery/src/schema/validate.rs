//! Checking values against a schema.
//!
//! The happy path builds no paths and compares nothing with the old object; only when errors appear does a second
//! walk find out which of them are on unchanged values (ratcheting).

mod checks;
mod lists;
mod path;
mod ratchet;

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::{Additional, ListType, Schema, Type, formats};
use crate::error::{FieldError, FieldErrorKind};
pub(super) use path::Path;
pub(super) use ratchet::correlate;

/// The most errors reported for one object.
const ERRORS_MAX: usize = 1_000;

/// The text of the error that says rules did not run.
pub const RULES_SKIPPED: &str = "some validation rules were not checked because the object was invalid; correct the existing errors to complete validation";

/// Whether an error is of a kind that makes rules meaningless.
pub fn has_blocking(errors: &[FieldError]) -> bool {
    errors.iter().any(|error| {
        matches!(
            error.kind,
            FieldErrorKind::NotSupported
                | FieldErrorKind::Required
                | FieldErrorKind::TooLong
                | FieldErrorKind::TooMany
                | FieldErrorKind::TypeInvalid
        )
    })
}

pub(super) fn validate(
    schema: &Schema,
    value: &Value,
    old: Option<&Value>,
    mut errors: Vec<FieldError>,
) -> Vec<FieldError> {
    let mut validator = Validator { errors: Vec::new() };
    validator.visit(schema, value, &Path::Root);
    lists::visit(schema, value, &Path::Root, &mut validator.errors);
    if let Some(old) = old {
        ratchet::drop_unchanged(schema, value, old, &mut validator.errors);
    }
    errors.append(&mut validator.errors);
    if schema.contains.rules {
        if has_blocking(&errors) {
            errors.push(FieldError::invalid("<nil>", Value::Null, RULES_SKIPPED));
        } else {
            errors.append(&mut super::rules::evaluate(schema, value, old));
        }
    }
    errors
}

struct Validator {
    errors: Vec<FieldError>,
}

impl Validator {
    fn push(&mut self, error: impl FnOnce() -> FieldError) {
        if self.errors.len() < ERRORS_MAX {
            self.errors.push(error());
        }
    }

    fn visit(&mut self, schema: &Schema, value: &Value, path: &Path<'_>) {
        if value.is_null() && schema.nullable {
            return;
        }
        if !has_type(schema, value) {
            return self.push(|| type_error(schema, value, path));
        }
        if let Some(format) = &schema.format
            && !formats::accepts(format, value)
        {
            self.push(|| format_error(format, value, path));
        }
        if let Some(checks) = &schema.checks {
            self.check(checks, value, path);
        }
        match value {
            Value::Object(object) => self.object(schema, object, path),
            Value::Array(items) => {
                if let Some(item_schema) = &schema.items {
                    for (at, item) in items.iter().enumerate() {
                        self.visit(item_schema, item, &Path::Index(path, at));
                    }
                }
            }
            _ => {}
        }
    }

    fn object(&mut self, schema: &Schema, object: &Map<String, Value>, path: &Path<'_>) {
        for name in &schema.required {
            if !object.contains_key(name) {
                self.push(|| FieldError::required(Path::Key(path, name).to_string(), ""));
            }
        }
        for (name, value) in object {
            match (schema.properties.get(name), &schema.additional) {
                (Some(member), _) | (None, Additional::Schema(member)) => {
                    self.visit(member, value, &Path::Key(path, name));
                }
                (None, Additional::Denied) => self.push(|| {
                    let detail = format!("{path}.{name} in body is a forbidden property");
                    FieldError::invalid(path.to_string(), "", detail)
                }),
                (None, _) => {}
            }
        }
        if schema.embedded_resource {
            self.embedded(object, path);
        }
    }

    fn embedded(&mut self, object: &Map<String, Value>, path: &Path<'_>) {
        for name in ["apiVersion", "kind"] {
            let text = object.get(name).and_then(Value::as_str).unwrap_or("");
            if text.is_empty() {
                let field = Path::Key(path, name).to_string();
                self.push(|| FieldError::required(field, "must not be empty"));
            }
        }
    }
}

pub(super) fn has_type(schema: &Schema, value: &Value) -> bool {
    if schema.int_or_string {
        let number = match schema.format.as_deref() {
            Some("quantity") => value.is_number(),
            _ => is_integer(value),
        };
        return number || value.is_string();
    }
    match (schema.type_, value) {
        (None, Value::Null) => schema.preserve_unknown,
        (None, _)
        | (Some(Type::Object), Value::Object(_))
        | (Some(Type::Array), Value::Array(_))
        | (Some(Type::String), Value::String(_))
        | (Some(Type::Boolean), Value::Bool(_))
        | (Some(Type::Number), Value::Number(_)) => true,
        (Some(Type::Integer), value) => is_integer(value),
        _ => false,
    }
}

/// Whole numbers are integers however they are written.
fn is_integer(value: &Value) -> bool {
    match value {
        Value::Number(number) => {
            number.is_i64()
                || number.is_u64()
                || number.as_f64().is_some_and(|number| number.fract() == 0.0)
        }
        _ => false,
    }
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) if is_integer(value) => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn type_error(schema: &Schema, value: &Value, path: &Path<'_>) -> FieldError {
    let wanted = match (schema.int_or_string, schema.type_) {
        (true, _) => "integer,string",
        (false, Some(kind)) => kind.as_str(),
        (false, None) => "",
    };
    let found = type_name(value);
    let detail = format!("{path} in body must be of type {wanted}: \"{found}\"");
    FieldError::new(FieldErrorKind::TypeInvalid, path.field(), found, detail)
}

fn format_error(format: &str, value: &Value, path: &Path<'_>) -> FieldError {
    let shown: Cow<'_, str> = value.as_str().map_or_else(|| value.to_string().into(), Into::into);
    let detail = match format {
        "quantity" => crate::quantity::FORMAT_ERROR.to_owned(),
        _ => format!("{path} in body must be of type {format}: {}", crate::error::quote(&shown)),
    };
    FieldError::invalid(path.field(), value.clone(), detail)
}

/// Whether the items of a list have identities.
fn is_associative(schema: &Schema) -> bool {
    schema.list_type == ListType::Map && !schema.list_map_keys.is_empty()
}
