//! What stays the same in a world: the scenario, the application, and the names.

use endstate_core::{IdSource, Identity, MemberName, RoleName, member_name};

use endstate_core::App;

use super::model::AppModel;
use super::scenario::Scenario;
use super::slot::SLOTS;
use super::state::{Declared, ROLES};

/// The name of the cluster object.
const NAME: &str = "c";

pub(crate) struct Setting<M> {
    pub(crate) scenario: Scenario,
    pub(crate) model: M,
    pub(crate) object: Identity,
    /// The names of members, those of a plan's new ones included, in the order in which they are taken.
    pub(crate) names: Vec<MemberName>,
    /// Whether ids are allocated before the start.
    pub(crate) allocates_ids: bool,
    roles: Vec<RoleName>,
}

impl<M: AppModel> Setting<M> {
    pub(crate) fn new(scenario: &Scenario, model: M) -> Self {
        let declared = Declared { sizes: scenario.sizes[0], rev: 0 };
        let topology = model.app().topology(&model.spec(declared));
        let roles = &topology.roles;
        assert!(roles.len() <= ROLES, "the model has room for {ROLES} roles");
        let voting = roles.iter().position(|it| it.votes);
        assert_eq!(voting, Some(scenario.voting_role), "the scenario names the role that votes");
        let allocated = |it: &endstate_core::Role| it.identity != IdSource::Application;
        let object = Identity::new("ns", NAME, "uid");
        let name = |it| member_name(NAME, object.seed(), it);
        Self {
            names: (0..2 * SLOTS as u64).map(name).collect(),
            allocates_ids: roles.iter().any(allocated),
            roles: roles.iter().map(|it| it.name.clone()).collect(),
            scenario: scenario.clone(),
            model,
            object,
        }
    }

    pub(crate) fn role(&self, number: u8) -> RoleName {
        self.roles.get(usize::from(number)).cloned().unwrap_or_default()
    }

    pub(crate) fn role_number(&self, name: &str) -> u8 {
        let at = self.roles.iter().position(|it| it.as_str() == name);
        at.and_then(|it| u8::try_from(it).ok()).unwrap_or_default()
    }
}
