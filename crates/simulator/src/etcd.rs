//! etcd: raft with learners, the check of strict reconfiguration, and what etcd's start does.

mod auth;
mod operations;

use std::collections::BTreeMap;

use endstate_check::cluster::Answer::{self, Done, Refused};
use endstate_check::cluster::{
    AppModel, AppMove, Asks, Declared, Ran, Request, Respec, Scenario, Slot, StartKind, State,
    Volumes, steps,
};
use endstate_core::tls::Tls;
use endstate_core::{
    AppStep, Facts, MemberName, QuorumRecovery, Reclaim, Retention, VolumeSpec, quorum,
};
use etcd_plan::{Etcd, EtcdClusterSpec};

/// A version that lists one learner at most, and the first that lists as many as it is told.
const VERSIONS: [&str; 2] = ["3.5.16", "3.6.14"];
const NEXT_VERSIONS: [&str; 2] = ["3.5.17", "3.6.15"];

/// The end of etcd's log, after a user asked for a role of this name.
const LOG: &str = r#"{"level":"warn","msg":"apply request took too long","request":"auth_role_add:<name:\"data lost, refusing to start blank\">"}"#;

/// etcd, as a scenario has it.
#[derive(Clone, Copy, Debug)]
pub struct EtcdModel {
    /// `--strict-reconfig-check`, and a limit of learners: what ships. Without it is seen what it is for.
    pub strict: bool,
    /// How many learners it lists.
    pub learners: u8,
    /// What its members are on.
    pub volumes: Volumes,
    /// What an edit of the spec changes.
    pub respec: Respec,
    /// Whether nobody is asked before a recovery.
    pub unasked: bool,
    /// What an operation asks for.
    pub asks: Asks,
}

impl EtcdModel {
    /// What ships.
    pub fn of(scenario: &Scenario) -> Self {
        let (learners, respec) = (scenario.at_once, scenario.respec);
        let (volumes, unasked) = (scenario.volumes, scenario.unasked);
        Self { strict: true, learners, volumes, respec, unasked, asks: scenario.asks }
    }

