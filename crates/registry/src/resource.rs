//! A kind as it is served, and everything the API server asks about it.

use std::borrow::Cow;
use std::sync::OnceLock;

use jiff::Timestamp;
use machinery::error::FieldError;
use machinery::jsonpath::JsonPath;
use machinery::schema::Schema;
use serde_json::{Map, Value};

use crate::crd::Custom;
use machinery::Propagation;

use crate::kind::{DeleteResponse, Kind, NameRule};
use crate::strategy::{event, pod_warnings};
use crate::value::{at, keep, remove};
use crate::{metadata, schemas};

/// One kind at one group, version and plural name.
pub struct Resource {
    pub group: String,
    pub version: String,
    pub kind: String,
    pub list_kind: String,
    pub plural: String,
    pub singular: String,
    pub short_names: Vec<String>,
    pub categories: Vec<String>,
    pub namespaced: bool,
    /// Whether objects are kept; reviews and the like are answered only.
    pub stored: bool,
    pub verbs: Vec<&'static str>,
    pub subresources: Vec<Subresource>,
    /// Where objects are kept: the group (core is the empty string), and the version in which they are written.
    pub storage_group: String,
    pub storage_version: String,
    /// The uid of the CRD behind the resource.
    pub crd_uid: Option<String>,
    /// What a client is told that uses a deprecated version.
    pub deprecation_warning: Option<String>,
    pub(crate) source: Source,
    schema: OnceLock<Schema>,
    column_paths: OnceLock<Vec<Option<JsonPath>>>,
}

/// What a resource is made of.
pub(crate) enum Source {
    BuiltIn(&'static Kind),
    Custom(Box<Custom>),
}

/// A subresource, and the kind that it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subresource {
    pub name: &'static str,
    /// Group, version and kind, where they differ from the resource's own.
    pub kind: Option<(&'static str, &'static str, &'static str)>,
    pub verbs: &'static [&'static str],
}

/// Where the scale subresource finds its numbers: JSON paths such as `.spec.replicas`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scale {
    pub spec_replicas: Cow<'static, str>,
    pub status_replicas: Cow<'static, str>,
    /// The path of the selector: a string in custom resources, a LabelSelector in built-in kinds.
    pub label_selector: Option<Cow<'static, str>>,
}

/// What selectors look at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields {
    pub labels: Vec<(String, String)>,
    pub fields: Vec<(String, String)>,
}

impl Resource {
    pub(crate) fn built_in(kind: &'static Kind) -> Self {
        let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        Self {
            group: kind.group.to_owned(),
            version: kind.version.to_owned(),
            kind: kind.kind.to_owned(),
            list_kind: format!("{}List", kind.kind),
            plural: kind.plural.to_owned(),
            singular: kind.singular.to_owned(),
            short_names: owned(kind.short_names),
            categories: owned(kind.categories),
            namespaced: kind.namespaced,
            stored: kind.stored,
            verbs: kind.verbs.to_vec(),
            subresources: kind.subresources.to_vec(),
            storage_group: kind.storage_group.unwrap_or(kind.group).to_owned(),
            storage_version: kind.version.to_owned(),
            crd_uid: None,
            deprecation_warning: None,
            source: Source::BuiltIn(kind),
            schema: OnceLock::new(),
            column_paths: OnceLock::new(),
        }
    }

    pub(crate) fn custom(custom: Custom) -> Self {
        let names = &custom.names;
        Self {
            group: custom.group.clone(),
            version: custom.version.clone(),
            kind: names.kind.clone(),
            list_kind: names.list_kind.clone(),
            plural: names.plural.clone(),
            singular: names.singular.clone(),
            short_names: names.short_names.clone(),
            categories: names.categories.clone(),
            namespaced: custom.namespaced,
            stored: true,
            verbs: crate::kind::ALL_VERBS.to_vec(),
            subresources: custom.subresources(),
            storage_group: custom.group.clone(),
            storage_version: custom.storage_version.clone(),
            crd_uid: Some(custom.uid.clone()),
            deprecation_warning: custom.deprecation_warning.clone(),
            source: Source::Custom(Box::new(custom)),
            schema: OnceLock::new(),
            column_paths: OnceLock::new(),
        }
    }

