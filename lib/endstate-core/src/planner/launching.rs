//! Launches, peers and names of new members.

use super::names::member_name;
use crate::app::App;
use crate::assess::Assessed;
use crate::id::{MemberId, MemberName};
use crate::launch::{Launch, LaunchOf, Peer, Start};
use crate::member::Cluster;
use crate::plan::Action;
use crate::planner::verdict::{Move, Note};
use crate::pod::{Pod, PodRef};
use crate::reason::LeaveReason;
use crate::record::{MemberRecord, Restarted, Step};
use crate::topology::{IdSource, Role};
use crate::waiting::Waiting;

/// Names, and ids, that were never used before.
pub(super) struct New {
    pub(super) members: Vec<MemberRecord>,
    pub(super) names: u64,
    pub(super) ids: u64,
}

impl<A: App> Assessed<'_, A> {
    pub(super) fn launch(&self, member: &MemberRecord, start: Option<&Start>) -> Box<Launch> {
        let spec = self.record.in_force().unwrap_or(&self.snapshot.spec);
        self.launch_by(spec, member, start)
    }

    /// The same, of a member that is put back as it was: by what members worked by before, until one works by what is
    /// in force. Whoever is being changed gets that: its pod made room for it.
    pub(super) fn launch_again(&self, member: &MemberRecord, start: &Start) -> Box<Launch> {
        let changed = member.restarted.is_some()
            || matches!(&self.record.step, Some(Step::Restart { name }) if *name == member.name);
        // Who joins is listed with the address that it has by what is in force.
        let found = |it: &&A::Spec| {
            let address = || self.app.address(&self.snapshot.object, it, &member.name);
            !matches!(start, Start::Existing { .. }) || address() == self.address(&member.name)
        };
        match self.record.proven.as_ref().filter(|_| !changed).filter(found) {
            Some(spec) => self.launch_by(spec, member, Some(start)),
            None => self.launch(member, Some(start)),
        }
    }

    /// The same, by what is accepted: a cluster that begins anew has no stages on the way to that.
    pub(super) fn launch_anew(&self, member: &MemberRecord, start: &Start) -> Box<Launch> {
        let accepted = self.record.accepted.as_ref().map(|it| &it.spec);
        self.launch_by(accepted.unwrap_or(&self.snapshot.spec), member, Some(start))
    }

    fn launch_by(
        &self,
        spec: &A::Spec,
        member: &MemberRecord,
        start: Option<&Start>,
    ) -> Box<Launch> {
        let object = &self.snapshot.object;
        let volumes = self.snapshot.volumes_of(&member.name);
        let source = self.record.restoring.as_ref().map(|it| &it.source);
        let of = LaunchOf::new(object, spec, member).has(volumes).source(source);
        let mut launch = self.app.launch(&LaunchOf { start, ..of });
        for directory in &mut launch.guard.data {
            let claim = self.snapshot.claim(&directory.volume, &member.name);
            if let Some(has) = claim.and_then(|it| it.volume.as_ref()) {
                directory.storage = std::mem::take(&mut directory.storage).on(has);
            }
        }
        Box::new(launch)
    }

    /// What is recorded of a member that may be nobody's.
    pub(super) fn recorded(&self, name: &MemberName) -> MemberRecord {
        let known = self.record.find(name).cloned();
        let role = || self.target.as_ref().and_then(|it| it.voting()).map(|it| it.name.clone());
        known.unwrap_or_else(|| MemberRecord::new(name.clone(), role().unwrap_or_default()))
    }

    /// How others find a member.
    pub(super) fn peer(&self, member: &MemberRecord) -> Peer {
        let address = self.address(&member.name);
        Peer::new(member.name.clone(), address, member.role.clone()).id(member.id.clone())
    }

    pub(super) fn address(&self, member: &MemberName) -> String {
        let spec = self.record.in_force().unwrap_or(&self.snapshot.spec);
        self.app.address(&self.snapshot.object, spec, member)
    }

    /// How the members of a cluster find each other, by name.
    pub(super) fn peers(&self, cluster: &Cluster) -> Vec<Peer> {
        let peer = |it: &crate::Member| {
            let address = it.address.clone().unwrap_or_else(|| self.address(&it.name));
            let peer = Peer::new(it.name.clone(), address, it.role.clone());
            peer.id(Some(it.id.clone())).voting(it.votes)
        };
        cluster.members.iter().map(peer).collect()
    }

    /// New members of a role: `count` of them, after so many names and ids.
    pub(super) fn new_members(&self, role: &Role, count: usize, ids: u64) -> Result<New, Waiting> {
        let (object, first) = (&self.snapshot.object, self.record.names);
        // Somebody may have added a member by hand. A list is of this cluster only once that is recorded.
        let list = self.list().filter(|_| self.record.cluster_id.is_some());
        let listed = |id: &MemberId| list.iter().any(|it| it.members.iter().any(|it| it.id == *id));
        let free = |number: &u64| !listed(&MemberId::from(number.to_string()));
        let numbers: Vec<_> = self.spare().chain(ids + 1..).filter(free).take(count).collect();
        let allocated = |number: u64| match role.identity {
            IdSource::Application => Ok(None),
            IdSource::Allocated { max } if number > max => Err(Waiting::ForIds { max }),
            IdSource::Allocated { .. } => Ok(Some(MemberId::from(number.to_string()))),
        };
        let member = |(serial, number): (u64, &u64)| {
            let name = member_name(&object.name, self.snapshot.seed, serial);
            let id = allocated(*number)?;
            Ok(MemberRecord { id, ..MemberRecord::new(name, role.name.clone()) })
        };
        let ids = match role.identity {
            IdSource::Application => ids,
            IdSource::Allocated { .. } => numbers.last().map_or(ids, |it| ids.max(*it)),
        };
        let members = (first..).zip(&numbers).map(member).collect::<Result<_, Waiting>>()?;
        Ok(New { members, names: first + count as u64, ids })
    }

    /// The ids that came to nothing and that no process has any more.
    fn spare(&self) -> impl Iterator<Item = u64> {
        let record = self.record.spare.iter();
        let free = record.filter(|it| self.snapshot.pod(&it.member).is_none());
        free.filter_map(|it| it.id.parse().ok())
    }

    /// Restarts a pod in place.
    pub(super) fn restart(&self, pod: &Pod<A::Spec>) -> Move {
        let launch = self.launch(&self.recorded(&pod.name), None);
        self.told(pod).acts(Action::RestartPod { pod: PodRef::from(pod), launch })
    }

    /// Deletes a pod so that another is made on the same claim.
    pub(super) fn recreate(&self, pod: &Pod<A::Spec>) -> Move {
        let reason = LeaveReason::Recreated;
        self.told(pod).acts(Action::DeletePod { pod: PodRef::from(pod), reason })
    }

    fn told(&self, pod: &Pod<A::Spec>) -> Move {
        let told = Restarted::of(pod, self.snapshot.now);
        Move::default().notes(Note::Restarted { member: pod.name.clone(), told })
    }

    /// How members find each other: as a quorum lists them, or else as far as is known, and who is coming.
    fn known_peers(&self) -> Vec<Peer> {
        let votes = |name: &str| self.voting_members().any(|it| *it.name == *name);
        let mut peers = self.cluster.as_ref().map(|it| self.peers(it)).unwrap_or_default();
        for member in self.record.everyone().filter(|it| !self.record.is_made(&it.name)) {
            if peers.iter().all(|it| it.name != member.name) {
                let votes = self.cluster.is_none() && votes(&member.name);
                peers.push(self.peer(member).voting(votes));
            }
        }
        peers.sort_by(|a, b| a.name.cmp(&b.name));
        peers
    }

    /// Makes the pods of these members again, on their claims.
    pub(super) fn resume(&self, members: &[&MemberRecord]) -> Move {
        let peers = self.known_peers();
        let names = members.iter().map(|it| it.name.clone()).collect();
        let mut wanted = Move::default().notes(Note::Asked(names));
        for member in members {
            let start = Start::Resume { members: peers.clone() };
            let launch = self.launch_again(member, &start);
            wanted = wanted.acts(Action::CreatePod { member: member.name.clone(), start, launch });
        }
        wanted
    }
}
