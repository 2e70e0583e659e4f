//! The world of the stories: a cluster in which whatever is asked for works at once.

use std::collections::{BTreeMap, BTreeSet};

use endstate_core::{
    Blocked, Corruption, Entry, Identity, Lead, MemberId, MemberName, MemberStatus, Membership,
    Pod, Position, Reach, Refusal, Room, Snapshot, Standing, Start, Starting, Step, Target, Tended,
    member_name,
};

use super::Told;

pub(super) const CLUSTER: &str = "c1";

#[derive(Clone)]
pub(crate) struct World<A: Told> {
    pub(super) app: A,
    pub(crate) snapshot: Snapshot<A::Spec>,
    /// Members whose process works.
    pub(super) working: Vec<MemberName>,
    /// Those of them that their peers do not reach.
    pub(super) cut: Vec<MemberName>,
    /// Those whose process started anew and has found no quorum.
    pub(super) waiting: Vec<MemberName>,
    /// Members answer nobody without a user.
    pub(super) guarded: bool,
    pub(super) leader: Option<MemberName>,
    /// Those who say that somebody else leads.
    pub(super) misled: BTreeMap<MemberName, MemberId>,
    /// What each member's process runs.
    pub(super) running: BTreeMap<MemberName, String>,
    /// How each member's pod starts.
    pub(super) starts: BTreeMap<MemberName, Start>,
    /// Whose data directory, or volume, is not empty.
    pub(super) data: BTreeSet<MemberName>,
    /// How much of the history members have; the others have all of it.
    pub(super) positions: BTreeMap<MemberName, Position>,
    /// What the application's own steps left in the history.
    pub(super) history: Position,
    /// Whom the alarms that stand accuse of corrupt data.
    pub(super) alarms: Vec<Corruption>,
    /// Whose data is another than that of the rest, and says so when it is compared.
    pub(super) wrong: Vec<MemberName>,
    /// What images hold, whatever their tags say.
    pub(super) mislabelled: Option<String>,
    /// When the last plan wants to look again.
    pub(super) look_again_ms: Option<u32>,
    /// Whether the last plan waits for a time to come.
    pub(super) timed: bool,
    /// Pods that were changed in place and not restarted yet.
    pub(super) changed: Vec<MemberName>,
    /// Whether marks are told of; else they are written before everything else, and are no news.
    pub(super) marks_told: bool,
    /// The pods whose marks the API refuses.
    pub(super) unmarkable: Vec<MemberName>,
    /// The API refuses the objects around the members: no claim is made or changed.
    pub(super) unwritable: bool,
    /// What becomes of the objects beside the cluster, by the last plan.
    pub(super) written: Vec<Tended>,
    /// Whether what an operation asks of a member takes long.
    pub(super) slow: bool,
    /// The cluster that members say they are of.
    pub(super) cluster: &'static str,
    pub(super) versions: u64,
    pub(crate) memory: A::Memory,
}

impl<A: Told> Default for World<A> {
    fn default() -> Self {
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        let object = Identity::new("default", "demo", "0c5f");
        Self {
            app: A::default(),
            snapshot: Snapshot::new(now, object, A::spec()),
            working: vec![],
            cut: vec![],
            waiting: vec![],
            guarded: false,
            leader: None,
            misled: BTreeMap::new(),
            running: BTreeMap::new(),
            starts: BTreeMap::new(),
            data: BTreeSet::new(),
            positions: BTreeMap::new(),
            history: Position::default(),
            alarms: vec![],
            wrong: vec![],
            mislabelled: None,
            look_again_ms: None,
            timed: false,
            changed: vec![],
            marks_told: false,
            unmarkable: vec![],
            unwritable: false,
            written: vec![],
            slow: false,
            cluster: CLUSTER,
            versions: 1,
            memory: A::Memory::default(),
        }
    }
}

impl<A: Told> World<A> {
    /// The name of m0, m1, ...; any other name is meant as it is.
    pub(crate) fn name(&self, name: &str) -> MemberName {
        let serial = name.strip_prefix('m').and_then(|it| it.parse().ok());
        serial.map_or_else(|| name.into(), |it| member_name("demo", self.snapshot.seed, it))
    }

    pub(super) fn pod(&mut self, name: &MemberName) -> &mut Pod<A::Spec> {
        let version = self.version();
        let pods = self.snapshot.pods.as_mut().unwrap();
        let pod = pods.iter_mut().find(|it| it.name == *name).unwrap();
        pod.resource_version = version.into();
        pod
    }

    /// Where the scheduler puts a pod: on the open node, if there are nodes, with the fewest.
    pub(super) fn emptiest(&self) -> Option<String> {
        let pods = self.snapshot.pods.as_deref().unwrap_or_default();
        let open = self.snapshot.places.iter().filter(|it| it.room == Room::Open);
        let on = |node: &str| pods.iter().filter(|it| it.node.as_deref() == Some(node)).count();
        open.min_by_key(|it| on(&it.node)).map(|it| it.node.clone())
    }

    pub(super) fn version(&mut self) -> String {
        self.versions += 1;
        self.versions.to_string()
    }

    pub(super) fn list(&mut self) -> &mut Membership {
        self.snapshot.view.membership.as_mut().unwrap()
    }

