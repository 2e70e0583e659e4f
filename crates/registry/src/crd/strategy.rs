//! What happens to CRDs themselves: names derived from the kind, immutable names, stored versions.

use machinery::error::FieldError;
use serde_json::{Value, json};

use super::validate;
use crate::kind::Strategy;
use crate::value::{at, at_mut, child, default, default_text, flag, items_mut, list, text};

pub(crate) const STRATEGY: Strategy = Strategy {
    unconditional_update: false,
    defaults,
    prepare_create: |object| {
        object["status"] = json!({"conditions": [], "acceptedNames": {"plural": "", "kind": ""}});
        remember_storage_version(object);
    },
    prepare_update: |object, _| remember_storage_version(object),
    validate: validate::validate,
    validate_update,
    ..Strategy::SPEC_AND_STATUS
};

const HTTPS_PORT: i64 = 443;

fn defaults(object: &mut Value) {
    let Some(spec) = child(object, "spec") else { return };
    let kind = text(spec, "names.kind").unwrap_or_default().to_owned();
    if let Some(names) = child(spec, "names")
        && !kind.is_empty()
    {
        default_text(names, "singular", &kind.to_lowercase());
        default_text(names, "listKind", &format!("{kind}List"));
    }
    if let Some(conversion) = child(spec, "conversion") {
        default_text(conversion, "strategy", "None");
        if let Some(service) = at_mut(conversion, "webhook.clientConfig.service") {
            default(service, "port", HTTPS_PORT);
        }
    }
    for version in items_mut(spec, "versions") {
        for column in items_mut(version, "additionalPrinterColumns") {
            if column.get("priority") == Some(&json!(0)) {
                crate::value::remove(column, "priority");
            }
        }
    }
}

/// `status.storedVersions` lists every version that was ever the one objects are stored in.
fn remember_storage_version(object: &mut Value) {
    let versions = list(object, "spec.versions");
    let storage = versions.iter().find(|version| flag(version, "storage"));
    let Some(name) = storage.and_then(|version| version.get("name")).cloned() else { return };
    let Some(status) = child(object, "status") else { return };
    default(status, "storedVersions", Value::Array(Vec::new()));
    if let Some(stored) = status.get_mut("storedVersions").and_then(Value::as_array_mut)
        && !stored.contains(&name)
    {
        stored.push(name);
    }
}

fn validate_update(object: &Value, old: &Value, errors: &mut Vec<FieldError>) {
    let mut immutable = vec!["spec.group", "spec.names.plural"];
    if super::established(old) {
        immutable.extend(["spec.scope", "spec.names.kind"]);
    }
    for field in immutable {
        if at(object, field) != at(old, field) {
            let value = at(object, field).cloned().unwrap_or_default();
            errors.push(FieldError::invalid(field, value, "field is immutable"));
        }
    }
    let versions = list(object, "spec.versions");
    for (index, stored) in list(object, "status.storedVersions").iter().enumerate() {
        if !versions.iter().any(|version| version.get("name") == Some(stored)) {
            let field = format!("status.storedVersions[{index}]");
            errors.push(FieldError::invalid(field, stored.clone(), "must appear in spec.versions"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_kind_and_stored_versions_are_remembered() {
        let mut crd = json!({"spec": {"names": {"kind": "Widget", "plural": "widgets"},
            "versions": [{"name": "v1", "storage": true}]}});
        defaults(&mut crd);
        assert_eq!(crd["spec"]["names"]["singular"], "widget");
        assert_eq!(crd["spec"]["names"]["listKind"], "WidgetList");
        assert_eq!(crd["spec"]["conversion"], json!({"strategy": "None"}));
        (STRATEGY.prepare_create)(&mut crd);
        assert_eq!(crd["status"]["storedVersions"], json!(["v1"]));
        crd["spec"]["versions"] =
            json!([{"name": "v1", "storage": false}, {"name": "v2", "storage": true}]);
        remember_storage_version(&mut crd);
        assert_eq!(crd["status"]["storedVersions"], json!(["v1", "v2"]));
        crd["spec"]["versions"] = json!([{"name": "v2", "storage": true}]);
        let mut errors = Vec::new();
        validate_update(&crd, &crd.clone(), &mut errors);
        assert_eq!(
            errors[0].to_string(),
            "status.storedVersions[0]: Invalid value: \"v1\": must appear in spec.versions"
        );
    }
}
