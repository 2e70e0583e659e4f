//! What an expression reads and may cost, from its syntax tree.

use std::collections::BTreeSet;

use kube_cel::cel::common::ast::{
    CallExpr, ComprehensionExpr, EntryExpr, Expr, LiteralValue, SelectExpr,
};
use kube_cel::cel::{ExecutionError, IdedExpr};

use super::FUNCTIONS;
use super::convert::{Size, escape};
use crate::schema::{Additional, Schema, Type};

/// The deepest nesting of loops.
const LOOPS_MAX: u32 = 8;
/// The deepest syntax tree accepted.
const DEPTH_MAX: u32 = 128;
/// The largest text an expression may build, by estimate.
const GROWTH_BYTES_MAX: f64 = 64.0 * 1024.0 * 1024.0;

/// Names that are not variables: types, and the first half of functions like `math.greatest`.
const KNOWN_NAMES: [&str; 23] = [
    "base64",
    "bool",
    "bytes",
    "cidr",
    "double",
    "duration",
    "dyn",
    "format",
    "int",
    "ip",
    "jsonpatch",
    "list",
    "map",
    "math",
    "null_type",
    "optional",
    "optional_type",
    "quantity",
    "sets",
    "string",
    "strings",
    "timestamp",
    "type",
];
const MORE_NAMES: [&str; 4] = ["regex", "semver", "uint", "url"];

/// Functions that make lists out of texts.
const SPLITTING: [&str; 4] = ["split", "findAll", "extractAll", "bytes"];

/// An upper bound of the work of one evaluation.
#[derive(Debug, Clone, Copy)]
pub(in crate::schema) struct Cost {
    nodes: f64,
    loops: u32,
    /// How many times the longest text can be repeated in one that is built.
    growth: f64,
    splits: bool,
}

impl Cost {
    /// The cost for a value of this size.
    pub(super) fn of(&self, size: &Size) -> f64 {
        let items = if self.splits { size.items.max(size.text) } else { size.items };
        let each = (items.max(8)) as f64;
        let work =
            if self.loops == 0 { self.nodes } else { self.nodes * each.powi(self.loops as i32) };
        let built = self.growth * size.text.max(64) as f64;
        if built > GROWTH_BYTES_MAX { f64::INFINITY } else { work }
    }
}

/// What was found in an expression.
#[derive(Debug)]
pub(super) struct Found {
    pub uses_old: bool,
    pub members: Option<BTreeSet<String>>,
    pub depth: u32,
    pub cost: Cost,
}

impl Found {
    pub(super) fn join(&mut self, other: Self) {
        self.uses_old |= other.uses_old;
        self.members = match (self.members.take(), other.members) {
            (Some(mut one), Some(other)) => {
                one.extend(other);
                Some(one)
            }
            _ => None,
        };
        self.depth = self.depth.max(other.depth);
        self.cost.nodes += other.cost.nodes;
        self.cost.loops = self.cost.loops.max(other.cost.loops);
        self.cost.growth = self.cost.growth.max(other.cost.growth);
        self.cost.splits |= other.cost.splits;
    }
}

/// Looks through an expression; with a schema, refuses names it does not have.
pub(super) fn inspect(expression: &IdedExpr, schema: Option<&Schema>) -> Result<Found, String> {
    let mut inspector = Inspector {
        schema,
        bound: Vec::new(),
        found: Found {
            uses_old: false,
            members: Some(BTreeSet::new()),
            depth: 0,
            cost: Cost { nodes: 0.0, loops: 0, growth: 1.0, splits: false },
        },
        loops: 0,
        depth: 0,
    };
    let known = inspector.visit(expression)?;
    inspector.found.cost.growth = known.growth;
    Ok(inspector.found)
}

/// What is known about the value of an expression.
#[derive(Debug, Clone, Copy)]
struct Known<'a> {
    schema: Option<&'a Schema>,
    /// How many times longer than the longest input text.
    growth: f64,
}

impl Known<'_> {
    const NOTHING: Self = Self { schema: None, growth: 1.0 };
}

struct Inspector<'a> {
    schema: Option<&'a Schema>,
    /// Variables of loops around the current place.
    bound: Vec<(String, Known<'a>)>,
    found: Found,
    loops: u32,
    depth: u32,
}

