//! What is explored: where it starts, what may be declared, which faults may happen and how often.

use super::bits::{CLAIM, CLAIMS, SECOND};
use super::declared::ROLES;

/// One exploration.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// For people.
    pub name: &'static str,
    /// How the world is at first.
    pub start: Start,
    /// The sizes a user may ask for, a number for each role: the first at the start, any by an edit.
    pub sizes: &'static [[u8; ROLES]],
    /// Which role votes, in the order of the topology.
    pub voting_role: usize,
    /// How many members may be listed without a vote at once.
    pub at_once: u8,
    /// What an edit of the member's spec demands, if it may be edited.
    pub respec: Respec,
    /// Where the data of members is.
    pub volumes: Volumes,
    /// How often what may go wrong.
    pub budgets: Budgets,
    /// What the operation asks for that is there from the start.
    pub asks: Asks,
    /// Whether there is a node for the successor of a member that is to leave its own.
    pub room: bool,
    /// Whether the launcher lets a process start on an empty data directory only once. It does in what ships; without
    /// it is seen what it is for.
    pub launcher: bool,
    /// The application raises no alarm about corrupt data: it is found by comparison.
    pub silent: bool,
    /// The spec says that nobody is asked where a lost quorum is to be recovered.
    pub unasked: bool,
    /// Chooses how members that look alike are told apart; changes which of them a tie picks.
    pub seed: u64,
}

/// How the world is at first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// The object was just created.
    Empty,
    /// A healthy cluster of this size, as declared.
    Running([u8; ROLES]),
}

/// Whether the member's spec may be edited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Respec {
    /// Only the size.
    Never,
    /// What a restart in place brings: another patch version.
    Restart,
    /// What needs another pod: an environment variable.
    Recreate,
    /// What needs another pod, and is gone to in stages: members of the first spec and of the third do not work
    /// together, and those of the second do with both. The first or the third is declared.
    Staged,
    /// What only the application is asked for: no pod is another for it.
    Application,
}

/// Where the data of members is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Volumes {
    /// It goes with the pod.
    WithPod,
    /// On a claim that is deleted once its member has left.
    Claims,
    /// On a claim that is kept when its member has left, by its policy alone: its label never says so.
    KeptClaims,
    /// On two claims, which are deleted once their member has left. The application calls the second volume `wal`.
    Pairs,
    /// The same, but the second is kept when its member has left, by its policy alone.
    KeptPairs,
}

impl Volumes {
    /// The claims that are kept when their member has left.
    pub(crate) fn kept(self) -> u8 {
        match self {
            Self::WithPod | Self::Claims | Self::Pairs => 0,
            Self::KeptClaims => CLAIM,
            Self::KeptPairs => SECOND,
        }
    }

    /// Whether members have two volumes.
    pub fn are_pairs(self) -> bool {
        matches!(self, Self::Pairs | Self::KeptPairs)
    }

    /// The claims that a member starts with.
    pub(crate) fn claims(self) -> u8 {
        match self {
            Self::WithPod => 0,
            Self::Claims | Self::KeptClaims => CLAIM,
            Self::Pairs | Self::KeptPairs => CLAIMS,
        }
    }
}

/// What an operation asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asks {
    /// There is none.
    Nothing,
    /// A step of each member, one after the other.
    Step,
}

/// How often each fault may happen on one path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Budgets {
    /// The operator crashes before or after a call, a request fails, or its answer is lost: in every
    /// case it forgets the plan, and the call was or was not applied.
    pub abort: u8,
    /// A call is given up, and arrives at any time afterwards, or never.
    pub late: u8,
    /// The API refuses to make a pod, or a claim, and says so.
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
    /// A node loses every directory of a pod, the launcher's marker among them, and the process is killed.
    pub blank: u8,
    /// Somebody deletes a pod.
    pub evict: u8,
    /// A node goes away for good.
    pub node: u8,
    /// Somebody cordons the node of a pod. That may be taken back at any time, or never.
    pub cordon: u8,
    /// Somebody asks for the eviction of a pod, and the operator is to see to it. That may be taken back at any time,
    /// or never.
    pub ask: u8,
    /// A member is cut off from its peers, while the operator reaches it.
    pub cut: u8,
    /// The operator does not reach a member any more, for as long as may be, while its peers and its clients do.
    pub away: u8,
    /// A member's data becomes corrupt.
    pub corrupt: u8,
    /// A member's data becomes corrupt, and the alarm does not say whose.
    pub unnamed: u8,
    /// A volume is not mounted any more: its process ends, and finds nothing at its start. It may be mounted again at
    /// any time, or never.
    pub unmount: u8,
    /// Somebody deletes a claim of a member: of two, one. It goes at once, or when no pod uses it any more.
    pub part: u8,
    /// A user writes something: who works and has caught up has it, who does not is behind.
    pub write: u8,
    /// A person names a member as the source of a recovery. It may be taken back at any time, or never.
    pub consent: u8,
    /// Somebody shuts the operator out: the application asks for a user whose password it does not know. That may be
    /// put right at any time, or never.
    pub guard: u8,
    /// Somebody deletes the operation.
    pub withdraw: u8,
    /// Somebody deletes the status of a cluster that is recorded.
    pub forget: u8,
    /// The spec is edited.
    pub edit: u8,
    /// The object is deleted.
    pub delete: u8,
}

