//! What the world has to be told about an application: its rules of membership.
//!
//! Pods, claims, processes, disks, the list of members with who votes and who leads, quorums and the properties are
//! the world's. How the list comes to be, who may change it when, who is elected, what a start does, and what a member
//! answers, is the application's.

use endstate_core::App;

use super::property::Property;
use super::script::{AppMove, Ran};
use super::state::{Declared, State};

/// The spec that an application's planner reads.
pub type SpecOf<M> = <<M as AppModel>::App as App>::Spec;

/// A request of the operator to the application, about one member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Request {
    /// Lists a member without a vote.
    Join,
    /// Lists a member with its vote.
    JoinVoting,
    /// Gives a listed member its vote.
    Promote,
    /// Makes it lead, in place of another that works.
    Transfer,
    /// Makes it lead, while nobody else does.
    Appoint,
    /// Takes it off the list.
    Leave,
}

/// How a request was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is done.
    Done,
    /// Nothing was changed. It ends the plan.
    Refused,
}

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

    /// The version that a member of the first or the second spec says it runs.
    fn version(&self, rev: u8) -> String;

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

    /// Carries out a request, or refuses it and leaves the list as it is.
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

    /// Whether the list of members is to be had: by default if it can be changed.
    fn shows_list(&self, state: &State) -> bool {
        state.can_commit()
    }
}
