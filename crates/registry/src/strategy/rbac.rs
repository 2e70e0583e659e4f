//! Roles and bindings.

use machinery::error::FieldError;
use machinery::names;
use machinery::selector::LabelSelector;
use serde_json::Value;

use super::Errors;
use crate::kind::{NameRule, Strategy};
use crate::value::{at_mut, default_text, items_mut, list, text};

const GROUP: &str = "rbac.authorization.k8s.io";

pub(crate) const ROLE: Strategy = Strategy {
    name: NameRule::PathSegment,
    create_on_update: true,
    validate: rules,
    ..Strategy::PLAIN
};

pub(crate) const CLUSTER_ROLE: Strategy = Strategy {
    validate: |object, errors| {
        rules(object, errors);
        selectors(object, errors);
    },
    ..ROLE
};

pub(crate) const BINDING: Strategy = Strategy {
    name: NameRule::PathSegment,
    create_on_update: true,
    defaults,
    validate: |object, errors| binding(object, &["ClusterRole", "Role"], errors),
    validate_update: same_role,
    ..Strategy::PLAIN
};

pub(crate) const CLUSTER_BINDING: Strategy =
    Strategy { validate: |object, errors| binding(object, &["ClusterRole"], errors), ..BINDING };

fn defaults(object: &mut Value) {
    if let Some(role) = at_mut(object, "roleRef") {
        default_text(role, "apiGroup", GROUP);
    }
    for subject in items_mut(object, "subjects") {
        if matches!(text(subject, "kind"), Some("User" | "Group")) {
            default_text(subject, "apiGroup", GROUP);
        }
    }
}

fn rules(object: &Value, errors: &mut Errors) {
    let in_namespace = text(object, "metadata.namespace").is_some();
    for (index, rule) in list(object, "rules").iter().enumerate() {
        let field = |key: &str| format!("rules[{index}].{key}");
        let filled = |key: &str| !list(rule, key).is_empty();
        if !filled("verbs") {
            errors.push(FieldError::required(
                field("verbs"),
                "verbs must contain at least one value",
            ));
        }
        if filled("nonResourceURLs") {
            if in_namespace {
                let value = Value::from(list(rule, "nonResourceURLs"));
                let why = "namespaced rules cannot apply to non-resource URLs";
                errors.push(FieldError::invalid(field("nonResourceURLs"), value, why));
            }
            let other = ["apiGroups", "resources", "resourceNames"].into_iter().any(filled);
            if other {
                let value = Value::from(list(rule, "nonResourceURLs"));
                let why = "rules cannot apply to both regular resources and non-resource URLs";
                errors.push(FieldError::invalid(field("nonResourceURLs"), value, why));
            }
            continue;
        }
        if !filled("apiGroups") {
            let why = "resource rules must supply at least one api group";
            errors.push(FieldError::required(field("apiGroups"), why));
        }
        if !filled("resources") {
            let why = "resource rules must supply at least one resource";
            errors.push(FieldError::required(field("resources"), why));
        }
    }
}

/// From which roles a role gathers its rules.
fn selectors(object: &Value, errors: &mut Errors) {
    if object["aggregationRule"].is_null() {
        return;
    }
    let field = "aggregationRule.clusterRoleSelectors";
    let selectors = list(object, field);
    if selectors.is_empty() {
        let why = "at least one clusterRoleSelector required if aggregationRule is non-nil";
        errors.push(FieldError::required(field, why));
    }
    for (index, selector) in selectors.iter().enumerate() {
        if let Err(error) = LabelSelector::from_value(selector) {
            let field = format!("{field}[{index}]");
            errors.push(FieldError::invalid(field, selector.clone(), error.to_string()));
        }
    }
}

fn binding(object: &Value, kinds: &[&str], errors: &mut Errors) {
    let role = |key: &str| text(object, &format!("roleRef.{key}")).unwrap_or_default();
    if role("apiGroup") != GROUP {
        errors.push(FieldError::not_supported("roleRef.apiGroup", role("apiGroup"), &[GROUP]));
    }
    if !kinds.contains(&role("kind")) {
        errors.push(FieldError::not_supported("roleRef.kind", role("kind"), kinds));
    }
    name(role("name"), "roleRef.name", names::path_segment, errors);
    let namespaced = text(object, "metadata.namespace").is_some();
    for (index, one) in list(object, "subjects").iter().enumerate() {
        subject(one, &format!("subjects[{index}]"), namespaced, errors);
    }
}

fn name(name: &str, field: &str, rule: fn(&str) -> Vec<String>, errors: &mut Errors) {
    if name.is_empty() {
        errors.push(FieldError::required(field, ""));
        return;
    }
    errors.extend(rule(name).into_iter().map(|why| FieldError::invalid(field, name, why)));
}

