//! A model of a primary with replicas, as MariaDB has it: nobody is elected, whoever starts refuses writes, and a
//! member follows only one that has all that it has.
//!
//! What a member follows is a number that its leader has too ([`Slot::own`]): it tells one time of leading from
//! another.

use endstate_check::cluster::{
    Answer, AppModel, AppMove, Declared, Property, Ran, Request, Respec, Scenario, Slot, SpecOf,
    StartKind, State, steps,
};
use endstate_core::{Acks, quorum};

use super::app::{Toy, declared, spec};

/// The number of one that follows nobody.
const NOBODY: u8 = 15;

/// The most writes that a member can have here.
const LOG_MAX: u8 = 3;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Primary {
    pub(crate) app: Toy,
    pub(crate) acks: Acks,
    /// Whether a member follows only one that has all that it has. It does by its application's promise.
    pub(crate) strict: bool,
    /// Whether the driver looks again before it makes a member lead. It does by its contract.
    pub(crate) careful: bool,
    pub(crate) respec: Respec,
}

impl Primary {
    pub(crate) fn of(scenario: &Scenario, app: Toy, acks: Acks) -> Self {
        Self { app, acks, strict: true, careful: true, respec: scenario.respec }
    }
}

impl AppModel for Primary {
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
            _ if slot.has_data() => Ran::OnItsData,
            StartKind::New if state.is_formed() && !slot.is_listed() => Ran::Crashed,
            StartKind::New => Ran::Empty,
            _ => Ran::Blank,
        }
    }

    fn steps(&self, state: &State, mut add: impl FnMut(AppMove, State)) {
        form(state, &mut add);
        self.follow(state, &mut add);
        copy(state, &mut add);
        steps::settle(state, &mut add);
    }

    fn request(&self, state: &mut State, request: Request, member: usize) -> Answer {
        match request {
            Request::Appoint => self.appoint(state, member),
            Request::Transfer => self.transfer(state, member),
            Request::JoinVoting => self.join(state, member),
            Request::Leave => self.leave(state, member),
            _ => Answer::Refused,
        }
    }

    fn halves(&self, state: &State, request: Request, member: usize, mut add: impl FnMut(State)) {
        let mut after = *state;
        match request {
            Request::Appoint if self.may_appoint(state, member) => {}
            Request::Transfer => {
                let Some(leader) = self.hands_over(state, member) else { return };
                after.members_mut()[leader].set_lead(false);
                add(after);
                let source = after.members()[leader];
                after.members_mut()[member].copy(&source);
            }
            _ => return,
        }
        stop_others(&mut after, member);
        add(after);
        if request == Request::Transfer || self.has_all(&after, member) {
            make_lead(&mut after, member);
            add(after);
        }
    }

    fn is_appointed(&self) -> bool {
        true
    }

    fn follows(&self, state: &State, member: usize) -> Option<usize> {
        if state.members()[member].leads() { Some(member) } else { followed(state, member) }
    }

    /// Each set of followers that is enough may get it.
    fn writes(&self, state: &State, mut add: impl FnMut(State)) {
        for leader in 0..state.members().len() {
            let log = state.members()[leader].log();
            if log == LOG_MAX || !self.can_acknowledge(state, leader) {
                continue;
            }
            let in_sync = |it: usize| followed(state, it) == Some(leader);
            let in_sync = |it: &usize| in_sync(*it) && state.members()[*it].log() == log;
            let followers: Vec<_> = voters(state).filter(in_sync).collect();
            for set in 0..1_u32 << followers.len() {
                let gets = |it: usize| {
                    let at = followers.iter().position(|other| *other == it);
                    it == leader || at.is_some_and(|at| set & 1 << at != 0)
                };
                let count = voters(state).filter(|it| gets(*it)).count();
                if self.acks == Acks::Leader || count >= state.quorum() {
                    let mut after = *state;
                    for (at, slot) in after.members_mut().iter_mut().enumerate() {
                        slot.write(if gets(at) { log + 1 } else { slot.log() }, gets(at));
                    }
                    add(after);
                }
            }
        }
    }

    /// A leader that acknowledges alone is gone for good, and with it what nobody else may have.
    fn may_rest(&self, state: &State) -> bool {
        let gone = |it: &Slot| it.is_on_lost_node() || !it.runs() && !it.has_data();
        let leads = |it: &Slot| it.leads() && it.runs();
        self.acks == Acks::Leader
            && state.voters().any(gone)
            && !state.members().iter().any(leads)
            && state.voters().all(|it| gone(it) || it.runs())
    }

    fn broken(&self, state: &State) -> Option<Property> {
        let able = |it: &usize| self.can_acknowledge(state, *it);
        let leaders: Vec<_> = (0..state.members().len()).filter(able).collect();
        if leaders.len() > 1 {
            return Some(Property::OneLeader);
        }
        let has = state.members()[*leaders.first()?].log();
        let more = |it: &Slot| it.has_data() && it.log() > has;
        state.voters().any(more).then_some(Property::KeepsAcknowledged)
    }

    /// Also one that is not listed yet.
    fn answers(&self, state: &State, member: usize) -> bool {
        state.members()[member].runs() && state.is_formed()
    }

    /// The list is data like all other: each voter gives it.
    fn shows_list(&self, state: &State) -> bool {
        state.is_formed() && state.voters().any(|it| it.runs() && it.has_data() && !it.is_away())
    }
}

