//! One run of a workload, along one fair way.

use super::bits::*;
use super::model::AppModel;
use super::plan::Rest;
use super::scenario::Budgets;
use super::script::{Fault, Step};
use super::slot::Slot;
use super::state::State;
use super::tally::Tally;
use super::workload::{Event, Workload};
use super::world::World;
use crate::{Next, World as _};

/// A run that takes more steps than this does not end.
const STEPS_MAX: usize = 5_000;

/// Who goes first. Both are fair: nothing that can happen is put off for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// All that can happen by itself has happened before the operator's next call.
    WorldFirst,
    /// The operator carries out a whole plan, then one thing happens.
    OperatorFirst,
}

/// How the operator is killed at a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Before the call.
    Before,
    /// In the middle of a call that does several things: so many of the ways in which it can be cut short.
    Within(usize),
    /// After the call.
    After,
    /// It is not killed. The call arrived, and the answer did not; the operator looks again on what it saw before.
    Lost,
}

/// A call, counted from 0, and how the operator is killed at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CrashPoint {
    /// Which call.
    pub call: usize,
    /// How.
    pub cut: Cut,
}

/// How a run ended.
pub(crate) struct Ended {
    /// The world at rest.
    pub(crate) state: State,
    pub(crate) tally: Tally,
    /// How many calls the operator made.
    pub(crate) calls: usize,
    /// Whether it was killed where it should be: not every call can be cut short.
    pub(crate) crashed: bool,
    /// The members that it may give up for that.
    pub(crate) doubtful: Vec<u8>,
    pub(crate) script: Vec<String>,
}

/// A run that did not end as it should, with the way there.
pub(crate) struct Failed {
    pub(crate) why: String,
    pub(crate) script: Vec<String>,
}

/// Carries out a workload.
pub(crate) fn play<M: AppModel>(
    world: &mut World<M>,
    workload: &Workload,
    pace: Pace,
    crash: Option<CrashPoint>,
) -> Result<Ended, Failed> {
    let (state, tally) = (by_tag(world.first()), Tally::default());
    let mut run = Run {
        world,
        pace,
        crash,
        state,
        tally,
        calls: 0,
        crashed: false,
        doubtful: vec![],
        waits: true,
        script: vec![],
    };
    match run.all(&workload.events) {
        Ok(()) => {
            let Run { state, tally, calls, crashed, doubtful, script, .. } = run;
            Ok(Ended { state: at_rest(state), tally, calls, crashed, doubtful, script })
        }
        Err(why) => Err(Failed { why, script: run.script }),
    }
}

struct Run<'a, M: AppModel> {
    world: &'a mut World<M>,
    pace: Pace,
    crash: Option<CrashPoint>,
    state: State,
    tally: Tally,
    calls: usize,
    crashed: bool,
    doubtful: Vec<u8>,
    /// Something happened since the operator last looked.
    waits: bool,
    script: Vec<String>,
}