impl Budgets {
    /// No fault at all, to start from.
    pub const NONE: Self = Self {
        abort: 0,
        late: 0,
        refuse: 0,
        stale: 0,
        blind: 0,
        kill: 0,
        crash: 0,
        wipe: 0,
        blank: 0,
        evict: 0,
        node: 0,
        cordon: 0,
        ask: 0,
        guard: 0,
        cut: 0,
        away: 0,
        corrupt: 0,
        unnamed: 0,
        unmount: 0,
        part: 0,
        write: 0,
        consent: 0,
        withdraw: 0,
        forget: 0,
        edit: 0,
        delete: 0,
    };

    pub(crate) fn words(self) -> [u64; 2] {
        let Self { abort, late, refuse, stale, blind, kill, crash, wipe, .. } = self;
        let Self { blank, evict, node, cut, corrupt, unnamed, edit, delete, .. } = self;
        [
            u64::from_le_bytes([abort, late, refuse, stale, blind, kill, crash, wipe]),
            u64::from_le_bytes([blank, evict, node, cut, corrupt, unnamed, edit, delete]),
        ]
    }

    /// The rest of them, in three bytes.
    pub(crate) fn rare(self) -> u64 {
        let Self {
            unmount, part, write, consent, forget, away, cordon, ask, guard, withdraw, ..
        } = self;
        // They are few, so that each takes two bits.
        let first = unmount | write << 2 | part << 4 | ask << 6;
        let second = consent | forget << 2 | away << 4 | cordon << 6;
        u64::from_le_bytes([first, second, guard | withdraw << 2, 0, 0, 0, 0, 0])
    }
}

impl Scenario {
    /// A scenario in which only sizes are edited, of members whose data goes with their pods. The first role votes.
    pub const fn new(
        name: &'static str,
        start: Start,
        sizes: &'static [[u8; ROLES]],
        budgets: Budgets,
    ) -> Self {
        Self {
            name,
            start,
            sizes,
            voting_role: 0,
            at_once: 1,
            respec: Respec::Never,
            volumes: Volumes::WithPod,
            budgets,
            asks: Asks::Nothing,
            room: true,
            launcher: true,
            silent: false,
            unasked: false,
            seed: 0,
        }
    }

    /// The same, in which the member's spec is edited too.
    #[must_use]
    pub const fn respec(self, respec: Respec) -> Self {
        Self { respec, ..self }
    }

    /// The same, in which so many members may join at once.
    #[must_use]
    pub const fn at_once(self, at_once: u8) -> Self {
        Self { at_once, ..self }
    }

    /// The same, with the members' data elsewhere.
    #[must_use]
    pub const fn on(self, volumes: Volumes) -> Self {
        Self { volumes, ..self }
    }

    /// The same, in which nobody is asked before a recovery.
    #[must_use]
    pub const fn unasked(self) -> Self {
        Self { unasked: true, ..self }
    }

    /// The same, with an operation that asks for this.
    #[must_use]
    pub const fn asks(self, asks: Asks) -> Self {
        Self { asks, ..self }
    }

    /// The same, in which corrupt data is found by comparison alone.
    #[must_use]
    pub const fn silent(self) -> Self {
        Self { silent: true, ..self }
    }

    /// Whether it matters that claims are made apart from pods: there are two of a member, or one may not be made.
    pub(crate) fn makes_claims_apart(&self) -> bool {
        self.volumes.are_pairs() || self.budgets.refuse > 0 || self.budgets.part > 0
    }

    /// The same, in which no node takes another member.
    #[must_use]
    pub const fn crowded(self) -> Self {
        Self { room: false, ..self }
    }

    /// Whether it matters how far members are.
    pub(crate) fn has_positions(&self) -> bool {
        self.budgets.write > 0 || self.budgets.consent > 0 || self.unasked
    }
}
