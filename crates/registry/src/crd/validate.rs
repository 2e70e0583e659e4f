//! Rules for CRDs.

use std::collections::BTreeSet;

use machinery::error::FieldError;
use machinery::names;
use machinery::schema::Schema;
use serde_json::Value;

use super::status::{APPROVAL, is_protected};
use crate::value::{at, flag, list, map, text};

const COLUMN_TYPES: &[&str] = &["boolean", "date", "integer", "number", "string"];
const SELECTABLE_FIELDS_MAX: usize = 8;

type Errors = Vec<FieldError>;

pub(super) fn validate(crd: &Value, errors: &mut Errors) {
    let word = |path: &str| text(crd, path).unwrap_or_default();
    if word("metadata.name") != format!("{}.{}", word("spec.names.plural"), word("spec.group")) {
        let why = "must be spec.names.plural+\".\"+spec.group";
        errors.push(FieldError::invalid("metadata.name", word("metadata.name"), why));
    }
    group(crd, errors);
    match word("spec.scope") {
        "" => errors.push(FieldError::required("spec.scope", "")),
        "Cluster" | "Namespaced" => {}
        other => {
            let supported = ["Cluster", "Namespaced"];
            errors.push(FieldError::not_supported("spec.scope", other, &supported));
        }
    }
    given_names(crd, errors);
    versions(crd, errors);
    conversion(crd, errors);
    if flag(crd, "spec.preserveUnknownFields") {
        let why = "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead";
        errors.push(FieldError::invalid("spec.preserveUnknownFields", true, why));
    }
}

fn group(crd: &Value, errors: &mut Errors) {
    let group = text(crd, "spec.group").unwrap_or_default();
    if group.is_empty() {
        errors.push(FieldError::required("spec.group", ""));
        return;
    }
    let why = names::dns_subdomain(group);
    if why.is_empty() && !group.contains('.') {
        let why = "should be a domain with at least one dot";
        errors.push(FieldError::invalid("spec.group", group, why));
    }
    errors.extend(why.into_iter().map(|why| FieldError::invalid("spec.group", group, why)));
    let approved = at(crd, "metadata.annotations")
        .and_then(|annotations| annotations.get(APPROVAL))
        .and_then(Value::as_str)
        .is_some_and(|text| !text.is_empty());
    if is_protected(group) && !approved {
        let why = format!(
            "protected groups must have approval annotation {APPROVAL:?}, see https://github.com/kubernetes/enhancements/pull/1111"
        );
        errors.push(FieldError::required(format!("metadata.annotations[{APPROVAL}]"), why));
    }
}

fn given_names(crd: &Value, errors: &mut Errors) {
    for key in ["plural", "singular", "kind", "listKind"] {
        let field = format!("spec.names.{key}");
        let name = text(crd, &field).unwrap_or_default();
        if name.is_empty() {
            errors.push(FieldError::required(field, ""));
            continue;
        }
        let mixed = matches!(key, "kind" | "listKind");
        let checked = if mixed { name.to_lowercase() } else { name.to_owned() };
        for why in names::dns_1035_label(&checked) {
            let why = if mixed {
                format!("may have mixed case, but should otherwise match: {why}")
            } else {
                why
            };
            errors.push(FieldError::invalid(field.clone(), name, why));
        }
    }
    for key in ["shortNames", "categories"] {
        for (index, name) in list(crd, &format!("spec.names.{key}")).iter().enumerate() {
            let name = name.as_str().unwrap_or_default();
            for why in names::dns_1035_label(name) {
                let field = format!("spec.names.{key}[{index}]");
                errors.push(FieldError::invalid(field, name, why));
            }
        }
    }
    let kind = text(crd, "spec.names.kind");
    if kind.is_some() && kind == text(crd, "spec.names.listKind") {
        let why = "kind and listKind may not be the same";
        errors.push(FieldError::invalid("spec.names.listKind", kind.unwrap_or_default(), why));
    }
}

