//! What the operator asks of the application, and how it is answered.

/// A request of the operator to the application, about one member. There may be more kinds in a later version: a model
/// refuses one that it does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
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
    /// Moves what it holds to others.
    Drain,
    /// Begins one of the application's own steps about it, by its place in
    /// [`AppModel::own_steps`](super::AppModel::own_steps).
    Own(u8),
    /// Begins the step that an operation asks of it, or waits for the one that it is at work on: the world remembers
    /// that it is, until any time later, or until its process ends.
    Operate,
    /// Stops a drain.
    CancelDrain,
    /// Stops one of the application's own steps.
    CancelOwn(u8),
}

impl Request {
    /// How many steps of its own an application may have here.
    pub(crate) const OWN_STEPS: u8 = 3;

    /// How many numbers there are.
    pub(crate) const NUMBERS: u64 = 9 + 2 * Self::OWN_STEPS as u64;

    pub(crate) fn number(self) -> u64 {
        let first = |it: u8| 7 + u64::from(it);
        match self {
            Self::Join => 0,
            Self::JoinVoting => 1,
            Self::Promote => 2,
            Self::Transfer => 3,
            Self::Appoint => 4,
            Self::Leave => 5,
            Self::Drain => 6,
            Self::Own(number) => first(number),
            Self::CancelOwn(number) => first(number + Self::OWN_STEPS),
            Self::CancelDrain => first(2 * Self::OWN_STEPS),
            Self::Operate => first(2 * Self::OWN_STEPS) + 1,
        }
    }
}

/// How a request was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is done.
    Done,
    /// Nothing was changed. It ends the plan.
    Refused,
}
