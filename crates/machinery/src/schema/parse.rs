//! From an OpenAPI document to a [`Schema`].
//!
//! Parsing never fails: what a custom resource may not say was refused by the structural check before, and built-in
//! schemas are our own.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{
    Additional, Checks, DEPTH_MAX, ListType, MapType, PatchStrategy, Pattern, Rule, Schema, Type,
    object_meta,
};

/// The largest compiled regular expression.
const REGEX_BYTES_MAX: usize = 1 << 20;

type Resolve<'a> = &'a mut dyn FnMut(&str) -> Option<Arc<Schema>>;

/// Where the schema comes from, which decides what silence means.
enum Source<'a> {
    Custom,
    /// Everything not described is kept; null members mean absent.
    BuiltIn(Resolve<'a>),
}

pub(super) fn custom(schema: &Value) -> Schema {
    let mut root = node(schema, &mut Source::Custom, 0);
    add_resource_members(&mut root);
    root.seal()
}

/// A node of a custom resource's schema, not a whole object.
pub(super) fn custom_node(schema: &Value) -> Schema {
    node(schema, &mut Source::Custom, 0)
}

pub(super) fn builtin(schema: &Value, resolve: Resolve<'_>) -> Schema {
    let mut source = Source::BuiltIn(resolve);
    match reference(schema, &mut source) {
        Some(shared) => Schema::clone(&shared),
        None => node(schema, &mut source, 0),
    }
}

fn node(schema: &Value, source: &mut Source<'_>, depth: usize) -> Schema {
    let Some(object) = schema.as_object() else { return Schema::anything().seal() };
    if depth >= DEPTH_MAX {
        return Schema::anything().seal();
    }
    let mut out = Schema { checks: checks(object, source, depth), ..Schema::default() };
    types(object, &mut out);
    members(object, &mut out, source, depth);
    extensions(object, &mut out);
    if out.embedded_resource {
        add_resource_members(&mut out);
    }
    if matches!(source, Source::BuiltIn(_)) {
        be_lenient(&mut out);
    }
    out.seal()
}

fn types(object: &Map<String, Value>, out: &mut Schema) {
    match object.get("type") {
        Some(Value::String(text)) => out.type_ = Type::from_text(text),
        Some(Value::Array(several)) => {
            out.nullable = several.iter().any(|one| one == "null");
            out.type_ = several.iter().filter_map(Value::as_str).find_map(Type::from_text);
        }
        _ => {}
    }
    out.nullable |= flag(object, "nullable");
    out.format = text(object, "format");
    out.default = object.get("default").filter(|value| !value.is_null()).cloned();
    out.required = texts(object, "required");
}

fn members(object: &Map<String, Value>, out: &mut Schema, source: &mut Source<'_>, depth: usize) {
    for (name, schema) in object.get("properties").and_then(Value::as_object).into_iter().flatten()
    {
        out.properties.insert(name.clone(), child(schema, source, depth));
    }
    out.items = object.get("items").map(|schema| child(schema, source, depth));
    out.additional = match object.get("additionalProperties") {
        None | Some(Value::Null) => Additional::Unspecified,
        Some(Value::Bool(true)) => Additional::Allowed,
        Some(Value::Bool(false)) => Additional::Denied,
        Some(schema) => Additional::Schema(child(schema, source, depth)),
    };
}

fn child(schema: &Value, source: &mut Source<'_>, depth: usize) -> Arc<Schema> {
    reference(schema, source).unwrap_or_else(|| Arc::new(node(schema, source, depth + 1)))
}

/// Follows `$ref`, also in the form `allOf: [{$ref}]` that carries a description or default beside it.
fn reference(schema: &Value, source: &mut Source<'_>) -> Option<Arc<Schema>> {
    let Source::BuiltIn(resolve) = source else { return None };
    let whole = match schema["allOf"].as_array().map(Vec::as_slice) {
        Some([one]) => one,
        _ => schema,
    };
    let target = whole["$ref"].as_str()?;
    let shared = resolve(target).unwrap_or_else(|| Arc::new(Schema::anything().seal()));
    let beside = schema.as_object()?;
    if !beside.keys().any(|key| key.starts_with("x-kubernetes-") || key == "nullable") {
        return Some(shared);
    }
    let mut own = Schema::clone(&shared);
    extensions(beside, &mut own);
    own.nullable |= flag(beside, "nullable");
    Some(Arc::new(own.seal()))
}

fn extensions(object: &Map<String, Value>, out: &mut Schema) {
    out.int_or_string |= flag(object, "x-kubernetes-int-or-string")
        || out.format.as_deref() == Some("int-or-string");
    out.preserve_unknown |= flag(object, "x-kubernetes-preserve-unknown-fields");
    out.embedded_resource |= flag(object, "x-kubernetes-embedded-resource");
    match object.get("x-kubernetes-list-type").and_then(Value::as_str) {
        Some("set") => out.list_type = ListType::Set,
        Some("map") => out.list_type = ListType::Map,
        Some(_) => out.list_type = ListType::Atomic,
        None => {}
    }
    if object.contains_key("x-kubernetes-list-map-keys") {
        out.list_map_keys = texts(object, "x-kubernetes-list-map-keys");
    }
    if object.get("x-kubernetes-map-type").is_some_and(|kind| kind == "atomic") {
        out.map_type = MapType::Atomic;
    }
    if let Some(key) = text(object, "x-kubernetes-patch-merge-key") {
        out.patch_merge_key = Some(key);
    }
    if let Some(strategy) = text(object, "x-kubernetes-patch-strategy") {
        let has = |wanted: &str| strategy.split(',').any(|one| one.trim() == wanted);
        out.patch_strategy = PatchStrategy { merge: has("merge"), retain_keys: has("retainKeys") };
    }
    let rules = object.get("x-kubernetes-validations").and_then(Value::as_array);
    out.rules.extend(rules.into_iter().flatten().map(rule));
}

