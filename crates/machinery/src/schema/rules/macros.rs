//! Macros that the parser leaves as calls, written out as cel-go does it.
//!
//! - `cel.bind(name, value, expression)`: a loop over nothing, whose accumulator is the name.
//! - `value.?name` and what follows it: an optional index, which the interpreter gets right where the member is absent.
//! - `optional.optMap(name, expression)` and `optFlatMap`: the same with the value inside, if there is one.

use kube_cel::cel::IdedExpr;
use kube_cel::cel::common::ast::{
    CallExpr, ComprehensionExpr, EntryExpr, Expr, ListExpr, LiteralValue, operators,
};
use kube_cel::cel::common::types::{CelBool, CelString};

/// Writes out every such macro in the expression.
pub(super) fn expand(expression: &mut IdedExpr) {
    match &mut expression.expr {
        Expr::Call(call) => {
            call.target.iter_mut().for_each(|target| expand(target));
            call.args.iter_mut().for_each(expand);
            if call.func_name == operators::OPT_SELECT {
                call.func_name = operators::OPT_INDEX.to_owned();
            }
            if let Some(written_out) = binding(call).or_else(|| mapping(call)) {
                expression.expr = written_out;
            }
        }
        Expr::Comprehension(loop_) => {
            let ComprehensionExpr { iter_range, accu_init, loop_cond, loop_step, result, .. } =
                loop_.as_mut();
            for part in [iter_range, accu_init, loop_cond, loop_step, result] {
                expand(part);
            }
        }
        Expr::List(list) => list.elements.iter_mut().for_each(expand),
        Expr::Map(map) => {
            for entry in &mut map.entries {
                if let EntryExpr::MapEntry(entry) = &mut entry.expr {
                    expand(&mut entry.key);
                    expand(&mut entry.value);
                }
            }
        }
        Expr::Select(select) => {
            expand(&mut select.operand);
            if !select.test && is_optional(&select.operand) {
                let name = CelString::from(select.field.as_str());
                let name = node(Expr::Literal(LiteralValue::String(name)));
                let operand = std::mem::take(&mut *select.operand);
                expression.expr = Expr::Call(CallExpr {
                    func_name: operators::OPT_INDEX.to_owned(),
                    target: None,
                    args: vec![operand, name],
                });
            }
        }
        Expr::Struct(_) | Expr::Ident(_) | Expr::Literal(_) | Expr::Unspecified => {}
    }
}

/// A member of an optional value is optional too.
fn is_optional(expression: &IdedExpr) -> bool {
    let Expr::Call(call) = &expression.expr else { return false };
    match call.func_name.as_str() {
        operators::OPT_INDEX => true,
        operators::INDEX => call.args.first().is_some_and(is_optional),
        _ => false,
    }
}

fn node(expr: Expr) -> IdedExpr {
    IdedExpr { id: 0, expr }
}

fn binding(call: &mut CallExpr) -> Option<Expr> {
    let target = call.target.as_ref()?;
    let is_bind = call.func_name == "bind" && target.expr == Expr::Ident("cel".to_owned());
    let [name, value, result] = call.args.as_mut_slice() else { return None };
    let Expr::Ident(name) = &name.expr else { return None };
    is_bind.then(|| bind(name, std::mem::take(value), std::mem::take(result)))
}

fn bind(name: &str, value: IdedExpr, result: IdedExpr) -> Expr {
    Expr::Comprehension(Box::new(ComprehensionExpr {
        iter_range: node(Expr::List(ListExpr::default())),
        iter_var: "@unused".to_owned(),
        iter_var2: None,
        accu_var: name.to_owned(),
        accu_init: value,
        loop_cond: node(Expr::Literal(LiteralValue::Boolean(CelBool::from(false)))),
        loop_step: node(Expr::Ident(name.to_owned())),
        result,
    }))
}

fn mapping(call: &mut CallExpr) -> Option<Expr> {
    let flat = match call.func_name.as_str() {
        "optMap" => false,
        "optFlatMap" => true,
        _ => return None,
    };
    let [name, result] = call.args.as_mut_slice() else { return None };
    let Expr::Ident(name) = &name.expr else { return None };
    let target = call.target.take()?;
    let value = method(target.as_ref().clone(), "value", Vec::new());
    let bound = node(bind(name, value, std::mem::take(result)));
    let optional = || node(Expr::Ident("optional".to_owned()));
    let present = if flat { bound } else { method(optional(), "of", vec![bound]) };
    let absent = method(optional(), "none", Vec::new());
    let condition = method(*target, "hasValue", Vec::new());
    Some(Expr::Call(CallExpr {
        func_name: operators::CONDITIONAL.to_owned(),
        target: None,
        args: vec![condition, present, absent],
    }))
}

fn method(target: IdedExpr, name: &str, args: Vec<IdedExpr>) -> IdedExpr {
    let target = Some(Box::new(target));
    node(Expr::Call(CallExpr { func_name: name.to_owned(), target, args }))
}