fn versions(crd: &Value, errors: &mut Errors) {
    let versions = list(crd, "spec.versions");
    let mut seen = BTreeSet::new();
    let mut unique = true;
    for (index, version) in versions.iter().enumerate() {
        let base = format!("spec.versions[{index}]");
        let name = text(version, "name").unwrap_or_default();
        unique &= seen.insert(name);
        for why in names::dns_1035_label(name) {
            errors.push(FieldError::invalid(format!("{base}.name"), name, why));
        }
        schema(crd, version, &base, errors);
        subresources(version, &base, errors);
        columns(version, &base, errors);
        selectable_fields(version, &base, errors);
    }
    let value = || Value::from(versions);
    if !unique {
        errors.push(FieldError::invalid(
            "spec.versions",
            value(),
            "must contain unique version names",
        ));
    }
    if versions.iter().filter(|version| flag(version, "storage")).count() != 1 {
        let why = "must have exactly one version marked as storage version";
        errors.push(FieldError::invalid("spec.versions", value(), why));
    }
}

/// Where the schema of a version is in error paths. A schema that all versions share counts as the definition's.
fn schema_base(crd: &Value, base: &str) -> String {
    let mut schemas = list(crd, "spec.versions").iter().map(|version| version.get("schema"));
    let first = schemas.next();
    if schemas.all(|schema| Some(schema) == first) {
        "spec.validation".to_owned()
    } else {
        format!("{base}.schema")
    }
}

fn schema(crd: &Value, version: &Value, base: &str, errors: &mut Errors) {
    let Some(schema) = at(version, "schema.openAPIV3Schema").filter(|schema| schema.is_object())
    else {
        let field = format!("{base}.schema.openAPIV3Schema");
        errors.push(FieldError::required(field, "schemas are required"));
        return;
    };
    let base = schema_base(crd, base);
    // A shared schema is checked once.
    let first =
        list(crd, "spec.versions").first().is_some_and(|first| std::ptr::eq(first, version));
    if base == "spec.validation" && !first {
        return;
    }
    if let Err(found) = Schema::from_openapi(schema) {
        errors.extend(
            found
                .into_iter()
                .map(|error| FieldError { field: format!("{base}.{}", error.field), ..error }),
        );
    }
}

fn subresources(version: &Value, base: &str, errors: &mut Errors) {
    let Some(scale) = map(version, "subresources.scale") else { return };
    let scale = Value::Object(scale.clone());
    for (key, under, required) in [
        ("specReplicasPath", ".spec", true),
        ("statusReplicasPath", ".status", true),
        ("labelSelectorPath", ".", false),
    ] {
        let field = format!("{base}.subresources.scale.{key}");
        let path = text(&scale, key).unwrap_or_default();
        if path.is_empty() {
            if required {
                errors.push(FieldError::required(field, ""));
            }
            continue;
        }
        let simple = is_simple_path(path);
        let placed = match key {
            "labelSelectorPath" => path.starts_with(".spec.") || path.starts_with(".status."),
            _ => path.starts_with(&format!("{under}.")),
        };
        if !simple || !placed {
            let place = if key == "labelSelectorPath" { ".spec or .status" } else { under };
            let why = format!("should be a json path under {place}");
            errors.push(FieldError::invalid(field, path, why));
        }
    }
}

/// `.a.b`: what scale and selectable fields may use of JSONPath.
fn is_simple_path(path: &str) -> bool {
    path.strip_prefix('.').is_some_and(|path| {
        path.split('.').all(|step| {
            !step.is_empty()
                && step.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
        })
    })
}

