//! Random walks: far more faults on one way than an exhaustive exploration can bear.

use crate::finding::Finding;
use crate::world::{Broken, Move, Next, Property, World};

/// How many steps may have faults among them.
pub const WILD_STEPS: usize = 400;
/// How many steps the world has to come to rest afterwards; chance is fair but not quick.
pub const CALM_STEPS: usize = 20_000;

/// What led to unrest is at the beginning of a script; the rest goes round in circles.
const SCRIPT_STEPS_MAX: usize = WILD_STEPS + 200;

/// Takes one walk: [`WILD_STEPS`] at random, faults among them, then steps that are no faults until
/// the world is at rest, [`CALM_STEPS`] at most. Every step is checked. The same seed takes the same
/// way.
pub fn walk<W: World>(world: &mut W, seed: u64) -> Option<Finding<W::Property>> {
    let mut state = world.first();
    let mut walk = Walk { world, chance: Chance(seed), script: vec![] };
    for step in 0..WILD_STEPS + CALM_STEPS {
        match walk.step(&state, step < WILD_STEPS) {
            Ok(Some(next)) => state = next,
            Ok(None) => return None,
            Err(broken) if broken.property.is_limit() => return None,
            Err(broken) => return Some(walk.broken(broken)),
        }
    }
    Some(walk.unrest(&state))
}

struct Walk<'a, W> {
    world: &'a mut W,
    chance: Chance,
    script: Vec<String>,
}

impl<W: World> Walk<'_, W> {
    /// One step; none when the world is at rest and no fault may come any more.
    fn step(&mut self, state: &W::State, wild: bool) -> Result<Option<W::State>, Broken<W>> {
        let mut next: Next<W> = vec![];
        self.world.explore(state, &mut next)?;
        if !wild && self.world.is_at_rest(state, &next) {
            return Ok(None);
        }
        let calm = |next: &Next<W>| next.iter().any(|(step, _)| !step.is_fault());
        if !wild || !self.chance.strikes() && calm(&next) {
            next.retain(|(step, _)| !step.is_fault());
        }
        if next.is_empty() {
            return Ok(Some(state.clone()));
        }
        let (step, after) = next.swap_remove(self.chance.below(next.len()));
        if after != *state {
            self.script.push(step.to_string());
        }
        Ok(Some(after))
    }

    fn broken(self, broken: Broken<W>) -> Finding<W::Property> {
        let mut script = self.script;
        script.push(broken.step.to_string());
        let detail = if broken.detail.is_empty() { vec![] } else { vec![broken.detail] };
        Finding { property: broken.property, script, detail }
    }

    fn unrest(mut self, state: &W::State) -> Finding<W::Property> {
        self.script.truncate(SCRIPT_STEPS_MAX);
        let detail = self.world.explain(state);
        Finding { property: W::Property::RECONCILES, script: self.script, detail }
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
