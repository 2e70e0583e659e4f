//! Groups that have a leader of their own, which votes for them: who has a copy of what a group holds, and which group
//! nobody leads.

use super::Assessed;
use crate::app::App;
use crate::id::RoleName;
use crate::member::{Cluster, Member};
use crate::record::MemberRecord;
use crate::topology::{Topology, Unit};
use crate::waiting::Waiting;

/// Whether one is another of the same group.
pub(crate) fn is_beside(other: &Member, member: &Member) -> bool {
    let same = other.role == member.role && other.group == member.group;
    same && other.recorded && other.name != member.name
}

/// Whether another of its group works and has what the group has.
pub(crate) fn has_copy_beside(cluster: &Cluster, member: &Member) -> bool {
    cluster.members.iter().any(|it| is_beside(it, member) && it.has_copy())
}

/// Whether its group, if it has a leader of its own, still has what it had without this member. One in which nobody
/// votes holds nothing; who lost its data has nothing either, and one that nothing here added is no part of it.
pub(crate) fn leaves_a_copy(cluster: &Cluster, target: &Topology, member: &Member) -> bool {
    let holds = || cluster.own(&member.role, member.group).any(|it| it.votes);
    let nothing = !member.votes && member.health.is_lost();
    let part = member.recorded && target.is_led(&member.role);
    !part || nothing || has_copy_beside(cluster, member) || !holds()
}

impl<A: App> Assessed<'_, A> {
    /// Who leads a member: the leader of its group, or of the cluster.
    pub(crate) fn leader_for<'c>(
        &self,
        cluster: &'c Cluster,
        member: &'c MemberRecord,
    ) -> Option<&'c Member> {
        match self.has_group_leaders(&member.role) {
            true => cluster.leader_of(&member.role, member.group),
            false => cluster.leader(),
        }
    }

    /// Whether a role is one whose leaders vote for their groups.
    pub(crate) fn has_group_leaders(&self, role: &RoleName) -> bool {
        self.target.as_ref().is_some_and(|it| it.is_led(role))
    }

    /// The wait of a group that has members and no leader that works, where each has one of its own: nobody joins it,
    /// and nothing that it holds is begun again.
    pub(crate) fn lacks_leader(
        &self,
        cluster: &Cluster,
        role: &RoleName,
        group: u32,
    ) -> Option<Waiting> {
        let led_by = || cluster.leader_of(role, group).filter(|it| it.health.is_alive());
        if !self.has_group_leaders(role)
            || self.group(role, group).next().is_none()
            || led_by().is_some()
        {
            return None;
        }
        let (lost, role) = (self.is_group_lost(role, group), role.clone());
        Some(Waiting::ForGroup { role, group, lost })
    }

    /// The same of the first of these units that lacks one.
    pub(crate) fn headless(&self, cluster: &Cluster, units: &[Unit<'_>]) -> Vec<Waiting> {
        units
            .iter()
            .filter_map(|(it, group)| self.lacks_leader(cluster, &it.name, *group))
            .collect()
    }

    /// Whether the data of all members of a group is lost.
    pub(crate) fn is_group_lost(&self, role: &RoleName, group: u32) -> bool {
        let mut members = self.group(role, group).peekable();
        members.peek().is_some() && members.all(|it| self.health(it).is_lost())
    }

    fn group(&self, role: &RoleName, group: u32) -> impl Iterator<Item = &MemberRecord> {
        self.record.members.iter().filter(move |it| it.role == *role && it.group == group)
    }
}
