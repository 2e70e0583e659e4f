//! Rules for `metadata`, the same for every kind.

use std::collections::BTreeSet;

use machinery::error::FieldError;
use machinery::names;
use serde_json::Value;

use crate::kind::NameRule;
use crate::value::{at, flag, int, list, map, text};

const ANNOTATIONS_BYTES_MAX: usize = 256 * 1024;
/// Finalizers that need no domain.
const STANDARD_FINALIZERS: &[&str] = &["kubernetes", "orphan", "foregroundDeletion"];

/// Checks the metadata of an object about to be stored, its final name included.
pub(crate) fn validate(object: &Value, namespaced: bool, rule: NameRule) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if rule != NameRule::None {
        name(object, rule, &mut errors);
    }
    namespace(object, namespaced, &mut errors);
    labels(object, "metadata.labels", &mut errors);
    annotations(object, "metadata.annotations", &mut errors);
    owners(object, &mut errors);
    finalizers(object, &mut errors);
    errors
}

/// Checks what an update may not change in metadata.
pub(crate) fn validate_update(object: &Value, old: &Value, errors: &mut Vec<FieldError>) {
    for field in
        ["metadata.name", "metadata.namespace", "metadata.uid", "metadata.creationTimestamp"]
    {
        if at(object, field) != at(old, field) {
            let value = at(object, field).cloned().unwrap_or_default();
            errors.push(FieldError::invalid(field, value, "field is immutable"));
        }
    }
    if int(object, "metadata.generation") < int(old, "metadata.generation") {
        let value = int(object, "metadata.generation").unwrap_or(0);
        errors.push(FieldError::invalid("metadata.generation", value, "must not be decremented"));
    }
    if at(old, "metadata.deletionTimestamp").is_some() {
        no_new_finalizers(object, old, errors);
    }
}

