//! What happens to members, their pods and their volumes.

use endstate_core::{
    ActionKey, ActionKind, Blocked, Claim, Comparison, Corruption, Denial, Digest, Entry, Evidence,
    Exit, Marks, MemberName, MemberVolume, Membership, NodeFault, PodPhase, Position, Reclaim,
    Start, Trouble, VolumeSpec, Words,
};
use jiff::SignedDuration;

use super::world::CLUSTER;
use super::{Told, World};

impl<A: Told> World<A> {
    /// The process of a member starts, if it finds what it needs.
    pub(super) fn start(&mut self, name: &MemberName) {
        let blank = self.starts.get(name).is_some_and(|it| it.may_be_blank());
        if !blank && !self.data.contains(name) {
            return self.wipe(name);
        }
        if matches!(self.starts.get(name), Some(Start::Prepare { .. })) {
            self.data.insert(name.clone());
            return self.show(name, (Evidence::Prepared, "the data is made"));
        }
        self.data.insert(name.clone());
        let first = !self.pod(name).started;
        let mislabelled = self.mislabelled.clone();
        let app = self.app.clone();
        let pod = self.pod(name);
        pod.restarts += u32::from(!first);
        (pod.phase, pod.started, pod.ready) = (PodPhase::Running, true, true);
        (pod.trouble, pod.exit) = (None, None);
        let asked = app.topology(pod.spec.as_ref().unwrap()).version;
        self.running.insert(name.clone(), mislabelled.unwrap_or(asked));
        self.working.push(name.clone());
        match self.starts.get(name) {
            Some(Start::New { .. }) if self.snapshot.status.record.cluster_id.is_none() => {
                self.form()
            }
            Some(Start::Recover { .. }) if first => {
                self.list().members.retain(|it| it.name == *name);
            }
            _ => {}
        }
    }

    /// What was compared before an alarm says nothing of it.
    pub(super) fn alarm(&mut self, of: Corruption) {
        self.alarms.push(of);
        self.snapshot.view.comparisons.clear();
    }

    /// The data of a member is another than before, and so is what it comes to.
    pub(super) fn differ(&mut self, name: &MemberName) {
        self.wrong.push(name.clone());
    }

    /// The data of all voters who work is compared, each time at a later revision.
    pub(super) fn compare(&mut self) {
        let view = &self.snapshot.view;
        let list = view.membership.as_ref().unwrap();
        let hash = |it: &MemberName| {
            self.wrong.iter().position(|wrong| wrong == it).map_or(0xa0, |it| 0xb0 + it as u64)
        };
        let works = |it: &&Entry| self.working.contains(&it.name);
        let digests = list.voters().filter(works);
        let digests = digests.map(|it| (it.id.clone(), Digest { since: 1, hash: hash(&it.name) }));
        let revision = 100 + view.comparisons.last().map_or(0, |it| it.revision);
        let voters = list.voters().map(|it| it.id.clone());
        let compared = Comparison::new(revision, voters, digests);
        self.snapshot.view.comparisons.push(compared);
    }

    /// The first members form the cluster when a quorum of them works.
    fn form(&mut self) {
        let Some(first) = &self.snapshot.status.record.bootstrap else { return };
        let up = first.members.iter().filter(|it| self.working.contains(&it.name)).count();
        if up > first.members.len() / 2 {
            let entry = |(index, it): (u64, &endstate_core::MemberRecord)| {
                let id = it.id.clone().unwrap_or_else(|| index.to_string().into());
                Entry::voter(id, it.name.clone())
            };
            let members: Vec<_> = (1..).zip(&first.members).map(entry).collect();
            let before = self.snapshot.view.membership.take();
            let lists =
                before.iter().any(|it| it.members.iter().all(|it| it.name != members[0].name));
            self.cluster = if lists { "c2" } else { CLUSTER };
            self.snapshot.view.membership = Some(Membership::new(self.cluster, members));
        }
    }

    pub(super) fn stop(&mut self, name: &MemberName) {
        self.pod(name).ready = false;
        self.working.retain(|it| it != name);
    }

    /// What a member had is gone, and its launcher says so.
    pub(super) fn wipe(&mut self, name: &MemberName) {
        self.data.remove(name);
        self.show(name, (Evidence::DataLost, "its directory is empty"));
    }

    /// The launcher of a member refuses to start it, by this evidence.
    pub(super) fn show(&mut self, name: &MemberName, (evidence, why): (Evidence, &str)) {
        self.stop(name);
        let pod = self.pod(name);
        let message = evidence.message(why);
        pod.exit = Some(Exit::of(evidence.exit_code().into(), None, &message));
        pod.trouble = Some(Trouble::from_reason("CrashLoopBackOff", &message));
        pod.started = true;
        pod.restarts += 3;
    }

    /// A pod goes, and with it what is not on a volume.
    pub(super) fn evict(&mut self, name: &MemberName) {
        self.working.retain(|it| it != name);
        self.snapshot.pods.as_mut().unwrap().retain(|it| it.name != *name);
        self.snapshot.claims.retain(|it| it.member != *name || !it.deleting);
        if !self.snapshot.is_durable(name) {
            self.data.remove(name);
        }
    }

    pub(super) fn end_pod(&mut self, name: &MemberName) {
        self.stop(name);
        self.pod(name).phase = PodPhase::Failed;
    }

    /// Its pod is going, and goes only when its node is back.
    pub(super) fn hold_pod(&mut self, name: &MemberName) {
        self.stop(name);
        self.pod(name).deleting = true;
    }

