//! How the toy behaves: controllers as in ZAB, brokers that follow them, drains piece by piece.

use endstate_check::cluster::{
    Answer, AppModel, AppMove, Declared, Ran, Request, Scenario, Slot, StartKind, State, Volumes,
    steps,
};
use endstate_core::{AppStep, Facts, MemberName, quorum};

use super::app::{Known, PIECES, RELOAD, RELOADED, Shards, Sizes, TUNED};

const CONTROLLERS: usize = 0;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Model {
    pub(crate) app: Shards,
    /// How many pieces a broker holds at first.
    pub(crate) pieces: u8,
    /// A drain ends with the last piece. Otherwise nothing is placed on the broker until it has left, or until the
    /// drain is cancelled.
    pub(crate) ends: bool,
}

impl Model {
    pub(crate) fn of(scenario: &Scenario) -> Self {
        let durable = scenario.volumes != Volumes::WithPod;
        let app = Shards { durable, tunes: false, reloads: false, heedless: false };
        Self { app, pieces: 2, ends: false }
    }

    pub(crate) fn with_steps(self, tunes: bool, reloads: bool) -> Self {
        Self { app: Shards { tunes, reloads, ..self.app }, ..self }
    }
}

fn controls(slot: &Slot) -> bool {
    slot.role() == CONTROLLERS
}

/// Whether pieces may be placed on it.
fn takes(slot: &Slot) -> bool {
    !controls(slot) && slot.is_listed() && slot.works() && !slot.is_draining()
}

impl AppModel for Model {
    type App = Shards;

    fn app(&self) -> &Shards {
        &self.app
    }

    fn spec(&self, Declared { sizes: [controllers, brokers], .. }: Declared) -> Sizes {
        Sizes { controllers, brokers }
    }

    fn declared(&self, spec: &Sizes) -> Declared {
        Declared { sizes: [spec.controllers, spec.brokers], rev: 0 }
    }

    fn start(&self, state: &State, member: usize) -> Ran {
        let slot = &state.members()[member];
        match slot.start() {
            _ if slot.has_data() => Ran::OnItsData,
            StartKind::New if state.is_formed() && !slot.is_listed() => Ran::Crashed,
            StartKind::New => Ran::Empty,
            _ => Ran::Blank,
        }
    }

    fn steps(&self, state: &State, mut add: impl FnMut(AppMove, State)) {
        steps::copy_from_leader(state, |_| true, &mut add);
        steps::form(state, &mut add);
        steps::elect(state, &mut add);
        steps::settle(state, &mut add);
        if state.can_commit() {
            self.drain(state, &mut add);
            self.take_steps(state, &mut add);
        }
    }

    fn request(&self, state: &mut State, request: Request, member: usize) -> Answer {
        if !state.can_commit() {
            return Answer::Refused;
        }
        let mut after = *state;
        let others = state.members().iter().enumerate().filter(|(at, _)| *at != member);
        let room = others.filter(|(_, it)| takes(it)).count();
        let slot = &mut after.members_mut()[member];
        match request {
            Request::Join if !slot.is_listed() && !controls(slot) => slot.list(),
            Request::JoinVoting if !slot.votes() && controls(slot) => slot.give_vote(),
            Request::Leave if slot.is_listed() => {
                slot.unlist();
                slot.set_own(0);
            }
            Request::Drain if slot.is_listed() && room > 0 => {}
            Request::Own(_) if slot.is_listed() && slot.works() => {}
            Request::CancelDrain | Request::CancelOwn(_) => {}
            _ => return Answer::Refused,
        }
        let synced = after.voters().filter(|it| it.works() && it.is_caught_up()).count();
        let voters = after.voters().count();
        let changed = voters != state.voters().count();
        if changed && (synced < quorum(voters) || voters == 0) {
            return Answer::Refused;
        }
        *state = after;
        Answer::Done
    }

    /// Also one that was removed, or is not listed yet.
    fn answers(&self, state: &State, member: usize) -> bool {
        state.members()[member].runs() && state.is_formed()
    }

    fn first(&self, role: usize) -> u8 {
        if role == CONTROLLERS { 0 } else { self.pieces }
    }

    fn pieces(&self, own: u8) -> u8 {
        own & PIECES
    }

    fn facts(&self, own: Known) -> Facts {
        Facts::of(&own)
    }

    fn own_steps(&self, member: &MemberName) -> Vec<AppStep> {
        Shards::own_steps(member)
    }

    fn is_at_rest(&self, state: &State) -> bool {
        let due = |it: &&Slot| it.is_listed() && self.app.due(controls(it), it.own()).is_some();
        !state.members().iter().any(|it| due(&it))
    }
}

impl Model {
    /// A piece moves from a broker that is drained, and works, to any that takes it.
    fn drain(self, state: &State, add: &mut impl FnMut(AppMove, State)) {
        for (from, slot) in state.members().iter().enumerate() {
            let left = self.pieces(slot.own());
            if !slot.is_draining() || !slot.works() || left == 0 {
                continue;
            }
            for (to, other) in state.members().iter().enumerate().filter(|(_, it)| takes(it)) {
                let mut after = *state;
                after.members_mut()[from].set_own(slot.own() - 1);
                after.members_mut()[to].set_own(other.own() + 1);
                if left == 1 && self.ends {
                    after.members_mut()[from].end_drain();
                }
                add(AppMove::Move(slot.tag(), other.tag()), after);
            }
        }
    }

    /// What was asked for is done, or given up with the data of its member; who is reloaded is gone for a moment.
    fn take_steps(self, state: &State, add: &mut impl FnMut(AppMove, State)) {
        for (index, slot) in state.members().iter().enumerate() {
            let Some(number) = slot.own_step().filter(|_| slot.works() || !slot.has_data()) else {
                continue;
            };
            let mut after = *state;
            let after_slot = &mut after.members_mut()[index];
            after_slot.end_own_step();
            if !slot.has_data() {
                add(AppMove::Work(slot.tag()), after);
                continue;
            }
            after_slot.set_own(slot.own() | if number == RELOAD { RELOADED } else { TUNED });
            if number == RELOAD {
                after_slot.restart();
            }
            add(AppMove::Work(slot.tag()), after);
        }
    }
}
