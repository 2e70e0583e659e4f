//! The world of a cluster: the API server, the kubelet with its volumes and the launcher, the operator that carries
//! plans out call by call, and an application by the rules that its [`AppModel`] says.
//!
//! The planner and the linter are not modelled: they are the ones of `endstate-core` with the application's `App`. A
//! [`Scenario`] says what starts, and how many faults of each kind may happen, anywhere.
//!
//! A member is a [`Slot`]: everything about one name, as bits. Slots have no identity of their own: they are sorted, so
//! that worlds which differ only in the names of their members are one state (the tag, which scripts print, does not
//! count). Whatever can no longer matter is cleared, for the same reason.

mod aim;
mod answers;
mod api;
mod bits;
mod collector;
mod compact;
mod crashes;
mod declared;
mod faults;
mod first;
mod kubelet;
mod model;
mod moves;
mod numbers;
mod observe;
mod operations;
mod operator;
mod plan;
mod plans;
mod play;
mod played;
mod property;
mod request;
mod rules;
mod scenario;
mod script;
mod setting;
mod slot;
mod slots;
mod snapshot;
mod stages;
mod state;
pub mod steps;
mod tally;
mod task;
mod workload;
mod world;

use std::fmt;

pub use crashes::{Crashes, Deviation, crashes};
pub use declared::{Declared, ROLES};
pub use model::{AppModel, SpecOf};
pub use plans::{MakePlan, Planner};
pub use play::{CrashPoint, Cut, Pace};
pub use played::Played;
pub use property::Property;
pub use request::{Answer, Request};
pub use scenario::{Asks, Budgets, Respec, Scenario, Start, Volumes};
pub use script::{AppMove, Ran};
pub use slot::{Slot, StartKind};
pub use state::State;
pub use workload::{Event, Workload};

use crate::{Finding, Move as _, Next, Report, STATES_MAX};
use moves::Moves;
use observe::View;
use script::Step;
use setting::Setting;
use world::{Broken, World};

/// What an exploration of a scenario found.
#[derive(Debug)]
pub struct ScenarioReport {
    /// The scenario's name.
    pub scenario: &'static str,
    /// How many different views the planner was asked about.
    pub views: usize,
    /// The states that were visited, and the first thing that is wrong.
    pub explored: Report<Property>,
}

impl ScenarioReport {
    /// Whether every state was visited and nothing was found.
    pub fn is_fine(&self) -> bool {
        self.explored.complete && self.explored.finding.is_none()
    }
}

impl fmt::Display for ScenarioReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<28} {} {:>7} views", self.scenario, self.explored, self.views)
    }
}

/// Explores a scenario of an application with a planner.
pub fn check<M: AppModel>(
    scenario: &Scenario,
    model: M,
    planner: Planner<M::App>,
) -> ScenarioReport {
    let mut world = World::new(scenario, model, planner);
    let explored = crate::check(&mut world, STATES_MAX);
    ScenarioReport { scenario: scenario.name, views: world.plans.views(), explored }
}

/// Takes one random walk through a scenario; the seed is the scenario's.
pub fn walk<M: AppModel>(
    scenario: &Scenario,
    model: M,
    planner: Planner<M::App>,
) -> Option<Finding<Property>> {
    crate::walk(&mut World::new(scenario, model, planner), scenario.seed)
}

impl<M: AppModel> crate::World for World<M> {
    type State = State;
    type Move = Step;
    type Property = Property;

    fn first(&self) -> State {
        first::state(&self.setting)
    }

    fn explore(&mut self, state: &State, next: &mut Next<Self>) -> Result<(), Broken<M>> {
        let Self { setting, plans } = self;
        Moves { setting, plans, next }.explore(state)
    }

    /// The operator, looking with fresh eyes, does nothing either.
    fn is_at_rest(&self, state: &State, next: &Next<Self>) -> bool {
        let looks = |step: &Step| matches!(step, Step::Observe { .. }) && !step.is_fault();
        let Setting { scenario, groups, model, .. } = &self.setting;
        let due = state.can_commit() && !state.guarded && !model.is_at_rest(state);
        (state.is_at_rest(scenario, groups) && !due || model.may_rest(state))
            && !next.iter().any(|(step, after)| looks(step) && after.plan != 0)
    }

    fn remark(&mut self, before: &State, step: &Step) -> Vec<String> {
        let Step::Observe { old_object, old_pods, blind } = *step else { return vec![] };
        let blind = before.slots.iter().position(|it| Some(it.tag) == blind);
        let seen = before.seen(old_object, old_pods);
        self.plans.explain(&View::of(&seen, &self.setting, blind))
    }

    fn explain(&mut self, state: &State) -> Vec<String> {
        let view = View::of(&state.seen(false, false), &self.setting, None);
        self.plans.explain(&view).into_iter().map(|it| format!("operator: {it}")).collect()
    }
}
