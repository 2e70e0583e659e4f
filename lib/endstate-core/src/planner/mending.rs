//! What members are asked for while nothing proves a quorum: only what the application calls harmless.

use super::verdict::{Move, Verdict};
use crate::app::App;
use crate::assess::Assessed;
use crate::plan::Action;
use crate::record::Step;
use crate::request::{AppStep, Call, Request};
use crate::view::Membership;

/// Asks for the first of the application's mends that does not rest, of its own member. Nothing is recorded of it: it
/// would do no harm twice. While a recovery is on its way nobody is told of anybody.
pub(super) fn mend<A: App>(assessed: &Assessed<'_, A>) -> Verdict {
    let recovers = matches!(assessed.record.step, Some(Step::Recover { .. }));
    let Some(spec) = assessed.record.in_force().filter(|_| !recovers) else {
        return Verdict::Pass;
    };
    let due = assessed.app.mends(spec, &assessed.known());
    let mut due = due.into_iter().map(|it| call(assessed, it));
    let next = due.find(|it| !assessed.snapshot.rests(&it.key()));
    next.map_or(Verdict::Pass, |it| Verdict::Also(Move::default().acts(it)))
}

fn call<A: App>(assessed: &Assessed<'_, A>, step: AppStep) -> Action {
    let via = step.member.clone();
    let roster = assessed.list().map(Membership::roster).unwrap_or_default();
    Action::Call(Call { request: Request::App(step), via, roster })
}