    /// Somebody makes a pod of this name anew.
    pub(super) fn replace_pod(&mut self, name: &MemberName) {
        self.stop(name);
        let uid = self.version();
        let pod = self.pod(name);
        (pod.uid, pod.started, pod.phase) = (uid.into(), false, PodPhase::Pending);
        pod.trouble = Some(Trouble::from_reason("Unschedulable", "0/1 nodes are available"));
    }

    /// Of a member some claims may stay, and then the rest of its data is of no use.
    pub(super) fn drop_claim(&mut self, claim: &str, name: &MemberName) {
        self.snapshot.claims.retain(|it| it.name != claim);
        self.data.remove(name);
    }

    /// The claim is deleted by hand while a pod uses it: it goes when the pod has gone.
    pub(super) fn hold_claim(&mut self, claim: &str) {
        let claims = self.snapshot.claims.iter_mut();
        claims.filter(|it| it.name == claim).for_each(|it| it.deleting = true);
    }

    /// A member's claim asks for this volume. As in the API, its class stays.
    pub(super) fn claim(&mut self, wanted: MemberVolume) {
        let (version, name, claim) = (self.version(), &wanted.member, wanted.claim());
        let volume = &wanted.volume;
        if self.snapshot.claims.iter().all(|it| it.name != claim) {
            let uid = format!("claim-{version}");
            let claim = Claim::new(claim.clone(), uid, version, name.clone());
            let role = self.snapshot.status.record.find(name).map(|it| it.role.clone());
            let claim = claim.of_role(role).volume(volume.clone()).beside(wanted.beside);
            self.snapshot.claims.push(claim);
        }
        for it in self.snapshot.claims.iter_mut().filter(|it| it.name == claim) {
            it.retained = volume.retention.when_scaled == Reclaim::Retain;
            let class = it.volume.take().and_then(|it| it.class);
            let size = VolumeSpec::new(volume.size.as_str());
            assert!(volume.class.is_none() || volume.class == class, "{name}: a class is for ever");
            it.volume = Some(size.class(class));
        }
    }

    pub(super) fn set_position(&mut self, name: &str, position: &str) -> String {
        let position = match position {
            "nothing" => Position::default(),
            it => it.parse().unwrap(),
        };
        self.positions.insert(self.name(name), position);
        String::new()
    }

    /// The API refused to make these pods.
    pub(super) fn not_created(&mut self, names: &[&str]) -> String {
        let mut not_created = vec![];
        self.each(names, |it, name| {
            it.evict(name);
            not_created.push(name.clone());
        });
        let action = ActionKey { kind: ActionKind::CreatePod, member: not_created[0].clone() };
        let denial = Denial::Api { message: Words::of("exceeded quota") };
        let at = self.snapshot.now - SignedDuration::from_secs(1);
        self.refuse(Blocked::new(action, denial, at).not_created(not_created));
        String::new()
    }

    /// Somebody adds a member that nothing here knows.
    pub(super) fn list_stranger(&mut self, name: &str, votes: bool) -> String {
        let name = self.name(name);
        let list = self.list();
        let id = (list.members.len() + 20).to_string();
        list.members.push(Entry::voter(id, name).voting(votes));
        String::new()
    }

    pub(super) fn promote(&mut self, name: &MemberName) {
        let members = self.list().members.iter_mut();
        members.filter(|it| it.name == *name).for_each(|it| it.votes = true);
    }

    pub(super) fn unlist(&mut self, name: &MemberName) {
        self.list().members.retain(|it| it.name != *name);
    }

    pub(super) fn crash(&mut self, name: &MemberName) {
        self.stop(name);
        let pod = self.pod(name);
        pod.trouble = Some(Trouble::from_reason("CrashLoopBackOff", "exit 2"));
        pod.started = true;
        pod.exit = Some(Exit::of(2, None, "starting\nunknown flag: --colour\n"));
        pod.restarts += 3;
    }

    /// The containers of these end with an exit code and a message: "end m0 m1 137 message".
    pub(super) fn end(&mut self, words: &[&str], line: &str) -> String {
        let is_name = |it: &&&str| it.starts_with('m') && it[1..].parse::<u64>().is_ok();
        let names = words.iter().take_while(is_name).count();
        let code = words[names];
        let message = line.split_once(&format!(" {code} ")).unwrap().1;
        self.each(&words[..names], |it, name| {
            it.stop(name);
            let pod = it.pod(name);
            pod.exit = Some(Exit::of(code.parse().unwrap(), None, message));
            pod.trouble = Some(Trouble::from_reason("CrashLoopBackOff", message));
            pod.restarts += 1;
        })
    }

    pub(super) fn no_image(&mut self, name: &MemberName) {
        self.stop(name);
        self.pod(name).trouble = Some(Trouble::from_reason("ErrImagePull", "not found"));
    }

    pub(super) fn no_node(&mut self, name: &MemberName) {
        let trouble = Trouble::from_reason("Unschedulable", "0/1 nodes are available");
        self.pod(name).trouble = Some(trouble);
    }

    pub(super) fn lose_node(&mut self, name: &MemberName) {
        self.stop(name);
        self.pod(name).node_fault = Some(NodeFault::Gone);
    }

    /// Somebody takes the marks of a pod away.
    pub(super) fn unmark(&mut self, name: &MemberName) {
        self.pod(name).marks = Marks { owned: false, ..Marks::default() };
    }
}
