//! What k8s-openapi does not say of types: how lists are identified and merged, and protobuf field numbers.
//!
//! The table is one text (`facts/types.txt`, which explains its form); a type's line is parsed when it is asked for.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// What type names have before the part that is in the table.
pub(crate) const PREFIX: &str = "io.k8s.";

const TABLE: &str = include_str!("facts/types.txt");

static LINES: LazyLock<BTreeMap<&'static str, &'static str>> = LazyLock::new(|| {
    let lines = TABLE.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.split_once(' ').unwrap_or((line, ""))).collect()
});

/// A type and its fields.
pub(crate) struct Type {
    pub(crate) atomic: bool,
    pub(crate) fields: Vec<Field>,
}

/// One field of a type, or the members of an inlined type.
pub(crate) struct Field {
    pub(crate) number: u32,
    /// Empty for an inlined type.
    pub(crate) name: &'static str,
    pub(crate) many: Many,
    pub(crate) kind: FieldKind,
    /// Whether a zero value differs from an absent one.
    pub(crate) optional: bool,
    pub(crate) keys: Keys,
    pub(crate) strategy: Option<&'static str>,
    pub(crate) merge_key: Option<&'static str>,
}

/// How many values a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Many {
    One,
    List,
    Map,
}

/// What one value of a field is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FieldKind {
    Text,
    Integer,
    Boolean,
    Float,
    Bytes,
    Time,
    MicroTime,
    Quantity,
    IntOrString,
    Raw,
    Texts,
    SchemaOrArray,
    SchemaOrBool,
    SchemaOrTexts,
    /// The name of a type in the table.
    Message(String),
}

/// How the items of a list, or the members of a map, are identified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Keys {
    Plain,
    Set,
    Map(Vec<&'static str>),
    AtomicMap,
}

/// The facts of a type, by its name without `io.k8s.`.
pub(crate) fn of(name: &str) -> Option<Type> {
    let (atomic, line) = match LINES.get(name) {
        Some(line) => (false, line),
        None => (true, LINES.get(format!("{name}!").as_str())?),
    };
    let package = name.rsplit_once('.').map_or("", |(package, _)| package);
    let fields = line.split(' ').filter(|field| !field.is_empty());
    Some(Type { atomic, fields: fields.filter_map(|one| field(one, package)).collect() })
}

fn field(text: &'static str, package: &str) -> Option<Field> {
    let (number, rest) = text.split_once(':')?;
    let number = number.parse().ok()?;
    if let Some(inlined) = rest.strip_prefix('+') {
        return Some(Field {
            number,
            name: "",
            many: Many::One,
            kind: FieldKind::Message(full_name(inlined, package)),
            optional: false,
            keys: Keys::Plain,
            strategy: None,
            merge_key: None,
        });
    }
    let (rest, merge) = split_at_char(rest, '~');
    let (strategy, merge_key) = match merge {
        Some(merge) => {
            let (strategy, key) = split_at_char(merge, '=');
            (Some(strategy), key)
        }
        None => (None, None),
    };
    let (rest, keys) = keys(rest);
    let (rest, optional) = match rest.strip_suffix('?') {
        Some(rest) => (rest, true),
        None => (rest, false),
    };
    let (name, kind) = rest.split_once(':')?;
    let (many, kind) = match kind.as_bytes().first()? {
        b'*' => (Many::List, &kind[1..]),
        b'%' => (Many::Map, &kind[1..]),
        _ => (Many::One, kind),
    };
    let kind = field_kind(kind, package)?;
    Some(Field { number, name, many, kind, optional, keys, strategy, merge_key })
}

fn split_at_char(text: &'static str, at: char) -> (&'static str, Option<&'static str>) {
    text.split_once(at).map_or((text, None), |(before, after)| (before, Some(after)))
}

fn keys(text: &'static str) -> (&'static str, Keys) {
    if let Some(rest) = text.strip_suffix("{}") {
        return (rest, Keys::AtomicMap);
    }
    match text.strip_suffix(']').and_then(|rest| rest.split_once('[')) {
        Some((rest, "")) => (rest, Keys::Set),
        Some((rest, keys)) => (rest, Keys::Map(keys.split(',').collect())),
        None => (text, Keys::Plain),
    }
}

fn field_kind(kind: &str, package: &str) -> Option<FieldKind> {
    Some(match kind {
        "s" => FieldKind::Text,
        "i" => FieldKind::Integer,
        "b" => FieldKind::Boolean,
        "f" => FieldKind::Float,
        "y" => FieldKind::Bytes,
        "T" => FieldKind::Time,
        "M" => FieldKind::MicroTime,
        "Q" => FieldKind::Quantity,
        "I" => FieldKind::IntOrString,
        "R" => FieldKind::Raw,
        "X" => FieldKind::Texts,
        "A" => FieldKind::SchemaOrArray,
        "B" => FieldKind::SchemaOrBool,
        "S" => FieldKind::SchemaOrTexts,
        _ => FieldKind::Message(full_name(kind.strip_prefix('@')?, package)),
    })
}

