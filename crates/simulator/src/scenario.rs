//! What is explored: where it starts, what may be declared, which faults may happen and how often.

use crate::world::{flags::*, slot::Slot, state::State};

/// One exploration.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// For people.
    pub name: &'static str,
    /// How the world is at first.
    pub start: Start,
    /// The sizes a user may ask for: the first at the start, any by an edit.
    pub sizes: &'static [u8],
    /// Whether an edit may also change the member's spec, and what such a change demands.
    pub respec: Respec,
    /// How often what may go wrong.
    pub budgets: Budgets,
    /// How etcd and the launcher behave.
    pub environment: Environment,
    /// Chooses how members that look alike are told apart; changes which of them a tie picks.
    pub seed: u64,
}

/// How the world is at first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// The object was just created.
    Empty,
    /// A healthy cluster of this size, as declared.
    Running(u8),
}

/// Whether the member's spec may be edited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Respec {
    /// Only the size.
    Never,
    /// Another patch version: a restart in place.
    Restart,
    /// Another environment variable: another pod.
    Recreate,
}

/// How often each fault may happen on one path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Budgets {
    /// The operator crashes before or after a call, a request fails, or its answer is lost: in every
    /// case it forgets the plan, and the call was or was not applied.
    pub abort: u8,
    /// A call is given up, and arrives at any time afterwards, or never.
    pub late: u8,
    /// The API refuses to make a pod, and says so.
    pub refuse: u8,
    /// The operator plans on old pods, on the old object, or on both, by any number of versions since
    /// it last saw them.
    pub stale: u8,
    /// The operator does not reach a member that works.
    pub blind: u8,
    /// A process is killed.
    pub kill: u8,
    /// A process crashes at each start until the cause, which leaves its data alone, is gone.
    pub crash: u8,
    /// A data directory is emptied, and the process killed.
    pub wipe: u8,
    /// Somebody deletes a pod.
    pub evict: u8,
    /// A node goes away for good.
    pub node: u8,
    /// A member is cut off from its peers, while the operator reaches it.
    pub cut: u8,
    /// A member's data becomes corrupt.
    pub corrupt: u8,
    /// A member's data becomes corrupt, and the alarm does not say whose.
    pub unnamed: u8,
    /// The spec is edited.
    pub edit: u8,
    /// The object is deleted.
    pub delete: u8,
}

/// How etcd and the launcher behave. All true is what ships; the rest shows what they are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Environment {
    /// etcd's `--strict-reconfig-check`, and one learner at most.
    pub strict: bool,
    /// The launcher lets etcd start on an empty data directory only once.
    pub launcher: bool,
}

impl Default for Environment {
    fn default() -> Self {
        Self { strict: true, launcher: true }
    }
}

impl Scenario {
    /// Where the exploration begins.
    pub(crate) fn first_state(&self) -> State {
        let size = self.sizes[0];
        let mut state = State::new(size, self.budgets);
        if let Start::Running(members) = self.start {
            state.flags = FORMED | ID | ACCEPTED;
            state.accepted = (members, 0);
            for serial in 0..members {
                state.slots.push(Slot {
                    pod: EXISTS | STARTED,
                    process: RUN | DATA | MARK | CAUGHT | USED,
                    list: if serial == 0 { VOTER | LEADER } else { VOTER },
                    record: MEMBER | SEEN,
                    tag: serial,
                    ..Slot::default()
                });
            }
            state.tags = members;
            state.sync_all();
        }
        state
    }
}