pub(super) fn rule(value: &Value) -> Rule {
    let get = |key: &str| value[key].as_str().unwrap_or("").to_owned();
    Rule {
        rule: get("rule"),
        message: get("message"),
        message_expression: get("messageExpression"),
        reason: get("reason"),
        field_path: get("fieldPath"),
        optional_old_self: value["optionalOldSelf"].as_bool().unwrap_or(false),
        ..Rule::default()
    }
}

fn checks(
    object: &Map<String, Value>,
    source: &mut Source<'_>,
    depth: usize,
) -> Option<Box<Checks>> {
    let mut several = |key: &str| -> Vec<Schema> {
        let list = object.get(key).and_then(Value::as_array).into_iter().flatten();
        list.map(|schema| node(schema, source, depth + 1)).collect()
    };
    let (all_of, any_of, one_of) = (several("allOf"), several("anyOf"), several("oneOf"));
    let count = |key: &str| object.get(key).and_then(Value::as_u64);
    let number = |key: &str| object.get(key).and_then(Value::as_f64);
    let out = Checks {
        enumeration: object.get("enum").and_then(Value::as_array).cloned().unwrap_or_default(),
        pattern: object.get("pattern").and_then(Value::as_str).and_then(|text| pattern(text).ok()),
        minimum: number("minimum"),
        maximum: number("maximum"),
        exclusive_minimum: flag(object, "exclusiveMinimum"),
        exclusive_maximum: flag(object, "exclusiveMaximum"),
        multiple_of: number("multipleOf").filter(|step| *step > 0.0),
        min_length: count("minLength"),
        max_length: count("maxLength"),
        min_items: count("minItems"),
        max_items: count("maxItems"),
        min_properties: count("minProperties"),
        max_properties: count("maxProperties"),
        unique_items: flag(object, "uniqueItems"),
        all_of,
        any_of,
        one_of,
        not: object.get("not").map(|schema| Box::new(node(schema, source, depth + 1))),
    };
    (!out.is_empty()).then(|| Box::new(out))
}

impl Checks {
    fn is_empty(&self) -> bool {
        let numbers = [self.minimum, self.maximum, self.multiple_of];
        let counts = [self.min_length, self.max_length, self.min_items, self.max_items];
        let sizes = [self.min_properties, self.max_properties];
        let combined = [&self.all_of, &self.any_of, &self.one_of];
        self.enumeration.is_empty()
            && self.pattern.is_none()
            && numbers.iter().all(Option::is_none)
            && counts.iter().chain(&sizes).all(Option::is_none)
            && combined.iter().all(|list| list.is_empty())
            && self.not.is_none()
            && !self.unique_items
    }
}

pub(super) fn pattern(text: &str) -> Result<Pattern, regex::Error> {
    let mut builder = regex::RegexBuilder::new(text);
    let regex = builder.size_limit(REGEX_BYTES_MAX).build()?;
    Ok(Pattern { text: text.to_owned(), regex })
}

/// Whole objects have these three members whether or not their schema says so. Restrictions on the name are kept.
fn add_resource_members(schema: &mut Schema) {
    let text = Arc::new(Schema { type_: Some(Type::String), ..Schema::default() });
    for name in ["apiVersion", "kind"] {
        schema.properties.entry(name.to_owned()).or_insert_with(|| Arc::clone(&text));
    }
    let given = schema.properties.remove("metadata");
    let mut metadata = object_meta();
    for name in ["name", "generateName"] {
        let restricted = given.as_ref().and_then(|given| given.properties.get(name));
        if let Some(restricted) = restricted {
            let own = Arc::make_mut(&mut metadata);
            own.properties.insert(name.to_owned(), Arc::clone(restricted));
        }
    }
    schema.properties.insert("metadata".to_owned(), metadata);
}

/// Objects of the built-in API that describe no members (`RawExtension`, `FieldsV1`) hold anything.
fn be_lenient(schema: &mut Schema) {
    let shapeless = schema.properties.is_empty()
        && matches!(schema.additional, Additional::Unspecified)
        && !schema.int_or_string;
    let open = matches!(schema.type_, None | Some(Type::Object)) && schema.checks.is_none();
    schema.preserve_unknown |= shapeless && open;
    schema.typed = !schema.preserve_unknown;
    // Other formats of the built-in API are enforced by its own validation, with its own texts.
    let enforced = ["byte", "date-time", "int32", "quantity"];
    schema.format = schema.format.take().filter(|format| enforced.contains(&format.as_str()));
}

fn flag(object: &Map<String, Value>, key: &str) -> bool {
    object.get(key).and_then(Value::as_bool).unwrap_or(false)
}

fn text(object: &Map<String, Value>, key: &str) -> Option<String> {
    object.get(key).and_then(Value::as_str).map(str::to_owned)
}

fn texts(object: &Map<String, Value>, key: &str) -> Vec<String> {
    let list = object.get(key).and_then(Value::as_array).into_iter().flatten();
    list.filter_map(Value::as_str).map(str::to_owned).collect()
}