impl<M: AppModel> Run<'_, M> {
    fn all(&mut self, events: &[Event]) -> Result<(), String> {
        let mut events = events.iter();
        for _ in 0..STEPS_MAX {
            let next = self.next()?;
            if let Some(at) = self.choose(&next) {
                self.step(next, at)?;
            } else if !self.world.is_at_rest(&self.state, &next) {
                let waits = self.world.explain(&self.state);
                return Err(format!("the world does not come to rest: {}", waits.join("; ")));
            } else if let Some(event) = events.next() {
                self.event(*event, next)?;
            } else {
                return Ok(());
            }
        }
        Err(format!("no rest after {STEPS_MAX} steps"))
    }

    /// All that can happen, and changes something.
    fn next(&mut self) -> Result<Next<World<M>>, String> {
        let mut next = vec![];
        let explored = self.world.explore(&self.state, &mut next);
        explored.map_err(|it| format!("{}: {} {}", it.property, it.step, it.detail))?;
        let sorted = next.into_iter().map(|(step, after)| (step, by_tag(after)));
        Ok(sorted.filter(|(_, after)| *after != self.state).collect())
    }

    fn choose(&self, next: &Next<World<M>>) -> Option<usize> {
        let find = |turn: Turn| next.iter().position(|(step, _)| Turn::of(step) == Some(turn));
        let (world, operator) = (find(Turn::World), find(Turn::Operator));
        let operator_first =
            self.pace == Pace::OperatorFirst && (self.waits || self.state.plan != 0);
        let first = if operator_first { operator.or(world) } else { world.or(operator) };
        first.or_else(|| find(Turn::Mend))
    }

    fn step(&mut self, next: Next<World<M>>, at: usize) -> Result<(), String> {
        let step = next[at].0;
        if !matches!(step, Step::Call { .. }) {
            self.waits = !matches!(step, Step::Observe { .. });
            let (_, after) = next.into_iter().nth(at).expect("it was found there");
            self.take(step, after);
            return Ok(());
        }
        let call = self.calls;
        self.calls += 1;
        self.waits = false;
        match self.crash.filter(|it| it.call == call && !self.crashed) {
            Some(CrashPoint { cut, .. }) => self.cut(cut, next, at),
            None => {
                self.call(next, at);
                Ok(())
            }
        }
    }

    fn call(&mut self, next: Next<World<M>>, at: usize) {
        let (step, after) = next.into_iter().nth(at).expect("it was found there");
        let kept = self.world.setting.scenario.volumes.kept();
        self.tally.note(&self.state, &after, kept);
        self.take(step, after);
    }

    /// The operator is killed at a call. If it cannot be in this way, it goes on.
    fn cut(&mut self, cut: Cut, next: Next<World<M>>, at: usize) -> Result<(), String> {
        self.crashed = true;
        match cut {
            Cut::Before => self.restart(),
            Cut::Within(number) => {
                let half = |it: &Step| matches!(it, Step::Fault(Fault::Half | Fault::HalfClaim(_)));
                let mut halves = next.iter().enumerate().filter(|(_, (step, _))| half(step));
                let found = halves.nth(number).map(|(at, _)| at);
                self.crashed = found.is_some();
                self.call(next, found.unwrap_or(at));
                self.doubtful = doubtful(&self.state);
            }
            Cut::After => {
                self.call(next, at);
                self.restart();
            }
            Cut::Lost => {
                self.call(next, at);
                self.script.push("! the answer is lost".into());
                self.idle();
                self.look_back()?;
            }
        }
        Ok(())
    }

    /// The operator comes back, and knows what the API tells.
    fn restart(&mut self) {
        self.script.push("! operator crashes".into());
        self.state.crash();
        self.idle();
    }

    /// The operator has no plan, and looks next.
    fn idle(&mut self) {
        self.doubtful = doubtful(&self.state);
        self.state.idle();
        self.state.normalize(&Rest::default(), &self.world.setting.scenario);
        self.state = by_tag(self.state);
        self.waits = true;
    }

    /// Looks on what the caches had before the call, where that is anything else.
    fn look_back(&mut self) -> Result<(), String> {
        let age = |step: &Step| match step {
            Step::Observe { old_object, old_pods, .. } => {
                usize::from(*old_object) + usize::from(*old_pods)
            }
            _ => 0,
        };
        let next = self.next()?;
        let oldest = next.into_iter().max_by_key(|(step, _)| age(step));
        if let Some((step, after)) = oldest.filter(|(step, _)| age(step) > 0) {
            self.waits = false;
            self.take(step, after);
        }
        Ok(())
    }

    fn event(&mut self, event: Event, next: Next<World<M>>) -> Result<(), String> {
        let happens = |step: &Step| *step == Step::Fault(event.fault());
        let found = next.into_iter().find(|(step, _)| happens(step));
        let (step, after) = found.ok_or_else(|| format!("{event:?} cannot happen here"))?;
        self.waits = true;
        self.take(step, after);
        Ok(())
    }

    fn take(&mut self, step: Step, after: State) {
        self.script.push(step.to_string());
        self.state = after;
    }
}

/// Whose turn it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    Operator,
    World,
    /// What comes back by itself, in the end.
    Mend,
}

impl Turn {
    fn of(step: &Step) -> Option<Self> {
        Some(match step {
            _ if crate::Move::is_fault(step) => return None,
            Step::Observe { .. } | Step::Call { .. } => Self::Operator,
            Step::Mend(_) | Step::Return(_) | Step::Fix(_) => Self::Mend,
            _ => Self::World,
        })
    }
}

/// Whose pod was asked for, by the record, and is not there: nobody can say whether the request is still on its way, so
/// the name is not asked for again. Founders know each other by name, so before the cluster is recorded a start is
/// given up as a whole.
fn doubtful(state: &State) -> Vec<u8> {
    let asked = |it: &&Slot| it.record & (ASKED | SEEN) == ASKED && !it.exists();
    let starts =
        !state.has(ID) && state.slots.iter().filter(asked).any(|it| it.record & FIRST != 0);
    let doubted = |it: &&Slot| asked(it) || starts && it.record & FIRST != 0;
    state.slots.iter().filter(doubted).map(|it| it.tag).collect()
}

/// Members in the order in which they appeared: so that names are the same in every run.
fn by_tag(mut state: State) -> State {
    state.slots.sort_unstable_by_key(|it| it.tag);
    state
}

/// What is left of a world at rest, whatever the operator has seen and may still go wrong.
fn at_rest(mut state: State) -> State {
    state.left = Budgets::NONE;
    state.forget_refusals();
    state.idle();
    state.sync_all();
    state
}
