//! Everything that can happen next: the operator, the kubelet, etcd, and what goes wrong.

use endstate_check::Next;
use endstate_core::quorum;

use super::{
    Broken, Slot, State, Verb, World,
    calls::Answer,
    flags::*,
    observe::View,
    script::{Fault, Move, Ran},
};
use crate::{
    plans::{Act, Plans},
    property::Property,
    scenario::{Respec, Scenario},
};

/// Finds what can happen next.
pub(crate) struct Moves<'a> {
    pub(crate) scenario: &'a Scenario,
    pub(crate) plans: &'a mut Plans,
    pub(crate) next: &'a mut Next<World>,
}

impl Moves<'_> {
    /// Adds every step from this state, normalized.
    pub(crate) fn explore(&mut self, state: &State) -> Result<(), Broken> {
        self.operator(state)?;
        self.late(state)?;
        for index in 0..state.slots.len() {
            self.kubelet(state, index)?;
            self.etcd_member(state, index);
        }
        self.collector(state);
        self.etcd(state);
        self.faults(state);
        Ok(())
    }

    pub(super) fn push(&mut self, step: Move, mut state: State) {
        let rest = self.plans.rest(state.plan, state.call);
        state.normalize(rest, self.scenario.seed);
        self.next.push((step, state));
    }

    fn operator(&mut self, state: &State) -> Result<(), Broken> {
        if state.plan == 0 {
            return self.observe(state);
        }
        let mut after = *state;
        let plan = self.plans.get(state.plan);
        let writes = usize::from(plan.write.is_some());
        let act = usize::from(state.call).checked_sub(writes).map(|it| plan.acts[it]);
        let slot = act.map_or(0, Act::slot);
        let member =
            state.slots.iter().find(|it| slot > 0 && it.plan == slot).map_or(0, |it| it.tag);
        let step = |answer| Move::Call { call: act.map(Act::verb), member, answer };
        match after.make_call(plan, self.scenario.environment) {
            Ok(answer) => self.push(step(answer), after),
            Err(property) => {
                let (step, detail) = (step(Answer::Done), String::new());
                return Err(Broken { property, step, detail });
            }
        }
        if state.left.abort > 0 {
            let mut after = *state;
            after.left.abort -= 1;
            after.forget_refusals();
            after.idle();
            self.push(Move::Fault(Fault::Abort), after);
        }
        let creates = |it: Act| matches!(it, Act::Create { .. });
        if state.left.refuse > 0 && act.is_some_and(creates) {
            let mut after = *state;
            after.left.refuse -= 1;
            after.refuse_call(self.plans.get(state.plan));
            self.push(Move::Fault(Fault::Refuse(member)), after);
        }
        // A change of a running pod is not lost: nothing could fence it off, see the design note.
        let may_be_late = act.is_some_and(|it| it.verb() != Verb::Restart);
        if state.left.late > 0 && may_be_late && state.late.is_none() {
            let mut after = *state;
            after.left.late -= 1;
            after.lose_call(self.plans.get(state.plan));
            self.push(Move::Fault(Fault::Lose), after);
        }
        Ok(())
    }

    /// A call that was given up arrives.
    fn late(&mut self, state: &State) -> Result<(), Broken> {
        let (Some(late), Some(slot)) = (state.late, state.slots.iter().find(|it| it.late != 0))
        else {
            return Ok(());
        };
        let step = |answer| Move::Late { verb: late.act, member: slot.tag, answer };
        let mut after = *state;
        // Whatever the operator has seen since, this call was decided before.
        (after.object_as_seen, after.fault_since) = (false, late.fault_since);
        match after.late_call(self.scenario.environment) {
            Ok(answer) => {
                (after.object_as_seen, after.fault_since) =
                    (state.object_as_seen, state.fault_since);
                after.list_as_seen |= after.plan == 0;
                // To the plan under way it is one more thing that it could not see.
                after.fault_since |= after.plan != 0;
                self.push(step(answer), after);
                Ok(())
            }
            Err(property) => {
                let (step, detail) = (step(Answer::Done), String::new());
                Err(Broken { property, step, detail })
            }
        }
    }

    /// Looks with fresh eyes, with old caches, and without reaching one member.
    fn observe(&mut self, state: &State) -> Result<(), Broken> {
        self.look(state, (false, false), None)?;
        if state.left.stale > 0 {
            let old_object = state.has(OBJECT_CHANGED);
            let old_pods = state.slots.iter().any(|it| it.etcd & POD_CHANGED != 0);
            for old in [(true, false), (false, true), (true, true)] {
                if (!old.0 || old_object) && (!old.1 || old_pods) {
                    self.look(state, old, None)?;
                }
            }
        }
        if state.left.blind > 0 {
            for index in 0..state.slots.len() {
                if state.slots[index].runs() && state.slots[index].listed() {
                    self.look(state, (false, false), Some(index))?;
                }
            }
        }
        Ok(())
    }

    fn look(
        &mut self,
        state: &State,
        (old_object, old_pods): (bool, bool),
        blind: Option<usize>,
    ) -> Result<(), Broken> {
        let mut after = state.seen(old_object, old_pods);
        after.left.stale -= u8::from(old_object || old_pods);
        after.left.blind -= u8::from(blind.is_some());
        if after.cached_flags & GONE != 0 {
            return Ok(());
        }
        let view = View::of(&after, self.scenario.respec, blind);
        let outcome = self.plans.decide(&view);
        let blind = blind.map(|it| state.slots[it].tag);
        let step = Move::Observe { old_object, old_pods, blind };
        if let Some(refused) = &outcome.refused {
            let detail = view.readable(refused);
            return Err(Broken { property: Property::Lint, step, detail });
        }
        let fresh = !old_object && !old_pods && after.is_recorded();
        let false_loss = outcome.claims_lost && fresh && !state.is_lost();
        if outcome.claims_available && !state.has_quorum() || false_loss {
            let detail = String::new();
            return Err(Broken { property: Property::HonestStatus, step, detail });
        }
        if outcome.plan == 0 {
            // Nothing to do; what it knows may have become newer.
            after.forget_refusals();
            after.idle();
        } else {
            after.plan = outcome.plan;
            after.call = 0;
            after.object_as_seen = after.flags & OBJECT_CHANGED == 0;
            (after.list_as_seen, after.fault_since) = (true, false);
            for (index, slot) in after.slots.iter_mut().enumerate() {
                slot.plan = u8::try_from(index + 1).expect("few slots");
            }
        }
        self.push(step, after);
        Ok(())
    }

    fn kubelet(&mut self, state: &State, index: usize) -> Result<(), Broken> {
        let slot = &state.slots[index];
        let member = slot.tag;
        if !slot.exists() {
            return Ok(());
        }
        if slot.pod & DELETING != 0 {
            let mut after = *state;
            after.slots[index].end_pod();
            self.push(Move::End(member), after);
        } else if slot.pod & NODE_LOST == 0 && !slot.runs() && slot.etcd & ABANDONED == 0 {
            self.start(state, index)?;
        } else if slot.pod & NODE_LOST == 0 && self.is_outdated(slot) {
            let mut after = *state;
            after.slots[index].stop();
            after.slots[index].touch_pod();
            self.push(Move::Stop(member), after);
        }
        let removed = !slot.listed() && state.has(FORMED);
        if slot.works() && removed {
            let mut after = *state;
            after.slots[index].stop();
            after.slots[index].set_pod(slot.pod | CRASH);
            self.push(Move::Exit(member), after);
        }
        Ok(())
    }

    /// Whether a container runs another image than its pod asks for.
    fn is_outdated(&self, slot: &Slot) -> bool {
        self.scenario.respec == Respec::Restart
            && (slot.pod & REV != 0) != (slot.etcd & RUNS_REV != 0)
    }

    /// The launcher and etcd decide how a process starts.
    fn start(&mut self, state: &State, index: usize) -> Result<(), Broken> {
        let slot = &state.slots[index];
        let member = slot.tag;
        let mut after = *state;
        let started = &mut after.slots[index];
        let blank = slot.process & DATA == 0;
        let joins = slot.pod & JOIN != 0;
        let ran = if slot.ills & BROKEN != 0 {
            Ran::Crashed
        } else if !blank {
            let belongs = slot.listed() || slot.etcd & INITIAL != 0;
            if belongs { Ran::OnItsData } else { Ran::Crashed }
        } else if self.scenario.environment.launcher && slot.process & MARK != 0 {
            Ran::Refused
        } else if joins && !(slot.listed() && slot.process & OLD_LIST == 0 && peers(state, index)) {
            Ran::Crashed
        } else if !joins && state.has(FORMED) && !slot.listed() {
            // The others tell it that it was removed; too few were left behind to form a quorum.
            Ran::Crashed
        } else {
            Ran::Empty
        };
        started.process |= MARK;
        match ran {
            Ran::OnItsData | Ran::Empty => {
                started.set_pod((started.pod & !CRASH) | STARTED);
                started.process |= RUN | FRESH | DATA;
                started.process &= !(VOLUNTARY | OLD_LIST);
                started.etcd &= !RUNS_REV;
                started.etcd |= if started.pod & REV != 0 { RUNS_REV } else { 0 };
            }
            Ran::Refused => started.set_pod(started.pod | STARTED | CRASH | LOST),
            Ran::Crashed => started.set_pod(started.pod | STARTED | CRASH),
        }
        if ran == Ran::Empty {
            started.process &= !CAUGHT;
            if !joins {
                started.process |= CAUGHT;
            }
        }
        after.meet();
        let step = Move::Start { member, ran };
        match broken_by_start(state, slot, ran) {
            Some(property) => Err(Broken { property, step, detail: String::new() }),
            None => {
                if after != *state {
                    self.push(step, after);
                }
                Ok(())
            }
        }
    }

    fn etcd_member(&mut self, state: &State, index: usize) {
        let slot = &state.slots[index];
        if slot.ills & BROKEN != 0 {
            let mut after = *state;
            after.slots[index].ills &= !BROKEN;
            self.push(Move::Fix(slot.tag), after);
        }
        if slot.is_cut() {
            // A network is mended in the end: nothing here could tell a cut that stays from an outage
            // of the operator's own.
            let mut after = *state;
            after.slots[index].ills &= !CUT;
            after.slots[index].process |= if slot.runs() { FRESH } else { 0 };
            after.meet();
            self.push(Move::Mend(slot.tag), after);
        }
        let behind = slot.works() && slot.process & CAUGHT == 0;
        if slot.listed() && behind && state.has_quorum() && state.leader().is_some() {
            let mut after = *state;
            after.slots[index].process |= CAUGHT;
            // Who joins has what the leader has.
            let copied = state.leader().map_or(0, |it| state.slots[it].ills & (CORRUPT | UNNAMED));
            after.slots[index].ills |= copied;
            self.push(Move::CatchUp(slot.tag), after);
        }
    }

    /// The garbage collector, and the end of the object.
    fn collector(&mut self, state: &State) {
        if !state.has(ENDING | GONE) {
            return;
        }
        for index in 0..state.slots.len() {
            let slot = &state.slots[index];
            if slot.pod & (EXISTS | DELETING) == EXISTS {
                let mut after = *state;
                after.slots[index].set_pod(slot.pod | DELETING);
                self.push(Move::Collect(slot.tag), after);
            }
        }
        if state.has(ENDING) && !state.slots.iter().any(Slot::exists) {
            let mut after = *state;
            after.flags = (after.flags & !ENDING) | GONE;
            after.object_changed();
            self.push(Move::ObjectGone, after);
        }
    }

    fn etcd(&mut self, state: &State) {
        self.form(state);
        if state.has_quorum() && state.leader().is_none() {
            for index in 0..state.slots.len() {
                if state.slots[index].votes() && state.slots[index].works() {
                    let mut after = *state;
                    after.slots[index].etcd |= LEADER;
                    self.push(Move::Elect(state.slots[index].tag), after);
                }
            }
        }
        if state.slots.iter().any(|it| it.process & FRESH != 0) {
            let mut after = *state;
            for slot in after.slots.iter_mut() {
                slot.process &= !FRESH;
            }
            self.push(Move::Settle, after);
        }
    }

    /// A quorum of the first members finds together.
    fn form(&mut self, state: &State) {
        let first = |it: &&Slot| it.etcd & INITIAL != 0;
        let all = state.slots.iter().filter(first).count();
        let up = state.slots.iter().filter(first).filter(|it| it.works()).count();
        if state.has(FORMED) || all == 0 || up < quorum(all) {
            return;
        }
        for leads in 0..state.slots.len() {
            if !first(&&state.slots[leads]) || !state.slots[leads].works() {
                continue;
            }
            let mut after = *state;
            after.flags |= FORMED;
            for slot in after.slots.iter_mut().filter(|it| it.etcd & INITIAL != 0) {
                slot.etcd |= VOTER;
                slot.process |= CAUGHT;
            }
            after.slots[leads].etcd |= LEADER;
            self.push(Move::Form(state.slots[leads].tag), after);
        }
    }
}