/// A type of the same package is named without it.
fn full_name(name: &str, package: &str) -> String {
    if name.contains('.') { name.to_owned() } else { format!("{package}.{name}") }
}

/// Changes when the table does.
pub(crate) fn digest() -> [u8; 32] {
    static DIGEST: LazyLock<[u8; 32]> = LazyLock::new(|| Sha256::digest(TABLE.as_bytes()).into());
    *DIGEST
}

/// Adds the facts of a type (with its `io.k8s.`) to its JSON schema.
pub(crate) fn overlay(name: &str, definition: &mut Value) {
    let Some(name) = name.strip_prefix(PREFIX) else { return };
    let Some(facts) = of(name) else { return };
    if facts.atomic {
        definition["x-kubernetes-map-type"] = json!("atomic");
    }
    if let Some(properties) = definition.get_mut("properties") {
        overlay_fields(&facts, properties);
        // The protocol is a key of port lists: left out, it identifies the same port as its default.
        if matches!(name, "api.core.v1.ContainerPort" | "api.core.v1.ServicePort") {
            properties["protocol"]["default"] = json!("TCP");
        }
    }
}

fn overlay_fields(facts: &Type, properties: &mut Value) {
    for field in &facts.fields {
        if field.name.is_empty() {
            if let FieldKind::Message(inlined) = &field.kind
                && let Some(inlined) = of(inlined)
            {
                overlay_fields(&inlined, properties);
            }
        } else if let Some(property) = properties.get_mut(field.name) {
            overlay_field(field, property);
        }
    }
}

fn overlay_field(field: &Field, property: &mut Value) {
    match &field.keys {
        Keys::Map(keys) => {
            property["x-kubernetes-list-type"] = json!("map");
            property["x-kubernetes-list-map-keys"] = json!(keys);
        }
        Keys::Set => property["x-kubernetes-list-type"] = json!("set"),
        Keys::AtomicMap => property["x-kubernetes-map-type"] = json!("atomic"),
        Keys::Plain if field.many == Many::List => {
            property["x-kubernetes-list-type"] = json!("atomic");
        }
        Keys::Plain => {}
    }
    if let Some(strategy) = field.strategy {
        property["x-kubernetes-patch-strategy"] = json!(strategy);
    }
    if let Some(key) = field.merge_key {
        property["x-kubernetes-patch-merge-key"] = json!(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{kinds, schemas};

    #[test]
    fn lines_are_sorted_and_parse_wholly() {
        assert!(LINES.keys().count() > 400);
        for (&name, line) in LINES.iter() {
            let facts = of(name.trim_end_matches('!')).unwrap();
            assert_eq!(facts.fields.len(), line.split_whitespace().count(), "{name}");
            for field in &facts.fields {
                if let FieldKind::Message(target) = &field.kind {
                    assert!(of(target).is_some(), "{name} names {target}");
                }
            }
        }
    }

    /// All members that a type has in JSON.
    fn members(facts: &Type) -> Vec<&'static str> {
        let inlined = |field: &Field| match &field.kind {
            FieldKind::Message(target) => members(&of(target).unwrap()),
            _ => Vec::new(),
        };
        let all = facts.fields.iter();
        all.flat_map(|field| if field.name.is_empty() { inlined(field) } else { vec![field.name] })
            .collect()
    }

    #[test]
    fn the_table_and_the_schemas_know_the_same_members() {
        for kind in kinds::all() {
            for (name, definition) in schemas::describe(kind.schema).definitions {
                let Some(properties) = definition.get("properties").and_then(Value::as_object)
                else {
                    continue;
                };
                let facts =
                    of(name.strip_prefix(PREFIX).unwrap()).unwrap_or_else(|| panic!("no {name}"));
                let known = members(&facts);
                for property in
                    properties.keys().filter(|key| !matches!(key.as_str(), "apiVersion" | "kind"))
                {
                    assert!(known.contains(&property.as_str()), "{name} has no {property}");
                }
            }
        }
    }

    #[test]
    fn facts_become_extensions() {
        let mut schema = json!({"properties": {"volumes": {"type": "array"}, "tolerations": {}, "nodeSelector": {}}});
        overlay("io.k8s.api.core.v1.PodSpec", &mut schema);
        assert_eq!(
            schema["properties"],
            json!({
                "volumes": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
                    "x-kubernetes-patch-strategy": "merge,retainKeys", "x-kubernetes-patch-merge-key": "name"},
                "tolerations": {"x-kubernetes-list-type": "atomic"},
                "nodeSelector": {"x-kubernetes-map-type": "atomic"}})
        );
    }
}
