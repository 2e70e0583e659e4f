//! The state of the world, small enough that millions of them can be told apart.
//!
//! A member is a [`Slot`]: everything about one name, as bits. Slots have no identity of their own:
//! [`State::normalize`] sorts them, so that worlds which differ only in the names of their members
//! are one state (the tag, which scripts print, does not count). Whatever can no longer matter is
//! cleared, for the same reason.

pub(crate) mod api;
mod collector;
mod faults;
pub(crate) mod flags;
mod kubelet;
mod moves;
pub(crate) mod observe;
mod operator;
mod rules;
pub(crate) mod script;
pub(crate) mod slot;
pub(crate) mod state;

use endstate_check::{Move as _, Next};

use crate::{
    model::AppModel,
    plans::{Planner, Plans},
    property::Property,
    scenario::Scenario,
};
use moves::Moves;
use observe::View;
use script::Move;
use state::State;

/// A step that breaks a property.
pub(crate) type Broken<M> = endstate_check::Broken<World<M>>;

/// A scenario with an application, and what the planner says in it.
pub(crate) struct World<M: AppModel> {
    scenario: Scenario,
    model: M,
    pub(crate) plans: Plans<M>,
}

impl<M: AppModel> World<M> {
    pub(crate) fn new(scenario: &Scenario, model: M, planner: Planner<M::App>) -> Self {
        Self { scenario: scenario.clone(), model, plans: Plans::new(planner) }
    }
}

impl<M: AppModel> endstate_check::World for World<M> {
    type State = State;
    type Move = Move;
    type Property = Property;

    fn first(&self) -> State {
        self.scenario.first_state()
    }

    fn explore(&mut self, state: &State, next: &mut Next<Self>) -> Result<(), Broken<M>> {
        let Self { scenario, model, plans } = self;
        Moves { scenario, model, plans, next }.explore(state)
    }

    /// The operator, looking with fresh eyes, does nothing either.
    fn is_at_rest(&self, state: &State, next: &Next<Self>) -> bool {
        let looks = |step: &Move| matches!(step, Move::Observe { .. }) && !step.is_fault();
        state.is_at_rest() && !next.iter().any(|(step, after)| looks(step) && after.plan != 0)
    }

    fn remark(&mut self, before: &State, step: &Move) -> Vec<String> {
        let Move::Observe { old_object, old_pods, blind } = *step else { return vec![] };
        let blind = before.slots.iter().position(|it| Some(it.tag) == blind);
        let seen = before.seen(old_object, old_pods);
        self.plans.explain(&View::of(&seen, &self.model, blind))
    }

    fn explain(&mut self, state: &State) -> Vec<String> {
        let view = View::of(&state.seen(false, false), &self.model, None);
        self.plans.explain(&view).into_iter().map(|it| format!("operator: {it}")).collect()
    }
}
