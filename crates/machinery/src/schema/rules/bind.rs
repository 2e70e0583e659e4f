//! `cel.bind(name, value, expression)`: a macro the parser leaves as a call, written out as the loop over nothing that cel-go
//! makes of it.

use kube_cel::cel::IdedExpr;
use kube_cel::cel::common::ast::{
    CallExpr, ComprehensionExpr, EntryExpr, Expr, ListExpr, LiteralValue,
};
use kube_cel::cel::common::types::CelBool;

/// Writes out every `cel.bind` in the expression.
pub(super) fn expand(expression: &mut IdedExpr) {
    match &mut expression.expr {
        Expr::Call(call) => {
            call.target.iter_mut().for_each(|target| expand(target));
            call.args.iter_mut().for_each(expand);
            if let Some(bound) = binding(call) {
                expression.expr = bound;
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
        Expr::Select(select) => expand(&mut select.operand),
        Expr::Struct(_) | Expr::Ident(_) | Expr::Literal(_) | Expr::Unspecified => {}
    }
}

fn binding(call: &mut CallExpr) -> Option<Expr> {
    let target = call.target.as_ref()?;
    let is_bind = call.func_name == "bind" && target.expr == Expr::Ident("cel".to_owned());
    let [name, value, result] = call.args.as_mut_slice() else { return None };
    let Expr::Ident(name) = &name.expr else { return None };
    if !is_bind {
        return None;
    }
    let node = |expr: Expr| IdedExpr { id: 0, expr };
    Some(Expr::Comprehension(Box::new(ComprehensionExpr {
        iter_range: node(Expr::List(ListExpr::default())),
        iter_var: "@unused".to_owned(),
        iter_var2: None,
        accu_var: name.clone(),
        accu_init: std::mem::take(value),
        loop_cond: node(Expr::Literal(LiteralValue::Boolean(CelBool::from(false)))),
        loop_step: node(Expr::Ident(name.clone())),
        result: std::mem::take(result),
    })))
}