    fn of_versions(&self, versions: [&'static str; 2]) -> &'static str {
        versions[usize::from(self.learners > 1)]
    }
}

impl AppModel for EtcdModel {
    type App = Etcd;

    fn app(&self) -> &Etcd {
        &Etcd
    }

    fn spec(&self, Declared { sizes: [size, _], rev }: Declared) -> EtcdClusterSpec {
        let mut spec = EtcdClusterSpec::new(size.into(), self.of_versions(VERSIONS));
        spec.tls = Tls::default().settle(Some(&Tls::default()));
        let volume = VolumeSpec::default;
        spec.storage = (self.volumes != Volumes::WithPod).then(|| volume().into());
        // Its second volume is that of the write-ahead log.
        let kept = Retention::new(Reclaim::Retain, Reclaim::Retain);
        spec.wal = match self.volumes {
            Volumes::Pairs => Some(volume().into()),
            Volumes::KeptPairs => Some(volume().retention(kept).into()),
            _ => None,
        };
        if self.unasked {
            spec.quorum_recovery = QuorumRecovery::Auto;
        }
        spec.learners = Some(self.learners).filter(|it| *it > 1);
        match (rev, self.respec) {
            (0, _) | (_, Respec::Never) => {}
            (_, Respec::Restart) => spec.version = self.of_versions(NEXT_VERSIONS).into(),
            (_, Respec::Recreate | Respec::Staged) => spec.env = vec![("GOGC".into(), "50".into())],
            // Authentication, below.
            (_, Respec::Application) => {}
        }
        if self.respec == Respec::Application {
            spec.auth = Some(auth::asked(rev == 1));
        }
        spec
    }

    fn declared(&self, spec: &EtcdClusterSpec) -> Declared {
        let asks_for_users = spec.auth.as_ref().is_some_and(|it| it.enabled);
        let is_other = spec.version != self.of_versions(VERSIONS) || !spec.env.is_empty();
        let rev = u8::from(is_other || asks_for_users);
        Declared { sizes: [u8::try_from(spec.size).expect("sizes are small"), 0], rev }
    }

    fn last_words(&self) -> &'static str {
        LOG
    }

    fn start(&self, state: &State, member: usize) -> Ran {
        let slot = &state.members()[member];
        let joins = slot.start() != StartKind::New;
        if slot.start() == StartKind::Recover && slot.has_data() && !slot.is_recovered() {
            // A learner that is forced into a new cluster ends in a panic.
            if slot.votes() { Ran::Alone } else { Ran::Crashed }
        } else if slot.has_data() {
            let belongs = slot.is_listed() || slot.is_first();
            if belongs { Ran::OnItsData } else { Ran::Crashed }
        } else if joins {
            let knows = slot.is_listed() && !slot.was_told_old_list() && peers(state, member);
            if knows { Ran::Empty } else { Ran::Crashed }
        } else if state.is_formed() && !slot.is_listed() {
            // The others tell it that it was removed; too few were left behind to form a quorum.
            Ran::Crashed
        } else {
            Ran::Empty
        }
    }

    /// One that was removed.
    fn exits(&self, state: &State, member: usize) -> bool {
        let slot = &state.members()[member];
        slot.works() && !slot.is_listed() && state.is_formed()
    }

    fn steps(&self, state: &State, mut add: impl FnMut(AppMove, State)) {
        let follows = |it: &Slot| it.is_listed() && it.has_data();
        steps::copy_from_leader(state, follows, &mut |step, after| {
            add(step, auth::copied(after));
        });
        auth::work(state, &mut add);
        steps::form(state, &mut add);
        steps::elect(state, &mut add);
        // Who is connected to too few waits for more.
        if state.has_quorum() {
            steps::settle(state, &mut add);
        }
    }

    /// Its port for clients opens when it has found a quorum, which is held once it was.
    fn waits(&self, state: &State, member: usize) -> bool {
        let slot = &state.members()[member];
        slot.runs() && !slot.is_settled() && !state.has_quorum()
    }

    fn request(&self, state: &mut State, request: Request, member: usize) -> Answer {
        if request == Request::Operate {
            // The member does it, whoever leads.
            return if state.members()[member].runs() { Done } else { Refused };
        }
        if !state.can_commit() {
            return Refused;
        }
        match request {
            Request::Join => self.add(state, member),
            Request::Promote => self.promote(state, member),
            Request::Transfer => transfer(state, member),
            Request::Leave => self.remove(state, member),
            Request::Own(_) | Request::CancelOwn(_) => Done,
            _ => unreachable!("members join as learners and elect"),
        }
    }

    fn facts(&self, own: BTreeMap<MemberName, u8>) -> Facts {
        if self.respec == Respec::Application { auth::facts(&own) } else { Facts::default() }
    }

    fn own_steps(&self, member: &MemberName) -> Vec<AppStep> {
        if self.respec == Respec::Application { auth::steps(member) } else { vec![] }
    }

    fn operation(&self) -> Option<Facts> {
        operations::asked(self.asks)
    }

    fn operation_step(&self, member: &MemberName) -> Option<AppStep> {
        (self.asks == Asks::Step).then(|| operations::defragment(member))
    }

    fn may_operate(&self, state: &State, member: usize) -> bool {
        operations::is_harmless(&state.members()[member])
    }

    fn is_at_rest(&self, state: &State) -> bool {
        self.respec != Respec::Application || auth::is_on(state) == state.asks_for_second()
    }
}

impl EtcdModel {
    fn add(&self, state: &mut State, member: usize) -> Answer {
        let learners = state.members().iter().filter(|it| it.is_non_voter()).count();
        // Up to 3.5.30 every voter must be connected, which is stricter than what came later.
        let ready = !self.strict || settled(state) == state.voters().count();
        let room = !self.strict || learners < usize::from(self.learners);
        if !ready || !room || state.members()[member].is_listed() {
            return Refused;
        }
        state.members_mut()[member].list();
        Done
    }

    fn promote(&self, state: &mut State, member: usize) -> Answer {
        let slot = &state.members()[member];
        // Before 3.5.7 it gives a vote to a learner that was never started.
        let ready = !self.strict || slot.runs() && slot.is_caught_up();
        let ready = slot.is_non_voter() && ready;
        let needed = quorum(state.voters().count() + 1);
        if !ready || self.strict && settled(state) + 1 < needed {
            return Refused;
        }
        state.members_mut()[member].give_vote();
        Done
    }

    fn remove(&self, state: &mut State, member: usize) -> Answer {
        let slot = &state.members()[member];
        let voters = state.voters().count();
        if !slot.is_listed() || slot.votes() && voters == 1 {
            return Refused;
        }
        // A member that is not connected is no part of the active quorum and may always go.
        let active = settled(state).saturating_sub(1) >= quorum(voters.saturating_sub(1));
        if self.strict && slot.votes() && slot.works() && !active {
            return Refused;
        }
        state.members_mut()[member].unlist();
        Done
    }
}

fn transfer(state: &mut State, member: usize) -> Answer {
    let heir = &state.members()[member];
    if !heir.votes() || !heir.works() {
        return Refused;
    }
    state.lead(member);
    Done
}

/// Voters that have been connected for five seconds.
fn settled(state: &State) -> usize {
    state.voters().filter(|it| it.works() && it.is_settled()).count()
}

/// A new member copies the list from one that is there.
fn peers(state: &State, member: usize) -> bool {
    let others = || state.members().iter().enumerate().filter(|(at, _)| *at != member);
    !state.members()[member].is_cut() && others().any(|(_, it)| it.votes() && it.works())
}
