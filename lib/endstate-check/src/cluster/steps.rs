//! What applications with a quorum do by themselves, ready for a model's [`AppModel::steps`](super::AppModel::steps):
//! they form, elect, copy, settle. A model whose rules differ writes its own in place of one of them.

use endstate_core::quorum;

use super::script::AppMove;
use super::slot::Slot;
use super::state::State;

/// A quorum of the first members finds together, and one of them leads.
pub fn form(state: &State, add: &mut impl FnMut(AppMove, State)) {
    let first = |it: &&Slot| it.is_first();
    let all = state.members().iter().filter(first).count();
    let up = state.members().iter().filter(first).filter(|it| it.works()).count();
    if state.is_formed() || all == 0 || up < quorum(all) {
        return;
    }
    for (leads, slot) in state.members().iter().enumerate() {
        if !slot.is_first() || !slot.works() {
            continue;
        }
        let mut after = *state;
        after.form();
        for slot in after.members_mut().iter_mut().filter(|it| it.is_first()) {
            slot.give_vote();
            if slot.has_data() {
                slot.fill();
            }
        }
        after.lead(leads);
        add(AppMove::Form(slot.tag()), after);
    }
}

/// A voter that works and has all that a quorum has is elected when nobody leads. One without data has no vote.
pub fn elect(state: &State, add: &mut impl FnMut(AppMove, State)) {
    if !state.has_quorum() || state.leader().is_some() {
        return;
    }
    for (index, slot) in state.members().iter().enumerate() {
        if state.may_lead(index) {
            let mut after = *state;
            after.lead(index);
            add(AppMove::Elect(slot.tag()), after);
        }
    }
}

/// Those who follow the leader get what it has, its corruption included.
pub fn copy_from_leader(
    state: &State,
    follows: impl Fn(&Slot) -> bool,
    add: &mut impl FnMut(AppMove, State),
) {
    let Some(leader) = state.leader().filter(|_| state.has_quorum()) else { return };
    let source = state.members()[leader];
    for (index, slot) in state.members().iter().enumerate() {
        let reached = slot.runs() && !slot.is_cut() && !slot.is_left_behind();
        if reached && !slot.is_caught_up() && follows(slot) {
            let mut after = *state;
            after.members_mut()[index].copy(&source);
            add(AppMove::CatchUp(slot.tag()), after);
        }
    }
}

/// As much time passes as the application asks for before it counts on a member.
pub fn settle(state: &State, add: &mut impl FnMut(AppMove, State)) {
    if state.members().iter().any(|it| it.runs() && !it.is_settled()) {
        let mut after = *state;
        after.members_mut().iter_mut().for_each(Slot::settle);
        add(AppMove::Settle, after);
    }
}
