//! Everything that can happen next: the operator, the kubelet, etcd, and what goes wrong.

use std::fmt;

use endstate_core::quorum;

use super::{Property, Slot, State, calls::Answer, flags::*, observe::View};
use crate::{
    plans::{Act, Plans},
    scenario::{Respec, Scenario},
};

/// One thing that happens. Numbers are the tags of members, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Move {
    Observe { old_object: bool, old_pods: bool, blind: Option<u8> },
    Call { call: Call, member: u8, answer: Answer },
    Start { member: u8, ran: Ran },
    Stop(u8),
    End(u8),
    Exit(u8),
    Collect(u8),
    ObjectGone,
    Form(u8),
    Elect(u8),
    CatchUp(u8),
    Settle,
    Fault(Fault),
}

/// Which call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Write,
    Create { join: bool },
    Restart,
    Delete,
    Add,
    Promote,
    MoveLead,
    Remove,
}

/// How a start went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ran {
    OnItsData,
    Empty,
    Refused,
    Crashed,
}

/// What goes wrong, or is changed from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Abort,
    Kill(u8),
    Wipe(u8),
    Evict(u8),
    Node(u8),
    Edit { size: u8, rev: u8 },
    Delete,
}

impl Move {
    /// Whether it is no part of the fault-free continuation.
    pub(crate) fn is_fault(&self) -> bool {
        match self {
            Self::Fault(_) => true,
            Self::Observe { old_object, old_pods, blind } => {
                *old_object || *old_pods || blind.is_some()
            }
            _ => false,
        }
    }
}

impl fmt::Display for Move {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Observe { old_object, old_pods, blind } => {
                write!(f, "operator looks and plans")?;
                match (old_object, old_pods) {
                    (true, true) => write!(f, ", on an old object and old pods")?,
                    (true, false) => write!(f, ", on an old object")?,
                    (false, true) => write!(f, ", on old pods")?,
                    (false, false) => {}
                }
                blind.map_or(Ok(()), |it| write!(f, ", not reaching m{it}"))
            }
            Self::Call { call, member, answer } => {
                write!(f, "  {call}")?;
                if call != Call::Write {
                    write!(f, " m{member}")?;
                }
                if answer == Answer::Refused { write!(f, " (refused)") } else { Ok(()) }
            }
            Self::Start { member, ran } => match ran {
                Ran::OnItsData => write!(f, "m{member} starts on its data"),
                Ran::Empty => write!(f, "m{member} starts on an empty directory"),
                Ran::Refused => write!(f, "m{member} is not started: its data is lost"),
                Ran::Crashed => write!(f, "m{member} crashes at its start"),
            },
            Self::Stop(it) => write!(f, "the kubelet stops m{it}, which is to run something else"),
            Self::End(it) => write!(f, "the pod of m{it} ends, with its data"),
            Self::Exit(it) => write!(f, "m{it} exits: it is no member any more"),
            Self::Collect(it) => write!(f, "the pod of m{it} is deleted with its owner"),
            Self::ObjectGone => write!(f, "the object is gone"),
            Self::Form(it) => write!(f, "the cluster forms, m{it} leads"),
            Self::Elect(it) => write!(f, "m{it} is elected"),
            Self::CatchUp(it) => write!(f, "m{it} has caught up"),
            Self::Settle => write!(f, "five seconds pass"),
            Self::Fault(fault) => write!(f, "! {fault}"),
        }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Write => "writes the status",
            Self::Create { join: false } => "creates pod (new)",
            Self::Create { join: true } => "creates pod (existing)",
            Self::Restart => "restarts",
            Self::Delete => "deletes pod",
            Self::Add => "adds learner",
            Self::Promote => "promotes",
            Self::MoveLead => "moves the lead to",
            Self::Remove => "removes member",
        })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Abort => write!(f, "operator crashes, or the last answer is lost"),
            Self::Kill(it) => write!(f, "m{it} is killed"),
            Self::Wipe(it) => write!(f, "m{it} is killed and its data removed"),
            Self::Evict(it) => write!(f, "somebody deletes the pod of m{it}"),
            Self::Node(it) => write!(f, "the node of m{it} is lost"),
            Self::Edit { size, rev } => write!(f, "spec becomes size {size}, member spec {rev}"),
            Self::Delete => write!(f, "the object is deleted"),
        }
    }
}

/// A step that breaks a property.
#[derive(Clone, Debug)]
pub(crate) struct Broken {
    pub(crate) property: Property,
    pub(crate) step: Move,
    pub(crate) detail: String,
}

/// Finds what can happen next.
pub(crate) struct Moves<'a> {
    pub(crate) scenario: &'a Scenario,
    pub(crate) plans: &'a mut Plans,
    pub(crate) next: Vec<(Move, State)>,
}

