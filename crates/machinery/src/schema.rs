//! Structural schemas: the tree that decides how objects of a kind are defaulted, pruned, validated and merged.
//!
//! A [`Schema`] is parsed once per kind ([`Schema::from_openapi`] for custom resources, [`Schema::from_builtin`] for
//! built-in kinds) and then only read; children are shared (`Arc`), so kinds that embed the same type share its tree.
//! Schemas of whole objects always know `apiVersion`, `kind` and `metadata`.
//!
//! Invariants: the tree is finite and at most [`DEPTH_MAX`] deep; patterns and rules are compiled once; no operation
//! clones an object, and none visits parts of it the schema has nothing to say about.

mod canonical;
mod defaults;
mod formats;
mod metadata;
mod parse;
mod prune;
mod rules;
mod shape;
mod structural;
mod validate;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::error::FieldError;

pub use metadata::object_meta;
pub use validate::{RULES_SKIPPED, has_blocking};

/// The deepest schema accepted; deeper objects are only possible below preserved unknown fields.
pub const DEPTH_MAX: usize = 64;

/// The JSON type a value must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    Object,
    Array,
    String,
    Integer,
    Number,
    Boolean,
}

impl Type {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Object => "object",
            Self::Array => "array",
            Self::String => "string",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
        }
    }

    fn from_text(text: &str) -> Option<Self> {
        let all =
            [Self::Object, Self::Array, Self::String, Self::Integer, Self::Number, Self::Boolean];
        all.into_iter().find(|one| one.as_str() == text)
    }
}

/// How the items of a list are identified.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ListType {
    /// The list is one value.
    #[default]
    Atomic,
    /// Each item is its own identity.
    Set,
    /// Items are identified by [`Schema::list_map_keys`].
    Map,
}

/// Whether the fields of a map can have different owners.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum MapType {
    #[default]
    Granular,
    Atomic,
}

/// What is allowed beside the named properties.
#[derive(Debug, Clone, Default)]
pub enum Additional {
    #[default]
    Unspecified,
    Allowed,
    Denied,
    Schema(Arc<Schema>),
}

/// How a strategic merge treats a list or object.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PatchStrategy {
    /// Lists merge item by item instead of being replaced.
    pub merge: bool,
    /// Objects keep only the keys named by `$retainKeys`.
    pub retain_keys: bool,
}

/// A compiled `pattern`.
#[derive(Debug, Clone)]
pub struct Pattern {
    pub text: String,
    regex: regex::Regex,
}

/// The value validations of a node that are not about its shape.
#[derive(Debug, Clone, Default)]
pub struct Checks {
    pub enumeration: Vec<Value>,
    pub pattern: Option<Pattern>,
    pub minimum: Option<f64>,
    pub maximum: Option<f64>,
    pub exclusive_minimum: bool,
    pub exclusive_maximum: bool,
    pub multiple_of: Option<f64>,
    pub min_length: Option<u64>,
    pub max_length: Option<u64>,
    pub min_items: Option<u64>,
    pub max_items: Option<u64>,
    pub min_properties: Option<u64>,
    pub max_properties: Option<u64>,
    pub unique_items: bool,
    pub all_of: Vec<Schema>,
    pub any_of: Vec<Schema>,
    pub one_of: Vec<Schema>,
    pub not: Option<Box<Schema>>,
}

/// One `x-kubernetes-validations` rule.
#[derive(Debug, Clone, Default)]
pub struct Rule {
    pub rule: String,
    pub message: String,
    pub message_expression: String,
    pub reason: String,
    pub field_path: String,
    pub optional_old_self: bool,
    compiled: rules::Lazy,
}

/// What a subtree contains, so that operations can skip it.
#[derive(Debug, Clone, Copy, Default)]
struct Contains {
    defaults: bool,
    rules: bool,
    /// Lists whose items must be unique.
    lists: bool,
    /// Below the node.
    quantities: bool,
}

/// One node of a structural schema.
#[derive(Debug, Clone, Default)]
pub struct Schema {
    pub type_: Option<Type>,
    pub format: Option<String>,
    pub properties: BTreeMap<String, Arc<Self>>,
    pub additional: Additional,
    pub items: Option<Arc<Self>>,
    pub required: Vec<String>,
    pub nullable: bool,
    pub int_or_string: bool,
    pub preserve_unknown: bool,
    pub embedded_resource: bool,
    pub default: Option<Value>,
    pub list_type: ListType,
    pub list_map_keys: Vec<String>,
    pub map_type: MapType,
    pub patch_merge_key: Option<String>,
    pub patch_strategy: PatchStrategy,
    pub checks: Option<Box<Checks>>,
    pub rules: Vec<Rule>,
    /// What the built-in API calls the type of the node, `v1.PodSpec`, if it has a name.
    pub type_name: Option<Arc<str>>,
    /// The node is a struct of the built-in API: null means absent.
    typed: bool,
    contains: Contains,
}

