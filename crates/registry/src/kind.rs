//! The shape of one row of the built-in table.
//!
//! A row holds names, facts and pure functions; rows are constants in [`crate::kinds`]. A kind that is not stored
//! (a review) has `stored: false` and only the verb `create`.

use jiff::Timestamp;
use machinery::error::FieldError;
use serde_json::Value;

use crate::resource::Subresource;

/// One built-in kind at one version.
pub(crate) struct Kind {
    pub(crate) group: &'static str,
    pub(crate) version: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) plural: &'static str,
    pub(crate) singular: &'static str,
    pub(crate) short_names: &'static [&'static str],
    pub(crate) categories: &'static [&'static str],
    pub(crate) namespaced: bool,
    pub(crate) stored: bool,
    pub(crate) verbs: &'static [&'static str],
    pub(crate) subresources: &'static [Subresource],
    /// The group under which objects are kept, where it differs from `group` (events).
    pub(crate) storage_group: Option<&'static str>,
    /// The JSON schema of the kind, as k8s-openapi has it.
    pub(crate) schema: fn(&mut schemars::SchemaGenerator) -> schemars::Schema,
    pub(crate) strategy: Strategy,
    pub(crate) printer: Printer,
}

/// What happens to an object of the kind on its way to the store.
pub(crate) struct Strategy {
    pub(crate) name: NameRule,
    /// Whether `/status` is apart, so that the main endpoint ignores `status` and the other way round.
    pub(crate) status: bool,
    /// Whether `metadata.generation` counts changes outside metadata and status.
    pub(crate) generation: bool,
    pub(crate) unconditional_update: bool,
    pub(crate) create_on_update: bool,
    pub(crate) delete_response: DeleteResponse,
    /// Whether deletion gives the object time to end (pods).
    pub(crate) graceful: bool,
    /// Selectable fields besides `metadata.name` and `metadata.namespace`, with the value that stands for absent.
    pub(crate) fields: &'static [(&'static str, &'static str)],
    pub(crate) defaults: fn(&mut Value),
    pub(crate) prepare_create: fn(&mut Value),
    /// Arguments: new, old.
    pub(crate) prepare_update: fn(&mut Value, &Value),
    pub(crate) validate: fn(&Value, &mut Vec<FieldError>),
    /// Only of new objects.
    pub(crate) validate_create: fn(&Value, &mut Vec<FieldError>),
    /// Arguments: new, old.
    pub(crate) validate_update: fn(&Value, &Value, &mut Vec<FieldError>),
}

/// Columns of `kubectl get`, and an object's cells in them.
pub(crate) struct Printer {
    pub(crate) columns: &'static [Column],
    pub(crate) cells: fn(&Value, Timestamp) -> Vec<Value>,
}

/// One column; priority 1 is shown by `-o wide` only.
pub(crate) struct Column {
    pub(crate) name: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) format: &'static str,
    pub(crate) priority: i32,
}

/// Which names objects of the kind may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NameRule {
    /// RFC 1123 subdomain: most kinds.
    Subdomain,
    /// RFC 1123 label: namespaces, and workloads whose names become labels.
    Label,
    /// RFC 1035 label: services.
    Label1035,
    /// Whatever fits into one path segment: RBAC.
    PathSegment,
    /// No name needed: reviews.
    None,
}

/// What a completed deletion answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeleteResponse {
    /// A `Status` with the object's uid.
    Status,
    /// The object as it was last.
    Object,
}

pub(crate) const ALL_VERBS: &[&str] =
    &["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
/// Namespaces and services had no deletecollection until late; namespaces still have none.
pub(crate) const NO_COLLECTION_DELETE: &[&str] =
    &["create", "delete", "get", "list", "patch", "update", "watch"];
pub(crate) const CREATE_ONLY: &[&str] = &["create"];

impl Strategy {
    pub(crate) const PLAIN: Self = Self {
        name: NameRule::Subdomain,
        status: false,
        generation: false,
        unconditional_update: true,
        create_on_update: false,
        delete_response: DeleteResponse::Status,
        graceful: false,
        fields: &[],
        defaults: |_| {},
        prepare_create: |_| {},
        prepare_update: |_, _| {},
        validate: |_, _| {},
        validate_create: |_, _| {},
        validate_update: |_, _, _| {},
    };
    /// A kind with a spec, a status subresource and a generation.
    pub(crate) const SPEC_AND_STATUS: Self = Self { status: true, generation: true, ..Self::PLAIN };
}

/// A column that is always shown.
pub(crate) const fn column(name: &'static str, kind: &'static str) -> Column {
    Column { name, kind, format: "", priority: 0 }
}

/// A column of `-o wide`.
pub(crate) const fn wide(name: &'static str, kind: &'static str) -> Column {
    Column { name, kind, format: "", priority: 1 }
}

/// The schema of a type of k8s-openapi.
pub(crate) fn schema_of<T: schemars::JsonSchema>(
    generator: &mut schemars::SchemaGenerator,
) -> schemars::Schema {
    generator.subschema_for::<T>()
}
