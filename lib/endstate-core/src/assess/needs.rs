//! Roles that need others, and steps that need what is not so.

use super::Assessed;
use super::rules::is_in_doubt;
use crate::app::App;
use crate::id::{MemberName, RoleName};
use crate::limits::quorum;
use crate::member::{Cluster, Member};
use crate::reason::Shortage;
use crate::request::{AppStep, Precondition};
use crate::topology::Topology;
use crate::waiting::Waiting;

impl<A: App> Assessed<'_, A> {
    /// The wait of a role for one that it needs and that does not work. Without the proof of a quorum none works.
    pub(crate) fn lacks_role(&self, role: &RoleName) -> Option<Waiting> {
        self.lacks_role_in(self.cluster.as_ref(), role)
    }

    pub(super) fn lacks_role_in(
        &self,
        cluster: Option<&Cluster>,
        role: &RoleName,
    ) -> Option<Waiting> {
        let target = self.target.as_ref()?;
        let works = |it: &&RoleName| cluster.is_some_and(|them| self.works(them, target, it));
        let down = target.role(role)?.needed().find(|it| !works(it))?;
        let shortage = Shortage::RoleDown { role: down.clone() };
        Some(Waiting::ForRole { role: role.clone(), shortage })
    }

    /// Whether a quorum of the members of each group of a role works, with good data; or its leader, where that votes
    /// for the group.
    fn works(&self, cluster: &Cluster, target: &Topology, role: &RoleName) -> bool {
        let groups = target.role(role).map_or(0, |it| it.groups);
        let of = |group: u32| {
            let members = self.record.members.iter();
            let members = members.filter(move |it| it.role == *role && it.group == group);
            members.filter_map(|it| cluster.member(&it.name))
        };
        let enough = |group: u32| {
            if target.is_led(role) {
                return cluster.leader_of(role, group).is_some_and(|it| it.health.is_healthy());
            }
            let healthy = of(group).filter(|it| it.health.is_healthy()).count();
            healthy >= quorum(of(group).count())
        };
        !is_in_doubt(cluster, target) && (0..groups).all(enough)
    }

    /// What a step of the application's own needs and is not so.
    pub(crate) fn lacks_precondition(&self, cluster: &Cluster, step: &AppStep) -> Option<Shortage> {
        step.needs.iter().find_map(|need| {
            let member = |fits: &dyn Fn(&Member) -> bool| {
                let mut members = cluster.members.iter().filter(|it| it.role == *need.role());
                members.find(|it| !fits(it)).map(|it| it.name.clone())
            };
            match need {
                Precondition::Healthy { .. } => member(&|it| it.health.is_healthy())
                    .map(|member| Shortage::AnotherIsDown { member }),
                Precondition::UpToDate { .. } => member(&|it| !it.outdated && it.pod.is_some())
                    .map(|member| Shortage::Outdated { member }),
                Precondition::CaughtUp { entries, .. } => {
                    let lags = !self.keeps_up(cluster, &step.member, *entries);
                    lags.then(|| Shortage::Behind { member: step.member.clone() })
                }
            }
        })
    }

    /// Whether a member lacks no more than so many entries of what its leader has.
    fn keeps_up(&self, cluster: &Cluster, name: &MemberName, entries: u64) -> bool {
        let Some(member) = cluster.member(name) else { return false };
        let is_led = self.target.as_ref().is_some_and(|it| it.is_led(&member.role));
        let leader = match is_led {
            true => cluster.leader_of(&member.role, member.group),
            false => cluster.leader(),
        };
        let ahead = leader.and_then(|it| it.position.as_ref());
        member.position.as_ref().zip(ahead).is_some_and(|(has, ahead)| has.keeps_up(ahead, entries))
    }
}