impl Schema {
    /// Reads the `openAPIV3Schema` of a custom resource and checks that it is structural. Paths of errors begin
    /// with `openAPIV3Schema`.
    pub fn from_openapi(schema: &Value) -> Result<Self, Vec<FieldError>> {
        structural::check(schema)?;
        Ok(parse::custom(schema))
    }

    /// Reads the `openAPIV3Schema` of a definition that was accepted before, without checking it again. What it cannot
    /// mean is ignored.
    pub fn from_accepted(schema: &Value) -> Self {
        parse::custom(schema)
    }

    /// Reads the schema of a built-in type, leniently. `resolve` gives the shared schema of a `$ref`; an unknown
    /// or recursive reference is answered with `None` and keeps everything below it.
    pub fn from_builtin(
        schema: &Value,
        resolve: &mut dyn FnMut(&str) -> Option<Arc<Self>>,
    ) -> Self {
        parse::builtin(schema, resolve)
    }

    /// A schema that keeps and accepts everything.
    pub fn anything() -> Self {
        Self { preserve_unknown: true, nullable: true, ..Self::default() }
    }

    /// A `Quantity`: a number or a string that parses as one.
    pub fn quantity() -> Self {
        Self {
            int_or_string: true,
            format: Some("quantity".into()),
            typed: true,
            ..Self::default()
        }
    }

    /// The schema of a named or additional member.
    pub fn member(&self, name: &str) -> Option<&Self> {
        match (self.properties.get(name), &self.additional) {
            (Some(schema), _) => Some(schema),
            (None, Additional::Schema(schema)) => Some(schema),
            _ => None,
        }
    }

    /// Fills in defaults for absent members.
    pub fn apply_defaults(&self, value: &mut Value) {
        if self.contains.defaults {
            defaults::apply(self, value);
        }
    }

    fn is_quantity(&self) -> bool {
        self.int_or_string && self.format.as_deref() == Some("quantity")
    }

    /// Writes quantities in their one form.
    pub fn canonicalize(&self, value: &mut Value) {
        canonical::canonicalize(self, value);
    }

    /// Removes what the schema does not specify; returns the removed paths (`spec.zz`), sorted by place.
    pub fn prune(&self, value: &mut Value) -> Vec<String> {
        prune::prune(self, value)
    }

    /// Why a value does not have the types of the built-in API that the schema describes, in the words of a server
    /// that decodes objects into structs; `None` if it has. Nothing else is checked.
    pub fn misfit(&self, value: &Value) -> Option<String> {
        shape::misfit(self, value)
    }

    /// Checks an object against the schema, its list types and its rules. With `old`, errors on unchanged values
    /// are ignored and transition rules run.
    pub fn validate(&self, value: &Value, old: Option<&Value>) -> Vec<FieldError> {
        self.validate_after(value, old, Vec::new())
    }

    /// As [`Schema::validate`], continuing a list of errors found elsewhere (in the metadata): rules only run when
    /// none of them blocks.
    pub fn validate_after(
        &self,
        value: &Value,
        old: Option<&Value>,
        errors: Vec<FieldError>,
    ) -> Vec<FieldError> {
        validate::validate(self, value, old, errors)
    }

    /// Whether null members of this object mean absent ones, as in the built-in API.
    pub fn is_typed(&self) -> bool {
        self.typed
    }

    /// Removes null members where they mean absent ones.
    pub fn drop_nulls(&self, value: &mut Value) {
        prune::drop_nulls(self, value);
    }

    /// Removes null members of a custom resource that are neither allowed nor replaced by a default. Items stay.
    pub fn drop_useless_nulls(&self, value: &mut Value) {
        prune::drop_useless_nulls(self, value);
    }

    /// Whether any node has rules.
    pub fn has_rules(&self) -> bool {
        self.contains.rules
    }

    /// Computes what the subtree contains; every constructor ends with it.
    fn seal(mut self) -> Self {
        let children = self.properties.values().chain(&self.items).chain(match &self.additional {
            Additional::Schema(schema) => Some(schema),
            _ => None,
        });
        let mut contains = Contains {
            defaults: false,
            rules: !self.rules.is_empty(),
            lists: self.list_type != ListType::Atomic,
            quantities: false,
        };
        for child in children {
            contains.defaults |= child.contains.defaults || child.default.is_some();
            contains.rules |= child.contains.rules;
            contains.lists |= child.contains.lists;
            contains.quantities |= child.contains.quantities || child.is_quantity();
        }
        self.contains = contains;
        self
    }
}

#[cfg(test)]
mod tests;
