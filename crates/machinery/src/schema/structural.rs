//! The rules a custom resource's schema must keep to be structural. Works on the document itself, so that errors
//! name the place in it.

mod completeness;
mod expressions;
mod lists;

use serde_json::{Map, Value};

use super::{DEPTH_MAX, Type, parse};
use crate::error::FieldError;

/// The most schema nodes in one document.
const NODES_MAX: usize = 50_000;
/// The most errors reported.
const ERRORS_MAX: usize = 500;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Root,
    Field,
    Item,
}

type Object = Map<String, Value>;

pub(super) fn check(schema: &Value) -> Result<(), Vec<FieldError>> {
    let path = "openAPIV3Schema";
    let Some(root) = schema.as_object() else {
        return Err(vec![FieldError::required(path, "schemas are required")]);
    };
    let mut checker = Checker { errors: Vec::new(), nodes: 0 };
    checker.node(root, Level::Root, path, 0);
    completeness::check(root, path, &mut checker.errors);
    if checker.errors.is_empty() {
        checker.defaults(schema, path);
        expressions::check(schema, &mut checker.errors);
    }
    let mut errors = checker.errors;
    errors.sort_by_cached_key(FieldError::to_string);
    errors.truncate(ERRORS_MAX);
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

struct Checker {
    errors: Vec<FieldError>,
    nodes: usize,
}

impl Checker {
    fn required(&mut self, path: String, why: &str) {
        self.errors.push(FieldError::required(path, why));
    }

    fn forbidden(&mut self, path: String, why: &str) {
        self.errors.push(FieldError::forbidden(path, why));
    }

    fn invalid(&mut self, path: String, value: impl Into<Value>, why: &str) {
        self.errors.push(FieldError::invalid(path, value, why));
    }

    fn node(&mut self, schema: &Object, level: Level, path: &str, depth: usize) {
        self.nodes += 1;
        if depth >= DEPTH_MAX || self.nodes > NODES_MAX || self.errors.len() >= ERRORS_MAX {
            if self.nodes <= NODES_MAX + 1 && self.errors.len() < ERRORS_MAX {
                let why =
                    format!("a schema may be {DEPTH_MAX} levels deep and have {NODES_MAX} nodes");
                self.forbidden(path.to_owned(), &why);
            }
            return;
        }
        self.unsupported(schema, path);
        self.kind(schema, level, path);
        self.extensions(schema, path);
        self.resource(schema, level, path);
        lists::check(schema, path, &mut self.errors);
        self.values(schema, path);
        self.rules(schema, path);
        self.children(schema, level, path, depth);
        for key in ["allOf", "anyOf", "oneOf"] {
            for (at, nested) in objects(schema, key).enumerate() {
                let path = format!("{path}.{key}[{at}]");
                self.value_validation(nested, &path, depth + 1, allows_types(schema, key));
            }
        }
        if let Some(nested) = schema.get("not").and_then(Value::as_object) {
            self.value_validation(nested, &format!("{path}.not"), depth + 1, false);
        }
    }

    fn children(&mut self, schema: &Object, level: Level, path: &str, depth: usize) {
        let properties = schema.get("properties").and_then(Value::as_object);
        for (name, property) in properties.into_iter().flatten() {
            if let Some(property) = property.as_object() {
                self.node(property, Level::Field, &format!("{path}.properties[{name}]"), depth + 1);
            }
        }
        match schema.get("items") {
            Some(Value::Object(items)) => {
                self.node(items, Level::Item, &format!("{path}.items"), depth + 1);
            }
            Some(Value::Array(_)) => {
                self.forbidden(
                    format!("{path}.items"),
                    "items must be a schema object and not an array",
                );
            }
            _ if kind_of(schema) == "array" => {
                self.required(format!("{path}.items"), "must be specified");
            }
            _ => {}
        }
        let additional = schema.get("additionalProperties").filter(|value| !value.is_null());
        let Some(additional) = additional else { return };
        let path = format!("{path}.additionalProperties");
        if level == Level::Root {
            self.forbidden(path.clone(), "must not be used at the root");
        }
        if properties.is_some_and(|properties| !properties.is_empty())
            && additional != &Value::Bool(false)
        {
            self.forbidden(
                path.clone(),
                "additionalProperties and properties are mutual exclusive",
            );
        }
        if additional == &Value::Bool(false) {
            self.forbidden(path.clone(), "additionalProperties cannot be set to false");
        }
        if let Some(additional) = additional.as_object() {
            self.node(additional, Level::Field, &path, depth + 1);
        }
    }

    fn unsupported(&mut self, schema: &Object, path: &str) {
        for key in
            ["$ref", "additionalItems", "definitions", "dependencies", "id", "patternProperties"]
        {
            if schema.get(key).is_some_and(|value| !value.is_null()) {
                self.forbidden(format!("{path}.{key}"), &format!("{key} is not supported"));
            }
        }
        if flag(schema, "uniqueItems") {
            self.forbidden(
                format!("{path}.uniqueItems"),
                "uniqueItems cannot be set to true since the runtime complexity becomes quadratic",
            );
        }
        if kind_of(schema) == "null" {
            self.forbidden(
                format!("{path}.type"),
                "type cannot be set to null, use nullable as an alternative",
            );
        } else if !kind_of(schema).is_empty() && Type::from_text(kind_of(schema)).is_none() {
            let supported = ["array", "boolean", "integer", "number", "object", "string"];
            self.errors.push(FieldError::not_supported(
                format!("{path}.type"),
                kind_of(schema),
                &supported,
            ));
        }
    }

    fn kind(&mut self, schema: &Object, level: Level, path: &str) {
        let (kind, path) = (kind_of(schema), format!("{path}.type"));
        let embedded = flag(schema, "x-kubernetes-embedded-resource");
        let why = "must be object if x-kubernetes-embedded-resource is true";
        if embedded && kind.is_empty() {
            self.required(path, why);
        } else if embedded && kind != "object" {
            self.invalid(path, kind, why);
        } else if kind.is_empty() && !is_int_or_string(schema) && !preserves_unknown(schema) {
            let what = match level {
                Level::Root => "must not be empty at the root",
                Level::Item => "must not be empty for specified array items",
                Level::Field => "must not be empty for specified object fields",
            };
            self.required(path, what);
        } else if level == Level::Root && !kind.is_empty() && kind != "object" {
            self.invalid(path, kind, "must be object at the root");
        }
    }

    fn extensions(&mut self, schema: &Object, path: &str) {
        let why = "must be false if x-kubernetes-int-or-string is true";
        if is_int_or_string(schema) {
            for key in ["x-kubernetes-preserve-unknown-fields", "x-kubernetes-embedded-resource"] {
                if flag(schema, key) {
                    self.invalid(format!("{path}.{key}"), true, why);
                }
            }
        }
        if schema.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(false)) {
            let path = format!("{path}.x-kubernetes-preserve-unknown-fields");
            self.invalid(path, false, "must be true or undefined");
        }
        if flag(schema, "x-kubernetes-embedded-resource") {
            if schema.get("additionalProperties").is_some_and(|value| !value.is_null()) {
                let path = format!("{path}.additionalProperties");
                self.forbidden(path, "must not be used if x-kubernetes-embedded-resource is set");
            }
            if !preserves_unknown(schema) && !has_entries(schema, "properties") {
                self.required(format!("{path}.properties"), "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields");
            }
        }
    }

    /// Rules for nodes that are whole objects: the root and embedded resources.
    fn resource(&mut self, schema: &Object, level: Level, path: &str) {
        if level == Level::Root && flag(schema, "nullable") {
            self.forbidden(format!("{path}.nullable"), "nullable cannot be true at the root");
        }
        if level != Level::Root && !flag(schema, "x-kubernetes-embedded-resource") {
            return;
        }
        let property = |name: &str| schema.get("properties")?.get(name)?.as_object();
        for name in ["apiVersion", "kind"] {
            if let Some(kind) = property(name).map(kind_of).filter(|kind| *kind != "string") {
                self.invalid(format!("{path}.properties[{name}].type"), kind, "must be string");
            }
        }
        let Some(metadata) = property("metadata") else { return };
        let path = format!("{path}.properties[metadata]");
        if !matches!(kind_of(metadata), "" | "object") {
            self.invalid(format!("{path}.type"), kind_of(metadata), "must be object");
        }
        let members = metadata.get("properties").and_then(Value::as_object);
        let restricted = members.into_iter().flat_map(Object::keys);
        for name in restricted.filter(|name| !matches!(name.as_str(), "name" | "generateName")) {
            self.forbidden(format!("{path}.properties[{name}]"), "must not specify anything other than name and generateName, but metadata is implicitly specified");
        }
    }

    fn values(&mut self, schema: &Object, path: &str) {
        if let Some(text) = schema.get("pattern").and_then(Value::as_str)
            && let Err(error) = parse::pattern(text)
        {
            let last = error.to_string();
            let last = last.lines().last().unwrap_or_default();
            let why = format!("must be a valid regular expression, but isn't: {last}");
            self.invalid(format!("{path}.pattern"), text, &why);
        }
        if schema.get("multipleOf").and_then(Value::as_f64).is_some_and(|step| step <= 0.0) {
            let step = schema["multipleOf"].clone();
            self.invalid(format!("{path}.multipleOf"), step, "must be greater than 0");
        }
    }

    fn rules(&mut self, schema: &Object, path: &str) {
        for (at, rule) in objects(schema, "x-kubernetes-validations").enumerate() {
            let path = format!("{path}.x-kubernetes-validations[{at}]");
            let text = rule.get("rule").and_then(Value::as_str).unwrap_or("").trim();
            if text.is_empty() {
                self.required(format!("{path}.rule"), "rule is not specified");
            }
            let message = rule.get("message").and_then(Value::as_str).unwrap_or("");
            if message.trim().is_empty() && !message.is_empty() {
                self.invalid(
                    format!("{path}.message"),
                    message,
                    "message must be non-empty if specified",
                );
            } else if message.contains('\n') {
                self.invalid(
                    format!("{path}.message"),
                    message,
                    "message must not contain line breaks",
                );
            }
            let reason = rule.get("reason").and_then(Value::as_str).unwrap_or("");
            let supported = [
                "FieldValueDuplicate",
                "FieldValueForbidden",
                "FieldValueInvalid",
                "FieldValueRequired",
            ];
            if !reason.is_empty() && !supported.contains(&reason) {
                let path = format!("{path}.reason");
                self.errors.push(FieldError::not_supported(path, reason, &supported));
            }
        }
    }

    /// Schemas below `allOf`, `anyOf`, `oneOf` and `not` may only restrict values.
    fn value_validation(&mut self, schema: &Object, path: &str, depth: usize, typed: bool) {
        self.nodes += 1;
        if depth >= DEPTH_MAX || self.nodes > NODES_MAX {
            return self.forbidden(path.to_owned(), "the schema is too deep");
        }
        self.values(schema, path);
        let undefined = "must be undefined to be structural";
        let empty = "must be empty to be structural";
        for (key, why) in [
            ("type", empty),
            ("title", empty),
            ("description", empty),
            ("default", undefined),
            ("additionalProperties", undefined),
            ("nullable", "must be false to be structural"),
        ] {
            let set = schema.get(key).is_some_and(|value| !value.is_null() && value != false);
            if set && !(typed && key == "type") {
                self.forbidden(format!("{path}.{key}"), why);
            }
        }
        for key in schema
            .keys()
            .filter(|key| key.starts_with("x-kubernetes-") && *key != "x-kubernetes-validations")
        {
            self.forbidden(format!("{path}.{key}"), empty);
        }
        let properties = schema.get("properties").and_then(Value::as_object);
        for (name, property) in properties.into_iter().flatten() {
            if let Some(property) = property.as_object() {
                let path = format!("{path}.properties[{name}]");
                self.value_validation(property, &path, depth + 1, false);
            }
        }
        for key in ["items", "not"] {
            if let Some(nested) = schema.get(key).and_then(Value::as_object) {
                self.value_validation(nested, &format!("{path}.{key}"), depth + 1, false);
            }
        }
        for key in ["allOf", "anyOf", "oneOf"] {
            for (at, nested) in objects(schema, key).enumerate() {
                let path = format!("{path}.{key}[{at}]");
                self.value_validation(nested, &path, depth + 1, typed && key == "anyOf");
            }
        }
    }

    /// Each default must be what the server itself would keep and accept. Only on a schema without other errors.
    fn defaults(&mut self, schema: &Value, path: &str) {
        if let Some(default) = schema.get("default").filter(|value| !value.is_null()) {
            let node = parse::custom_node(schema);
            let mut pruned = default.clone();
            if !node.prune(&mut pruned).is_empty() {
                let path = format!("{path}.default");
                self.invalid(path, default.clone(), "must not have unknown fields");
            }
            node.apply_defaults(&mut pruned);
            for mut error in node.validate(&pruned, None) {
                error.field = match error.field.as_str() {
                    "" | "<nil>" => format!("{path}.default"),
                    index if index.starts_with('[') => format!("{path}.default{index}"),
                    name => format!("{path}.default.{name}"),
                };
                self.errors.push(error);
            }
        }
        let properties = schema.get("properties").and_then(Value::as_object);
        for (name, property) in properties.into_iter().flatten() {
            self.defaults(property, &format!("{path}.properties[{name}]"));
        }
        for key in ["items", "additionalProperties"] {
            if let Some(nested) = schema.get(key).filter(|nested| nested.is_object()) {
                self.defaults(nested, &format!("{path}.{key}"));
            }
        }
    }
}

/// `anyOf: [{type: integer}, {type: string}]` is how int-or-string is written; also inside the first `allOf`.
fn allows_types(schema: &Object, key: &str) -> bool {
    is_int_or_string(schema) && matches!(key, "anyOf" | "allOf")
}

fn kind_of(schema: &Object) -> &str {
    schema.get("type").and_then(Value::as_str).unwrap_or("")
}

fn flag(schema: &Object, key: &str) -> bool {
    schema.get(key).and_then(Value::as_bool).unwrap_or(false)
}

fn is_int_or_string(schema: &Object) -> bool {
    flag(schema, "x-kubernetes-int-or-string")
}

fn preserves_unknown(schema: &Object) -> bool {
    flag(schema, "x-kubernetes-preserve-unknown-fields")
}

fn has_entries(schema: &Object, key: &str) -> bool {
    schema.get(key).and_then(Value::as_object).is_some_and(|entries| !entries.is_empty())
}

fn objects<'a>(schema: &'a Object, key: &str) -> impl Iterator<Item = &'a Object> {
    schema.get(key).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object)
}
