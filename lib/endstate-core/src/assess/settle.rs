//! The step under way: whether it is over, or has no reason any more. What is left to do for it is the planner's.

use super::Assessed;
use super::learn::back_off;
use super::rules::{
    self, has_given_up, has_surplus, is_in_doubt, is_replaced, may_remove, needs_repair,
    wants_another,
};
use crate::app::App;
use crate::claim::Claim;
use crate::id::MemberName;
use crate::member::{Cluster, Health, Member};
use crate::pod::Pod;
use crate::reason::{Cause, LeaveReason};
use crate::record::{AskedTask, MemberRecord, RecoverStage, Step};
use crate::request::{AppStep, RequestKind};
use crate::status::{ConditionType, Truth};
use crate::topology::{Edge, Growth, Placement, Topology, Unit};

impl<A: App> Assessed<'_, A> {
    /// Ends the step under way if it is over. While it is not certain whose data is good nothing is settled.
    pub(super) fn settle(&mut self, cluster: &Cluster) {
        let Some(target) = self.target.clone() else { return };
        self.take_turn();
        if is_in_doubt(cluster, &target) || rules::hands_over(cluster, &target).is_some() {
            return;
        }
        while let Some(step) = self.record.step.clone() {
            self.settle_step(cluster, &target, step);
            if self.record.step.is_some() {
                return;
            }
            self.take_turn();
        }
        self.forget_unlisted(cluster);
    }

    /// Who came beside a step that is over is next.
    fn take_turn(&mut self) {
        if self.record.step.is_none() && !self.record.coming.is_empty() {
            let member = self.record.coming.remove(0);
            self.record.step = Some(Step::Join { member });
        }
    }

    /// Somebody else took them off the list; what is left of them is cleared away. But what the application placed on a
    /// member may be nowhere else, so that one stays, and is told.
    fn forget_unlisted(&mut self, cluster: &Cluster) {
        let Some(target) = &self.target else { return };
        let placed = |it: &MemberRecord| {
            let role = target.role(&it.role);
            role.is_some_and(|it| it.placement == Placement::Application)
        };
        let groups = |it: &MemberRecord| target.role(&it.role).map_or(0, |it| it.groups);
        // Nor is it forgotten that a group was there.
        let last = |it: &MemberRecord| {
            let mut listed = cluster.members.iter().filter(|it| it.recorded);
            let same = |other: &Member| other.role == it.role && other.group == it.group;
            target.is_led(&it.role) && it.group < groups(it) && !listed.any(same)
        };
        let keeps =
            |it: &&MemberRecord| self.is_listed(cluster, &it.name) || placed(it) || last(it);
        self.record.members = self.record.members.iter().filter(keeps).cloned().collect();
    }

    fn settle_step(&mut self, cluster: &Cluster, target: &Topology, step: Step) {
        match step {
            Step::Join { member } => self.settle_join(cluster, target, member),
            Step::Leave { name, reason, .. } => match cluster.member(&name) {
                Some(member) if !self.leaves(cluster, target, member, reason) => {
                    self.stay(cluster, member);
                }
                Some(_) => {}
                None if self.is_listed(cluster, &name) => self.stay_listed(),
                None => self.settle_clearing(&name, reason),
            },
            Step::Restart { name } => {
                let member = cluster.member(&name);
                if member.is_none_or(|it| self.is_restarted(cluster, target, it)) {
                    self.record.step = None;
                }
            }
            Step::App { step } => {
                let task = AskedTask::of_step(&step);
                let running =
                    self.snapshot.view.tasks.iter().any(|it| it.asked().as_ref() == Some(&task));
                let kind = RequestKind::App(step.name.clone());
                if !running && !self.is_due(cluster, &step)
                    || self.is_refused_for_long(&kind, &step.member)
                    || self.makes_room(cluster, target, &step)
                {
                    self.record.step = None;
                }
            }
            Step::Recover { source, stage, .. } => self.settle_recovery(cluster, &source, &stage),
        }
    }

    /// Whether a step of the application's own goes on beside the repair of a quorum: unless it may be what harms it,
    /// or is about the one that is lost.
    fn makes_room(&self, cluster: &Cluster, target: &Topology, step: &AppStep) -> bool {
        let member = cluster.member(&step.member);
        let lost = member.is_some_and(|it| it.health.is_given_up());
        !step.dangerous
            && !lost
            && (has_given_up(cluster, target) || self.is_repairing(cluster, target))
    }

    /// Whether the quorum lacks one that it lost.
    pub(crate) fn is_repairing(&self, cluster: &Cluster, target: &Topology) -> bool {
        let degraded = self.snapshot.status.condition(ConditionType::Degraded);
        let short = |it: &Unit<'_>| it.0.votes && rules::is_short(cluster, *it, None);
        degraded.is_some_and(|it| it.status == Truth::True)
            && rules::units(target, Edge::Starts).iter().any(short)
    }

    /// Whether a member may still hold what no other has, by the application's answer. One that is given up may: only
    /// when its data is gone there is nothing to move.
    pub(crate) fn must_drain(&self, cluster: &Cluster, member: &Member) -> bool {
        !member.health.is_lost() && !self.app.is_drained(cluster, member)
    }

    /// The source serves alone, and proves its list: the others are nobody's, so none of them gets a pod again. Over
    /// when the pod that was told of the recovery is gone.
    fn settle_recovery(&mut self, cluster: &Cluster, source: &MemberName, stage: &RecoverStage) {
        let over = match stage {
            RecoverStage::Fencing {} => true,
            RecoverStage::Alone {} => false,
            RecoverStage::Resuming { pod } => {
                self.snapshot.pod(source).is_some_and(|it| it.uid != *pod)
            }
        };
        if over {
            self.record.step = None;
        } else {
            self.forget_unlisted(cluster);
        }
    }

    /// Whether a member leaves as soon as the others can do without it: it is given up, and nothing on it has to
    /// be moved before.
    fn is_to_be_replaced(&self, cluster: &Cluster, member: &Member) -> bool {
        member.health.is_given_up() && !self.must_drain(cluster, member)
    }

    /// The application's own steps that are due.
    pub(crate) fn due(&self, cluster: &Cluster) -> Vec<AppStep> {
        let spec = self.record.in_force();
        spec.map_or_else(Vec::new, |it| self.app.steps(it, cluster))
    }

    /// Whether a step is due, by the application or by an operation.
    pub(crate) fn is_due(&self, cluster: &Cluster, step: &AppStep) -> bool {
        match step.operation() {
            Some(_) => self.step_of_operation(cluster).as_ref() == Some(step),
            None => self.due(cluster).contains(step),
        }
    }

    fn settle_join(&mut self, cluster: &Cluster, target: &Topology, new: MemberRecord) {
        let begun = is_begun(&new);
        match cluster.member(&new.name) {
            Some(member) if self.has_joined(target, member) => {
                let id = Some(member.id.clone());
                self.record.members.push(MemberRecord { id, unrequested: false, ..new });
                self.record.step = None;
                self.record.backoff = None;
            }
            Some(_) => {}
            None if begun && self.is_listed(cluster, &new.name) => self.record.step = None,
            None if begun && self.grows_directly(target, &new) => {}
            None if begun => {
                back_off(&mut self.record, self.snapshot, Cause::Unlisted);
                let name = new.name.clone();
                let (role, group, reason) = (new.role, new.group, LeaveReason::FailedJoin);
                let (member, pod) = (new.name, new.pod);
                self.record.step =
                    Some(Step::Leave { name: member, role, group, id: None, pod, reason });
                self.settle_clearing(&name, reason);
            }
            // Before it is added nothing is lost by making room for a repair: nobody can be added beside another
            // that has no vote yet, nor (in some applications) while a voter is down.
            None if self.is_welcome(cluster, target, &new)
                && !needs_repair(cluster, target)
                && self.lacks_role_in(Some(cluster), &new.role).is_none()
                && self.lacks_leader(cluster, &new.role, new.group).is_none() => {}
            None => self.record.go_on(None),
        }
    }

    fn has_joined(&self, target: &Topology, member: &Member) -> bool {
        match target.role(&member.role) {
            Some(role) if !role.votes => member.health.is_healthy(),
            // What it lacks it gets from its group's leader; a step of the application's own may tell it to.
            Some(role) if role.is_led() => member.health.is_alive(),
            _ => member.votes,
        }
    }

    pub(crate) fn grows_directly(&self, target: &Topology, new: &MemberRecord) -> bool {
        self.role(target, new).is_some_and(|it| it.growth != Growth::NonVoting)
    }

    /// Whether a member is nobody's until it is listed, however alive it is.
    pub(crate) fn grows_alone(&self, target: &Topology, new: &MemberRecord) -> bool {
        self.role(target, new).is_some_and(|it| it.growth == Growth::Alone)
    }

    /// Whether a member that is coming is still wanted.
    pub(crate) fn is_welcome(
        &self,
        cluster: &Cluster,
        target: &Topology,
        new: &MemberRecord,
    ) -> bool {
        let unit = target.role(&new.role).filter(|it| new.group < it.groups);
        // Who came to spread its unit is wanted on whichever node it is.
        let spreads =
            self.record.spread.as_ref().is_some_and(|it| it.by.as_ref() == Some(&new.name));
        unit.is_some_and(|role| {
            let (unit, joining) = ((role, new.group), Some(&new.name));
            let full = rules::counted(cluster, unit, joining).count() == role.size;
            wants_another(cluster, target, unit, joining) || spreads && full
        })
    }

    /// Whether the leave of a listed member still has its reason, and is safe.
    fn leaves(
        &self,
        cluster: &Cluster,
        target: &Topology,
        member: &Member,
        reason: LeaveReason,
    ) -> bool {
        let unit = rules::unit_of(target, member);
        let surplus = unit.is_none_or(|it: Unit<'_>| has_surplus(cluster, it));
        let other = |it: &Member| it.name != member.name && it.recorded;
        let gone = |it: &Member| other(it) && self.is_to_be_replaced(cluster, it);
        let repairs = has_given_up(cluster, target)
            || self.is_repairing(cluster, target)
            || cluster.members.iter().any(gone);
        let holds = member.votes || target.is_led(&member.role);
        let urgent = holds && member.health.is_given_up();
        if repairs && !urgent && self.must_drain(cluster, member) {
            // What it holds moves on; the step begins again after the repair.
            return false;
        }
        // Of a member without a vote these say nothing; others do.
        let by_itself = [LeaveReason::Dead, LeaveReason::Requested];
        let holds = match reason {
            _ if !by_itself.contains(&reason) && rules::is_half_joined(target, member) => true,
            LeaveReason::ScaleDown => surplus,
            LeaveReason::Outdated => surplus && member.outdated,
            // Its successor might copy what is corrupt, so it goes first.
            LeaveReason::Corrupt => {
                let first = member.leads || !target.is_led(&member.role);
                (surplus || first) && is_replaced(cluster, target, member)
            }
            LeaveReason::Vacated => surplus && member.vacates,
            LeaveReason::Requested => surplus && member.dismissed,
            LeaveReason::VolumeDeleted => surplus && member.volume_deleting,
            LeaveReason::Dead => member.health.is_given_up(),
            LeaveReason::Stranger => !self.record.members.iter().any(|it| it.name == member.name),
            LeaveReason::FailedJoin => {
                !member.votes && self.record.members.iter().all(|it| it.name != member.name)
            }
            LeaveReason::Stray
            | LeaveReason::Recreated
            | LeaveReason::Hibernates
            | LeaveReason::Recovered
            | LeaveReason::Restored => false,
        };
        holds && may_remove(cluster, target, member)
    }

    /// The leave is over before it began. Who votes belongs to the cluster, also one that was given up on its way and
    /// promoted by a call that came late; and so does who holds what no other has.
    fn stay(&mut self, cluster: &Cluster, member: &Member) {
        let (pod, role, group) = match self.record.step.take() {
            Some(Step::Leave { reason: LeaveReason::Stranger, .. }) => return,
            Some(Step::Leave { pod, role, group, .. }) => (pod, role, group),
            _ => (None, member.role.clone(), member.group),
        };
        if member.votes || self.must_drain(cluster, member) {
            let (id, votes) = (Some(member.id.clone()), member.votes);
            let known = MemberRecord::new(member.name.clone(), role);
            self.belong(MemberRecord { id, pod, votes, group, ..known });
        }
    }

    /// The leave is over before it began: the list has the member, under another name.
    fn stay_listed(&mut self) {
        if let Some(Step::Leave { name, role, group, id, pod, .. }) = self.record.step.take() {
            self.belong(MemberRecord { id, pod, group, ..MemberRecord::new(name, role) });
        }
    }

    fn belong(&mut self, member: MemberRecord) {
        if !self.record.members.iter().any(|it| it.name == member.name) {
            self.record.members.push(member);
        }
    }

    /// A member that is off the list: the step is over when its pod and its claims are gone, or going.
    fn settle_clearing(&mut self, name: &MemberName, reason: LeaveReason) {
        self.record.members.retain(|it| it.name != *name);
        if self.leftover_pod(name).is_none() && self.leftover_claim(name, reason).is_none() {
            self.record.step = None;
        }
    }

    /// The pod of a member that has left, unless it is going already. Names are used once, so a pod that was made again
    /// under the name is one of the member, too.
    pub(crate) fn leftover_pod(&self, name: &str) -> Option<&Pod<A::Spec>> {
        self.snapshot.pod(name).filter(|it| !it.deleting)
    }

    /// The next claim that goes with a member that has left, by name. What is nobody's may hold the only other copy: it
    /// goes when the cluster is complete. So does the claim of a pod that is still going: on a lost node it may be for
    /// as long as the node is there, and nothing waits for that.
    pub(crate) fn leftover_claim(&self, name: &str, reason: LeaveReason) -> Option<&Claim> {
        if reason == LeaveReason::Stray || self.snapshot.pod(name).is_some() {
            return None;
        }
        let claims = self.snapshot.claims.iter().filter(|it| *it.member == *name && !it.deleting);
        claims.filter(|it| self.is_given_up(it)).min_by_key(|it| &it.name)
    }

    /// Until the member says itself that it runs what is asked for, no other is touched. Its pod may be seen as it was
    /// before, and then nothing else would tell. A member that does not come back is no reason to let others go
    /// without help.
    fn is_restarted(&self, cluster: &Cluster, target: &Topology, member: &Member) -> bool {
        let told = self.record.find(&member.name).and_then(|it| it.restarted.as_ref());
        let done = told.is_none() || self.runs_wanted(&member.name);
        match &member.health {
            Health::Healthy | Health::Corrupt if done && !rules::restarts(member) => true,
            Health::Failed(_) | Health::Dead(_) => true,
            health if !health.is_healthy() && has_given_up(cluster, target) => true,
            _ => member.change.takes_another(member.durable),
        }
    }

    /// Whether a member says that it runs what is asked for.
    fn runs_wanted(&self, name: &str) -> bool {
        let wanted = self.record.in_force();
        let answer = self.snapshot.view.answer(name);
        let Some(member) = self.record.find(name) else { return false };
        let runs = |spec: &A::Spec, answer| self.app.runs(&member.role, spec, answer);
        wanted.zip(answer).is_some_and(|(spec, answer)| runs(spec, answer))
    }
}

/// Whether a member's pod was asked for.
pub(crate) fn is_begun(new: &MemberRecord) -> bool {
    new.asked.is_some() || new.pod.is_some()
}