fn columns(version: &Value, base: &str, errors: &mut Errors) {
    for (index, column) in list(version, "additionalPrinterColumns").iter().enumerate() {
        let base = format!("{base}.additionalPrinterColumns[{index}]");
        for key in ["name", "jsonPath"] {
            if text(column, key).unwrap_or_default().is_empty() {
                errors.push(FieldError::required(format!("{base}.{key}"), ""));
            }
        }
        match text(column, "type").unwrap_or_default() {
            "" => {
                let why = format!("must be one of {}", COLUMN_TYPES.join(","));
                errors.push(FieldError::required(format!("{base}.type"), why));
            }
            kind if !COLUMN_TYPES.contains(&kind) => {
                let why = format!("must be one of {}", COLUMN_TYPES.join(","));
                errors.push(FieldError::invalid(format!("{base}.type"), kind, why));
            }
            _ => {}
        }
        if let Some(path) = text(column, "jsonPath").filter(|path| !path.is_empty())
            && !path.starts_with('.')
        {
            let why = "must be a simple json path starting with .";
            errors.push(FieldError::invalid(format!("{base}.jsonPath"), path, why));
        }
    }
}

fn selectable_fields(version: &Value, base: &str, errors: &mut Errors) {
    let fields = list(version, "selectableFields");
    let mut seen = BTreeSet::new();
    for (index, field) in fields.iter().enumerate() {
        let base = format!("{base}.selectableFields[{index}].jsonPath");
        let path = text(field, "jsonPath").unwrap_or_default();
        if path.is_empty() {
            errors.push(FieldError::required(base, ""));
            continue;
        }
        if !seen.insert(path) {
            errors.push(FieldError::duplicate(base.clone(), path));
        }
        if !is_simple_path(path) {
            let why = "is an invalid path: expected a simple path like `.spec.field`";
            errors.push(FieldError::invalid(base, path, why));
        } else if path == ".metadata" || path.starts_with(".metadata.") {
            errors.push(FieldError::invalid(base, path, "must not point to fields in metadata"));
        } else if !selects_scalar(version, path) {
            let why = "must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.";
            errors.push(FieldError::invalid(base, path, why));
        }
    }
    if fields.len() > SELECTABLE_FIELDS_MAX {
        let field = format!("{base}.selectableFields");
        errors.push(FieldError::too_many(field, fields.len(), SELECTABLE_FIELDS_MAX as u64));
    }
}

/// Whether the schema has a field of a plain type at a path.
fn selects_scalar(version: &Value, path: &str) -> bool {
    let root = at(version, "schema.openAPIV3Schema");
    let field = path.trim_start_matches('.').split('.').try_fold(root, |schema, step| {
        schema.and_then(|schema| at(schema, "properties")).map(|properties| properties.get(step))
    });
    let kind = field.flatten().and_then(|field| text(field, "type"));
    matches!(kind, Some("string" | "boolean" | "integer"))
}

fn conversion(crd: &Value, errors: &mut Errors) {
    let base = "spec.conversion";
    match text(crd, "spec.conversion.strategy").unwrap_or_default() {
        "None" => {
            if map(crd, "spec.conversion.webhook").is_some() {
                let why = "should not be set when strategy is not set to Webhook";
                errors.push(FieldError::forbidden(format!("{base}.webhook"), why));
            }
        }
        "Webhook" => {
            if map(crd, "spec.conversion.webhook.clientConfig").is_none() {
                let why = "required when strategy is set to Webhook";
                errors.push(FieldError::required(format!("{base}.webhook.clientConfig"), why));
            }
            if list(crd, "spec.conversion.webhook.conversionReviewVersions").is_empty() {
                let field = format!("{base}.webhook.conversionReviewVersions");
                errors.push(FieldError::required(field, ""));
            }
        }
        "" => errors.push(FieldError::required(format!("{base}.strategy"), "")),
        other => {
            let supported = ["None", "Webhook"];
            errors.push(FieldError::not_supported(format!("{base}.strategy"), other, &supported));
        }
    }
}

#[cfg(test)]
mod tests {
    use machinery::error::ApiError;
    use serde_json::json;

    use super::super::strategy::STRATEGY;
    use super::*;

