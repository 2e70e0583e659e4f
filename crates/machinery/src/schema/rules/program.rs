//! Compiling a rule: parsing, and what can be known before it runs.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use kube_cel::cel::IdedExpr;
use kube_cel::cel::parser::Parser;

use super::inspect::{self, Cost};
use super::macros;
use super::stack;
use crate::schema::{Rule, Schema};

/// The longest expression accepted.
const RULE_BYTES_MAX: usize = 16 * 1024;
/// The most brackets in one expression.
const BRACKETS_MAX: usize = 400;

/// A rule ready to run.
#[derive(Debug)]
pub(in crate::schema) struct Compiled {
    pub rule: IdedExpr,
    pub message: Option<IdedExpr>,
    pub uses_old: bool,
    /// The members of `self` and `oldSelf` it reads; none when it uses them as a whole.
    pub members: Option<BTreeSet<String>>,
    /// How deep the tree of the expression is.
    pub depth: u32,
    pub cost: Cost,
}

/// Compiles on first use, once.
#[derive(Debug, Clone, Default)]
pub(in crate::schema) struct Lazy(OnceLock<Result<Arc<Compiled>, String>>);

impl Lazy {
    pub(super) fn get(&self, rule: &Rule) -> Result<&Compiled, &str> {
        let compiled = self.0.get_or_init(|| compile(rule, None).map(Arc::new));
        match compiled {
            Ok(compiled) => Ok(compiled),
            Err(why) => Err(why),
        }
    }
}

/// Compiles a rule. With the schema of its node, names that the schema does not have are errors.
pub(in crate::schema) fn compile(rule: &Rule, schema: Option<&Schema>) -> Result<Compiled, String> {
    stack::large(|| compile_here(rule, schema))
        .unwrap_or_else(|| Err("the expression cannot be parsed".to_owned()))
}

fn compile_here(rule: &Rule, schema: Option<&Schema>) -> Result<Compiled, String> {
    let expression = parse(&rule.rule)?;
    let mut found = inspect::inspect(&expression, schema)?;
    let message = match rule.message_expression.trim() {
        "" => None,
        text => {
            let expression = parse(text).map_err(|why| format!("messageExpression: {why}"))?;
            let in_message = inspect::inspect(&expression, schema)
                .map_err(|why| format!("messageExpression: {why}"))?;
            found.join(in_message);
            Some(expression)
        }
    };
    Ok(Compiled {
        rule: expression,
        message,
        uses_old: found.uses_old,
        members: found.members,
        depth: found.depth,
        cost: found.cost,
    })
}

/// The members that all rules of a node read; none when one of them uses the whole.
pub(super) fn members_used(rules: &[Rule]) -> Option<BTreeSet<String>> {
    let mut out = BTreeSet::new();
    for rule in rules {
        if let Ok(compiled) = rule.compiled.get(rule) {
            out.extend(compiled.members.as_ref()?.iter().cloned());
        }
    }
    Some(out)
}

fn parse(text: &str) -> Result<IdedExpr, String> {
    if text.len() > RULE_BYTES_MAX {
        return Err(format!("the expression is longer than {RULE_BYTES_MAX} bytes"));
    }
    // Brackets are what the parser is slow on when there are too many; it would refuse them only at the end.
    let opened = text.bytes().filter(|byte| b"([{".contains(byte)).count();
    if opened > BRACKETS_MAX {
        return Err(format!("the expression has more than {BRACKETS_MAX} brackets"));
    }
    let parser = Parser::default().enable_optional_syntax(true);
    let mut expression = parser
        .parse(text)
        .map_err(|errors| errors.to_string().lines().next().unwrap_or_default().to_owned())?;
    macros::expand(&mut expression);
    Ok(expression)
}
