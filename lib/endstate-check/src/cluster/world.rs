//! A scenario under way.

use super::model::AppModel;
use super::plans::{Planner, Plans};
use super::scenario::Scenario;
use super::setting::Setting;

/// A step that breaks a property.
pub(crate) type Broken<M> = crate::Broken<World<M>>;

/// A scenario with an application, and what the planner says in it.
pub(crate) struct World<M: AppModel> {
    pub(crate) setting: Setting<M>,
    pub(crate) plans: Plans<M>,
}

impl<M: AppModel> World<M> {
    pub(crate) fn new(scenario: &Scenario, model: M, planner: Planner<M::App>) -> Self {
        Self { setting: Setting::new(scenario, model), plans: Plans::new(planner) }
    }
}