    /// The id that the application gives to who comes next.
    pub(super) fn next_id(&self) -> MemberId {
        let list = self.snapshot.view.membership.iter().flat_map(|it| &it.members);
        let most = list.map(|it| it.id.parse::<u64>().unwrap()).max();
        (most.unwrap_or(0) + 1).to_string().into()
    }

    /// Makes the view what the members that work would say now.
    pub(super) fn elect(&mut self) {
        let appointed = self.is_appointed();
        let Some(list) = &mut self.snapshot.view.membership else {
            let pods = self.snapshot.pods.iter().flatten();
            let pods = pods.filter(|it| !self.working.contains(&it.name));
            let silent = |it: &Pod<_>| Target::silent(it.name.clone(), Reach::Unreachable);
            self.snapshot.view.targets = pods.map(silent).collect();
            return;
        };
        let voters: Vec<_> = list.voters().map(|it| it.name.clone()).collect();
        let meets = |it: &MemberName| self.working.contains(it) && !self.cut.contains(it);
        let up = voters.iter().filter(|it| meets(it)).count();
        let leads = |it: &MemberName| meets(it) && voters.contains(it);
        if appointed {
            self.leader.take_if(|it| !self.working.contains(it));
        } else if up <= voters.len() / 2 {
            self.leader = None;
        } else if !self.leader.as_ref().is_some_and(leads) {
            self.leader = voters.iter().find(|it| meets(it)).cloned();
        }
        let answers = |it: &&MemberName| self.working.contains(it);
        list.agreed = match appointed {
            true => voters.iter().filter(answers).count(),
            false if self.leader.is_some() => up,
            false => 0,
        };
        let members = list.members.clone();
        self.snapshot.view.targets =
            members.iter().chain(&self.coming()).map(|it| self.target(it)).collect();
        let view = std::mem::take(&mut self.snapshot.view);
        let (consent, record) = (self.snapshot.consent.as_ref(), &self.snapshot.status.record);
        self.snapshot.view = view.accused_by(consent, record);
        A::live(&mut self.memory, &mut self.snapshot);
    }

    /// Whether nobody is elected.
    fn is_appointed(&self) -> bool {
        let topology = self.app.topology(&self.snapshot.spec);
        topology.voting().is_some_and(|it| matches!(it.lead, Lead::Appointed(_)))
    }

    /// Who works and is not listed yet.
    fn coming(&self) -> Option<Entry> {
        let Some(Step::Join { member }) = &self.snapshot.status.record.step else { return None };
        let listed = self.snapshot.view.membership.as_ref()?.entry(&member.name).is_some();
        let id = member.id.clone().unwrap_or_else(|| self.next_id());
        let comes = !listed && self.working.contains(&member.name);
        comes.then(|| Entry::non_voter(id, member.name.clone()))
    }

    fn target(&self, entry: &Entry) -> Target {
        let name = entry.name.clone();
        if !self.working.contains(&name) {
            let silent = Target::silent(name.clone(), Reach::Unreachable);
            let starting = Starting::new(entry.id.clone(), self.position(&name));
            let waits = self.waiting.contains(&name) && self.snapshot.pod(&name).is_some();
            return if waits { silent.starting(starting) } else { silent };
        }
        let list = self.snapshot.view.membership.as_ref();
        let leader = self.leader.as_ref().and_then(|it| list?.id_of(it));
        let standing = match entry {
            it if !it.votes => Standing::NonVoter,
            it if leader == Some(&it.id) => Standing::Leader,
            _ => Standing::Voter,
        };
        let follows = leader.filter(|_| !self.cut.contains(&name));
        let mut status = MemberStatus::new(entry.id.clone(), self.cluster, standing)
            .at(self.position(&name))
            .runs(self.running.get(&name).cloned().unwrap_or_default())
            .holds(20_480)
            .reports(self.alarms.clone());
        status.leader = self.misled.get(&name).or(follows).cloned();
        Target::answered(name, status)
    }

    pub(super) fn position(&self, name: &MemberName) -> Position {
        let all = || Position::at(1_000).and(&self.history);
        self.positions.get(name).cloned().unwrap_or_else(all)
    }

    /// What of the world is shown: less to somebody without a user, or without a leader.
    pub(super) fn seen(&self) -> Snapshot<A::Spec> {
        let mut snapshot = self.snapshot.clone();
        let leaderless = self.leader.is_none() && !A::ANSWERS_WITHOUT_LEADER;
        if self.guarded || leaderless {
            snapshot.view.membership = None;
            for target in snapshot.view.targets.iter_mut().filter(|it| it.status.is_some()) {
                let serves = self.leader.is_some() && !self.cut.contains(&target.name);
                let refusal = match serves {
                    _ if leaderless => Refusal::Other,
                    true => Refusal::Guarded,
                    false => Refusal::NeedsUser,
                };
                (target.reach, target.status) = (Reach::Refused(refusal), None);
            }
        }
        snapshot
    }

    /// Refusals that rest no more are forgotten.
    pub(super) fn rest(&mut self) {
        let now = self.snapshot.now;
        self.snapshot.blocked.retain(|it: &Blocked| it.rests(now));
    }

    /// An action is refused.
    pub(super) fn refuse(&mut self, blocked: Blocked) {
        self.snapshot.blocked.retain(|it| it.action != blocked.action);
        self.snapshot.blocked.push(blocked);
    }
}