impl Primary {
    fn can_acknowledge(&self, state: &State, leader: usize) -> bool {
        let slot = &state.members()[leader];
        let follows = |it: &usize| *it == leader || followed(state, *it) == Some(leader);
        let leads = slot.leads() && slot.runs() && slot.has_data();
        leads
            && match self.acks {
                Acks::Leader => true,
                _ => slot.votes() && voters(state).filter(follows).count() >= state.quorum(),
            }
    }

    /// What the driver looks at before anybody is stopped.
    fn may_appoint(&self, state: &State, member: usize) -> bool {
        let heir = &state.members()[member];
        if !heir.votes() || !is_reached(heir) || !heir.has_data() {
            return false;
        }
        if !self.careful {
            return true;
        }
        let reached = |it: usize| is_reached(&state.members()[it]);
        let leads = |it: usize| it != member && reached(it) && state.members()[it].leads();
        match self.acks {
            Acks::Leader => {
                let lost = |it: &Slot| !it.runs() && !it.has_data();
                !voters(state).any(leads) && state.voters().all(|it| is_reached(it) || lost(it))
            }
            _ => {
                !voters(state).any(|it| leads(it) && self.can_acknowledge(state, it))
                    && voters(state).filter(|it| reached(*it)).count() >= state.quorum()
            }
        }
    }

    /// One that follows nobody follows one that leads, and has all that it has.
    fn follow(&self, state: &State, add: &mut impl FnMut(AppMove, State)) {
        let leads = |it: &&Slot| it.leads() && it.works();
        for (index, slot) in state.members().iter().enumerate() {
            let able = slot.runs() && !slot.is_cut() && !slot.leads() && state.is_formed();
            if !able || followed(state, index).is_some() {
                continue;
            }
            for leader in state.members().iter().filter(leads) {
                if self.follows_it(slot, leader) {
                    let mut after = *state;
                    after.members_mut()[index].set_own(leader.own());
                    add(AppMove::Follow(slot.tag()), after);
                }
            }
        }
    }

    fn follows_it(&self, slot: &Slot, leader: &Slot) -> bool {
        !self.strict || leader.log() >= slot.log() || !slot.has_data()
    }

    /// Whether the heir has all that any has that was stopped.
    fn has_all(&self, state: &State, member: usize) -> bool {
        let log = state.members()[member].log();
        !self.careful || !state.voters().any(|it| is_reached(it) && it.has_data() && it.log() > log)
    }

    fn appoint(&self, state: &mut State, member: usize) -> Answer {
        if !self.may_appoint(state, member) {
            return Answer::Refused;
        }
        stop_others(state, member);
        if !self.has_all(state, member) {
            return Answer::Refused;
        }
        make_lead(state, member);
        self.follow_all(state, member);
        Answer::Done
    }

    fn follow_all(&self, state: &mut State, member: usize) {
        let leader = state.members()[member];
        for slot in state.members_mut() {
            if is_reached(slot) && !slot.leads() && self.follows_it(slot, &leader) {
                slot.set_own(leader.own());
            }
        }
    }

    /// The leader that hands over, if both work.
    fn hands_over(&self, state: &State, member: usize) -> Option<usize> {
        let (leader, heir) = (self.asked(state)?, &state.members()[member]);
        let able = heir.votes() && heir.works() && !heir.is_away();
        (able && leader != member && heir.log() <= state.members()[leader].log()).then_some(leader)
    }

