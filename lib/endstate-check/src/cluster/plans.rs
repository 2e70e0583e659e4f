//! Every plan once, and the memory of which view led to which plan.
//!
//! Many worlds look the same to the operator, so the shipped planner and linter run once per view.

use std::collections::HashMap;

use endstate_core::{App, ConditionType, Plan, Snapshot, Truth, Waiting, lint, plan};

use super::model::AppModel;
use super::observe::View;
use super::plan::{Compact, Rest};

/// What makes a plan of what is seen.
pub type MakePlan<A> = fn(&A, &Snapshot<<A as App>::Spec>) -> Plan<<A as App>::Spec>;

/// The planner under test.
pub struct Planner<A: App> {
    /// Makes the plan.
    pub plan: MakePlan<A>,
    /// Whether a plan that the linter refuses is reported. Seeded bugs switch it off to show what
    /// would happen.
    pub linted: bool,
}

impl<A: App> Planner<A> {
    /// The planner and the linter that ship.
    pub fn shipped() -> Self {
        Self { plan, linted: true }
    }

    /// A planner with a bug, and no linter behind it.
    pub fn with_bug(plan: MakePlan<A>) -> Self {
        Self { plan, linted: false }
    }

    /// The same planner, with the linter that ships.
    #[must_use]
    pub fn linted(self) -> Self {
        Self { linted: true, ..self }
    }
}

// By hand: an `App` need not be copied for a planner to be.
impl<A: App> Clone for Planner<A> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<A: App> Copy for Planner<A> {}

/// What a view led to.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    /// The plan's number; 0 for one that does nothing.
    pub(crate) plan: u32,
    /// Whether its status claims that the cluster is available.
    pub(crate) claims_available: bool,
    /// Whether its status claims that the data of a majority is lost.
    pub(crate) claims_lost: bool,
    /// Whether it says that it is at work on an eviction.
    pub(crate) answers: bool,
    /// What the linter says.
    pub(crate) refused: Option<String>,
}

/// All plans made so far.
pub(crate) struct Plans<M: AppModel> {
    planner: Planner<M::App>,
    all: Vec<(Compact, Vec<Rest>)>,
    numbers: HashMap<Compact, u32>,
    /// By the view's fingerprint.
    outcomes: HashMap<u128, Outcome>,
}

impl<M: AppModel> Plans<M> {
    pub(crate) fn new(planner: Planner<M::App>) -> Self {
        let empty = Compact::default();
        let numbers = HashMap::from([(empty.clone(), 0)]);
        Self {
            planner,
            all: vec![(empty, vec![Rest::default()])],
            numbers,
            outcomes: HashMap::new(),
        }
    }

    /// How many different views were planned on.
    pub(crate) fn views(&self) -> usize {
        self.outcomes.len()
    }

    pub(crate) fn get(&self, plan: u32) -> &Compact {
        &self.all[plan as usize].0
    }

    pub(crate) fn rest(&self, plan: u32, call: u8) -> &Rest {
        &self.all[plan as usize].1[usize::from(call)]
    }

    /// The plan for a view.
    pub(crate) fn decide(&mut self, view: &View<'_, M>) -> &Outcome {
        let print = view.fingerprint();
        if !self.outcomes.contains_key(&print) {
            let outcome = self.think(view);
            self.outcomes.insert(print, outcome);
        }
        &self.outcomes[&print]
    }

    fn think(&mut self, view: &View<'_, M>) -> Outcome {
        let snapshot = view.snapshot();
        let plan = (self.planner.plan)(view.app(), &snapshot);
        let violations = if self.planner.linted { lint(&snapshot, &plan) } else { vec![] };
        let claims_available = plan
            .status
            .condition(ConditionType::Available)
            .is_some_and(|it| it.status == Truth::True);
        let lost =
            |it: &Waiting| matches!(it, Waiting::ForConsent { .. } | Waiting::ForRecovery { .. });
        let claims_lost = plan.waits.iter().any(lost);
        let compact =
            Compact { proven: claims_available && view.is_consented(), ..view.compact(&plan) };
        Outcome {
            plan: if compact.calls() == 0 { 0 } else { self.number(compact) },
            claims_available,
            claims_lost,
            answers: !plan.heartbeats.is_empty(),
            refused: (!violations.is_empty())
                .then(|| violations.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")),
        }
    }

    fn number(&mut self, compact: Compact) -> u32 {
        let next = u32::try_from(self.all.len()).expect("fewer than 2^32 plans");
        *self.numbers.entry(compact).or_insert_with_key(|compact| {
            let rests = (0..=compact.calls()).map(|call| compact.rest(call)).collect();
            self.all.push((compact.clone(), rests));
            next
        })
    }

    /// What the planner says it waits for, for people.
    pub(crate) fn explain(&self, view: &View<'_, M>) -> Vec<String> {
        let plan = (self.planner.plan)(view.app(), &view.snapshot());
        let acts = plan.actions.iter().map(|it| view.readable(&it.to_string()));
        acts.chain(plan.waits.iter().map(|it| view.readable(&it.to_string()))).collect()
    }
}