impl Moves<'_> {
    /// Fills `next` with every step from this state, normalized.
    pub(crate) fn explore(&mut self, state: &State) -> Result<(), Broken> {
        self.next.clear();
        self.operator(state)?;
        for index in 0..state.slots.len() {
            self.kubelet(state, index)?;
            self.etcd_member(state, index);
        }
        self.collector(state);
        self.etcd(state);
        self.faults(state);
        Ok(())
    }

    fn push(&mut self, step: Move, mut state: State) {
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
        let (call, slot) = match act {
            None => (Call::Write, 0),
            Some(Act::Create { slot, join, .. }) => (Call::Create { join }, slot),
            Some(Act::Restart(slot)) => (Call::Restart, slot),
            Some(Act::Delete(slot)) => (Call::Delete, slot),
            Some(Act::Add(slot)) => (Call::Add, slot),
            Some(Act::Promote(slot)) => (Call::Promote, slot),
            Some(Act::MoveLead(slot)) => (Call::MoveLead, slot),
            Some(Act::Remove(slot)) => (Call::Remove, slot),
        };
        let member =
            state.slots.iter().find(|it| slot > 0 && it.plan == slot).map_or(0, |it| it.tag);
        let step = |answer| Move::Call { call, member, answer };
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
            after.idle();
            self.push(Move::Fault(Fault::Abort), after);
        }
        Ok(())
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
        if outcome.claims_available && !state.has_quorum() {
            let detail = String::new();
            return Err(Broken { property: Property::HonestStatus, step, detail });
        }
        if outcome.plan == 0 {
            // Nothing to do; what it knows may have become newer.
            after.idle();
        } else {
            after.plan = outcome.plan;
            after.call = 0;
            after.object_as_seen = after.flags & OBJECT_CHANGED == 0;
            after.fault_since = false;
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
            after.slots[index].etcd |= POD_CHANGED;
            self.push(Move::Stop(member), after);
        }
        let removed = !slot.listed() && state.has(FORMED);
        if slot.runs() && removed {
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
        let ran = if !blank {
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
        let behind = slot.process & (RUN | CAUGHT) == RUN;
        if slot.listed() && behind && state.has_quorum() && state.leader().is_some() {
            let mut after = *state;
            after.slots[index].process |= CAUGHT;
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
                if state.slots[index].votes() && state.slots[index].runs() {
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
        let up = state.slots.iter().filter(first).filter(|it| it.runs()).count();
        if state.has(FORMED) || all == 0 || up < quorum(all) {
            return;
        }
        for leads in 0..state.slots.len() {
            if !first(&&state.slots[leads]) || !state.slots[leads].runs() {
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

    fn faults(&mut self, state: &State) {
        let left = &state.left;
        for index in 0..state.slots.len() {
            let slot = &state.slots[index];
            let there = slot.exists() && slot.pod & NODE_LOST == 0 && slot.etcd & ABANDONED == 0;
            if left.kill > 0 && slot.runs() {
                self.fault(state, Fault::Kill(slot.tag), |it| {
                    it.left.kill -= 1;
                    it.slots[index].stop();
                    it.slots[index].etcd |= POD_CHANGED;
                });
            }
            if left.wipe > 0 && there && slot.process & DATA != 0 {
                self.fault(state, Fault::Wipe(slot.tag), |it| {
                    it.left.wipe -= 1;
                    it.slots[index].stop();
                    it.slots[index].process &= !(DATA | CAUGHT | VOLUNTARY);
                    it.slots[index].etcd |= POD_CHANGED;
                });
            }
            if left.evict > 0 && there && slot.pod & DELETING == 0 {
                self.fault(state, Fault::Evict(slot.tag), |it| {
                    it.left.evict -= 1;
                    it.slots[index].set_pod(slot.pod | DELETING);
                });
            }
            if left.node > 0 && there {
                self.fault(state, Fault::Node(slot.tag), |it| {
                    it.left.node -= 1;
                    it.slots[index].stop();
                    it.slots[index].set_pod(slot.pod | NODE_LOST);
                });
            }
        }
        self.edits(state);
    }

    fn fault(&mut self, state: &State, fault: Fault, apply: impl FnOnce(&mut State)) {
        let mut after = *state;
        apply(&mut after);
        after.fault_since = after.plan != 0;
        self.push(Move::Fault(fault), after);
    }

    fn edits(&mut self, state: &State) {
        if state.has(ENDING | GONE) {
            return;
        }
        if state.left.edit > 0 {
            let other = match self.scenario.respec {
                Respec::Never => None,
                _ => Some(1 - state.spec.1),
            };
            let sizes = self.scenario.sizes.iter().filter(|it| **it != state.spec.0);
            let resized = sizes.map(|it| (*it, state.spec.1));
            let edited = resized.chain(other.map(|it| (state.spec.0, it)));
            for (size, rev) in edited.collect::<Vec<_>>() {
                let mut after = *state;
                after.left.edit -= 1;
                after.spec = (size, rev);
                after.object_changed();
                self.push(Move::Fault(Fault::Edit { size, rev }), after);
            }
        }
        if state.left.delete > 0 {
            let mut after = *state;
            after.left.delete -= 1;
            after.flags |= ENDING;
            after.object_changed();
            self.push(Move::Fault(Fault::Delete), after);
        }
    }
}

/// A new member copies the list from one that is there.
fn peers(state: &State, index: usize) -> bool {
    state.slots.iter().enumerate().any(|(at, it)| at != index && it.votes() && it.runs())
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
        let meets = |it: &Slot| it.runs() && it.etcd & (INITIAL | VOTER | LEARNER) != 0;
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
        if self.has(ID) && self.is_lost() {
            return true;
        }
        let wanted = usize::from(self.spec.0);
        let rev = if self.spec.1 == 1 { REV } else { 0 };
        let fine = |it: &Slot| {
            let pod = it.pod & (EXISTS | DELETING | CRASH | NODE_LOST | REV) == EXISTS | rev;
            it.votes() && it.runs() && pod && it.record & !FAILING == MEMBER | SEEN
        };
        self.has(ID)
            && self.accepted == self.spec
            && self.slots.iter().filter(|it| it.exists() || it.listed() || it.record != 0).all(fine)
            && self.voters().count() == wanted
    }
}