impl<'a> Inspector<'a> {
    fn visit(&mut self, expression: &IdedExpr) -> Result<Known<'a>, String> {
        self.found.cost.nodes += 1.0;
        self.depth += 1;
        self.found.depth = self.found.depth.max(self.depth);
        if self.depth > DEPTH_MAX {
            return Err(format!("the expression is more than {DEPTH_MAX} levels deep"));
        }
        let known = self.visit_here(expression)?;
        self.depth -= 1;
        Ok(known)
    }

    fn visit_here(&mut self, expression: &IdedExpr) -> Result<Known<'a>, String> {
        match &expression.expr {
            Expr::Ident(name) => {
                if self.is_whole(name) {
                    self.found.members = None;
                }
                self.variable(name)
            }
            Expr::Select(select) => self.select(select),
            Expr::Call(call) => self.call(call),
            Expr::Comprehension(comprehension) => self.comprehension(comprehension),
            Expr::List(list) => {
                let mut growth = 0.0;
                for element in &list.elements {
                    growth += self.visit(element)?.growth;
                }
                Ok(Known { growth: growth.max(1.0), ..Known::NOTHING })
            }
            Expr::Map(map) => {
                for entry in &map.entries {
                    self.entry(&entry.expr)?;
                }
                Ok(Known::NOTHING)
            }
            Expr::Struct(built) => Err(format!("undeclared reference to '{}'", built.type_name)),
            Expr::Literal(_) | Expr::Unspecified => Ok(Known::NOTHING),
        }
    }

    fn entry(&mut self, entry: &EntryExpr) -> Result<(), String> {
        match entry {
            EntryExpr::MapEntry(entry) => {
                self.visit(&entry.key)?;
                self.visit(&entry.value)?;
            }
            EntryExpr::StructField(field) => {
                self.visit(&field.value)?;
            }
        }
        Ok(())
    }

    /// Whether a name is the node itself and not hidden by a loop's variable.
    fn is_whole(&self, name: &str) -> bool {
        matches!(name, "self" | "oldSelf") && !self.bound.iter().any(|(bound, _)| bound == name)
    }

    fn variable(&mut self, name: &str) -> Result<Known<'a>, String> {
        if let Some((_, known)) = self.bound.iter().rev().find(|(bound, _)| bound == name) {
            return Ok(*known);
        }
        match name {
            "oldSelf" => {
                self.found.uses_old = true;
                Ok(Known { schema: self.schema, growth: 1.0 })
            }
            "self" => Ok(Known { schema: self.schema, growth: 1.0 }),
            // Accumulators of expanded macros.
            name if name.starts_with('@') || name.starts_with("__") => Ok(Known::NOTHING),
            name if KNOWN_NAMES.contains(&name) || MORE_NAMES.contains(&name) => Ok(Known::NOTHING),
            other => Err(format!("undeclared reference to '{other}' (in container '')")),
        }
    }

    fn select(&mut self, select: &SelectExpr) -> Result<Known<'a>, String> {
        let operand = match &select.operand.expr {
            Expr::Ident(name) if self.is_whole(name) => {
                self.found.cost.nodes += 1.0;
                self.note_member(&select.field);
                self.variable(name)?
            }
            _ => self.visit(&select.operand)?,
        };
        let schema = match operand.schema {
            Some(schema) => member(schema, &select.field)?,
            None => None,
        };
        Ok(Known { schema, growth: operand.growth })
    }

    fn note_member(&mut self, name: &str) {
        if let Some(members) = &mut self.found.members {
            members.insert(name.to_owned());
        }
    }

    fn call(&mut self, call: &CallExpr) -> Result<Known<'a>, String> {
        let target = match &call.target {
            Some(target) => Some(self.visit(target)?),
            None => None,
        };
        let mut arguments = Vec::with_capacity(call.args.len());
        for argument in &call.args {
            arguments.push(self.visit(argument)?);
        }
        let name = call.func_name.as_str();
        check_function(call)?;
        self.found.cost.splits |= SPLITTING.contains(&name);
        let parts = target.iter().chain(&arguments);
        let growth = match name {
            "_+_" | "format" | "_?_:_" => parts.map(|part| part.growth).sum(),
            "replace" | "join" => parts.map(|part| part.growth).product::<f64>() * 8.0,
            _ => parts.map(|part| part.growth).fold(1.0, f64::max),
        };
        let schema = match (name, arguments.first(), call.args.get(1)) {
            ("_[_]", Some(Known { schema: Some(schema), .. }), _) => items(schema),
            ("_[?_]", Some(Known { schema: Some(schema), .. }), Some(index)) => {
                match (&index.expr, schema.properties.is_empty()) {
                    (Expr::Literal(LiteralValue::String(name)), false) => {
                        member(schema, name.inner())?
                    }
                    _ => items(schema),
                }
            }
            _ => None,
        };
        Ok(Known { schema, growth })
    }

    fn comprehension(&mut self, loop_: &ComprehensionExpr) -> Result<Known<'a>, String> {
        let range = self.visit(&loop_.iter_range)?;
        let start = self.visit(&loop_.accu_init)?;
        let turns = !matches!(&loop_.iter_range.expr, Expr::List(list) if list.elements.is_empty());
        self.loops += u32::from(turns);
        self.found.cost.loops = self.found.cost.loops.max(self.loops);
        if self.loops > LOOPS_MAX {
            return Err(format!("loops may be nested at most {LOOPS_MAX} times"));
        }
        let each = Known { schema: range.schema.and_then(element), growth: range.growth };
        let before = self.bound.len();
        self.bound.push((loop_.accu_var.clone(), start));
        self.bound.push((loop_.iter_var.clone(), each));
        if let Some(second) = &loop_.iter_var2 {
            self.bound.push((second.clone(), each));
        }
        self.visit(&loop_.loop_cond)?;
        let step = self.visit(&loop_.loop_step)?;
        let result = self.visit(&loop_.result);
        self.bound.truncate(before);
        self.loops -= u32::from(turns);
        let result = result?;
        let growth = range.growth.max(step.growth).max(result.growth);
        Ok(Known { schema: None, growth })
    }
}

