//! A plan in a small form: what it writes, and its calls.

use super::bits::{CLAIMS, MARKED, MARKED_VOTER};
use super::declared::Declared;
use super::request::Request;
use super::slot::StartKind;
use super::stages::Stages;
use super::task::Task;

/// A plan without words. Members are numbered from 1 by their slot when it was made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Compact {
    /// The record to be written first, if it changed.
    pub(crate) write: Option<Written>,
    pub(crate) acts: Vec<Act>,
    /// It was made with a quorum in sight, while a person consents to a recovery.
    pub(crate) proven: bool,
}

/// A record.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Written {
    pub(crate) accepted: Option<Declared>,
    pub(crate) stages: Stages,
    pub(crate) boot: bool,
    pub(crate) id: bool,
    /// Per slot of the plan; longer than the slots that were there when new names were taken.
    pub(crate) slots: Vec<Known>,
}

/// What the record says of a member.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Known {
    pub(crate) record: u8,
    pub(crate) reason: u8,
    pub(crate) role: u8,
    pub(crate) row: u8,
    /// Its claim is kept whatever becomes of it.
    pub(crate) kept: bool,
}

/// An action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Act {
    /// The claims that a member is to have and has not.
    Claim {
        slot: u8,
        claims: u8,
    },
    /// How it is made, from which spec if there are stages, and the members that it is told of if it starts without
    /// data.
    Create {
        slot: u8,
        made: u8,
        rev: Option<u8>,
        members: Option<u16>,
    },
    Mark {
        slot: u8,
        made: u8,
    },
    Answer(u8),
    Restart(u8),
    Delete(u8),
    DeleteClaim {
        slot: u8,
        claim: u8,
    },
    Ask(Request, u8),
    /// The status of the operation: the slots whose members were begun at, and those that are done, as bits.
    Tell {
        task: Task,
        begun: u16,
        done: u16,
    },
}

impl Act {
    pub(crate) fn slot(self) -> u8 {
        match self {
            Self::Claim { slot, .. }
            | Self::DeleteClaim { slot, .. }
            | Self::Create { slot, .. }
            | Self::Mark { slot, .. }
            | Self::Answer(slot)
            | Self::Restart(slot)
            | Self::Delete(slot)
            | Self::Ask(_, slot) => slot,
            Self::Tell { .. } => 0,
        }
    }

    pub(crate) fn verb(self) -> Verb {
        match self {
            Self::Claim { .. } => Verb::Claim,
            Self::Create { made, .. } => Verb::Create(StartKind::of(made)),
            Self::Mark { .. } => Verb::Mark,
            Self::Answer(_) => Verb::Answer,
            Self::Restart(_) => Verb::Restart,
            Self::Delete(_) => Verb::Delete,
            Self::DeleteClaim { .. } => Verb::DeleteClaim,
            Self::Ask(request, _) => Verb::Ask(request),
            Self::Tell { .. } => Verb::Tell,
        }
    }

    /// The list that a new pod is told, if it is told of one that exists; of the status of an operation, its parts.
    pub(crate) fn members(self) -> Option<u16> {
        match self {
            Self::Create { members, .. } => members,
            Self::Tell { begun, done, .. } => Some(begun | done),
            _ => None,
        }
    }

    /// Which spec a pod is made from, if that may be another than the accepted one.
    pub(crate) fn rev(self) -> Option<u8> {
        match self {
            Self::Create { rev, .. } => rev,
            _ => None,
        }
    }

    /// How the pod is made, what it is marked with, or which claims it is about.
    pub(crate) fn made(self) -> u8 {
        match self {
            Self::Claim { claims, .. } => claims & CLAIMS,
            Self::DeleteClaim { claim, .. } => claim & CLAIMS,
            Self::Create { made, .. } => made,
            Self::Mark { made, .. } => made & (MARKED | MARKED_VOTER),
            _ => 0,
        }
    }
}

impl Compact {
    /// The calls: the write, then the actions.
    pub(crate) fn calls(&self) -> usize {
        usize::from(self.write.is_some()) + self.acts.len()
    }

    /// The action that is this call; none if it is the write.
    pub(crate) fn act(&self, call: u8) -> Option<Act> {
        let at = usize::from(call).checked_sub(usize::from(self.write.is_some()))?;
        self.acts.get(at).copied()
    }

    /// What it still speaks of from this call on.
    pub(crate) fn rest(&self, call: usize) -> Rest {
        let writes = self.write.is_some();
        if writes && call == 0 {
            return Rest { named: u16::MAX, ..self.rest(1) };
        }
        let mut rest = Rest::default();
        for act in self.acts.iter().skip(call - usize::from(writes)) {
            rest.named |= bit(act.slot()) | act.members().unwrap_or_default();
            let unguarded =
                matches!(act.verb(), Verb::Create(_) | Verb::Claim | Verb::Answer | Verb::Tell)
                    || matches!(act.verb(), Verb::Ask(it) if it != Request::Leave);
            rest.guarded |= if unguarded { 0 } else { bit(act.slot()) };
        }
        rest
    }
}

/// The bit of a plan's slot. One with more members than a state can hold is not carried out.
pub(crate) fn bit(slot: u8) -> u16 {
    1_u16.checked_shl(slot.into()).unwrap_or(0)
}

/// What the rest of a plan still speaks of.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rest {
    named: u16,
    guarded: u16,
}

impl Rest {
    pub(crate) fn names(&self, slot: u8) -> bool {
        self.named & bit(slot) != 0
    }

    pub(crate) fn guards(&self, slot: u8) -> bool {
        slot != 0 && self.guarded & bit(slot) != 0
    }
}

/// What a call does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Verb {
    Claim,
    Create(StartKind),
    Mark,
    Answer,
    Restart,
    Delete,
    DeleteClaim,
    Ask(Request),
    Tell,
}

impl Verb {
    pub(crate) fn number(self) -> u64 {
        match self {
            Self::Create(_) => 1,
            Self::Mark => 2,
            Self::Restart => 3,
            Self::Delete => 4,
            Self::DeleteClaim => 5,
            Self::Ask(request) => 6 + request.number(),
            Self::Claim => 6 + Request::NUMBERS,
            Self::Answer => 7 + Request::NUMBERS,
            Self::Tell => 8 + Request::NUMBERS,
        }
    }
}
