//! A workload in which the operator is killed at every call, one run a call and a way.

use super::bits::*;
use super::model::AppModel;
use super::plans::Planner;
use super::play::{CrashPoint, Cut, Ended, Pace, play};
use super::slot::Slot;
use super::state::State;
use super::workload::Workload;
use super::world::World;

/// What became of a workload.
#[derive(Clone, Debug, Default)]
pub struct Crashes {
    /// How many calls the operator made undisturbed.
    pub calls: usize,
    /// In how many runs it was killed.
    pub points: usize,
    /// The runs that ended otherwise than the undisturbed one.
    pub deviations: Vec<Deviation>,
}

/// A run that ended otherwise.
#[derive(Clone, Debug)]
pub struct Deviation {
    /// Where the operator was killed; nowhere, if the undisturbed run did not end.
    pub crash: Option<CrashPoint>,
    /// What is otherwise, for people.
    pub what: Vec<String>,
    /// The way there.
    pub script: Vec<String>,
}

/// Carries a workload out undisturbed, and then once for each call of the operator and each way to be killed at it.
/// Each time the world must come to rest in the same state, with every object created and deleted as often.
///
/// The operator may be killed once a run: [`check`](super::check) has the rest, of which this is the quick part that
/// counts.
pub fn crashes<M: AppModel>(
    workload: &Workload,
    model: M,
    planner: Planner<M::App>,
    pace: Pace,
) -> Crashes {
    let mut scenario = workload.scenario.clone();
    (scenario.budgets.abort, scenario.budgets.stale) = (1, 1);
    let world = &mut World::new(&scenario, model, planner);
    let undisturbed = match play(world, workload, pace, None) {
        Ok(ended) => ended,
        Err(failed) => {
            let deviation =
                Deviation { crash: None, what: vec![failed.why], script: failed.script };
            return Crashes { deviations: vec![deviation], ..Crashes::default() };
        }
    };
    let mut crashes = Crashes { calls: undisturbed.calls, ..Crashes::default() };
    for call in 0..undisturbed.calls {
        for cut in [Cut::Before, Cut::Within(0), Cut::Within(1), Cut::After, Cut::Lost] {
            let point = CrashPoint { call, cut };
            let (what, script) = match play(world, workload, pace, Some(point)) {
                Ok(ended) if !ended.crashed => continue,
                Ok(ended) => (ended.differs(&undisturbed), ended.script),
                Err(failed) => (vec![failed.why], failed.script),
            };
            crashes.points += 1;
            if !what.is_empty() {
                crashes.deviations.push(Deviation { crash: Some(point), what, script });
            }
        }
    }
    crashes
}

impl Ended {
    /// What is otherwise than in a run that was not disturbed.
    fn differs(&self, other: &Self) -> Vec<String> {
        let is_there = |it: &u8| self.state.slots.iter().any(|slot| slot.tag == *it);
        let given_up: Vec<_> = self.doubtful.iter().copied().filter(|it| !is_there(it)).collect();
        let mut what = self.tally.difference(&other.tally, &given_up);
        what.extend(given_up.iter().filter_map(|it| self.tally.left_of(*it)));
        if renamed(self.state) != renamed(other.state) {
            what.push(format!("ends with{}, not with{}", shown(&self.state), shown(&other.state)));
        }
        what
    }
}

/// What is compared of a state. Members are called by their order. Who leads, the members choose; how a pod was told to
/// start, and with whom it has run before, matters to nobody any more.
fn renamed(mut state: State) -> State {
    for (index, slot) in state.slots.iter_mut().enumerate() {
        slot.tag = u8::try_from(index).expect("few slots");
        (slot.made, slot.cached_made) = (slot.made & !START, slot.cached_made & !START);
        (slot.process, slot.list) = (slot.process & !USED, slot.list & !LEADER);
    }
    State { tags: 0, ..state }
}

/// A state in a line: every member with what there is of it.
fn shown(state: &State) -> String {
    let head = format!(" {:?} {:?} {:#b}", state.spec, state.accepted, state.flags);
    let slots = state.slots.iter().map(|it| format!(" {}", shown_slot(it)));
    slots.fold(head, |all, it| all + &it)
}

fn shown_slot(slot: &Slot) -> String {
    let Slot { pod, made, also, process, disk, list, record, reason, tag, ills, .. } = *slot;
    let role = slot.role & !RECORDED_VOTER;
    format!(
        "m{tag}(pod {pod:x} made {made:x} also {also:x} process {process:x} disk {disk:x} list {list:x} \
         record {record:x} reason {reason:x} role {role:x} row {:x} ills {ills:x} own {:x})",
        slot.row, slot.own
    )
}
