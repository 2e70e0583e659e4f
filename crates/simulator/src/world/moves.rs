//! Everything that can happen next.

use endstate_check::Next;

use super::{Broken, World, script::Move, state::State};
use crate::{model::AppModel, plans::Plans, scenario::Scenario};

/// Finds what can happen next.
pub(crate) struct Moves<'a, M: AppModel> {
    pub(crate) scenario: &'a Scenario,
    pub(crate) model: &'a M,
    pub(crate) plans: &'a mut Plans<M>,
    pub(crate) next: &'a mut Next<World<M>>,
}

impl<M: AppModel> Moves<'_, M> {
    /// Adds every step from this state, normalized.
    pub(crate) fn explore(&mut self, state: &State) -> Result<(), Broken<M>> {
        self.operator(state)?;
        self.late(state)?;
        for member in 0..state.slots.len() {
            self.kubelet(state, member)?;
        }
        self.collector(state);
        let model = self.model;
        model.steps(state, |step, after| self.push(step, after));
        self.faults(state);
        self.mends(state);
        Ok(())
    }

    pub(super) fn push(&mut self, step: Move, mut state: State) {
        let rest = self.plans.rest(state.plan, state.call);
        state.normalize(rest, self.scenario.seed);
        self.next.push((step, state));
    }
}
