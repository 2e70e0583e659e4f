//! `x-kubernetes-validations`: rules in CEL.
//!
//! Each rule is compiled once per schema, on first use. Its cost is bounded before it runs, from the shape of the
//! expression and the size of the value: the interpreter underneath does not count. Only the members a rule names are
//! converted.
//!
//! Invariants: a rule that cannot be evaluated refuses the object; a rule with `oldSelf` only runs when there is an old
//! value of the same place; on updates, a rule about an unchanged value is forgiven.

mod convert;
mod inspect;
mod macros;
mod program;
mod stack;

use std::sync::LazyLock;

use kube_cel::KubeCelExt;
use kube_cel::cel;
use serde_json::Value;

use super::validate::{Path, correlate};
use super::{ListType, MapType, Rule, Schema};
use crate::error::{FieldError, FieldErrorKind};
use program::Compiled;

pub(super) use program::{Lazy, compile};

/// The most cost units one evaluation may have.
const CALL_COST_MAX: f64 = 1_000_000.0;
/// The most cost units the rules of one object may have.
const OBJECT_COST_MAX: f64 = 10_000_000.0;
/// The longest message a rule may compute.
const MESSAGE_BYTES_MAX: usize = 5 * 1024;

static FUNCTIONS: LazyLock<cel::Context<'static>> = LazyLock::new(|| {
    let mut context = cel::Context::default().with_all();
    // Types are values in CEL but not in the interpreter; their names serve as well.
    context.add_function("type", |value: cel::Value| type_name(&value).to_owned());
    context.add_function("dyn", |value: cel::Value| -> cel::ResolveResult { Ok(value) });
    for name in ["bool", "bytes", "double", "int", "list", "map", "null_type", "string", "uint"] {
        context.add_variable_from_value(name, name.to_owned());
    }
    context
});

fn type_name(value: &cel::Value) -> &'static str {
    match value {
        cel::Value::List(_) => "list",
        cel::Value::Map(_) => "map",
        cel::Value::Function(..) => "function",
        cel::Value::Int(_) => "int",
        cel::Value::UInt(_) => "uint",
        cel::Value::Float(_) => "double",
        cel::Value::String(_) => "string",
        cel::Value::Bytes(_) => "bytes",
        cel::Value::Bool(_) => "bool",
        cel::Value::Duration(_) => "google.protobuf.Duration",
        cel::Value::Timestamp(_) => "google.protobuf.Timestamp",
        cel::Value::Opaque(_) => "opaque",
        cel::Value::Null => "null_type",
    }
}

pub(super) fn evaluate(schema: &Schema, value: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut evaluator = Evaluator { errors: Vec::new(), cost: 0.0 };
    evaluator.visit(schema, value, old, &Path::Root);
    evaluator.errors
}

struct Evaluator {
    errors: Vec<FieldError>,
    cost: f64,
}

impl Evaluator {
    fn visit(&mut self, schema: &Schema, value: &Value, old: Option<&Value>, path: &Path<'_>) {
        if !schema.contains.rules || (value.is_null() && schema.nullable) {
            return;
        }
        if !schema.rules.is_empty() {
            self.node(schema, value, old, path);
        }
        match value {
            Value::Object(object) => {
                let old = old.filter(|_| schema.map_type == MapType::Granular);
                for (name, value) in object {
                    let Some(member) = schema.member(name) else { continue };
                    let old = old.and_then(|old| old.get(name));
                    self.visit(member, value, old, &Path::Key(path, name));
                }
            }
            Value::Array(items) => {
                let Some(item_schema) = &schema.items else { return };
                if !item_schema.contains.rules {
                    return;
                }
                let old = old.and_then(Value::as_array);
                let old = old.filter(|_| schema.list_type == ListType::Map);
                for (at, item) in items.iter().enumerate() {
                    let old = old.and_then(|old| correlate(schema, item, old));
                    self.visit(item_schema, item, old, &Path::Index(path, at));
                }
            }
            _ => {}
        }
    }

    /// Runs the rules of one node.
    fn node(&mut self, schema: &Schema, value: &Value, old: Option<&Value>, path: &Path<'_>) {
        let mut scope = None;
        for rule in &schema.rules {
            let compiled = match rule.compiled.get(rule) {
                Ok(compiled) => compiled,
                Err(why) => {
                    let detail = format!("rule compile error: {why}");
                    self.fail(rule, schema, path, detail);
                    continue;
                }
            };
            if compiled.uses_old && old.is_none() && !rule.optional_old_self {
                continue;
            }
            let scope = scope.get_or_insert_with(|| Scope::new(schema, value, old));
            self.cost += scope.cost(compiled);
            if scope.cost(compiled) > CALL_COST_MAX {
                let detail = format!(
                    "'operation cancelled: actual cost limit exceeded': no further validation rules will be run due to call cost exceeds limit for rule: {}",
                    shown(rule)
                );
                return self.fail(rule, schema, path, detail);
            }
            if self.cost > OBJECT_COST_MAX {
                let detail = "validation failed due to running out of cost budget, no further validation rules will be run";
                return self.fail(rule, schema, path, detail.to_owned());
            }
            let unchanged = !compiled.uses_old && old == Some(value);
            if let Err(detail) = scope.run(compiled, rule)
                && !unchanged
            {
                self.fail(rule, schema, path, detail);
            }
        }
    }

