//! The one planner: from a snapshot to the next safe move.
//!
//! It reads as a list of questions, each of which may end the plan: is the spec acceptable, is the
//! cluster to be left alone, does it exist yet, is there proof of a quorum, is a step under way,
//! what is the next step. Invariants, which [`lint()`](crate::lint()) checks again from outside:
//!
//! - one dangerous action per plan, and only with the record's `epoch` counted up;
//! - a new cluster is started only while no identity is recorded;
//! - membership changes only with proof: a list that a quorum of its own voters gave, and a leader;
//! - unknown is not down, and down is not lost: data counts as lost only with its pod, or by the typed
//!   evidence of a launcher. No text is searched for anything.

mod accept;
mod bootstrap;
mod choose;
mod corrupt;
mod names;
mod pace;
mod report;
mod steps;

pub use names::member_name;

use crate::{
    app::{App, Change, Launch, LaunchOf, Peer, Problem, Start, Topology},
    cluster::{Cluster, Health, Member, find_pod, health, is_restarting, list, quorum},
    id::MemberName,
    plan::{Action, Call, Plan, PodRef, Support},
    record::{MemberRecord, Record, Restarted},
    snapshot::{Pod, Snapshot},
    view::{Membership, Reach, Refusal},
    waiting::Waiting,
};

/// Says what to do next.
///
/// ```
/// # use endstate_core::*;
/// # struct Toy;
/// # impl App for Toy {
/// #     type Spec = u32;
/// #     fn name(&self) -> &'static str { "toy" }
/// #     fn validate(&self, _: &Identity, _: &u32) -> Vec<Problem> { vec![] }
/// #     fn topology(&self, size: &u32) -> Topology {
/// #         Topology { voters: *size as usize, version: "1".into(), paused: false }
/// #     }
/// #     fn launch(&self, member: &LaunchOf<'_, u32>) -> Launch { Launch::new("toy:1", member) }
/// #     fn address(&self, _: &Identity, member: &MemberName) -> String { member.to_string() }
/// #     fn change(&self, _: &u32, _: &u32) -> Change { Change::Nothing }
/// # }
/// # let object = Identity { namespace: "default".into(), name: "example".into(), uid: "0c5f".into(),
/// #     resource_version: "7".into(), generation: 1, deleting: false };
/// let snapshot = Snapshot {
///     now: "2026-01-01T00:00:00Z".parse().unwrap(),
///     seed: object.seed(),
///     object,
///     spec: 3,
///     status: Status::default(),
///     pods: Some(vec![]),
///     view: View::default(),
///     blocked: None,
/// };
/// let plan = plan(&Toy, &snapshot);
/// assert_eq!(plan.actions.len(), 3, "the first three members, all at once");
/// assert!(plan.status.record.bootstrap.is_some(), "and their names recorded before");
/// ```
pub fn plan<A: App>(app: &A, snapshot: &Snapshot<A::Spec>) -> Plan<A::Spec> {
    let mut draft = Draft::new(app, snapshot);
    draft.accept();
    draft.decide();
    draft.report()
}

/// A plan in the making.
struct Draft<'a, A: App> {
    app: &'a A,
    snapshot: &'a Snapshot<A::Spec>,
    /// The record to be published.
    record: Record<A::Spec>,
    /// What is wrong with the spec.
    problems: Vec<Problem>,
    /// What the accepted spec asks for.
    target: Option<Topology>,
    /// The members, once there is proof of a quorum.
    cluster: Option<Cluster>,
    support: Support,
    actions: Vec<Action>,
    waits: Vec<Waiting>,
}

impl<'a, A: App> Draft<'a, A> {
    fn new(app: &'a A, snapshot: &'a Snapshot<A::Spec>) -> Self {
        Self {
            app,
            snapshot,
            record: snapshot.status.record.clone(),
            problems: vec![],
            target: None,
            cluster: None,
            support: Support::default(),
            actions: vec![],
            waits: vec![],
        }
    }