    fn transfer(&self, state: &mut State, member: usize) -> Answer {
        let Some(leader) = self.hands_over(state, member) else { return Answer::Refused };
        let source = state.members()[leader];
        state.members_mut()[member].copy(&source);
        stop_others(state, member);
        make_lead(state, member);
        self.follow_all(state, member);
        Answer::Done
    }

    /// The leader that the list is written by: what it writes, a majority has.
    fn asked(&self, state: &State) -> Option<usize> {
        let able = |it: &usize| {
            let slot = &state.members()[*it];
            let same = |other: &usize| state.members()[*other].log() == slot.log();
            let follows = |other: &usize| other == it || followed(state, *other) == Some(*it);
            let enough = voters(state).filter(follows).filter(same).count() >= state.quorum();
            is_reached(slot)
                && slot.works()
                && self.can_acknowledge(state, *it)
                && (self.acks == Acks::Leader || enough)
        };
        (0..state.members().len()).find(able)
    }

    fn join(&self, state: &mut State, member: usize) -> Answer {
        let Some(leader) = self.asked(state) else { return Answer::Refused };
        let (log, slot) = (state.members()[leader].log(), state.members()[member]);
        let ready = slot.works() && slot.is_caught_up() && slot.log() == log;
        if slot.votes() || !ready || followed(state, member) != Some(leader) {
            return Answer::Refused;
        }
        state.members_mut()[member].give_vote();
        Answer::Done
    }

    fn leave(&self, state: &mut State, member: usize) -> Answer {
        let Some(leader) = self.asked(state) else { return Answer::Refused };
        if leader == member || !state.members()[member].is_listed() {
            return Answer::Refused;
        }
        let mut after = *state;
        after.members_mut()[member].unlist();
        if self.asked(&after).is_none() {
            return Answer::Refused;
        }
        *state = after;
        Answer::Done
    }
}

fn voters(state: &State) -> impl Iterator<Item = usize> {
    (0..state.members().len()).filter(|it| state.members()[*it].votes())
}

fn is_reached(slot: &Slot) -> bool {
    slot.runs() && !slot.is_away()
}

/// The leader that a member receives from.
fn followed(state: &State, member: usize) -> Option<usize> {
    let slot = &state.members()[member];
    let leads = |it: &Slot| it.leads() && it.works() && it.own() == slot.own();
    let receives = slot.runs() && !slot.is_cut() && !slot.leads();
    state.members().iter().position(leads).filter(|_| receives)
}

/// A quorum of the first members finds together. Nobody leads.
fn form(state: &State, add: &mut impl FnMut(AppMove, State)) {
    let first = |it: &&Slot| it.is_first();
    let all = state.members().iter().filter(first).count();
    let up = state.members().iter().filter(first).filter(|it| it.works()).count();
    if state.is_formed() || all == 0 || up < quorum(all) {
        return;
    }
    let mut after = *state;
    after.form();
    for slot in after.members_mut().iter_mut().filter(|it| it.is_first()) {
        slot.give_vote();
        if slot.has_data() {
            slot.fill();
        }
    }
    add(AppMove::Settle, after);
}

fn copy(state: &State, add: &mut impl FnMut(AppMove, State)) {
    for (index, slot) in state.members().iter().enumerate() {
        let Some(leader) = followed(state, index) else { continue };
        let source = state.members()[leader];
        if !slot.has_data() || !slot.is_caught_up() || slot.log() < source.log() {
            let mut after = *state;
            after.members_mut()[index].copy(&source);
            add(AppMove::CatchUp(slot.tag()), after);
        }
    }
}

/// All that are reached, but this one and who follows it, take no writes and follow nobody.
fn stop_others(state: &mut State, member: usize) {
    let (leads, own) = (state.members()[member].leads(), state.members()[member].own());
    for (at, slot) in state.members_mut().iter_mut().enumerate() {
        let follows = leads && slot.own() == own && !slot.leads();
        if at != member && is_reached(slot) && !follows {
            slot.set_lead(false);
            slot.set_own(NOBODY);
        }
    }
}

/// It takes writes from now on, for the first time under this number.
fn make_lead(state: &mut State, member: usize) {
    if state.members()[member].leads() {
        return;
    }
    let used = |number: u8| state.members().iter().any(|it| it.own() == number);
    let number = (0..NOBODY).find(|it| !used(*it)).expect("there are fewer members");
    state.members_mut()[member].set_own(number);
    state.members_mut()[member].set_lead(true);
}
