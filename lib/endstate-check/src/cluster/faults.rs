//! What goes wrong and is mended, and what is changed from outside.

use super::bits::*;
use super::declared::Declared;
use super::model::AppModel;
use super::moves::Moves;
use super::scenario::Respec;
use super::script::{Fault, Step};
use super::slot::Slot;
use super::state::State;

impl<M: AppModel> Moves<'_, M> {
    pub(super) fn faults(&mut self, state: &State) {
        for index in 0..state.slots.len() {
            self.process_faults(state, index);
            self.pod_faults(state, index);
            self.data_faults(state, index);
        }
        self.writes(state);
        self.consents(state);
        self.guards(state);
        self.withdrawals(state);
        self.forgets(state);
        self.edits(state);
    }

    /// What is acknowledged is on every member that works and has caught up.
    fn writes(&mut self, state: &State) {
        let last = state.slots.iter().map(Slot::log).max().unwrap_or(0);
        if state.left.write > 0 && self.setting.model.is_appointed() {
            let model = &self.setting.model;
            let mut written = vec![];
            model.writes(state, |after| written.push(after));
            for after in written {
                self.fault(state, Fault::Write, |it| {
                    it.slots = after.slots;
                    it.left.write -= 1;
                });
            }
            return;
        }
        if state.left.write == 0 || !state.can_commit() || last == LOG >> LOG_SHIFT {
            return;
        }
        self.fault(state, Fault::Write, |it| {
            it.left.write -= 1;
            for slot in it.slots.iter_mut() {
                if slot.works() && slot.is_listed() && slot.is_caught_up() {
                    slot.set_log(last + 1);
                } else {
                    slot.disk &= !CAUGHT;
                }
            }
        });
    }

    /// A person names the source of a recovery, or takes that back.
    fn consents(&mut self, state: &State) {
        if state.has(ENDING | GONE) {
            return;
        }
        if let Some(named) = state.slots.iter().position(|it| it.reason & CONSENT != 0) {
            self.fault(state, Fault::Withdraw(state.slots[named].tag), |it| {
                it.slots[named].reason &= !CONSENT;
                it.slots[named].ills &= !SPENT;
                it.object_changed();
            });
        } else if state.left.consent > 0 {
            for (index, slot) in state.slots.iter().enumerate() {
                if slot.record & MEMBER == 0 {
                    continue;
                }
                self.fault(state, Fault::Consent(slot.tag), |it| {
                    it.left.consent -= 1;
                    it.slots[index].reason |= CONSENT;
                    it.object_changed();
                });
            }
        }
    }

    /// Somebody shuts the operator out, or lets it in again.
    fn guards(&mut self, state: &State) {
        if state.guarded {
            self.fault(state, Fault::LetIn, |it| it.guarded = false);
        } else if state.left.guard > 0 && state.has(ID) && !state.has(ENDING | GONE) {
            self.fault(state, Fault::Guard, |it| {
                it.left.guard -= 1;
                it.guarded = true;
            });
        }
    }

    /// Somebody deletes the operation before it is over.
    fn withdrawals(&mut self, state: &State) {
        if state.left.withdraw > 0 && state.task.is_under_way() {
            self.fault(state, Fault::WithdrawTask, |it| {
                it.left.withdraw -= 1;
                it.withdraw();
            });
        }
    }

    /// Somebody deletes the status.
    fn forgets(&mut self, state: &State) {
        if state.left.forget > 0 && state.has(ID) && !state.has(ENDING | GONE) {
            self.fault(state, Fault::Forget, |it| {
                it.left.forget -= 1;
                it.forget();
            });
        }
    }

    fn process_faults(&mut self, state: &State, index: usize) {
        let (left, slot) = (&state.left, &state.slots[index]);
        if left.kill > 0 && slot.runs() {
            self.fault(state, Fault::Kill(slot.tag), |it| {
                it.left.kill -= 1;
                it.slots[index].stop();
                it.slots[index].touch();
            });
        }
        if left.crash > 0 && slot.runs() {
            self.fault(state, Fault::Crash(slot.tag), |it| {
                it.left.crash -= 1;
                it.slots[index].stop();
                it.slots[index].ills |= BROKEN;
                it.slots[index].set_pod(slot.pod | CRASH);
            });
        }
        if left.cut > 0 && slot.works() && slot.is_listed() {
            // Who was elected knows that it leads nobody any more.
            let resigns = !self.setting.model.is_appointed();
            self.fault(state, Fault::Cut(slot.tag), |it| {
                it.left.cut -= 1;
                it.slots[index].ills |= CUT;
                it.slots[index].list &= if resigns { !LEADER } else { !0 };
            });
        }
        if left.away > 0 && slot.exists() && !slot.is_away() {
            self.fault(state, Fault::Away(slot.tag), |it| {
                it.left.away -= 1;
                it.slots[index].ills |= AWAY;
            });
        }
    }

    fn pod_faults(&mut self, state: &State, index: usize) {
        let (left, slot) = (&state.left, &state.slots[index]);
        if !slot.is_there() {
            return;
        }
        if left.evict > 0 && slot.pod & DELETING == 0 {
            self.fault(state, Fault::Evict(slot.tag), |it| {
                it.left.evict -= 1;
                it.slots[index].set_pod(slot.pod | DELETING);
            });
        }
        if left.cordon > 0 && slot.pod & CORDONED == 0 {
            self.fault(state, Fault::Cordon(slot.tag), |it| {
                it.left.cordon -= 1;
                it.slots[index].set_pod(slot.pod | CORDONED);
            });
        } else if slot.pod & CORDONED != 0 {
            self.fault(state, Fault::Uncordon(slot.tag), |it| {
                it.slots[index].set_pod(slot.pod & !CORDONED);
            });
        }
        if left.ask > 0 && slot.pod & DELETING == 0 && !slot.is_asked_to_go() {
            self.fault(state, Fault::Ask(slot.tag), |it| {
                it.left.ask -= 1;
                it.slots[index].set_also(slot.also | EVICTING);
            });
        } else if slot.is_asked_to_go() {
            self.fault(state, Fault::TakeBack(slot.tag), |it| {
                it.slots[index].set_also(slot.also & !(EVICTING | ANSWERED));
            });
        }
        if left.node > 0 {
            self.fault(state, Fault::Node(slot.tag), |it| {
                it.left.node -= 1;
                it.slots[index].stop();
                it.slots[index].set_pod(slot.pod | NODE_LOST);
            });
        }
    }

    fn data_faults(&mut self, state: &State, index: usize) {
        let (left, slot) = (&state.left, &state.slots[index]);
        if left.wipe > 0 && slot.is_there() && slot.has_data() {
            self.fault(state, Fault::Wipe(slot.tag), |it| {
                it.left.wipe -= 1;
                it.slots[index].wipe();
            });
        }
        let there = slot.claims() & !slot.claims_going();
        for which in [CLAIM, SECOND].into_iter().filter(|it| there & it != 0) {
            if left.part > 0 && slot.record != 0 && slot.ills & ABANDONED == 0 {
                self.fault(state, Fault::Part(slot.tag, which == CLAIM), |it| {
                    it.left.part -= 1;
                    it.slots[index].delete_claim(which, slot.pod & STARTED == 0);
                });
            }
        }
        if left.blank > 0 && slot.is_there() && slot.has_data() {
            self.fault(state, Fault::Blank(slot.tag), |it| {
                it.left.blank -= 1;
                it.slots[index].wipe();
                it.slots[index].process &= !MARK;
                let unmarked = slot.made & MARKED == 0;
                it.slots[index].process |= if unmarked { UNMARKED_LOSS } else { 0 };
            });
        }
        if left.unmount > 0 && slot.is_there() && slot.claims() != 0 && slot.has_data() {
            self.fault(state, Fault::Unmount(slot.tag), |it| {
                it.left.unmount -= 1;
                it.slots[index].stop();
                it.slots[index].disk |= UNMOUNTED;
                it.slots[index].process &= !VOLUNTARY;
                it.slots[index].touch();
            });
        }
        if slot.disk & UNMOUNTED != 0 && !slot.runs() {
            self.fault(state, Fault::Mount(slot.tag), |it| it.slots[index].disk &= !UNMOUNTED);
        }
        let holds = slot.works() && slot.is_listed() && state.is_formed();
        if left.corrupt > 0 && holds {
            self.fault(state, Fault::Corrupt(slot.tag), |it| {
                it.left.corrupt -= 1;
                it.slots[index].disk |= CORRUPT;
            });
        }
        if left.unnamed > 0 && holds {
            self.fault(state, Fault::CorruptUnnamed(slot.tag), |it| {
                it.left.unnamed -= 1;
                it.slots[index].disk |= CORRUPT | UNNAMED;
            });
        }
    }

    fn fault(&mut self, state: &State, fault: Fault, apply: impl FnOnce(&mut State)) {
        let mut after = *state;
        apply(&mut after);
        after.fault_since = after.plan != 0;
        if let Some(late) = &mut after.late {
            late.fault_since = true;
        }
        self.push(Step::Fault(fault), after);
    }

    fn edits(&mut self, state: &State) {
        if state.has(ENDING | GONE) {
            return;
        }
        if state.left.edit > 0 {
            let Declared { sizes, rev } = state.spec;
            let other = match self.setting.scenario.respec {
                Respec::Never => None,
                Respec::Staged => Some((sizes, 2 - rev)),
                _ => Some((sizes, 1 - rev)),
            };
            let resized = self.setting.scenario.sizes.iter().filter(|it| **it != sizes);
            for (sizes, rev) in resized.map(|it| (*it, rev)).chain(other) {
                let mut after = *state;
                after.left.edit -= 1;
                after.spec = Declared { sizes, rev };
                after.object_changed();
                self.push(Step::Fault(Fault::Edit(after.spec)), after);
            }
        }
        if state.left.delete > 0 {
            let mut after = *state;
            after.left.delete -= 1;
            after.flags |= ENDING;
            after.object_changed();
            self.push(Step::Fault(Fault::Delete), after);
        }
    }

    /// What goes wrong is mended in the end: of a network that stays cut nothing here could tell the
    /// difference to an outage of the operator's own.
    pub(super) fn mends(&mut self, state: &State) {
        for (index, slot) in state.slots.iter().enumerate() {
            if slot.ills & BROKEN != 0 {
                let mut after = *state;
                after.slots[index].ills &= !BROKEN;
                self.push(Step::Fix(slot.tag), after);
            }
            if slot.is_away() {
                let mut after = *state;
                after.slots[index].ills &= !AWAY;
                self.push(Step::Return(slot.tag), after);
            }
            if slot.is_cut() {
                let mut after = *state;
                after.slots[index].ills &= !CUT;
                after.slots[index].process |= if slot.runs() { FRESH } else { 0 };
                after.meet();
                self.push(Step::Mend(slot.tag), after);
            }
        }
    }
}

impl Slot {
    /// Whether it has a pod on a node, of a start that still matters.
    fn is_there(&self) -> bool {
        self.exists() && self.pod & NODE_LOST == 0 && self.ills & ABANDONED == 0
    }

    fn wipe(&mut self) {
        self.stop();
        (self.disk, self.own) = (0, 0);
        self.list &= !LEFT_BEHIND;
        self.process &= !VOLUNTARY;
        self.touch();
    }
}