    fn decide(&mut self) {
        if self.snapshot.object.deleting {
            // Everything is owned by the object and goes with it.
            return self.wait(Waiting::ForDeletion);
        }
        let Some(target) = self.target.clone() else { return };
        self.support.peer_service = true;
        self.support.client_service = self.record.cluster_id.is_some();
        self.support.min_available = Some(self.min_available(target.voters));
        if self.app.topology(&self.snapshot.spec).paused {
            // What is seen is still told.
            self.cluster = self.proof();
            self.waits.clear();
            return self.wait(Waiting::ForUnpause);
        }
        let Some(pods) = &self.snapshot.pods else { return self.wait(Waiting::ForPodList) };
        self.note_pods(pods);
        self.note_last_words(pods);
        self.note_restarts();
        if self.note_refusals() {
            // The record says first that they may be asked for again. What is seen is still told.
            self.cluster = self.record.cluster_id.and_then(|_| self.proof());
            return;
        }
        if self.record.cluster_id.is_none() {
            self.bootstrap(target.voters);
            // From now on it is said to be available, so it must be found.
            self.support.client_service = self.record.cluster_id.is_some();
            return;
        }
        match self.proof() {
            Some(cluster) => {
                self.with_quorum(&cluster, target.voters);
                self.cluster = Some(cluster);
            }
            None => self.without_quorum(),
        }
    }

    /// The quorum of as many voters as there are or are wanted, whichever is more. Taken from the
    /// record too, so that it does not sink when members cannot be seen.
    fn min_available(&self, wanted: usize) -> u32 {
        let listed = self.list().map_or(0, |it| it.voters().count());
        let most = listed.max(self.record.members.len()).max(wanted);
        u32::try_from(quorum(most)).unwrap_or(u32::MAX)
    }

    /// Remembers the pods that are seen for the first time.
    fn note_pods(&mut self, pods: &[Pod<A::Spec>]) {
        for member in self.record.everyone_mut() {
            if member.pod.is_none() {
                let pod = pods.iter().find(|it| it.name == member.name);
                member.pod = pod.map(|it| it.uid.clone());
            }
            if member.pod.is_some() {
                member.asked = None;
            }
        }
    }

    /// Forgets restarts that are over: the member says so, or was started anew and never will.
    fn note_restarts(&mut self) {
        let (app, snapshot) = (self.app, self.snapshot);
        let Some(spec) = self.record.accepted.as_ref().map(|it| it.spec.clone()) else { return };
        let done = |member: &MemberRecord| {
            let made_from = find_pod(snapshot, &member.name).and_then(|it| it.spec.as_ref());
            let answer = snapshot.view.target(&member.name).and_then(|it| it.status.as_ref());
            let runs = answer.is_some_and(|it| app.runs(&spec, it));
            runs && made_from.is_some_and(|it| app.change(it, &spec) == Change::Nothing)
        };
        for member in self.record.everyone_mut() {
            if !is_restarting(snapshot, member) || done(member) {
                member.restarted = None;
            }
        }
    }