/// A service account without a namespace means the binding's own, where it has one.
fn subject(subject: &Value, field: &str, namespaced: bool, errors: &mut Errors) {
    let word = |key: &str| text(subject, key).unwrap_or_default();
    // Users and groups are called as who lets them in likes.
    let is_account = word("kind") == "ServiceAccount";
    let rule = if is_account { names::dns_subdomain } else { |_: &str| Vec::new() };
    name(word("name"), &format!("{field}.name"), rule, errors);
    let group = match word("kind") {
        "ServiceAccount" => {
            if word("namespace").is_empty() && !namespaced {
                errors.push(FieldError::required(format!("{field}.namespace"), ""));
            }
            ""
        }
        "User" | "Group" => GROUP,
        other => {
            let supported = ["ServiceAccount", "User", "Group"];
            errors.push(FieldError::not_supported(format!("{field}.kind"), other, &supported));
            return;
        }
    };
    if word("apiGroup") != group {
        errors.push(FieldError::not_supported(
            format!("{field}.apiGroup"),
            word("apiGroup"),
            &[group],
        ));
    }
}

fn same_role(object: &Value, old: &Value, errors: &mut Errors) {
    if object.get("roleRef") != old.get("roleRef") {
        // By the names of Go's fields, as upstream.
        let part = |key: &str| text(object, &format!("roleRef.{key}")).unwrap_or_default();
        let value = serde_json::json!({"APIGroup": part("apiGroup"), "Kind": part("kind"), "Name": part("name")});
        errors.push(FieldError::invalid("roleRef", value, "cannot change roleRef"));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::texts;
    use super::*;

    #[test]
    fn bindings_default_and_check_their_references() {
        let mut object = json!({"metadata": {"name": "b"},
            "roleRef": {"kind": "Role", "name": "r"},
            "subjects": [{"kind": "User", "name": "u"}, {"kind": "ServiceAccount", "name": "s"}]});
        defaults(&mut object);
        assert_eq!(object["roleRef"]["apiGroup"], GROUP);
        assert_eq!(object["subjects"][0]["apiGroup"], GROUP);
        let mut errors = Errors::new();
        (CLUSTER_BINDING.validate)(&object, &mut errors);
        assert_eq!(
            texts(&errors),
            [
                "roleRef.kind: Unsupported value: \"Role\": supported values: \"ClusterRole\"",
                "subjects[1].namespace: Required value",
            ]
        );
    }

    #[test]
    fn names_are_such_as_their_kinds_have() {
        let object = json!({"metadata": {"name": "b", "namespace": "n"},
            "roleRef": {"apiGroup": GROUP, "kind": "Role", "name": "a/b"},
            "subjects": [{"kind": "User", "apiGroup": GROUP, "name": "A/b c"},
                {"kind": "ServiceAccount", "name": "a:b"}, {"kind": "ServiceAccount"}]});
        let mut errors = Errors::new();
        (BINDING.validate)(&object, &mut errors);
        let texts: Vec<String> = texts(&errors);
        assert_eq!(texts.len(), 3, "{texts:?}");
        assert_eq!(texts[0], "roleRef.name: Invalid value: \"a/b\": may not contain '/'");
        let account = "subjects[1].name: Invalid value: \"a:b\": a lowercase RFC 1123 subdomain";
        assert!(texts[1].starts_with(account), "{texts:?}");
        assert_eq!(texts[2], "subjects[2].name: Required value");
    }

    #[test]
    fn what_a_role_may_not_say_is_refused() {
        let mut errors = Errors::new();
        let paths = json!([{"verbs": ["get"], "nonResourceURLs": ["/x"]}]);
        (ROLE.validate)(&json!({"metadata": {"namespace": "n"}, "rules": paths}), &mut errors);
        let gathers = |selectors: Value| {
            json!({"metadata": {}, "rules": paths,
                "aggregationRule": {"clusterRoleSelectors": selectors}})
        };
        (CLUSTER_ROLE.validate)(&gathers(json!([])), &mut errors);
        (CLUSTER_ROLE.validate)(&gathers(json!([{"matchLabels": {"a": "b"}}])), &mut errors);
        assert_eq!(
            texts(&errors),
            [
                "rules[0].nonResourceURLs: Invalid value: [\"/x\"]: namespaced rules cannot apply to non-resource URLs",
                "aggregationRule.clusterRoleSelectors: Required value: at least one clusterRoleSelector required if aggregationRule is non-nil",
            ]
        );
    }

    #[test]
    fn rules_name_verbs_groups_and_resources() {
        let mut errors = Errors::new();
        rules(
            &json!({"rules": [{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]},
            {"verbs": ["get"], "nonResourceURLs": ["/healthz"]}, {"resources": ["pods"]}]}),
            &mut errors,
        );
        assert_eq!(
            texts(&errors),
            [
                "rules[2].verbs: Required value: verbs must contain at least one value",
                "rules[2].apiGroups: Required value: resource rules must supply at least one api group",
            ]
        );
    }
}
