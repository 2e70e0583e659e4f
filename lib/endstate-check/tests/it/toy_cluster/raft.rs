//! A model of raft with learners, as etcd has it.

use endstate_check::cluster::{
    Answer, AppModel, AppMove, Declared, Property, Ran, Request, Respec, Scenario, Slot, SpecOf,
    StartKind, State, steps,
};
use endstate_core::quorum;

use super::app::{Toy, declared, spec};

#[derive(Clone, Copy, Debug)]
pub(crate) struct Raft {
    pub app: Toy,
    /// It refuses changes that would leave too few voters that are connected.
    pub strict: bool,
    pub respec: Respec,
}

impl Raft {
    pub(crate) fn of(scenario: &Scenario, app: Toy) -> Self {
        Self { app, strict: true, respec: scenario.respec }
    }
}

impl AppModel for Raft {
    type App = Toy;

    fn app(&self) -> &Toy {
        &self.app
    }

    fn spec(&self, it: Declared) -> SpecOf<Self> {
        spec(self.respec, it)
    }

    fn declared(&self, spec: &SpecOf<Self>) -> Declared {
        declared(spec)
    }

    fn start(&self, state: &State, member: usize) -> Ran {
        let slot = &state.members()[member];
        let joins = slot.start() != StartKind::New;
        let others = || state.members().iter().enumerate().filter(|(at, _)| *at != member);
        let peers = || others().any(|(_, it)| it.votes() && it.works());
        if slot.start() == StartKind::Recover && slot.has_data() && !slot.is_recovered() {
            Ran::Alone
        } else if slot.has_data() {
            let belongs = slot.is_listed() || slot.is_first();
            if belongs { Ran::OnItsData } else { Ran::Crashed }
        } else if joins {
            let knows = slot.is_listed() && !slot.was_told_old_list();
            if knows && !slot.is_cut() && peers() { Ran::Empty } else { Ran::Crashed }
        } else if state.is_formed() && !slot.is_listed() {
            Ran::Crashed
        } else {
            Ran::Empty
        }
    }

    fn exits(&self, state: &State, member: usize) -> bool {
        let slot = &state.members()[member];
        slot.works() && !slot.is_listed() && state.is_formed()
    }

    /// Who is made from the first spec of three and who is from the third.
    fn broken(&self, state: &State) -> Option<Property> {
        let revs =
            || state.members().iter().filter(|it| it.works() && it.is_listed()).map(Slot::rev);
        let apart = revs().max()? - revs().min()?;
        (apart > 1).then_some(Property::WorksTogether)
    }

    fn steps(&self, state: &State, mut add: impl FnMut(AppMove, State)) {
        steps::copy_from_leader(state, Slot::is_listed, &mut add);
        steps::form(state, &mut add);
        steps::elect(state, &mut add);
        steps::settle(state, &mut add);
    }

    fn request(&self, state: &mut State, request: Request, member: usize) -> Answer {
        if !state.can_commit() {
            return Answer::Refused;
        }
        match request {
            Request::Join => self.join(state, member),
            Request::Promote => self.promote(state, member),
            Request::Transfer => transfer(state, member),
            Request::Leave => self.leave(state, member),
            _ => Answer::Refused,
        }
    }
}

impl Raft {
    fn join(&self, state: &mut State, member: usize) -> Answer {
        let role = state.members()[member].role();
        let learns = |it: &&Slot| it.is_non_voter() && it.role() == role;
        let learners = state.members().iter().filter(learns).count();
        let ready = !self.strict || settled(state) == state.voters().count();
        let room = !self.strict || learners == 0 || role != 0;
        if !ready || !room || state.members()[member].is_listed() {
            return Answer::Refused;
        }
        state.members_mut()[member].list();
        Answer::Done
    }

    fn promote(&self, state: &mut State, member: usize) -> Answer {
        let slot = &state.members()[member];
        let ready = slot.is_non_voter() && slot.runs() && slot.is_caught_up();
        let needed = quorum(state.voters().count() + 1);
        if !ready || self.strict && settled(state) + 1 < needed {
            return Answer::Refused;
        }
        state.members_mut()[member].give_vote();
        Answer::Done
    }

    fn leave(&self, state: &mut State, member: usize) -> Answer {
        let slot = &state.members()[member];
        let voters = state.voters().count();
        if !slot.is_listed() || slot.votes() && voters == 1 {
            return Answer::Refused;
        }
        let active = settled(state).saturating_sub(1) >= quorum(voters.saturating_sub(1));
        if self.strict && slot.votes() && slot.works() && !active {
            return Answer::Refused;
        }
        state.members_mut()[member].unlist();
        Answer::Done
    }
}

fn transfer(state: &mut State, member: usize) -> Answer {
    let heir = &state.members()[member];
    if !heir.votes() || !heir.works() {
        return Answer::Refused;
    }
    state.lead(member);
    Answer::Done
}

fn settled(state: &State) -> usize {
    state.voters().filter(|it| it.works() && it.is_settled()).count()
}