fn no_new_finalizers(object: &Value, old: &Value, errors: &mut Vec<FieldError>) {
    let names = |value| -> BTreeSet<String> {
        let finalizers = list(value, "metadata.finalizers").iter();
        finalizers.filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let added: Vec<String> =
        names(object).difference(&names(old)).map(|name| format!("{name:?}")).collect();
    if !added.is_empty() {
        let why = format!(
            "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
            added.join(", ")
        );
        errors.push(FieldError::forbidden("metadata.finalizers", why));
    }
}

fn name(object: &Value, rule: NameRule, errors: &mut Vec<FieldError>) {
    let field = "metadata.name";
    match text(object, field).unwrap_or_default() {
        "" => errors.push(FieldError::required(field, "name or generateName is required")),
        name => {
            for why in name_errors(name, rule) {
                errors.push(FieldError::invalid(field, name, why));
            }
        }
    }
}

/// Why a kind cannot have an object of this name.
pub(crate) fn name_errors(name: &str, rule: NameRule) -> Vec<String> {
    match rule {
        NameRule::Subdomain => names::dns_subdomain(name),
        NameRule::Label => names::dns_label(name),
        NameRule::Label1035 => names::dns_1035_label(name),
        NameRule::PathSegment => names::path_segment(name),
        NameRule::None => Vec::new(),
    }
}

fn namespace(object: &Value, namespaced: bool, errors: &mut Vec<FieldError>) {
    let field = "metadata.namespace";
    match (namespaced, text(object, field).unwrap_or_default()) {
        (true, "") => errors.push(FieldError::required(field, "")),
        (true, namespace) => {
            for why in names::dns_label(namespace) {
                errors.push(FieldError::invalid(field, namespace, why));
            }
        }
        (false, "") => {}
        (false, _) => errors.push(FieldError::forbidden(field, "not allowed on this type")),
    }
}

/// Checks the labels at a path.
pub(crate) fn labels(object: &Value, path: &str, errors: &mut Vec<FieldError>) {
    for (key, value) in map(object, path).into_iter().flatten() {
        for why in names::qualified_name(key) {
            errors.push(FieldError::invalid(path, key.as_str(), why));
        }
        let value = value.as_str().unwrap_or_default();
        for why in names::label_value(value) {
            errors.push(FieldError::invalid(path, value, why));
        }
    }
}

/// Checks the annotations at a path.
pub(crate) fn annotations(object: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let mut bytes = 0;
    for (key, value) in map(object, path).into_iter().flatten() {
        // Keys are compared without regard to case.
        for why in names::qualified_name(&key.to_lowercase()) {
            errors.push(FieldError::invalid(path, key.as_str(), why));
        }
        bytes += key.len() + value.as_str().map_or(0, str::len);
    }
    if bytes > ANNOTATIONS_BYTES_MAX {
        errors.push(FieldError::too_long(path, ANNOTATIONS_BYTES_MAX as u64));
    }
}

fn owners(object: &Value, errors: &mut Vec<FieldError>) {
    let path = "metadata.ownerReferences";
    let mut controller: Option<&str> = None;
    for owner in list(object, path) {
        let version = text(owner, "apiVersion").unwrap_or_default();
        if version.is_empty() || version.ends_with('/') {
            let field = format!("{path}.apiVersion");
            errors.push(FieldError::invalid(field, version, "version must not be empty"));
        }
        for key in ["kind", "name", "uid"] {
            if text(owner, key).unwrap_or_default().is_empty() {
                errors.push(FieldError::invalid(format!("{path}.{key}"), "", "must not be empty"));
            }
        }
        if flag(owner, "controller") {
            let name = text(owner, "name").unwrap_or_default();
            if let Some(first) = controller {
                let why = format!(
                    "Only one reference can have Controller set to true. Found \"true\" in references for {first} and {name}"
                );
                let value = at(object, path).cloned().unwrap_or_default();
                errors.push(FieldError::invalid(path, value, why));
            }
            controller.get_or_insert(name);
        }
    }
}

/// Whether a finalizer is nobody's in particular.
fn is_vague(name: &str) -> bool {
    !name.contains('/') && !STANDARD_FINALIZERS.contains(&name)
}

/// What holds for the finalizers of built-in kinds beside what holds for all.
pub(crate) fn validate_finalizers(object: &Value, errors: &mut Vec<FieldError>) {
    let path = "metadata.finalizers";
    let names = list(object, path).iter().filter_map(Value::as_str);
    for name in names.filter(|name| is_vague(name) && names::qualified_name(name).is_empty()) {
        let why = "name is neither a standard finalizer name nor is it fully qualified";
        errors.push(FieldError::invalid(path, name, why));
    }
}

/// What is told of the new finalizers of a custom resource.
pub(crate) fn finalizer_warnings(object: &Value, old: Option<&Value>) -> Vec<String> {
    let path = "metadata.finalizers";
    let known = old.map_or(&[][..], |old| list(old, path));
    let new = list(object, path).iter().filter(|name| !known.contains(name));
    let vague: BTreeSet<&str> = new.filter_map(Value::as_str).filter(|it| is_vague(it)).collect();
    let text = |name| {
        format!(
            "{path}: {name:?}: prefer a domain-qualified finalizer name including a path (/) to avoid accidental \
             conflicts with other finalizer writers"
        )
    };
    vague.into_iter().map(text).collect()
}

fn finalizers(object: &Value, errors: &mut Vec<FieldError>) {
    let path = "metadata.finalizers";
    let names: Vec<&str> = list(object, path).iter().filter_map(Value::as_str).collect();
    for &name in &names {
        let why = names::qualified_name(name);
        errors.extend(why.into_iter().map(|why| FieldError::invalid(path, name, why)));
    }
    if names.contains(&"orphan") && names.contains(&"foregroundDeletion") {
        let why = "finalizer orphan and foregroundDeletion cannot be both set";
        errors.push(FieldError::invalid(path, Value::from(names), why));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(object: &Value, expected: &[&str]) {
        let mut errors = validate(object, true, NameRule::Subdomain);
        validate_finalizers(object, &mut errors);
        let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(texts.len(), expected.len(), "{texts:?}");
        for (text, expected) in texts.iter().zip(expected) {
            assert!(text.starts_with(expected), "{text}");
        }
    }

    #[test]
    fn names_and_namespaces() {
        check(&json!({"metadata": {"name": "a", "namespace": "b"}}), &[]);
        check(
            &json!({"metadata": {"namespace": "b"}}),
            &["metadata.name: Required value: name or generateName is required"],
        );
        check(
            &json!({"metadata": {"name": "B_"}}),
            &["metadata.name: Invalid value: \"B_\": a lowercase", "metadata.namespace: Required"],
        );
        let cluster = json!({"metadata": {"name": "a", "namespace": "b"}});
        assert_eq!(
            validate(&cluster, false, NameRule::Subdomain)[0].to_string(),
            "metadata.namespace: Forbidden: not allowed on this type"
        );
    }

    #[test]
    fn labels_owners_and_finalizers() {
        check(
            &json!({"metadata": {"name": "a", "namespace": "b",
                "labels": {"-": "ok", "ok": "-"},
                "ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": ""}],
                "finalizers": ["nodomain", "ex.com/f"]}}),
            &[
                "metadata.labels: Invalid value: \"-\": name part",
                "metadata.labels: Invalid value: \"-\": a valid label",
                "metadata.ownerReferences.uid: Invalid value: \"\": must not be empty",
                "metadata.finalizers: Invalid value: \"nodomain\": name is neither",
            ],
        );
    }

    #[test]
    fn a_deleting_object_gets_no_new_finalizers() {
        let old = json!({"metadata": {"name": "a", "deletionTimestamp": "x", "finalizers": ["ex.com/f"]}});
        let new = json!({"metadata": {"name": "a", "finalizers": ["ex.com/f", "ex.com/g"]}});
        let mut errors = Vec::new();
        validate_update(&new, &old, &mut errors);
        assert_eq!(
            errors[0].to_string(),
            "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{\"ex.com/g\"}"
        );
    }
}