    fn check(crd: &Value) -> Vec<String> {
        let mut crd = crd.clone();
        (STRATEGY.defaults)(&mut crd);
        let mut errors = Errors::new();
        validate(&crd, &mut errors);
        errors.iter().map(ToString::to_string).collect()
    }

    fn crd(version: Value) -> Value {
        json!({"metadata": {"name": "foos.ex.com"}, "spec": {"group": "ex.com", "scope": "Namespaced",
            "names": {"plural": "foos", "kind": "Foo"}, "versions": [version]}})
    }

    fn version() -> Value {
        json!({"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object",
            "properties": {"spec": {"type": "object", "properties": {"color": {"type": "string"}}}}}}})
    }

    #[test]
    fn the_recorded_refusal() {
        let mut bad = crd(
            json!({"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {
            "type": "object", "properties": {"spec": {"properties": {"a": {"type": "array"}}}}}}}),
        );
        bad["metadata"]["name"] = json!("foo.ex.com");
        (STRATEGY.defaults)(&mut bad);
        let mut errors = Errors::new();
        validate(&bad, &mut errors);
        let error = ApiError::invalid(
            "apiextensions.k8s.io",
            "CustomResourceDefinition",
            "foo.ex.com",
            errors,
        );
        assert_eq!(
            error.message,
            "CustomResourceDefinition.apiextensions.k8s.io \"foo.ex.com\" is invalid: [metadata.name: Invalid value: \"foo.ex.com\": must be spec.names.plural+\".\"+spec.group, spec.validation.openAPIV3Schema.properties[spec].properties[a].items: Required value: must be specified, spec.validation.openAPIV3Schema.properties[spec].type: Required value: must not be empty for specified object fields]"
        );
    }

    #[test]
    fn a_good_definition_passes() {
        let mut version = version();
        version["subresources"] = json!({"status": {}, "scale": {"specReplicasPath": ".spec.replicas",
            "statusReplicasPath": ".status.replicas"}});
        version["additionalPrinterColumns"] =
            json!([{"name": "Color", "type": "string", "jsonPath": ".spec.color"}]);
        version["selectableFields"] = json!([{"jsonPath": ".spec.color"}]);
        assert_eq!(check(&crd(version)), [] as [String; 0]);
    }

    #[test]
    fn versions_are_distinct_and_one_is_stored() {
        let mut two = crd(version());
        two["spec"]["versions"] = json!([version(), version()]);
        let found = check(&two);
        assert_eq!(found.len(), 2);
        assert!(found[0].ends_with("must contain unique version names"));
        assert!(found[1].ends_with("must have exactly one version marked as storage version"));
        let mut blank = crd(version());
        blank["spec"]["versions"][0]["schema"] = json!({});
        assert_eq!(
            check(&blank),
            ["spec.versions[0].schema.openAPIV3Schema: Required value: schemas are required"]
        );
    }

    #[test]
    fn groups_names_and_paths() {
        let mut bad = crd(version());
        bad["spec"]["group"] = json!("x.k8s.io");
        bad["metadata"]["name"] = json!("foos.x.k8s.io");
        bad["spec"]["names"]["shortNames"] = json!(["F"]);
        bad["spec"]["versions"][0]["subresources"] = json!({"scale": {"specReplicasPath": ".replicas", "statusReplicasPath": ".status.n[0]"}});
        bad["spec"]["versions"][0]["selectableFields"] =
            json!([{"jsonPath": ".spec"}, {"jsonPath": ".metadata.name"}]);
        let found = check(&bad);
        assert_eq!(found.len(), 6, "{found:#?}");
        assert!(
            found[0]
                .starts_with("metadata.annotations[api-approved.kubernetes.io]: Required value")
        );
        assert!(found[1].starts_with("spec.names.shortNames[0]: Invalid value: \"F\""));
        assert!(found[2].ends_with("should be a json path under .spec"));
        assert!(found[3].ends_with("should be a json path under .status"));
        assert!(found[4].contains("must point to a field of type string"));
        assert!(found[5].ends_with("must not point to fields in metadata"));
    }
}
