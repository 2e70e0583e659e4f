//! What stays the same in a world: the scenario, the application, and the names.

use std::collections::BTreeMap;

use endstate_core::{
    App, AppStep, Facts, IdSource, Identity, MemberName, Recovery, RoleName, member_name,
};

use super::declared::{Declared, ROLES};
use super::model::AppModel;
use super::request::Request;
use super::scenario::{Asks, Scenario};
use super::slots::SLOTS;
use super::task::{OPERATION, TASK};

/// How many groups a role may have.
const GROUPS: u8 = 4;

/// The name of the cluster object.
const NAME: &str = "c";

pub(crate) struct Setting<M> {
    pub(crate) scenario: Scenario,
    pub(crate) model: M,
    pub(crate) object: Identity,
    /// The names of members, those of a plan's new ones included, in the order in which they are taken.
    pub(crate) names: Vec<MemberName>,
    /// How many groups each role has.
    pub(crate) groups: [u8; ROLES],
    /// Whether each group of the voting role has a leader of its own, which votes for it.
    pub(crate) led: bool,
    /// Whether ids are allocated before the start.
    pub(crate) allocates_ids: bool,
    /// Whether the planner reads what is kept in mind of members.
    pub(crate) has_facts: bool,
    /// The kind of the operation and what it asks for, where the scenario has one.
    pub(crate) operation: Option<(&'static str, Facts)>,
    /// Which of the application's own steps are dangerous, as bits.
    pub(crate) risks: u8,
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
        let is_unasked = |it: &endstate_core::Role| it.recovery == Recovery::Unasked;
        let unasked = voting.is_some_and(|it| is_unasked(&roles[it]));
        assert_eq!(unasked, scenario.unasked, "the scenario says whether somebody is asked");
        let allocated = |it: &endstate_core::Role| it.identity != IdSource::Application;
        let groups = |it: &endstate_core::Role| {
            let few = u8::try_from(it.groups).ok().filter(|it| *it <= GROUPS);
            few.expect("the model has room for few groups")
        };
        let object = Identity::new("ns", NAME, "uid");
        let name = |it| member_name(NAME, object.seed(), it);
        let own = model.own_steps(&MemberName::default());
        assert!(own.len() <= usize::from(Request::OWN_STEPS), "the model has room for three steps");
        let asked = model.operation().filter(|_| scenario.asks != Asks::Nothing);
        let operation = asked.map(|it| {
            assert!(
                own.len() <= OPERATION.into(),
                "beside an operation there is room for two steps"
            );
            (model.app().operations().expect("the application has operations").kind, it)
        });
        Self {
            operation,
            has_facts: model.facts(BTreeMap::from([(MemberName::default(), 1)]))
                != Facts::default(),
            risks: own.iter().rev().fold(0, |all, it| all << 1 | u8::from(it.dangerous)),
            names: (0..2 * SLOTS as u64).map(name).collect(),
            allocates_ids: roles.iter().any(allocated),
            led: roles.iter().any(endstate_core::Role::is_led),
            groups: std::array::from_fn(|role| roles.get(role).map_or(1, groups)),
            roles: roles.iter().map(|it| it.name.clone()).collect(),
            scenario: scenario.clone(),
            model,
            object,
        }
    }

    /// One of the application's own steps, about this member.
    pub(crate) fn own_step(&self, number: u8, member: &MemberName) -> AppStep {
        match self.operation_step(member) {
            Some(step) if number == OPERATION => step,
            _ => self.model.own_steps(member)[usize::from(number)].clone(),
        }
    }

    /// What the operation asks of this member, if it asks anything of members.
    fn operation_step(&self, member: &MemberName) -> Option<AppStep> {
        self.operation.as_ref()?;
        self.model.operation_step(member).map(|it| it.with("operation", TASK))
    }

    /// Which of them this is.
    pub(crate) fn own_step_number(&self, name: &str, member: &MemberName) -> u8 {
        if self.operation_step(member).is_some_and(|it| it.name == name) {
            return OPERATION;
        }
        let all = self.model.own_steps(member);
        let number = all.iter().position(|it| it.name == name);
        let number = number.and_then(|it| u8::try_from(it).ok());
        number.unwrap_or_else(|| panic!("the model has no step {name}"))
    }

    pub(crate) fn role(&self, number: u8) -> RoleName {
        self.roles.get(usize::from(number)).cloned().unwrap_or_default()
    }

    pub(crate) fn role_number(&self, name: &str) -> u8 {
        let at = self.roles.iter().position(|it| it.as_str() == name);
        at.and_then(|it| u8::try_from(it).ok()).unwrap_or_default()
    }
}
