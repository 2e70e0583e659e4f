//! ZooKeeper: ZAB with observers, `reconfig`, and what a server's start does without data.

mod suite;
mod workloads;

use endstate_check::cluster::Answer::{self, Done, Refused};
use endstate_check::cluster::{
    AppModel, AppMove, Declared, Ran, Request, Respec, Scenario, StartKind, State, Volumes, steps,
};
use endstate_core::{Reclaim, quorum};
use zookeeper_plan::{ZooKeeper, ZookeeperClusterSpec};

pub use suite::{deep_suite, suite};
pub use workloads::workloads;

const VERSION: &str = "3.9.5";
/// Java's heap in the first and the second spec, in MiB.
const HEAP: [u32; 2] = [512, 1024];

/// ZooKeeper, as a scenario has it.
#[derive(Clone, Copy, Debug)]
pub struct ZooKeeperModel {
    /// `zookeeper.db.autocreate`: a server without data counts as one whose data is empty. Off in what ships.
    pub autocreate: bool,
    /// The file `initialize` is made at every start that the launcher takes for the first one. It is in what ships;
    /// without a launcher that is every start.
    pub initializes: bool,
    /// What an edit of the spec changes.
    pub respec: Respec,
    /// Where servers keep their data.
    pub volumes: Volumes,
}

impl ZooKeeperModel {
    /// What ships.
    pub fn of(scenario: &Scenario) -> Self {
        let (respec, volumes) = (scenario.respec, scenario.volumes);
        Self { autocreate: false, initializes: true, respec, volumes }
    }
}

impl AppModel for ZooKeeperModel {
    type App = ZooKeeper;

    fn app(&self) -> &ZooKeeper {
        &ZooKeeper
    }

    fn spec(&self, Declared { sizes: [size, observers], rev }: Declared) -> ZookeeperClusterSpec {
        let mut spec = ZookeeperClusterSpec::new(size.into(), VERSION);
        spec.observers = observers.into();
        spec.heap_mib = HEAP[usize::from(rev)];
        if self.volumes == Volumes::KeptClaims {
            spec.storage.retention.when_scaled = Reclaim::Retain;
        }
        spec
    }

    fn declared(&self, spec: &ZookeeperClusterSpec) -> Declared {
        let count = |it: i32| u8::try_from(it).expect("sizes are small");
        let sizes = [count(spec.size), count(spec.observers)];
        Declared { sizes, rev: u8::from(spec.heap_mib != HEAP[0]) }
    }

    fn start(&self, state: &State, member: usize) -> Ran {
        let slot = &state.members()[member];
        match slot.start() {
            StartKind::Recover if slot.has_data() && !slot.is_recovered() => Ran::Alone,
            _ if slot.has_data() => Ran::OnItsData,
            // It knows only servers that are not there any more.
            StartKind::New if state.is_formed() && !slot.is_listed() => Ran::Crashed,
            StartKind::New if self.initializes || !state.is_formed() => Ran::Empty,
            _ if self.autocreate => Ran::Empty,
            _ => Ran::Blank,
        }
    }

    fn steps(&self, state: &State, mut add: impl FnMut(AppMove, State)) {
        // Whoever reaches the leader follows it, listed or not.
        steps::copy_from_leader(state, |_| true, &mut add);
        steps::form(state, &mut add);
        steps::elect(state, &mut add);
        steps::settle(state, &mut add);
    }

    /// `reconfig`: the old list needs a quorum, and the new one a quorum of servers that follow with the leader's data.
    /// Observers are no part of either.
    fn request(&self, state: &mut State, request: Request, member: usize) -> Answer {
        if !state.can_commit() {
            return Refused;
        }
        let mut after = *state;
        let slot = &mut after.members_mut()[member];
        match request {
            Request::Join if !slot.is_listed() => slot.list(),
            Request::JoinVoting | Request::Promote if !slot.votes() => slot.give_vote(),
            Request::Leave if slot.is_listed() => slot.unlist(),
            _ => return Refused,
        }
        let voters = after.voters().count();
        let synced = after.voters().filter(|it| it.works() && it.is_caught_up()).count();
        if voters == 0 || synced < quorum(voters) {
            return Refused;
        }
        *state = after;
        Done
    }

    /// Only who follows a leader, or leads: also one that is not listed any more, or not yet.
    fn answers(&self, state: &State, member: usize) -> bool {
        let slot = &state.members()[member];
        slot.works() && slot.is_caught_up() && state.can_commit()
    }
}
