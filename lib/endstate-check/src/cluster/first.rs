//! Where the exploration begins.

use super::bits::*;
use super::declared::Declared;
use super::model::AppModel;
use super::scenario::{Asks, Scenario, Start};
use super::setting::Setting;
use super::slot::Slot;
use super::state::State;
use super::task::Task;

/// The first state.
pub(crate) fn state<M: AppModel>(setting: &Setting<M>) -> State {
    let Setting { scenario, groups, led, .. } = setting;
    let (groups, led) = (*groups, *led);
    let mut state = State::new(Declared { sizes: scenario.sizes[0], rev: 0 }, scenario.budgets);
    state.flags = if led { LED } else { 0 };
    state.task = if scenario.asks == Asks::Nothing { Task::None } else { Task::Waiting };
    let Start::Running(sizes) = scenario.start else { return state };
    state.flags |= FORMED | ID | ACCEPTED;
    state.accepted = Declared { sizes, rev: 0 };
    for (role, size) in sizes.into_iter().enumerate() {
        for at in 0..size * groups[role] {
            let mut member = running_member(scenario, role, state.tags);
            member.role |= (at / size) << GROUP_SHIFT;
            if led && at % size != 0 {
                member.list();
                member.made &= !MARKED_VOTER;
            } else if led {
                member.role |= RECORDED_VOTER;
                member.list |= LEADER;
            }
            state.slots.push(member);
            state.tags += 1;
        }
    }
    let first = state.slots.iter().position(Slot::votes);
    if !led {
        state.lead(first.expect("somebody votes"));
    }
    state.sync_all();
    for slot in state.slots.iter_mut() {
        slot.set_own(setting.model.first(slot.role()));
    }
    state
}

fn running_member(scenario: &Scenario, role: usize, tag: u8) -> Slot {
    let (votes, claims) = (role == scenario.voting_role, scenario.volumes.claims());
    Slot {
        pod: EXISTS | STARTED,
        made: MARKED | if votes { MARKED_VOTER } else { 0 } | claims,
        also: if scenario.volumes.are_pairs() { PAIR } else { 0 },
        process: RUN | MARK | USED,
        disk: DATA | CAUGHT,
        list: if votes { VOTER } else { NON_VOTER },
        record: MEMBER | SEEN,
        role: u8::try_from(role).expect("few roles"),
        row: if scenario.has_positions() { 2 } else { 0 },
        tag,
        ..Slot::default()
    }
}
