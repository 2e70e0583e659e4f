//! What the world has to be told about an application: its rules of membership.
//!
//! Pods, claims, processes, disks, the list of members with who votes and who leads, quorums and the properties are
//! the world's. How the list comes to be, who may change it when, who is elected, what a start does, and what a member
//! answers, is the application's.

use std::collections::BTreeMap;

use endstate_core::{App, AppStep, Facts, MemberName};

use super::declared::Declared;
use super::property::Property;
use super::request::{Answer, Request};
use super::script::{AppMove, Ran};
use super::state::State;

/// The spec that an application's planner reads.
pub type SpecOf<M> = <<M as AppModel>::App as App>::Spec;

/// An application, as the world runs it. Members are meant by their index in [`State::members`].
///
/// etcd (raft with learners) and ZooKeeper (ZAB with observers) are examples.
pub trait AppModel {
    /// What the planner asks.
    type App: App;

    /// The application's knowledge that ships.
    fn app(&self) -> &Self::App;

    /// What is declared: how many members each role has, and the first or the second spec of a member.
    fn spec(&self, declared: Declared) -> SpecOf<Self>;

    /// The way back.
    fn declared(&self, spec: &SpecOf<Self>) -> Declared;

    /// The version that a member of the first or the second spec says it runs. By default the one that the spec asks
    /// for.
    fn version(&self, rev: u8) -> String {
        self.app().topology(&self.spec(Declared { sizes: [1, 0], rev })).version
    }

    /// The worst that a process may say before it ends, as its users can make it say.
    fn last_words(&self) -> &'static str {
        ""
    }

    /// How a process starts that the launcher lets through.
    fn start(&self, state: &State, member: usize) -> Ran;

    /// Whether a process that runs ends by itself. By default never.
    fn exits(&self, _: &State, _: usize) -> bool {
        false
    }

    /// What the application does next by itself: it forms, elects, catches up, settles.
    fn steps(&self, state: &State, add: impl FnMut(AppMove, State));

    /// Carries out a request, or refuses it and leaves the list as it is. Of a drain, and of a step of the
    /// application's own, this is the beginning: the world remembers that it is at work, and [`steps`](Self::steps)
    /// goes on with it.
    fn request(&self, state: &mut State, request: Request, member: usize) -> Answer;

    /// What may be left when the operator is killed in the middle of a request. By default that is the same as before,
    /// or after: each is one step.
    fn halves(&self, _: &State, _: Request, _: usize, _: impl FnMut(State)) {}

    /// Whether the operator chooses who leads. Then nobody else makes a member lead, or takes its lead away while it
    /// runs; what the world asks is [`follows`](Self::follows), and what a user's write does, [`writes`](Self::writes).
    fn is_appointed(&self) -> bool {
        false
    }

    /// Whom a member says that it follows, where the operator chooses who leads.
    fn follows(&self, _: &State, _: usize) -> Option<usize> {
        None
    }

    /// What becomes of a write that is acknowledged, where the operator chooses who leads: in each way in which members
    /// may get it.
    fn writes(&self, _: &State, _: impl FnMut(State)) {}

    /// Whether the world may rest although it is not as declared: nothing but a person, or what may come back, leads
    /// on. By default only as the world itself says.
    fn may_rest(&self, _: &State) -> bool {
        false
    }

    /// What is broken in a state, by the rules of the application. By default nothing.
    fn broken(&self, _: &State) -> Option<Property> {
        None
    }

    /// Whether a member that runs answers the operator as one of this cluster. By default if it is listed.
    fn answers(&self, state: &State, member: usize) -> bool {
        let member = &state.members()[member];
        member.runs() && member.is_listed() && state.is_formed()
    }

    /// Whether a member that runs has found no quorum since it started and answers nobody before, but says elsewhere
    /// how far it is. By default never.
    fn waits(&self, _: &State, _: usize) -> bool {
        false
    }

    /// Whether the list of members is to be had: by default if it can be changed.
    fn shows_list(&self, state: &State) -> bool {
        state.can_commit()
    }

    /// What is kept in mind of a member of this role in a cluster that runs when the world begins: see
    /// [`Slot::own`](super::Slot::own).
    fn first(&self, _role: usize) -> u8 {
        0
    }

    /// How many pieces a member holds that no other has, by what is kept in mind of it. They are on its volume, and
    /// lost with it; no call of the operator may be what loses them.
    fn pieces(&self, _own: u8) -> u8 {
        0
    }

    /// What the application's planner reads of it all, by what is kept in mind of each listed member.
    fn facts(&self, _own: BTreeMap<MemberName, u8>) -> Facts {
        Facts::default()
    }

    /// The application's own steps, each as it is asked for about this member: three at most.
    fn own_steps(&self, _member: &MemberName) -> Vec<AppStep> {
        vec![]
    }

    /// What the operation asks for, as its object has it, where the scenario has one.
    fn operation(&self) -> Option<Facts> {
        None
    }

    /// The step that the operation asks of this member, as it is asked for but for the name of the operation.
    fn operation_step(&self, _member: &MemberName) -> Option<AppStep> {
        None
    }

    /// Whether a member comes to no harm by that step, as it is. By default each.
    fn may_operate(&self, _: &State, _member: usize) -> bool {
        true
    }

    /// Whether nothing is due but what concerns members: with [`own_steps`](Self::own_steps), that none is. Asked while
    /// the cluster can commit a change.
    fn is_at_rest(&self, _: &State) -> bool {
        true
    }
}
