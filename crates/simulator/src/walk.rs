//! Random walks: far more faults on one way than an exhaustive exploration can bear.
//!
//! A walk takes steps at random, faults among them, and checks every one; then it takes steps that
//! are no faults until the world is at rest. The same seed takes the same way.

use crate::{
    explore::Finding,
    plans::{Planner, Plans},
    property::Property,
    scenario::Scenario,
    world::{
        State,
        moves::{Broken, Moves},
        observe::View,
        script::Move,
    },
};

/// How many steps may have faults among them.
const WILD_STEPS: usize = 400;
/// How many steps the world has to come to rest afterwards; chance is fair but not quick.
const CALM_STEPS: usize = 20_000;

/// Takes one walk through a scenario; the seed is the scenario's.
pub fn walk(scenario: &Scenario, planner: Planner) -> Option<Finding> {
    let mut walk = Walk {
        scenario,
        plans: Plans::new(planner),
        chance: Chance(scenario.seed),
        script: vec![],
    };
    let mut state = scenario.first_state();
    for step in 0..WILD_STEPS + CALM_STEPS {
        let wild = step < WILD_STEPS;
        match walk.step(&state, wild) {
            Ok(Some(next)) => state = next,
            Ok(None) => return None,
            // More members than a state can hold: the walk got lost, which is no finding.
            Err(broken) if broken.property == Property::Bounded => return None,
            Err(broken) => return Some(walk.finding(broken)),
        }
    }
    Some(walk.unrest(&state))
}

struct Walk<'a> {
    scenario: &'a Scenario,
    plans: Plans,
    chance: Chance,
    script: Vec<String>,
}

impl Walk<'_> {
    /// One step; none when the world is at rest and no fault may come any more.
    fn step(&mut self, state: &State, wild: bool) -> Result<Option<State>, Broken> {
        let mut moves = Moves { scenario: self.scenario, plans: &mut self.plans, next: vec![] };
        moves.explore(state)?;
        let mut next = moves.next;
        if !wild {
            next.retain(|(step, _)| !step.is_fault());
            let looks = |step: &Move| matches!(step, Move::Observe { .. });
            let busy = next.iter().any(|(step, after)| looks(step) && after.plan != 0);
            if state.is_at_rest() && !busy {
                return Ok(None);
            }
        }
        if !self.chance.strikes() && next.iter().any(|(step, _)| !step.is_fault()) {
            next.retain(|(step, _)| !step.is_fault());
        }
        if next.is_empty() {
            return Ok(Some(*state));
        }
        let (step, after) = next.swap_remove(self.chance.below(next.len()));
        if after != *state {
            self.script.push(step.to_string());
        }
        Ok(Some(after))
    }

    fn finding(self, broken: Broken) -> Finding {
        let mut script = self.script;
        script.push(broken.step.to_string());
        let detail = if broken.detail.is_empty() { vec![] } else { vec![broken.detail] };
        Finding { property: broken.property, script, detail }
    }

    fn unrest(self, state: &State) -> Finding {
        let view = View::of(&state.seen(false, false), self.scenario.respec, None);
        let detail = self.plans.explain(&view).into_iter().map(|it| format!("operator: {it}"));
        // What led there is at the beginning; the rest goes round in circles.
        let script = self.script.into_iter().take(WILD_STEPS + 200).collect();
        Finding { property: Property::Reconciles, script, detail: detail.collect() }
    }
}

/// SplitMix64.
struct Chance(u64);

impl Chance {
    /// Whether a fault may come now.
    fn strikes(&mut self) -> bool {
        self.below(8) == 0
    }

    fn below(&mut self, count: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        usize::try_from(mixed % count as u64).expect("less than a usize")
    }
}
