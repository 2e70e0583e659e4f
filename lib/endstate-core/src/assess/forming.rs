//! Whether the first members have formed the cluster.

use super::Assessed;
use crate::app::App;
use crate::id::Uid;
use crate::limits::quorum;
use crate::record::{Bootstrap, MemberRecord};
use crate::view::Membership;

impl<'a, A: App> Assessed<'a, A> {
    /// Records the cluster once it is formed, and the pods of a quorum say that their members were started: from then
    /// on clients are let in, and none of these members may ever start empty again.
    pub(super) fn note_formation(&mut self) -> bool {
        let Some(first) = self.record.bootstrap.clone() else { return false };
        let Some(list) = self.formed(&first).filter(|it| self.marked(it) >= needed(it)) else {
            return false;
        };
        self.record.members = first.members.iter().map(|it| adopted(list, it)).collect();
        self.record.cluster_id = Some(list.cluster.clone());
        self.record.bootstrap = None;
        if let Some(restoring) = self.record.restoring.take() {
            let there = |it: &Uid| self.snapshot.beside.iter().any(|other| other.uid == *it);
            self.record.restored.retain(there);
            self.record.restored.push(restoring.by);
        }
        self.record.backoff = None;
        self.cluster = Some(self.join(list)).filter(|it| it.leader().is_some());
        true
    }

    /// The list of members, if exactly these members gave it and a quorum of them agrees.
    pub(crate) fn formed(&self, first: &Bootstrap) -> Option<&'a Membership> {
        let list = self.list()?;
        let same = list.members.len() == first.members.len()
            && first.members.iter().all(|it| list.entry(&it.name).is_some());
        (same && list.agreed >= needed(list)).then_some(list)
    }

    /// How many voters' pods say that they were started.
    pub(crate) fn marked(&self, list: &Membership) -> usize {
        let pods = list.voters().filter_map(|it| self.snapshot.pod(&it.name));
        pods.filter(|it| it.marks.started.is_some()).count()
    }
}

fn needed(list: &Membership) -> usize {
    quorum(list.voters().count())
}

/// The record of a member that was first started, as one that belongs to the cluster.
fn adopted(list: &Membership, first: &MemberRecord) -> MemberRecord {
    let votes = list.entry(&first.name).is_some_and(|it| it.votes);
    let id = list.id_of(&first.name).cloned();
    MemberRecord { id, votes, failing_since: None, ..first.clone() }
}
