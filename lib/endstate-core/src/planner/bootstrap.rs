//! How a cluster comes into being: N members at once, with their names recorded first.
//!
//! Until the cluster's identity is recorded no client can reach it, because the client service does
//! not exist yet. So an attempt that lost a member, or that no longer is what is asked for, holds
//! nothing of value: it is thrown away as a whole, and the next attempt has other names. No name is
//! ever started empty a second time.

use super::{Draft, adopted};
use crate::{
    app::{App, Change, Start},
    cluster::{find_pod, health, quorum},
    plan::{Action, PodRef},
    record::{Bootstrap, LeaveReason, MemberRecord},
    snapshot::Pod,
    view::{Membership, Reach},
    waiting::Waiting,
};

impl<'a, A: App> Draft<'a, A> {
    pub(super) fn bootstrap(&mut self, wanted: usize) {
        let Some(first) = self.record.bootstrap.clone() else { return self.first_attempt(wanted) };
        if let Some(list) = self.formed(&first) {
            // From here on the cluster exists. What it needs next is seen next.
            self.record.members = first.members.iter().map(|it| adopted(list, it)).collect();
            self.record.cluster_id = Some(list.cluster);
            self.record.bootstrap = None;
            self.record.setback = None;
            self.cluster = Some(self.assemble(list)).filter(|it| it.leader().is_some());
            return;
        }
        if self.is_hopeless(&first, wanted) {
            if self.is_as_asked(&first, wanted) {
                let mut healths = first.members.iter().map(|it| health(self.snapshot, it));
                let dead = healths.find(|it| it.is_given_up());
                let why = dead.as_ref().and_then(|it| it.why()).unwrap_or("it cannot form");
                self.set_back(why.to_owned());
            }
            return self.attempt(first.attempt + 1, wanted);
        }
        if let Some(stray) = self.leftover(&first) {
            let (pod, reason) = (PodRef::from(stray), LeaveReason::Stray);
            return self.act(Action::DeletePod { pod, reason });
        }
        self.ask_for_pods(&first);
        if self.actions.is_empty() {
            let names: Vec<_> = first.members.iter().map(|it| it.name.clone()).collect();
            self.restart_first_outdated(&names);
        }
        self.wait_for_formation(&first);
    }

    fn first_attempt(&mut self, wanted: usize) {
        let pods = self.snapshot.pods.as_ref().map_or(0, Vec::len);
        if pods > 0 {
            // Somebody lost the status. What these pods hold is not known, so nothing is started.
            return self.wait(Waiting::ForRecord { pods });
        }
        self.attempt(1, wanted);
        if let Some(first) = self.record.bootstrap.clone() {
            self.ask_for_pods(&first);
            self.wait_for_formation(&first);
        }
    }

    fn attempt(&mut self, attempt: u32, wanted: usize) {
        let members = self.take_names(wanted).into_iter().map(MemberRecord::new).collect();
        self.record.bootstrap = Some(Bootstrap { attempt, members });
    }

    /// The list of members, if exactly these members gave it and a quorum of them agrees.
    fn formed(&self, first: &Bootstrap) -> Option<&'a Membership> {
        let list = self.list()?;
        let same = list.members.len() == first.members.len()
            && first.members.iter().all(|it| list.entry(&it.name).is_some());
        (same && list.agreed >= quorum(list.voters().count())).then_some(list)
    }

    /// Whether the attempt cannot succeed or is not what is asked for any more. Not said while a
    /// member that may run was not asked.
    fn is_hopeless(&self, first: &Bootstrap, wanted: usize) -> bool {
        let pods = || first.members.iter().filter_map(|it| find_pod(self.snapshot, &it.name));
        let asked =
            |it: &Pod<A::Spec>| !it.started || self.snapshot.view.reach(&it.name) != Reach::Unknown;
        pods().all(asked) && (!self.is_as_asked(first, wanted) || self.cannot_form(first))
    }

    /// Whether the attempt still is what is asked for.
    fn is_as_asked(&self, first: &Bootstrap, wanted: usize) -> bool {
        let other = |it: &Pod<A::Spec>| match (&it.spec, &self.record.accepted) {
            (Some(old), Some(accepted)) => self.app.change(old, &accepted.spec) == Change::Recreate,
            _ => false,
        };
        let mut pods = first.members.iter().filter_map(|it| find_pod(self.snapshot, &it.name));
        wanted == first.members.len() && !pods.any(other)
    }

    /// Whether members are lost and those that run are too few to form the cluster without them.
    fn cannot_form(&self, first: &Bootstrap) -> bool {
        let healths = || first.members.iter().map(|it| health(self.snapshot, it));
        healths().any(|it| it.is_given_up())
            && healths().filter(|it| !it.is_stopped()).count() < quorum(first.members.len())
    }

    /// A pod of an earlier attempt that nobody has deleted yet.
    fn leftover(&self, first: &Bootstrap) -> Option<&Pod<A::Spec>> {
        let belongs = |pod: &Pod<A::Spec>| first.members.iter().any(|it| it.name == pod.name);
        let pods = self.snapshot.pods.as_ref()?.iter();
        pods.filter(|it| !belongs(it) && !it.deleting).min_by_key(|it| &it.name)
    }

    /// Asks for the pods that were not asked for yet, which is all of them or none.
    fn ask_for_pods(&mut self, first: &Bootstrap) {
        let start = Start::New {
            token: self.snapshot.object.uid.to_string(),
            members: self.peers(first.members.iter().map(|it| &it.name)),
        };
        let new = |it: &&MemberRecord| it.asked.is_none() && it.pod.is_none();
        if !first.members.iter().any(|it| new(&it)) || !self.may_try() {
            return;
        }
        for member in first.members.iter().filter(new) {
            let (member, start) = (member.name.clone(), start.clone());
            let launch = self.launch(&member, Some(&start));
            self.act(Action::CreatePod { member, start, launch });
        }
        let now = self.snapshot.now;
        for member in self.record.bootstrap.iter_mut().flat_map(|it| &mut it.members) {
            if member.pod.is_none() {
                member.asked = member.asked.or(Some(now));
            }
        }
    }

    fn wait_for_formation(&mut self, first: &Bootstrap) {
        let pods = first.members.iter().filter_map(|it| find_pod(self.snapshot, &it.name));
        let started = pods.filter(|it| it.started).count();
        self.wait(Waiting::ForFormation { started, of: first.members.len() });
        for member in &first.members {
            let health = health(self.snapshot, member);
            if let (true, Some(why)) = (health.is_stopped(), health.why()) {
                let (member, why) = (member.name.clone(), why.to_owned());
                self.wait(Waiting::ForPod { member, why });
            }
        }
    }
}