    /// The list of members of the recorded cluster, however many agree on it.
    fn list(&self) -> Option<&'a Membership> {
        list(self.snapshot, &self.record)
    }

    /// The members, if a quorum of the voters gave the same list and one of them leads. Otherwise
    /// says what is missing.
    fn proof(&mut self) -> Option<Cluster> {
        let list = self.list();
        let voters = list.map_or(self.record.members.len(), |it| it.voters().count());
        let needed = quorum(voters);
        let healthy = self.record.members.iter();
        let healthy = healthy.filter(|it| health(self.snapshot, it).is_alive()).count();
        let agreed = list.map_or(0, |it| it.agreed);
        let cluster = list.map(|it| self.assemble(it));
        if agreed >= needed && cluster.as_ref().is_some_and(|it| it.leader().is_some()) {
            return cluster;
        }
        self.wait(match () {
            () if self.asks_for_user() => {
                let why = "members say nothing without one".into();
                Waiting::ForUser { why, hint: self.app.without_user().into() }
            }
            () if healthy < needed => Waiting::ForQuorum { healthy, needed },
            () if agreed < needed => Waiting::ForAgreement { agreed, needed },
            () => Waiting::ForLeader,
        });
        None
    }

    /// Whether members do not answer because the driver has no user.
    fn asks_for_user(&self) -> bool {
        let guarded = [Refusal::Guarded, Refusal::NeedsUser].map(Reach::Refused);
        let mut members = self.record.members.iter();
        members.any(|it| guarded.contains(&self.snapshot.view.reach(&it.name)))
    }

    fn assemble(&self, list: &Membership) -> Cluster {
        let accepted = self.record.accepted.as_ref().map(|it| &it.spec);
        Cluster::assemble(self.app, self.snapshot, accepted, list)
    }

    /// Goes on with the step under way, or chooses the next.
    fn with_quorum(&mut self, cluster: &Cluster, wanted: usize) {
        if self.is_in_doubt(cluster) {
            // Who joined now might copy what is corrupt, and who left might take what is good along.
            self.restart_broken(cluster);
            return self.wait_for_members(cluster);
        }
        if self.leave_corrupt_leader(cluster) {
            return self.wait_for_members(cluster);
        }
        if self.record.step.is_some() {
            self.go_on(cluster, wanted);
        }
        if self.record.step.is_none() {
            self.choose(cluster, wanted);
        }
        self.wait_for_members(cluster);
    }

    /// Says of every member that does not work why it is waited for.
    fn wait_for_members(&mut self, cluster: &Cluster) {
        let busy = self.record.step.as_ref().map(|it| it.member().clone());
        for member in cluster.members.iter().filter(|it| busy.as_ref() != Some(&it.name)) {
            if let Some(why) = member.health.why() {
                let (member, why) = (member.name.clone(), why.to_owned());
                self.wait(Waiting::ForMember { member, why });
            }
        }
    }

    /// Nothing may be decided about members. A process that does not run may still be given what it
    /// needs to run: a correction is never made to wait for the health of what it corrects.
    fn without_quorum(&mut self) {
        let members = self.record.members.clone();
        let healths: Vec<_> = members.iter().map(|it| (it, health(self.snapshot, it))).collect();
        let left = healths.iter().filter(|(_, it)| !it.is_lost()).count();
        if left < quorum(members.len()) {
            self.waits.clear();
            self.wait(Waiting::ForConsent { left, of: members.len() });
        }
        // Who is alive lacks nothing but the others.
        for (member, health) in healths.iter().filter(|(_, it)| !it.is_alive()) {
            if let Some(why) = health.why() {
                let (member, why) = (member.name.clone(), why.to_owned());
                self.wait(Waiting::ForMember { member, why });
            }
        }
        let stopped =
            healths.iter().filter(|(_, it)| matches!(it, Health::Stopped(_) | Health::Failed(_)));
        let names: Vec<_> = stopped.map(|(it, _)| it.name.clone()).collect();
        self.restart_first_outdated(&names);
    }

    /// Restarts the first of these pods that only needs another image.
    fn restart_first_outdated(&mut self, names: &[MemberName]) {
        let Some(accepted) = &self.record.accepted else { return };
        let needs = |pod: &&Pod<A::Spec>| {
            let old = pod.spec.as_ref();
            old.is_some_and(|it| self.app.change(it, &accepted.spec) == Change::Restart)
        };
        let pods = names.iter().filter_map(|it| find_pod(self.snapshot, it));
        if let Some(pod) = pods.filter(|it| !it.deleting).find(needs) {
            self.restart(pod);
        }
    }

    fn restart(&mut self, pod: &Pod<A::Spec>) {
        let launch = self.launch(&pod.name, None);
        let told = Restarted::of(pod, self.snapshot.now);
        for member in self.record.everyone_mut().filter(|it| it.name == pod.name) {
            member.restarted = Some(told.clone());
        }
        self.act(Action::RestartPod { pod: PodRef::from(pod), launch });
    }

    fn launch(&self, member: &MemberName, start: Option<&Start>) -> Box<Launch> {
        let accepted = self.record.accepted.as_ref();
        let spec = accepted.map_or(&self.snapshot.spec, |it| &it.spec);
        Box::new(self.app.launch(&LaunchOf { object: &self.snapshot.object, spec, member, start }))
    }

    fn peers<'n>(&self, names: impl Iterator<Item = &'n MemberName>) -> Vec<Peer> {
        let address = |it: &MemberName| self.app.address(&self.snapshot.object, it);
        let mut peers: Vec<_> =
            names.map(|it| Peer { name: it.clone(), address: address(it) }).collect();
        peers.sort_by(|a, b| a.name.cmp(&b.name));
        peers
    }

    /// Whom to ask for a change of this cluster.
    fn call(&self, leader: &Member) -> Call {
        let members = self.list().map(Membership::roster).unwrap_or_default();
        Call { via: leader.name.clone(), members }
    }

    fn act(&mut self, action: Action) {
        self.actions.push(action);
    }

    fn wait(&mut self, wait: Waiting) {
        if !self.waits.contains(&wait) {
            self.waits.push(wait);
        }
    }

    fn take_names(&mut self, count: usize) -> Vec<MemberName> {
        let object = &self.snapshot.object;
        let name = |serial| member_name(&object.name, self.snapshot.seed, serial);
        let names = (self.record.names..).take(count).map(name).collect();
        self.record.names += count as u64;
        names
    }
}

/// The record of a member that was first started, as one that belongs to the cluster.
fn adopted(list: &Membership, first: &MemberRecord) -> MemberRecord {
    MemberRecord { id: list.id_of(&first.name), failing_since: None, ..first.clone() }
}
