//! What a step of the planner answers.

use crate::plan::Action;
use crate::reason::Cause;
use crate::record::{Bootstrap, MemberRecord, Restarted, Restoring, Spread, Step};
use crate::waiting::Waiting;

/// A step's answer.
pub(super) enum Verdict {
    /// Nothing to do or to say here.
    Pass,
    /// This, and whatever the next steps say.
    Also(Move),
    /// This, and nothing more in this plan.
    Only(Move),
}

impl Verdict {
    /// The next steps wait for this, too.
    pub(super) fn wait(waiting: Waiting) -> Self {
        Self::Only(Move::default().waits(waiting))
    }

    /// This is said, and the next steps are asked.
    pub(super) fn say(waits: impl IntoIterator<Item = Waiting>) -> Self {
        let waits: Vec<_> = waits.into_iter().collect();
        if waits.is_empty() { Self::Pass } else { Self::Also(Move { waits, ..Move::default() }) }
    }

    /// The same, after something else was said.
    pub(super) fn after(self, waits: Vec<Waiting>) -> Self {
        match self {
            Self::Pass => Self::say(waits),
            Self::Also(wanted) | Self::Only(wanted) if waits.is_empty() => Self::Only(wanted),
            Self::Also(wanted) | Self::Only(wanted) => Self::Only(wanted.after(waits)),
        }
    }

    /// The same, beside what else is said.
    pub(super) fn beside(self, waits: Vec<Waiting>) -> Self {
        match self {
            Self::Pass => Self::say(waits),
            Self::Also(wanted) => Self::Also(wanted.after(waits)),
            Self::Only(wanted) => Self::Only(wanted.after(waits)),
        }
    }

    /// One action, and nothing more.
    pub(super) fn act(action: Action) -> Self {
        Self::Only(Move::default().acts(action))
    }
}

/// What a step wants to be recorded, done and said.
#[derive(Default)]
pub(super) struct Move {
    pub(super) notes: Vec<Note>,
    pub(super) actions: Vec<Action>,
    pub(super) waits: Vec<Waiting>,
}

impl Move {
    /// Whether nothing but waiting is wanted.
    pub(super) fn only_waits(&self) -> bool {
        self.actions.is_empty() && self.notes.is_empty()
    }

    /// The same, with an action.
    pub(super) fn acts(mut self, action: Action) -> Self {
        self.actions.push(action);
        self
    }

    /// The same, after something else was said.
    pub(super) fn after(self, mut waits: Vec<Waiting>) -> Self {
        waits.extend(self.waits);
        Self { waits, ..self }
    }

    /// The same, with something to be recorded before.
    pub(super) fn notes(mut self, note: Note) -> Self {
        self.notes.push(note);
        self
    }

    /// The same, with something to be said.
    pub(super) fn waits(mut self, waiting: Waiting) -> Self {
        self.waits.push(waiting);
        self
    }
}

/// A change of the record.
pub(super) enum Note {
    /// The step under way is another, or none.
    Step(Option<Step>),
    /// An attempt to form the cluster, by members of new names.
    Attempt { first: Bootstrap, names: u64, ids: u64 },
    /// A new member of a new name comes.
    Coming { member: MemberRecord, names: u64, ids: u64 },
    /// Another comes beside the one of the step.
    Another { member: MemberRecord, names: u64 },
    /// The volumes of these members are kept, whatever becomes of them.
    Kept(Vec<crate::MemberName>),
    /// Members were found by their volumes.
    Found(Vec<MemberRecord>),
    /// The cluster is to begin anew with other data, or not any more.
    Restoring(Option<Restoring>),
    /// So many names and ids were given out.
    Named { names: u64, ids: u64 },
    /// The cluster that was is forgotten, and another begins with the data that was made.
    BeginAnew,
    /// The pods of these members are asked for.
    Asked(Vec<crate::MemberName>),
    /// A member was told to restart.
    Restarted { member: crate::MemberName, told: Restarted },
    /// The pod of a member that crashed makes room for another.
    Renewed(crate::MemberName),
    /// Who joins comes to spread the members better.
    Spread(Spread),
    /// A try came to nothing.
    Failed(Cause),
}