/// A new member copies the list from one that is there.
fn peers(state: &State, index: usize) -> bool {
    let others = || state.slots.iter().enumerate().filter(|(at, _)| *at != index);
    !state.slots[index].is_cut() && others().any(|(_, it)| it.votes() && it.works())
}

fn broken_by_start(state: &State, slot: &Slot, ran: Ran) -> Option<Property> {
    let joins = slot.pod & JOIN != 0;
    if ran != Ran::Empty {
        None
    } else if state.has(ID) && !joins && (slot.process & USED != 0 || !slot.votes()) {
        Some(Property::NoSecondStart)
    } else if slot.votes() && joins {
        Some(Property::NoBlankVoter)
    } else {
        None
    }
}

impl State {
    /// Members that run at the same time talk to each other.
    fn meet(&mut self) {
        let meets = |it: &Slot| it.works() && it.etcd & (INITIAL | VOTER | LEARNER) != 0;
        if self.slots.iter().filter(|it| meets(it)).count() > 1 {
            for slot in self.slots.iter_mut().filter(|it| meets(it)) {
                slot.process |= USED;
            }
        }
    }

    /// Whether the world is as declared, or as near as it can come without a decision of the user.
    pub(crate) fn is_at_rest(&self) -> bool {
        if self.has(GONE) {
            return !self.slots.iter().any(Slot::exists);
        }
        if self.plan != 0 || self.has(ENDING) {
            return false;
        }
        if self.has(ID) && (self.is_lost() || self.is_in_doubt()) {
            return true;
        }
        let wanted = usize::from(self.spec.0);
        let rev = if self.spec.1 == 1 { REV } else { 0 };
        let fine = |it: &Slot| {
            let pod = it.pod & (EXISTS | DELETING | CRASH | NODE_LOST | REV) == EXISTS | rev;
            it.votes()
                && it.runs()
                && pod
                && it.record & !FAILING == MEMBER | SEEN
                && it.reason == 0
                && !it.is_corrupt()
        };
        self.has(ID)
            && self.accepted == self.spec
            && self.slots.iter().filter(|it| it.exists() || it.listed() || it.record != 0).all(fine)
            && self.voters().count() == wanted
    }
}
