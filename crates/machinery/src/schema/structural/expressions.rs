//! Rules must compile, and may only name what the schema of their node has.

use serde_json::Value;

use super::objects;
use crate::error::FieldError;
use crate::jsonpath::JsonPath;
use crate::schema::{ListType, Schema, parse, rules};

pub(super) fn check(schema: &Value, errors: &mut Vec<FieldError>) {
    let root = parse::custom(schema);
    if root.contains.rules {
        let place = Place { path: "openAPIV3Schema".to_owned(), uncorrelatable: None };
        visit(schema, &root, &place, errors);
    }
}

struct Place {
    path: String,
    /// The list whose items have no old values, when the place is within one.
    uncorrelatable: Option<String>,
}

impl Place {
    fn below(&self, path: String) -> Self {
        Self { path, uncorrelatable: self.uncorrelatable.clone() }
    }
}

fn visit(document: &Value, schema: &Schema, place: &Place, errors: &mut Vec<FieldError>) {
    let path = &place.path;
    if let Some(document) = document.as_object() {
        for (at, rule) in objects(document, "x-kubernetes-validations").enumerate() {
            let rule = parse::rule(&Value::Object(rule.clone()));
            let path = format!("{path}.x-kubernetes-validations[{at}]");
            if !rule.field_path.is_empty()
                && let Err(why) = check_field_path(&rule.field_path, schema)
            {
                let detail = format!("fieldPath must be a valid path: {why}");
                errors.push(FieldError::invalid(
                    format!("{path}.fieldPath"),
                    rule.field_path.clone(),
                    detail,
                ));
            }
            let path = format!("{path}.rule");
            match (rules::compile(&rule, Some(schema)), &place.uncorrelatable) {
                (Err(why), _) => {
                    let detail = format!("compilation failed: {why}");
                    errors.push(FieldError::invalid(path, rule.rule, detail));
                }
                (Ok(compiled), Some(within)) if compiled.uses_old => {
                    let detail = format!(
                        "oldSelf cannot be used on the uncorrelatable portion of the schema within {within}"
                    );
                    errors.push(FieldError::invalid(path, rule.rule, detail));
                }
                _ => {}
            }
        }
    }
    let properties = document.get("properties").and_then(Value::as_object);
    for (name, property) in properties.into_iter().flatten() {
        if let Some(member) = schema.properties.get(name) {
            visit(property, member, &place.below(format!("{path}.properties[{name}]")), errors);
        }
    }
    if let (Some(items), Some(item_schema)) = (document.get("items"), &schema.items) {
        let mut below = place.below(format!("{path}.items"));
        if schema.list_type != ListType::Map && below.uncorrelatable.is_none() {
            below.uncorrelatable = Some(path.clone());
        }
        visit(items, item_schema, &below, errors);
    }
    if let (Some(document), super::super::Additional::Schema(other)) =
        (document.get("additionalProperties"), &schema.additional)
    {
        visit(document, other, &place.below(format!("{path}.additionalProperties")), errors);
    }
}

/// A field path names members from the node on, in dots or quoted in brackets.
fn check_field_path(path: &str, schema: &Schema) -> Result<(), String> {
    if !path.starts_with(['.', '[']) {
        return Err(format!("expected [ or . but got: {path}"));
    }
    let parsed = JsonPath::parse(path).map_err(|error| error.to_string())?;
    let names = parsed.members().ok_or("only names of members are allowed")?;
    let mut schema = schema;
    for name in names {
        schema = schema.member(name).ok_or("does not refer to a valid field")?;
    }
    Ok(())
}
