//! Custom resource definitions: what a CRD's versions serve, its defaults, its validation, its conditions.
//!
//! A CRD serves nothing until its `Established` condition is true; its names are those in `status.acceptedNames`.

mod status;
mod strategy;
mod validate;

use std::cmp::Ordering;

use machinery::schema::Schema;
use serde_json::{Value, json};

pub use status::next_status;
pub(crate) use strategy::STRATEGY;

use crate::resource::{Resource, Scale, Subresource};
use crate::value::{at, flag, list, text};

/// One served version of a CRD.
#[derive(PartialEq)]
pub(crate) struct Custom {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) names: Names,
    pub(crate) namespaced: bool,
    pub(crate) uid: String,
    pub(crate) storage_version: String,
    pub(crate) deprecation_warning: Option<String>,
    pub(crate) status: bool,
    pub(crate) scale: Option<Scale>,
    /// Paths such as `spec.color`.
    pub(crate) selectable_fields: Vec<String>,
    pub(crate) columns: Vec<Value>,
    /// The OpenAPI v3 schema as the user wrote it.
    pub(crate) openapi: Value,
}

/// What a CRD calls its objects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Names {
    pub(crate) plural: String,
    pub(crate) singular: String,
    pub(crate) kind: String,
    pub(crate) list_kind: String,
    pub(crate) short_names: Vec<String>,
    pub(crate) categories: Vec<String>,
}

impl Names {
    pub(crate) fn read(names: &Value) -> Self {
        let word = |key: &str| text(names, key).unwrap_or_default().to_owned();
        let words = |key: &str| {
            list(names, key).iter().filter_map(Value::as_str).map(str::to_owned).collect()
        };
        Self {
            plural: word("plural"),
            singular: word("singular"),
            kind: word("kind"),
            list_kind: word("listKind"),
            short_names: words("shortNames"),
            categories: words("categories"),
        }
    }

    fn to_value(&self) -> Value {
        let mut out = json!({"plural": self.plural, "kind": self.kind});
        for (key, word) in [("singular", &self.singular), ("listKind", &self.list_kind)] {
            if !word.is_empty() {
                out[key] = word.as_str().into();
            }
        }
        for (key, words) in [("shortNames", &self.short_names), ("categories", &self.categories)] {
            if !words.is_empty() {
                out[key] = Value::from(words.as_slice());
            }
        }
        out
    }
}

impl Custom {
    pub(crate) fn subresources(&self) -> Vec<Subresource> {
        let verbs = &["get", "patch", "update"];
        let scale = self.scale.is_some().then_some(Subresource {
            name: "scale",
            kind: Some(("autoscaling", "v1", "Scale")),
            verbs,
        });
        let status = self.status.then_some(Subresource { name: "status", kind: None, verbs });
        scale.into_iter().chain(status).collect()
    }

    /// The compiled schema; one that is not structural was refused when the definition was written.
    pub(crate) fn schema(&self) -> Schema {
        Schema::from_accepted(&self.openapi)
    }
}

/// Whether the CRD serves its versions.
pub fn established(crd: &Value) -> bool {
    condition_is_true(crd, "Established")
}

pub(crate) fn condition_is_true(crd: &Value, kind: &str) -> bool {
    list(crd, "status.conditions")
        .iter()
        .any(|one| text(one, "type") == Some(kind) && text(one, "status") == Some("True"))
}

/// The resources that a CRD serves: one for each served version, none before it is established.
pub(crate) fn resources(crd: &Value) -> Vec<Resource> {
    if !established(crd) {
        return Vec::new();
    }
    let versions = list(crd, "spec.versions").iter();
    versions
        .filter(|version| flag(version, "served"))
        .map(|version| Resource::custom(custom(crd, version)))
        .collect()
}

fn custom(crd: &Value, version: &Value) -> Custom {
    let word = |path: &str| text(crd, path).unwrap_or_default().to_owned();
    let group = word("spec.group");
    let name = text(version, "name").unwrap_or_default().to_owned();
    let names = Names::read(at(crd, "status.acceptedNames").unwrap_or(&Value::Null));
    let stored = list(crd, "spec.versions").iter().find(|version| flag(version, "storage"));
    Custom {
        deprecation_warning: deprecation_warning(version, &group, &name, &names.kind),
        namespaced: text(crd, "spec.scope") == Some("Namespaced"),
        uid: word("metadata.uid"),
        storage_version: stored.and_then(|one| text(one, "name")).unwrap_or(&name).to_owned(),
        status: at(version, "subresources.status").is_some_and(|status| !status.is_null()),
        scale: at(version, "subresources.scale").filter(|scale| !scale.is_null()).map(scale),
        selectable_fields: list(version, "selectableFields")
            .iter()
            .filter_map(|field| text(field, "jsonPath"))
            .map(|path| path.trim_start_matches('.').to_owned())
            .collect(),
        columns: list(version, "additionalPrinterColumns").to_vec(),
        openapi: at(version, "schema.openAPIV3Schema").cloned().unwrap_or_default(),
        group,
        version: name,
        names,
    }
}

