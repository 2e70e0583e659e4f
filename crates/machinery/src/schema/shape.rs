//! Whether a value has the types of the built-in API that a schema describes, in the words of a server that decodes
//! objects into structs.
//!
//! The way down remembers nothing; where it fails, the way back up collects the names.

use std::sync::Arc;

use serde_json::Value;

use super::{Additional, Schema, Type, formats, validate};
use crate::quantity::{FORMAT_ERROR, Quantity};

/// Why a value cannot be decoded.
enum Misfit {
    /// A text that a type reads itself. Such a type does not know where it is.
    Text(String),
    Type {
        found: String,
        wanted: String,
        /// The members that lead to it, innermost first; items of lists have none.
        members: Vec<String>,
        /// The struct that has the innermost member.
        holder: Option<Arc<str>>,
    },
}

/// Why a value cannot be decoded; `None` if it can.
pub(super) fn misfit(schema: &Schema, value: &Value) -> Option<String> {
    find(schema, value).map(|misfit| misfit.describe())
}

fn find(schema: &Schema, value: &Value) -> Option<Misfit> {
    // Null means absent.
    if value.is_null() {
        return None;
    }
    if !validate::has_type(schema, value) || !fits(schema, value) {
        return Some(Misfit::new(schema, value));
    }
    match value {
        Value::String(text) => unreadable(schema, text).map(Misfit::Text),
        Value::Object(object) => {
            object.iter().find_map(|(name, value)| match schema.properties.get(name) {
                Some(member) => find(member, value).map(|misfit| misfit.within(schema, name)),
                None => match &schema.additional {
                    Additional::Schema(other) => find(other, value),
                    _ => None,
                },
            })
        }
        Value::Array(items) => {
            let item_schema = schema.items.as_ref()?;
            items.iter().find_map(|item| find(item_schema, item))
        }
        _ => None,
    }
}

/// Whether a number is one of the type: a fraction is no integer, and an integer has its width.
fn fits(schema: &Schema, value: &Value) -> bool {
    match (schema.type_, value) {
        (Some(Type::Integer), Value::Number(number)) => {
            let wide = number.as_i64().is_some();
            let narrow = schema.format.as_deref() == Some("int32");
            wide && (!narrow || formats::accepts("int32", value))
        }
        _ => true,
    }
}

/// What is wrong with a text in which a type keeps something else.
fn unreadable(schema: &Schema, text: &str) -> Option<String> {
    if schema.is_quantity() {
        let refused = Quantity::parse(text).is_err();
        return refused.then(|| FORMAT_ERROR.to_owned());
    }
    match schema.format.as_deref()? {
        "byte" => formats::base64_error(text)
            .map(|position| format!("illegal base64 data at input byte {position}")),
        "date-time" if !formats::accepts_text("date-time", text) => Some(format!(
            "parsing time {text:?} as \"2006-01-02T15:04:05Z07:00\": cannot parse {text:?} as \"2006\""
        )),
        _ => None,
    }
}

impl Misfit {
    fn new(schema: &Schema, value: &Value) -> Self {
        let number = schema.type_ == Some(Type::Integer);
        let found = match value {
            Value::Null => "null".to_owned(),
            Value::Bool(_) => "bool".to_owned(),
            Value::Number(text) if number => format!("number {text}"),
            Value::Number(_) => "number".to_owned(),
            Value::String(_) => "string".to_owned(),
            Value::Array(_) => "array".to_owned(),
            Value::Object(_) => "object".to_owned(),
        };
        Self::Type { found, wanted: go_type(schema), members: Vec::new(), holder: None }
    }

    fn within(mut self, schema: &Schema, name: &str) -> Self {
        if let Self::Type { members, holder, .. } = &mut self {
            if members.is_empty() {
                holder.clone_from(&schema.type_name);
            }
            members.push(name.to_owned());
        }
        self
    }

    fn describe(self) -> String {
        let (found, wanted, mut members, holder) = match self {
            Self::Text(why) => return why,
            Self::Type { found, wanted, members, holder } => (found, wanted, members, holder),
        };
        members.reverse();
        let path = members.join(".");
        let holder = holder.as_deref().and_then(|name| name.rsplit('.').next()).unwrap_or("");
        format!(
            "json: cannot unmarshal {found} into Go struct field {holder}.{path} of type {wanted}"
        )
    }
}

/// What Go calls a type.
fn go_type(schema: &Schema) -> String {
    if let Some(name) = &schema.type_name {
        return name.to_string();
    }
    let narrow = schema.format.as_deref() == Some("int32");
    match (schema.type_, &schema.additional, &schema.items) {
        _ if schema.int_or_string => "intstr.IntOrString".to_owned(),
        (Some(Type::String), ..) => "string".to_owned(),
        (Some(Type::Integer), ..) if narrow => "int32".to_owned(),
        (Some(Type::Integer), ..) => "int64".to_owned(),
        (Some(Type::Number), ..) => "float64".to_owned(),
        (Some(Type::Boolean), ..) => "bool".to_owned(),
        (Some(Type::Array), _, Some(items)) => format!("[]{}", go_type(items)),
        (_, Additional::Schema(other), _) => format!("map[string]{}", go_type(other)),
        _ => "map[string]interface {}".to_owned(),
    }
}
