//! etcd: raft with learners, the check of strict reconfiguration, and what etcd's start does.

use endstate_core::{plan, quorum};
use etcd_plan::{Etcd, EtcdClusterSpec};

use crate::{
    model::{AppModel, Change},
    plans::Planner,
    scenario::{Respec, Scenario},
    world::{
        api::Answer::{self, Done, Refused},
        flags::*,
        script::{Move, Ran},
        slot::Slot,
        state::{Spec, State},
    },
};

const VERSION: &str = "3.5.16";
const NEXT_VERSION: &str = "3.5.17";

/// The end of etcd's log, after a user asked for a role of this name.
const LOG: &str = r#"{"level":"warn","msg":"apply request took too long","request":"auth_role_add:<name:\"data lost, refusing to start blank\">"}"#;

impl Planner<Etcd> {
    /// The planner and the linter that ship.
    pub fn shipped() -> Self {
        Self { plan: |snapshot| plan(&Etcd, snapshot), linted: true }
    }
}

/// etcd, as a scenario has it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EtcdModel {
    /// `--strict-reconfig-check`, and one learner at most.
    strict: bool,
    respec: Respec,
}

impl EtcdModel {
    pub(crate) fn of(scenario: &Scenario) -> Self {
        Self { strict: scenario.environment.strict, respec: scenario.respec }
    }
}

impl AppModel for EtcdModel {
    type App = Etcd;

    fn spec(&self, (size, rev): Spec) -> EtcdClusterSpec {
        let mut spec = EtcdClusterSpec::new(size.into(), VERSION);
        match (rev, self.respec) {
            (0, _) | (_, Respec::Never) => {}
            (_, Respec::Restart) => spec.version = NEXT_VERSION.into(),
            (_, Respec::Recreate) => spec.env = vec![("GOGC".into(), "50".into())],
        }
        spec
    }

    fn number(&self, spec: &EtcdClusterSpec) -> Spec {
        let rev = u8::from(spec.version != VERSION || !spec.env.is_empty());
        (u8::try_from(spec.size).expect("sizes are small"), rev)
    }

    fn version(&self, rev: u8) -> String {
        self.spec((1, rev)).version
    }

    fn last_words(&self) -> &'static str {
        LOG
    }

    fn start(&self, state: &State, member: usize) -> Ran {
        let slot = &state.slots[member];
        let joins = slot.pod & JOIN != 0;
        if slot.process & DATA != 0 {
            let belongs = slot.listed() || slot.list & INITIAL != 0;
            if belongs { Ran::OnItsData } else { Ran::Crashed }
        } else if joins && !(slot.listed() && slot.process & OLD_LIST == 0 && peers(state, member))
        {
            Ran::Crashed
        } else if !joins && state.has(FORMED) && !slot.listed() {
            // The others tell it that it was removed; too few were left behind to form a quorum.
            Ran::Crashed
        } else {
            Ran::Empty
        }
    }

    /// One that was removed.
    fn exits(&self, state: &State, member: usize) -> bool {
        let slot = &state.slots[member];
        slot.works() && !slot.listed() && state.has(FORMED)
    }

    fn steps(&self, state: &State, mut add: impl FnMut(Move, State)) {
        catch_up(state, &mut add);
        form(state, &mut add);
        elect(state, &mut add);
        settle(state, &mut add);
    }

    fn change(&self, state: &mut State, change: Change, member: usize) -> Answer {
        if !state.can_commit() {
            return Refused;
        }
        match change {
            Change::Add => self.add(state, member),
            Change::Promote => self.promote(state, member),
            Change::MoveLead => move_lead(state, member),
            Change::Remove => self.remove(state, member),
        }
    }

    fn answers(&self, state: &State, member: usize) -> bool {
        let slot = &state.slots[member];
        slot.runs() && slot.listed() && state.has(FORMED)
    }
}

impl EtcdModel {
    fn add(&self, state: &mut State, member: usize) -> Answer {
        let learners = state.slots.iter().filter(|it| it.learns()).count();
        // Up to 3.5.30 every voter must be connected, which is stricter than what came later.
        let ready = !self.strict || settled(state) == state.voters().count();
        let room = !self.strict || learners == 0;
        if !ready || !room || state.slots[member].listed() {
            return Refused;
        }
        state.slots[member].list |= LEARNER;
        Done
    }

