//! The operator: it looks, plans, and makes its calls one by one.

use super::api::Api;
use super::bits::*;
use super::model::AppModel;
use super::moves::Moves;
use super::observe::View;
use super::plan::{Act, Verb};
use super::property::Property;
use super::request::{Answer, Request};
use super::rules;
use super::script::{Fault, Step};
use super::state::State;
use super::world::Broken;

impl<'a, M: AppModel> Moves<'a, M> {
    fn api<'s>(&self, state: &'s mut State) -> Api<'s, M>
    where
        'a: 's,
    {
        Api { setting: self.setting, state }
    }

    pub(super) fn operator(&mut self, state: &State) -> Result<(), Broken<M>> {
        if state.plan == 0 {
            if state.left.abort > 0 && state.waits_for_answers() {
                self.abort(state);
            }
            return self.observe(state);
        }
        let mut after = *state;
        let plan = self.plans.get(state.plan);
        let act = plan.act(state.call);
        let slot = act.map_or(0, Act::slot);
        let member =
            state.slots.iter().find(|it| slot > 0 && it.plan == slot).map_or(0, |it| it.tag);
        let step = |answer| Step::Call { call: act.map(Act::verb), member, answer };
        match self.api(&mut after).make_call(plan) {
            Ok(answer) => self.push(step(answer), after),
            Err(property) => {
                let (step, detail) = (step(Answer::Done), String::new());
                return Err(Broken { property, step, detail });
            }
        }
        if state.left.abort > 0 {
            self.abort(state);
        }
        if state.left.abort > 0
            && let Some(Act::Ask(request, slot)) = act
            && state.list_as_seen
            && !state.guarded
            && let Some(index) = state.slots.iter().position(|it| it.plan == slot)
        {
            let setting = self.setting;
            setting.model.halves(state, request, index, |mut after| {
                after.left.abort -= 1;
                after.crash();
                self.push(Step::Fault(Fault::Half), after);
            });
        }
        if let Some(Act::Claim { claims, .. }) = act {
            self.some_claims(state, claims, member);
        }
        let creates = |it: Act| matches!(it, Act::Create { .. });
        if state.left.refuse > 0 && act.is_some_and(creates) {
            let mut after = *state;
            after.left.refuse -= 1;
            self.api(&mut after).refuse_call(self.plans.get(state.plan));
            self.push(Step::Fault(Fault::Refuse(member)), after);
        }
        // A change of a running pod, and what an operation asks of a member, is not lost: nothing could fence it off,
        // see the design note.
        let kept = |it: Act| {
            let asks = matches!(it.verb(), Verb::Ask(Request::Operate));
            asks || matches!(it.verb(), Verb::Restart | Verb::Answer | Verb::Tell)
        };
        let may_be_late = act.is_some_and(|it| !kept(it));
        if state.left.late > 0 && may_be_late && state.late.is_none() {
            let mut after = *state;
            after.left.late -= 1;
            self.api(&mut after).lose_call(self.plans.get(state.plan));
            self.push(Step::Fault(Fault::Lose), after);
        }
        Ok(())
    }

    fn abort(&mut self, state: &State) {
        let mut after = *state;
        after.left.abort -= 1;
        after.crash();
        self.push(Step::Fault(Fault::Abort), after);
    }

    /// Of two claims one is made; the other, or the only one, is refused, or the operator is killed before it comes to
    /// that.
    fn some_claims(&mut self, state: &State, claims: u8, member: u8) {
        for made in [0, CLAIM, SECOND].into_iter().filter(|it| it & claims == *it && *it != claims)
        {
            let plan = state.plan;
            if state.left.refuse > 0 {
                let mut after = *state;
                after.left.refuse -= 1;
                self.api(&mut after).make_some_claims(self.plans.get(plan), made);
                self.push(Step::Fault(Fault::RefuseClaim(member)), after);
            }
            if state.left.abort > 0 && made != 0 {
                let mut after = *state;
                after.left.abort -= 1;
                self.api(&mut after).make_some_claims(self.plans.get(plan), made);
                after.crash();
                self.push(Step::Fault(Fault::HalfClaim(member)), after);
            }
        }
    }

    /// A call that was given up arrives.
    pub(super) fn late(&mut self, state: &State) -> Result<(), Broken<M>> {
        let (Some(late), Some(slot)) = (state.late, state.slots.iter().find(|it| it.late != 0))
        else {
            return Ok(());
        };
        let step = |answer| Step::Late { verb: late.verb, member: slot.tag, answer };
        let mut after = *state;
        // Whatever the operator has seen since, this call was decided before.
        (after.object_as_seen, after.fault_since) = (false, late.fault_since);
        match self.api(&mut after).late_call() {
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
    fn observe(&mut self, state: &State) -> Result<(), Broken<M>> {
        self.look(state, (false, false), None)?;
        if state.left.stale > 0 {
            let old_object = state.has(OBJECT_CHANGED);
            let old_pods = state.slots.iter().any(|it| it.ills & POD_CHANGED != 0);
            for old in [(true, false), (false, true), (true, true)] {
                if (!old.0 || old_object) && (!old.1 || old_pods) {
                    self.look(state, old, None)?;
                }
            }
        }
        if state.left.blind > 0 {
            for index in 0..state.slots.len() {
                if state.slots[index].runs() && state.slots[index].is_listed() {
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
    ) -> Result<(), Broken<M>> {
        let mut after = state.seen(old_object, old_pods);
        after.left.stale -= u8::from(old_object || old_pods);
        after.left.blind -= u8::from(blind.is_some());
        if after.cached_flags & GONE != 0 {
            return Ok(());
        }
        let view = View::of(&after, self.setting, blind);
        let outcome = self.plans.decide(&view).clone();
        let plan = outcome.plan;
        let blind = blind.map(|it| state.slots[it].tag);
        let step = Step::Observe { old_object, old_pods, blind };
        if let Some(refused) = &outcome.refused {
            let detail = view.readable(refused);
            return Err(Broken { property: Property::Lint, step, detail });
        }
        let fresh = !old_object && !old_pods && after.is_recorded();
        let whole = |it: &Act| match it {
            Act::Create { slot, made, .. } if made & START >= 2 => {
                after.slots[usize::from(*slot) - 1].is_durable()
            }
            _ => true,
        };
        if !old_pods && !self.plans.get(plan).acts.iter().all(whole) {
            let detail = String::new();
            return Err(Broken { property: Property::StartsWhole, step, detail });
        }
        let asked = self.plans.get(plan).acts.iter().find_map(|it| match it {
            Act::Ask(Request::Operate, slot) => Some(usize::from(*slot) - 1),
            _ => None,
        });
        if !old_object
            && !old_pods
            && let Some(index) = asked
        {
            let harmless = self.setting.model.may_operate(&after, index);
            if let Err(property) = rules::may_operate(&after, index, harmless) {
                return Err(Broken { property, step, detail: String::new() });
            }
        }
        let false_loss = outcome.claims_lost && fresh && !state.seems_lost();
        let serves = state.has_quorum() && state.is_led();
        // Whoever says so keeps Kubernetes from passing the request on.
        let in_vain = outcome.answers && !(serves && self.setting.scenario.room);
        if outcome.claims_available && !serves || false_loss || in_vain {
            let detail = String::new();
            return Err(Broken { property: Property::HonestStatus, step, detail });
        }
        if outcome.plan == 0 {
            // Nothing to do; what it knows may have become newer.
            after.forget_refusals();
            if outcome.claims_available && !old_object {
                after.spend_consent();
            }
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
}

impl State {
    /// The operator has seen a quorum, and has nothing to write about it.
    fn spend_consent(&mut self) {
        for slot in self.slots.iter_mut().filter(|it| it.reason & CONSENT != 0) {
            slot.ills |= SPENT;
        }
    }
}
