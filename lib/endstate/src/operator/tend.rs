//! Carries out what a plan says of the objects beside a cluster, each apart from the others.

use endstate_core::{Beside, Plan, Refused, Tended};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::declared::Declared;
use super::execute::decided_spec;
use super::observe::Look;
use super::operand::{Operand, SpecOf};
use super::reconciler::Operator;
use crate::crash::broken;
use crate::driver::{Driver, Outcome, Target};
use crate::{Context, Error};

impl<O: Operand> Operator<O>
where
    SpecOf<O>: DeserializeOwned + Serialize,
{
    /// As the plan says, each object apart. Whether the application was asked for anything.
    pub(super) async fn tend(
        &self,
        object: &Declared<O::Kind>,
        look: &Look<SpecOf<O>>,
        plan: &Plan<SpecOf<O>>,
        ctx: &Context,
    ) -> Result<bool, Error> {
        if plan.tended.is_empty() {
            return Ok(false);
        }
        let (snapshot, record) = (&look.snapshot, &plan.status.record);
        let pods = self.newest(&look.pods);
        let spec = decided_spec(snapshot, record);
        let secrets = self.secrets(object, (&snapshot.object, spec, &snapshot.beside), ctx).await?;
        let members = self.addresses(snapshot, record, &pods);
        let target = Target { members, secrets, ..Target::new(&snapshot.object, spec) };
        let seen = |it: &Tended| snapshot.beside.iter().find(|seen| seen.uid == it.uid);
        let mut asked = false;
        let mut failed = None;
        for (seen, tended) in plan.tended.iter().filter_map(|it| Some((seen(it)?, it))) {
            match self.tend_one(&target, (seen, tended), ctx).await {
                Ok(it) => asked |= it,
                // It was changed meanwhile, and is looked at again.
                Err(error) if error.is_conflict() || error.is_not_found() => asked = true,
                Err(error) => failed = Some(error),
            }
        }
        failed.map_or(Ok(asked), Err)
    }

    async fn tend_one(
        &self,
        target: &Target<'_, SpecOf<O>>,
        (seen, tended): (&Beside, &Tended),
        ctx: &Context,
    ) -> Result<bool, Error> {
        let waits = !tended.held || seen.deleting || self.beside.hold(seen, ctx).await?;
        let mut asked = false;
        for step in tended.steps.iter().filter(|_| waits) {
            if !ctx.fence().is_open() {
                return Ok(asked);
            }
            let begun = ctx.calls.begin(format_args!("{} {}", step.name, seen.name));
            let outcome = self.operand.driver().tend(target, step).await;
            match begun.answered(outcome, || Outcome::blocked(broken())) {
                Outcome::Done | Outcome::Running => asked = true,
                Outcome::Blocked(said) | Outcome::NeedsUser(said) => {
                    tracing::info!(kind = seen.kind, name = seen.name, step = step.name, %said, "refused");
                    self.beside.note(seen, Refused::new(said, seen.generation, ctx.now()));
                    return self.beside.settle((seen, tended), ctx).await.map(|()| true);
                }
            }
        }
        if asked {
            self.beside.forget(seen);
        }
        self.beside.settle((seen, tended), ctx).await.map(|()| asked)
    }
}
