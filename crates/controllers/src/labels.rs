//! Label selectors of typed objects.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};

pub type Labels = BTreeMap<String, String>;

/// A compiled selector.
#[derive(Clone, Debug)]
pub struct Selector(machinery::selector::LabelSelector);

impl Selector {
    /// Compiles a selector. One that cannot be read (the API does not let any in) selects nothing, which is safe.
    pub fn new(selector: &LabelSelector) -> Self {
        let value = serde_json::to_value(selector).unwrap_or_default();
        let compiled = machinery::selector::LabelSelector::from_value(&value);
        Self(compiled.unwrap_or_else(|_| machinery::selector::LabelSelector::nothing()))
    }

    pub fn matches(&self, labels: Option<&Labels>) -> bool {
        self.0.matches(|key| labels.and_then(|it| it.get(key)).map(String::as_str))
    }

    pub fn matches_meta(&self, meta: &ObjectMeta) -> bool {
        self.matches(meta.labels.as_ref())
    }
}

/// The value of an annotation.
pub fn annotation<'a>(meta: &'a ObjectMeta, key: &str) -> Option<&'a str> {
    meta.annotations.as_ref()?.get(key).map(String::as_str)
}

/// Sets an annotation.
pub fn annotate(meta: &mut ObjectMeta, key: &str, value: impl Into<String>) {
    meta.annotations.get_or_insert_default().insert(key.to_owned(), value.into());
}

/// The value of a label.
pub fn label<'a>(meta: &'a ObjectMeta, key: &str) -> Option<&'a str> {
    meta.labels.as_ref()?.get(key).map(String::as_str)
}