    fn promote(&self, state: &mut State, member: usize) -> Answer {
        let slot = &state.slots[member];
        let ready = slot.learns() && slot.runs() && slot.process & CAUGHT != 0;
        let needed = quorum(state.voters().count() + 1);
        if !ready || self.strict && settled(state) + 1 < needed {
            return Refused;
        }
        let slot = &mut state.slots[member];
        slot.list = (slot.list & !LEARNER) | VOTER;
        Done
    }

    fn remove(&self, state: &mut State, member: usize) -> Answer {
        let slot = &state.slots[member];
        let voters = state.voters().count();
        if !slot.listed() || slot.votes() && voters == 1 {
            return Refused;
        }
        // A member that is not connected is no part of the active quorum and may always go.
        let active = settled(state).saturating_sub(1) >= quorum(voters.saturating_sub(1));
        if self.strict && slot.votes() && slot.works() && !active {
            return Refused;
        }
        state.slots[member].list &= !(VOTER | LEARNER | LEADER);
        Done
    }
}

fn move_lead(state: &mut State, member: usize) -> Answer {
    let heir = &state.slots[member];
    if !heir.votes() || !heir.works() {
        return Refused;
    }
    for slot in state.slots.iter_mut() {
        slot.list &= !LEADER;
    }
    state.slots[member].list |= LEADER;
    Done
}

/// Voters that have been connected for five seconds.
fn settled(state: &State) -> usize {
    state.voters().filter(|it| it.works() && it.process & FRESH == 0).count()
}

/// A new member copies the list from one that is there.
fn peers(state: &State, member: usize) -> bool {
    let others = || state.slots.iter().enumerate().filter(|(at, _)| *at != member);
    !state.slots[member].is_cut() && others().any(|(_, it)| it.votes() && it.works())
}

fn catch_up(state: &State, add: &mut impl FnMut(Move, State)) {
    let Some(leader) = state.leader().filter(|_| state.has_quorum()) else { return };
    // Who joins has what the leader has.
    let copied = state.slots[leader].ills & (CORRUPT | UNNAMED);
    for (index, slot) in state.slots.iter().enumerate() {
        if slot.listed() && slot.works() && slot.process & CAUGHT == 0 {
            let mut after = *state;
            after.slots[index].process |= CAUGHT;
            after.slots[index].ills |= copied;
            add(Move::CatchUp(slot.tag), after);
        }
    }
}

/// A quorum of the first members finds together.
fn form(state: &State, add: &mut impl FnMut(Move, State)) {
    let first = |it: &&Slot| it.list & INITIAL != 0;
    let all = state.slots.iter().filter(first).count();
    let up = state.slots.iter().filter(first).filter(|it| it.works()).count();
    if state.has(FORMED) || all == 0 || up < quorum(all) {
        return;
    }
    for (leads, slot) in state.slots.iter().enumerate().filter(|(_, it)| first(it)) {
        if !slot.works() {
            continue;
        }
        let mut after = *state;
        after.flags |= FORMED;
        for slot in after.slots.iter_mut().filter(|it| it.list & INITIAL != 0) {
            slot.list |= VOTER;
            slot.process |= CAUGHT;
        }
        after.slots[leads].list |= LEADER;
        add(Move::Form(slot.tag), after);
    }
}

fn elect(state: &State, add: &mut impl FnMut(Move, State)) {
    if !state.has_quorum() || state.leader().is_some() {
        return;
    }
    for (index, slot) in state.slots.iter().enumerate() {
        if slot.votes() && slot.works() {
            let mut after = *state;
            after.slots[index].list |= LEADER;
            add(Move::Elect(slot.tag), after);
        }
    }
}

fn settle(state: &State, add: &mut impl FnMut(Move, State)) {
    if state.slots.iter().any(|it| it.process & FRESH != 0) {
        let mut after = *state;
        for slot in after.slots.iter_mut() {
            slot.process &= !FRESH;
        }
        add(Move::Settle, after);
    }
}