    /// Whether another resource is made of the same.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        match (&self.source, &other.source) {
            (Source::BuiltIn(one), Source::BuiltIn(other)) => std::ptr::eq(*one, *other),
            (Source::Custom(one), Source::Custom(other)) => one == other,
            _ => false,
        }
    }

    pub(crate) fn key(&self) -> (String, String, String) {
        (self.group.clone(), self.version.clone(), self.plural.clone())
    }

    /// `apps/v1`, or `v1` for the core group.
    pub fn api_version(&self) -> String {
        api_version(&self.group, &self.version)
    }

    /// `widgets.ex.com`, or `pods` for the core group: what error texts call the resource.
    pub fn qualified(&self) -> String {
        if self.group.is_empty() {
            self.plural.clone()
        } else {
            format!("{}.{}", self.plural, self.group)
        }
    }

    /// Whether a CRD is behind it.
    pub fn is_crd(&self) -> bool {
        matches!(self.source, Source::Custom(_))
    }

    /// The subresource of a name.
    pub fn subresource(&self, name: &str) -> Option<&Subresource> {
        self.subresources.iter().find(|subresource| subresource.name == name)
    }

    /// Where the scale subresource finds its numbers, if there is one.
    pub fn scale(&self) -> Option<Scale> {
        match &self.source {
            Source::Custom(custom) => custom.scale.clone(),
            Source::BuiltIn(_) => self.subresource("scale").map(|_| Scale {
                spec_replicas: ".spec.replicas".into(),
                status_replicas: ".status.replicas".into(),
                label_selector: Some(".spec.selector".into()),
            }),
        }
    }

    /// The schema, compiled when it is first asked for.
    pub fn schema(&self) -> &Schema {
        self.schema.get_or_init(|| match &self.source {
            Source::BuiltIn(kind) => schemas::built_in(kind),
            Source::Custom(custom) => custom.schema(),
        })
    }

    /// Fills in what the API server sets where the user said nothing.
    pub fn defaults(&self, object: &mut Value) {
        self.schema().canonicalize(object);
        self.schema().apply_defaults(object);
        if let Source::BuiltIn(kind) = &self.source {
            (kind.strategy.defaults)(object);
        }
    }

    /// Drops what a client of a custom resource says with null: nothing. An applied null stays, and is refused.
    pub fn drop_useless_nulls(&self, object: &mut Value) {
        if self.is_crd() {
            self.schema().drop_useless_nulls(object);
        }
    }

    /// What is accepted and hardly meant, of a new object or of a new state.
    pub fn warnings(&self, object: &Value, old: Option<&Value>) -> Vec<String> {
        if self.is_crd() {
            return metadata::finalizer_warnings(object, old);
        }
        let intent_is_new = old.is_none_or(|old| generation(old) != generation(object));
        match pod_warnings::place(&self.group, &self.kind) {
            Some(place) if intent_is_new => pod_warnings::of(object, place),
            _ => Vec::new(),
        }
    }

    /// Makes a new object ready to be stored: no status where that is a subresource, generation 1.
    pub fn prepare_create(&self, object: &mut Value) {
        if let Some(metadata) = object.get_mut("metadata") {
            for key in ["deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "generation"]
            {
                remove(metadata, key);
            }
        }
        if self.has_status() {
            remove(object, "status");
        }
        if let Source::BuiltIn(kind) = &self.source {
            if kind.strategy.status {
                crate::value::default(object, "status", Map::new());
            }
            (kind.strategy.prepare_create)(object);
        }
        if self.counts_generations() {
            set_generation(object, 1);
        }
    }

    /// Makes the new state of an object ready: what the server owns comes from the old state, the generation counts.
    pub fn prepare_update(&self, object: &mut Value, old: &Value) {
        keep_server_metadata(object, old);
        if self.has_status() {
            keep(object, "status", old);
        }
        if let Source::BuiltIn(kind) = &self.source {
            (kind.strategy.prepare_update)(object, old);
        }
        if self.counts_generations() && self.intent_differs(object, old) {
            set_generation(object, generation(old) + 1);
        }
    }

    /// Makes the new state of a write to `/status` ready: only the status counts.
    pub fn prepare_status(&self, object: &mut Value, old: &Value) {
        let status = remove(object, "status");
        let metadata = remove(object, "metadata").unwrap_or_default();
        let mut next = old.clone();
        if let Some(next_metadata) = next.get_mut("metadata") {
            let kept: &[&str] = match &self.source {
                Source::BuiltIn(kind) if !kind.strategy.generation || kind.kind == "Pod" => {
                    &["annotations", "finalizers", "labels", "managedFields", "resourceVersion"]
                }
                _ => &["managedFields", "resourceVersion"],
            };
            for &key in kept {
                keep(next_metadata, key, &metadata);
            }
        }
        match (status, next.as_object_mut()) {
            (Some(status), Some(next)) => drop(next.insert("status".to_owned(), status)),
            (None, Some(next)) => drop(next.remove("status")),
            (_, None) => {}
        }
        *object = next;
    }

    /// Makes the new state of a namespace ready that a write to `/finalize` leads to: only its finalizers count.
    pub fn prepare_finalize(&self, object: &mut Value, old: &Value) {
        crate::strategy::namespace::finalize(object, old);
    }

    /// Makes the new state of a pod ready that a write to `/resize` leads to: only resources of containers count.
    pub fn prepare_resize(&self, object: &mut Value, old: &Value) {
        crate::strategy::pod_resize::prepare(object, old);
        if self.intent_differs(object, old) {
            set_generation(object, generation(old) + 1);
        }
    }

    /// Every reason why a pod cannot be resized like this.
    pub fn validate_resize(&self, object: &Value, old: &Value) -> Vec<FieldError> {
        let mut errors = self.schema().validate(object, Some(old));
        if errors.is_empty() {
            crate::strategy::pod_resize::validate(object, old, &mut errors);
        }
        errors
    }

    /// Turns an object of this version into the form in which it is stored.
    pub fn to_storage(&self, object: &mut Value) {
        if self.storage_group != self.group {
            event::to_core(object);
        } else if self.storage_version != self.version {
            object["apiVersion"] = api_version(&self.group, &self.storage_version).into();
        }
    }

    /// Turns a stored object into this version's form.
    pub fn from_storage(&self, object: &mut Value) {
        if self.storage_group != self.group {
            event::from_core(object);
        } else {
            // Objects stored under an older storage version are rewritten too: conversion None changes nothing else.
            object["apiVersion"] = self.api_version().into();
        }
    }

    fn validate_metadata(&self, object: &Value) -> Vec<FieldError> {
        let mut errors = metadata::validate(object, self.namespaced, self.name_rule());
        if !self.is_crd() {
            metadata::validate_finalizers(object, &mut errors);
        }
        errors
    }

    /// Every reason why a new object cannot be.
    pub fn validate_create(&self, object: &Value) -> Vec<FieldError> {
        let errors = self.validate_metadata(object);
        let mut errors = self.schema().validate_after(object, None, errors);
        if let Source::BuiltIn(kind) = &self.source
            && errors.is_empty()
        {
            (kind.strategy.validate)(object, &mut errors);
            (kind.strategy.validate_create)(object, &mut errors);
        }
        errors
    }

    /// Every reason why an object cannot change like this.
    pub fn validate_update(&self, object: &Value, old: &Value) -> Vec<FieldError> {
        let mut errors = self.validate_metadata(object);
        metadata::validate_update(object, old, &mut errors);
        let mut errors = self.schema().validate_after(object, Some(old), errors);
        if let Source::BuiltIn(kind) = &self.source
            && errors.is_empty()
        {
            (kind.strategy.validate)(object, &mut errors);
            (kind.strategy.validate_update)(object, old, &mut errors);
        }
        errors
    }

    /// The labels and the selectable fields of an object.
    pub fn index(&self, object: &Value) -> Fields {
        let labels = at(object, "metadata.labels").and_then(Value::as_object).map(|labels| {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            labels.iter().map(|(key, value)| (key.clone(), text(value))).collect()
        });
        let fields = self.field_paths().into_iter().filter_map(|(path, absent)| {
            let value = match (&*path, self.is_crd()) {
                ("source", false) => event::source(object).map(str::to_owned),
                _ => selectable(object, &path),
            };
            let value = value.unwrap_or_else(|| absent.into_owned());
            (path.starts_with("metadata.") || !value.is_empty() || !self.is_crd())
                .then(|| (path.into_owned(), value))
        });
        Fields { labels: labels.unwrap_or_default(), fields: fields.collect() }
    }

    /// The names that a field selector may use.
    pub fn selectable_fields(&self) -> Vec<String> {
        self.field_paths().into_iter().map(|(path, _)| path.into_owned()).collect()
    }

    fn field_paths(&self) -> Vec<(Cow<'_, str>, Cow<'_, str>)> {
        let mut paths = vec![("metadata.name".into(), "".into())];
        if self.namespaced {
            paths.push(("metadata.namespace".into(), "".into()));
        }
        match &self.source {
            Source::BuiltIn(kind) => paths.extend(
                kind.strategy.fields.iter().map(|&(path, absent)| (path.into(), absent.into())),
            ),
            Source::Custom(custom) => paths.extend(
                custom.selectable_fields.iter().map(|path| (path.as_str().into(), "".into())),
            ),
        }
        paths
    }

    /// Whether a PUT without a resourceVersion is accepted.
    pub fn unconditional_update(&self) -> bool {
        self.strategy().is_some_and(|strategy| strategy.unconditional_update)
    }

    /// Whether a PUT of an object that does not exist creates it.
    pub fn create_on_update(&self) -> bool {
        self.strategy().is_some_and(|strategy| strategy.create_on_update)
    }

    /// Whether deletion gives the object time to end (pods).
    pub fn graceful_delete(&self) -> bool {
        self.strategy().is_some_and(|strategy| strategy.graceful)
    }

    /// What a completed deletion answers.
    pub fn delete_response(&self) -> DeleteResponse {
        self.strategy().map_or(DeleteResponse::Status, |strategy| strategy.delete_response)
    }

    /// What happens to dependents when the request does not say.
    pub fn default_propagation(&self) -> Propagation {
        // Jobs were created when dependents were orphaned by default, and v1 kept it.
        if self.group == "batch" && self.plural == "jobs" {
            Propagation::Orphan
        } else {
            Propagation::Background
        }
    }

    /// Whether `/status` is apart from the main endpoint.
    pub fn has_status(&self) -> bool {
        match &self.source {
            Source::BuiltIn(kind) => kind.strategy.status,
            Source::Custom(custom) => custom.status,
        }
    }

    pub(crate) fn strategy(&self) -> Option<&'static crate::kind::Strategy> {
        match &self.source {
            Source::BuiltIn(kind) => Some(&kind.strategy),
            Source::Custom(_) => None,
        }
    }

    fn name_rule(&self) -> NameRule {
        self.strategy().map_or(NameRule::Subdomain, |strategy| strategy.name)
    }

    fn counts_generations(&self) -> bool {
        self.strategy().is_none_or(|strategy| strategy.generation)
    }

    /// Whether anything but metadata (and a status that is apart) differs. Deployments also count annotations.
    fn intent_differs(&self, object: &Value, old: &Value) -> bool {
        let is_intent = |(key, _): &(&String, &Value)| {
            !matches!(key.as_str(), "metadata" | "apiVersion" | "kind")
                && (*key != "status" || !self.has_status())
        };
        let new_intent = object.as_object().into_iter().flatten().filter(is_intent);
        let old_intent = old.as_object().into_iter().flatten().filter(is_intent);
        let annotations = "metadata.annotations";
        !new_intent.eq(old_intent)
            || (self.kind == "Deployment"
                && self.group == "apps"
                && at(object, annotations) != at(old, annotations))
    }

    pub(crate) fn column_paths(&self) -> &[Option<JsonPath>] {
        self.column_paths.get_or_init(|| crate::table::column_paths(self))
    }

    /// Column definitions and cells of one object for this kind's table.
    pub fn table_columns(&self) -> Vec<Value> {
        crate::table::columns(self)
    }

    /// The cells of an object, one for each column.
    pub fn table_row(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        crate::table::cells(self, object, now)
    }
}

/// `apps/v1`, or `v1` for the core group.
pub(crate) fn api_version(group: &str, version: &str) -> String {
    if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") }
}

/// The text of a selectable value.
fn selectable(object: &Value, path: &str) -> Option<String> {
    match at(object, path)? {
        Value::String(text) => Some(text.clone()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn generation(object: &Value) -> i64 {
    at(object, "metadata.generation").and_then(Value::as_i64).unwrap_or(0)
}

fn set_generation(object: &mut Value, generation: i64) {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.insert("generation".to_owned(), generation.into());
    }
}

/// What only the server writes comes from the old object, whatever the request holds.
fn keep_server_metadata(object: &mut Value, old: &Value) {
    let Some(old) = old.get("metadata") else { return };
    let Some(metadata) = object.get_mut("metadata") else { return };
    let owned = [
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "generation",
        "selfLink",
    ];
    for key in owned {
        keep(metadata, key, old);
    }
    for key in ["uid", "namespace", "generateName"] {
        if metadata.get(key).is_none() {
            keep(metadata, key, old);
        }
    }
}
