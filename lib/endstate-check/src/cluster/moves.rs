//! Everything that can happen next.

use super::model::AppModel;
use super::plans::Plans;
use super::script::Step;
use super::setting::Setting;
use super::state::State;
use super::world::{Broken, World};
use crate::Next;

/// Finds what can happen next.
pub(crate) struct Moves<'a, M: AppModel> {
    pub(crate) setting: &'a Setting<M>,
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
        let setting = self.setting;
        setting.model.steps(state, |step, after| self.push(Step::App(step), after));
        self.operations(state);
        self.faults(state);
        self.mends(state);
        self.broken()
    }

    /// Whether a step leads to what the application must never be.
    fn broken(&self) -> Result<(), Broken<M>> {
        for (step, after) in self.next.iter() {
            if let Some(property) = self.setting.model.broken(after) {
                return Err(Broken { property, step: *step, detail: String::new() });
            }
        }
        Ok(())
    }

    pub(super) fn push(&mut self, step: Step, mut state: State) {
        let rest = self.plans.rest(state.plan, state.call);
        state.normalize(rest, &self.setting.scenario);
        self.next.push((step, state));
    }
}
