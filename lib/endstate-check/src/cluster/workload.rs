//! What is done to a cluster, one thing after the other.

use super::declared::Declared;
use super::scenario::Scenario;
use super::script::Fault;

/// A scenario in which these things happen, in this order, each once the world is at rest.
///
/// The budgets of the scenario have to allow for them. What comes back by itself (a cause of crashes, a cut network)
/// does so once the operator has nothing more to do about it.
#[derive(Clone, Debug)]
pub struct Workload {
    /// Where it starts, and what it is about.
    pub scenario: Scenario,
    /// What happens.
    pub events: Vec<Event>,
}

impl Workload {
    /// A scenario with what happens in it.
    pub fn new(scenario: Scenario, events: impl Into<Vec<Event>>) -> Self {
        Self { scenario, events: events.into() }
    }
}

/// One thing that a person does, or that is lost. Members are meant by their [`Slot::tag`](super::Slot::tag): those of
/// the start have the first ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The spec is edited to this.
    Edit(Declared),
    /// The object is deleted.
    Delete,
    /// A process is killed.
    Kill(u8),
    /// A process crashes, at each start again, for a while.
    Crash(u8),
    /// A data directory is emptied, and the process killed.
    Wipe(u8),
    /// Somebody deletes a pod.
    Evict(u8),
    /// A node goes away for good.
    Node(u8),
    /// Somebody cordons the node of a pod.
    Cordon(u8),
    /// Somebody asks for the eviction of a pod.
    Ask(u8),
    /// A member is cut off from its peers for a while.
    Cut(u8),
    /// A member's data becomes corrupt.
    Corrupt(u8),
    /// Somebody deletes a claim, the first of its member.
    Claim(u8),
    /// A user writes something.
    Write,
    /// A person names the source of a recovery.
    Consent(u8),
    /// Somebody deletes the status.
    Forget,
}

impl Event {
    /// The same in the words of a script.
    pub(crate) fn fault(self) -> Fault {
        match self {
            Self::Edit(declared) => Fault::Edit(declared),
            Self::Delete => Fault::Delete,
            Self::Kill(it) => Fault::Kill(it),
            Self::Crash(it) => Fault::Crash(it),
            Self::Wipe(it) => Fault::Wipe(it),
            Self::Evict(it) => Fault::Evict(it),
            Self::Node(it) => Fault::Node(it),
            Self::Cordon(it) => Fault::Cordon(it),
            Self::Ask(it) => Fault::Ask(it),
            Self::Cut(it) => Fault::Cut(it),
            Self::Corrupt(it) => Fault::Corrupt(it),
            Self::Claim(it) => Fault::Part(it, true),
            Self::Write => Fault::Write,
            Self::Consent(it) => Fault::Consent(it),
            Self::Forget => Fault::Forget,
        }
    }
}
