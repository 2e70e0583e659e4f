//! What the world has to be told about an application: its rules of membership.
//!
//! Pods, processes, disks, the list of members with who votes and who leads, quorums and the
//! properties are the world's. How the list comes to be, who may change it when, who is elected, what
//! a start does, and what a member answers, is the application's.

use endstate_core::App;

use crate::world::{
    api::Answer,
    script::{Move, Ran},
    state::{Spec, State},
};

/// The spec that an application's planner reads.
pub(crate) type SpecOf<M> = <<M as AppModel>::App as App>::Spec;

/// A call of the operator that changes the list of members, or who leads them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Lists a member that does not vote.
    Add,
    /// Gives it a vote.
    Promote,
    MoveLead,
    Remove,
}

/// An application, as the world runs it. Members are meant by their slot.
pub(crate) trait AppModel {
    /// What the planner asks.
    type App: App;

    /// What is declared: a size, and the first or the second spec of a member.
    fn spec(&self, declared: Spec) -> SpecOf<Self>;

    /// The way back.
    fn number(&self, spec: &SpecOf<Self>) -> Spec;

    /// The version that a member of the first or the second spec says it runs.
    fn version(&self, rev: u8) -> String;

    /// The worst that a process may say before it ends, as its users can make it say.
    fn last_words(&self) -> &'static str;

    /// How a process starts that the launcher lets through.
    fn start(&self, state: &State, member: usize) -> Ran;

    /// Whether a process that runs ends by itself.
    fn exits(&self, state: &State, member: usize) -> bool;

    /// What the application does next by itself: it forms, elects, catches up, settles.
    fn steps(&self, state: &State, add: impl FnMut(Move, State));

    /// Carries out a change, or refuses it and leaves the state as it is.
    fn change(&self, state: &mut State, change: Change, member: usize) -> Answer;

    /// Whether a member that runs answers the operator as one of this cluster.
    fn answers(&self, state: &State, member: usize) -> bool;
}