fn scale(scale: &Value) -> Scale {
    let path = |key: &str| text(scale, key).unwrap_or_default().to_owned();
    Scale {
        spec_replicas: path("specReplicasPath").into(),
        status_replicas: path("statusReplicasPath").into(),
        label_selector: Some(path("labelSelectorPath"))
            .filter(|path| !path.is_empty())
            .map(Into::into),
    }
}

fn deprecation_warning(version: &Value, group: &str, name: &str, kind: &str) -> Option<String> {
    flag(version, "deprecated").then(|| match text(version, "deprecationWarning") {
        Some(warning) => warning.to_owned(),
        None => format!("{group}/{name} {kind} is deprecated"),
    })
}

/// The order of Kubernetes versions, best first: v2, v1, v2beta1, v1beta2, v1alpha1, then others by name.
pub fn compare_versions(a: &str, b: &str) -> Ordering {
    match (rank(a), rank(b)) {
        (Some(a), Some(b)) => b.cmp(&a),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => a.cmp(b),
    }
}

/// Stability (alpha 0, beta 1, stable 2), major, minor.
fn rank(version: &str) -> Option<(u8, u32, u32)> {
    let number = |text: &str| {
        let plain =
            !text.is_empty() && !text.starts_with('0') && text.bytes().all(|b| b.is_ascii_digit());
        plain.then(|| text.parse().ok()).flatten()
    };
    let rest = version.strip_prefix('v')?;
    for (word, stability) in [("alpha", 0), ("beta", 1)] {
        if let Some((major, minor)) = rest.split_once(word) {
            return Some((stability, number(major)?, number(minor)?));
        }
    }
    Some((2, number(rest)?, 0))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::Registry;

    pub(crate) fn widgets() -> Value {
        let names = json!({"plural": "widgets", "singular": "widget", "kind": "Widget",
            "listKind": "WidgetList", "shortNames": ["wd"], "categories": ["all"]});
        json!({
            "metadata": {"name": "widgets.ex.com", "uid": "u1"},
            "spec": {"group": "ex.com", "names": names, "scope": "Namespaced", "versions": [
                {"name": "v1", "served": true, "storage": true,
                 "schema": {"openAPIV3Schema": {"type": "object"}},
                 "subresources": {"status": {}, "scale": {
                    "specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"}}},
                {"name": "v1beta1", "served": true, "storage": false, "deprecated": true,
                 "schema": {"openAPIV3Schema": {"type": "object"}}},
                {"name": "v1alpha1", "served": false, "storage": false,
                 "schema": {"openAPIV3Schema": {"type": "object"}}}]},
            "status": {"acceptedNames": names,
                "conditions": [{"type": "Established", "status": "True"}]}
        })
    }

    #[test]
    fn served_versions_become_resources() {
        let crd = widgets();
        let registry = Registry::new([&crd]);
        let v1 = registry.resource("ex.com", "v1", "widgets").unwrap();
        assert_eq!((v1.kind.as_str(), v1.list_kind.as_str()), ("Widget", "WidgetList"));
        assert_eq!(v1.crd_uid.as_deref(), Some("u1"));
        assert!(v1.has_status() && v1.subresource("scale").is_some() && !v1.unconditional_update());
        let beta = registry.resource("ex.com", "v1beta1", "widgets").unwrap();
        assert!(!beta.has_status() && beta.scale().is_none());
        assert_eq!(beta.storage_version, "v1");
        assert_eq!(
            beta.deprecation_warning.as_deref(),
            Some("ex.com/v1beta1 Widget is deprecated")
        );
        assert!(registry.resource("ex.com", "v1alpha1", "widgets").is_none());
        assert_eq!(registry.groups()["ex.com"], ["v1", "v1beta1"]);
    }

    #[test]
    fn nothing_is_served_before_established() {
        let mut crd = widgets();
        crd["status"]["conditions"] = json!([]);
        assert!(Registry::new([&crd]).resource("ex.com", "v1", "widgets").is_none());
    }

    #[test]
    fn versions_are_ordered_by_stability_then_number() {
        let mut versions = ["v1alpha1", "foo", "v1", "v10", "v2beta1", "v1beta2", "v2", "bar"];
        versions.sort_by(|a, b| compare_versions(a, b));
        assert_eq!(versions, ["v10", "v2", "v1", "v2beta1", "v1beta2", "v1alpha1", "bar", "foo"]);
    }
}
