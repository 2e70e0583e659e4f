//! A model of ZAB, as ZooKeeper has it: only members with data elect, nobody hands the lead over, and who is taken off
//! the list runs on without a vote.

use endstate_check::cluster::{
    Answer, AppModel, AppMove, Declared, Ran, Request, Respec, Scenario, SpecOf, StartKind, State,
    steps,
};
use endstate_core::quorum;

use super::app::{Toy, declared, spec};

#[derive(Clone, Copy, Debug)]
pub(crate) struct Zab {
    pub(crate) app: Toy,
    /// `zookeeper.db.autocreate`: a member without data counts as one with empty data.
    pub(crate) autocreate: bool,
    /// Every start that the launcher takes for the first one gets the file `initialize`. It does in what ships.
    pub(crate) initializes: bool,
    pub(crate) respec: Respec,
}

impl Zab {
    pub(crate) fn of(scenario: &Scenario, app: Toy) -> Self {
        Self { app, autocreate: false, initializes: true, respec: scenario.respec }
    }
}

impl AppModel for Zab {
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
        match slot.start() {
            StartKind::Recover if slot.has_data() && !slot.is_recovered() => Ran::Alone,
            _ if slot.has_data() => Ran::OnItsData,
            // It was to start with others, who are not there.
            StartKind::New if state.is_formed() && !slot.is_listed() => Ran::Crashed,
            // The launcher makes the file `initialize` for the first start of a first member only.
            StartKind::New if self.initializes || !state.is_formed() => Ran::Empty,
            _ if self.autocreate => Ran::Empty,
            _ => Ran::Blank,
        }
    }

    fn steps(&self, state: &State, mut add: impl FnMut(AppMove, State)) {
        // Whoever reaches the leader follows it, listed or not.
        steps::copy_from_leader(state, |_| true, &mut add);
        steps::form(state, &mut add);
        steps::elect(state, &mut add);
        steps::settle(state, &mut add);
    }

    /// `reconfig`: a quorum of the old list and one of the new list have to be there.
    fn request(&self, state: &mut State, request: Request, member: usize) -> Answer {
        if !state.can_commit() {
            return Answer::Refused;
        }
        let mut after = *state;
        let slot = &mut after.members_mut()[member];
        match request {
            Request::Join if !slot.is_listed() => slot.list(),
            Request::JoinVoting | Request::Promote if !slot.votes() => slot.give_vote(),
            Request::Leave if slot.is_listed() => slot.unlist(),
            _ => return Answer::Refused,
        }
        let synced = after.voters().filter(|it| it.works() && it.is_caught_up()).count();
        if synced < quorum(after.voters().count()) || after.voters().count() == 0 {
            return Answer::Refused;
        }
        *state = after;
        Answer::Done
    }

    /// Also one that was removed, or is not listed yet.
    fn answers(&self, state: &State, member: usize) -> bool {
        state.members()[member].runs() && state.is_formed()
    }
}