    fn fail(&mut self, rule: &Rule, schema: &Schema, path: &Path<'_>, detail: String) {
        let kind = match rule.reason.as_str() {
            "FieldValueRequired" => FieldErrorKind::Required,
            "FieldValueForbidden" => FieldErrorKind::Forbidden,
            "FieldValueDuplicate" => FieldErrorKind::Duplicate,
            _ => FieldErrorKind::Invalid,
        };
        let shown = schema.type_.map_or("", |kind| kind.as_str());
        let field = match (path, rule.field_path.as_str()) {
            (_, "") => path.field(),
            (Path::Root, below) => below.trim_start_matches('.').to_owned(),
            (_, below) => format!("{path}{below}"),
        };
        self.errors.push(FieldError::new(kind, field, shown, detail));
    }
}

/// What the rules of one node can see.
struct Scope {
    context: cel::Context<'static>,
    /// The same with `oldSelf` as an optional value.
    optional: Option<cel::Context<'static>>,
    size: convert::Size,
}

impl Scope {
    fn new(schema: &Schema, value: &Value, old: Option<&Value>) -> Self {
        let members = program::members_used(&schema.rules);
        let members = members.as_ref();
        let mut size = convert::Size::default();
        let this = convert::root(schema, value, members, &mut size);
        let old = old.map(|old| convert::root(schema, old, members, &mut size));
        let needs_optional = schema.rules.iter().any(|rule| rule.optional_old_self);
        let optional = needs_optional.then(|| {
            let mut context = FUNCTIONS.new_inner_scope();
            context.add_variable_from_value("self", this.clone());
            context.add_variable_from_value("oldSelf", convert::optional(old.clone()));
            context
        });
        let mut context = FUNCTIONS.new_inner_scope();
        context.add_variable_from_value("self", this);
        if let Some(old) = old {
            context.add_variable_from_value("oldSelf", old);
        }
        Self { context, optional, size }
    }

    fn cost(&self, compiled: &Compiled) -> f64 {
        compiled.cost.of(&self.size)
    }

    /// Whether the rule holds; if not, the detail of its error.
    fn run(&self, compiled: &Compiled, rule: &Rule) -> Result<(), String> {
        let context = match &self.optional {
            Some(optional) if rule.optional_old_self => optional,
            _ => &self.context,
        };
        let run = || judge(compiled, rule, context);
        stack::for_depth(compiled.depth, run)
            .unwrap_or_else(|| Err(format!("the rule cannot be evaluated: {}", rule.rule)))
    }
}

fn judge(compiled: &Compiled, rule: &Rule, context: &cel::Context<'_>) -> Result<(), String> {
    match context.resolve(&compiled.rule) {
        Ok(cel::Value::Bool(true)) => Ok(()),
        Ok(cel::Value::Bool(false)) => Err(message(compiled, rule, context)),
        Ok(_) => Err(format!("rule must return a boolean: {}", rule.rule)),
        Err(cel::ExecutionError::NoSuchOverload) => Err(format!(
            "call arguments did not match a supported operator, function or macro signature for rule: {}",
            rule.rule
        )),
        Err(error) => Err(format!("{} evaluating rule: {}", explain(&error), shown(rule))),
    }
}

/// A rule as errors about it name it.
fn shown(rule: &Rule) -> &str {
    match rule.message.trim() {
        "" => rule.rule.trim(),
        message => message,
    }
}

/// The interpreter's error in the words of the Kubernetes one, where both have words for it.
fn explain(error: &cel::ExecutionError) -> String {
    match error {
        cel::ExecutionError::NoSuchKey(key) => format!("no such key: {key}"),
        cel::ExecutionError::DivisionByZero(_) => "division by zero".to_owned(),
        cel::ExecutionError::RemainderByZero(_) => "modulus by zero".to_owned(),
        cel::ExecutionError::Overflow(..) => "integer overflow".to_owned(),
        cel::ExecutionError::UndeclaredReference(name) => {
            format!("the function or macro {name} is not supported by this server")
        }
        other => {
            let mut text = other.to_string();
            let end = text.char_indices().nth(512).map_or(text.len(), |(at, _)| at);
            text.truncate(end);
            text
        }
    }
}

/// The computed message when it is usable, else the written one.
fn message(compiled: &Compiled, rule: &Rule, context: &cel::Context<'_>) -> String {
    let computed =
        compiled.message.as_ref().and_then(|expression| context.resolve(expression).ok());
    if let Some(cel::Value::String(text)) = computed {
        let text = text.trim();
        if !text.is_empty() && !text.contains('\n') && text.len() <= MESSAGE_BYTES_MAX {
            return text.to_owned();
        }
    }
    match rule.message.trim() {
        "" => format!("failed rule: {}", rule.rule.trim()),
        written => written.to_owned(),
    }
}

#[cfg(test)]
mod tests;