/// Refuses functions that nobody registered. The interpreter does not list them, but it can be asked: calling one
/// without arguments fails in another way than calling none.
fn check_function(call: &CallExpr) -> Result<(), String> {
    let name = call.func_name.as_str();
    if !name.starts_with(|first: char| first.is_ascii_alphabetic()) {
        return Ok(());
    }
    let qualified = match call.target.as_deref().map(|target| &target.expr) {
        Some(Expr::Ident(space)) => Some(format!("{space}.{name}")),
        _ => None,
    };
    let is_known = |name: &str| {
        let func_name = name.to_owned();
        let probe = Expr::Call(CallExpr { func_name, target: None, args: Vec::new() });
        let result = FUNCTIONS.resolve(&IdedExpr { id: 0, expr: probe });
        !matches!(result, Err(ExecutionError::UndeclaredReference(_)))
    };
    if is_known(name) || qualified.as_deref().is_some_and(is_known) {
        return Ok(());
    }
    Err(format!("undeclared reference to '{name}' (in container '')"))
}

/// The schema of a named member; an error when there can be none.
fn member<'a>(schema: &'a Schema, field: &str) -> Result<Option<&'a Schema>, String> {
    if let Additional::Schema(other) = &schema.additional {
        return Ok(Some(other));
    }
    let found = schema.properties.iter().find(|(name, _)| escape(name) == field);
    if let Some((_, member)) = found {
        return Ok(Some(member));
    }
    let closed = schema.type_ == Some(Type::Object)
        && !schema.preserve_unknown
        && !matches!(schema.additional, Additional::Allowed);
    let scalar = matches!(
        schema.type_,
        Some(Type::String | Type::Integer | Type::Number | Type::Boolean | Type::Array)
    );
    match (closed, scalar) {
        (true, _) => Err(format!("undefined field '{field}'")),
        (_, true) => {
            let kind = schema.type_.map_or("", Type::as_str);
            Err(format!("type '{kind}' does not support field selection"))
        }
        _ => Ok(None),
    }
}

/// What an index gives.
fn items(schema: &Schema) -> Option<&Schema> {
    match &schema.additional {
        Additional::Schema(other) => Some(other),
        _ => schema.items.as_deref(),
    }
}

/// What a loop over a list visits; over a map it visits keys.
fn element(schema: &Schema) -> Option<&Schema> {
    schema.items.as_deref()
}
