//! How members are brought up to date on the data they have: one at a time, who leads last.

use super::marks::is_marked_now;
use super::proof::Proof;
use super::verdict::{Move, Note, Verdict};
use crate::app::{App, MayStop};
use crate::assess::{groups, rules};
use crate::member::{Health, Member};
use crate::pod::Pod;
use crate::problem::Change;
use crate::reason::{Cause, Shortage};
use crate::record::Step;
use crate::topology::Edge;
use crate::waiting::Waiting;

/// Restarts the next member that is not up to date. A role whose turn comes after another's waits for it.
pub(super) fn roll<A: App>(proof: &Proof<'_, '_, A>) -> Verdict {
    let order = proof.assessed.app.order(proof.cluster);
    let ours = |it: &&Member| it.recorded && !it.health.is_given_up() && rules::restarts(it);
    for role in proof.target.in_order(Edge::Upgrades) {
        let complete = |it: &&Member| it.role == role.name && rules::is_complete(role, it);
        let mut all = order.iter().copied().filter(ours).filter(complete);
        if let Some(member) = all.next() {
            // A leader of a group comes after the others of its group, whatever the order.
            let other = all.find(|it| member.leads && role.is_led() && it.group == member.group);
            return proof.restart_member(other.unwrap_or(member));
        }
        let behind = order.iter().any(|it| it.role == role.name && it.outdated);
        let after = |it: &&crate::Role| it.comes_after(Edge::Upgrades, &role.name);
        if let (true, Some(waits)) = (behind, proof.target.roles.iter().find(after)) {
            let shortage = Shortage::RoleBefore { role: role.name.clone() };
            return Verdict::wait(Waiting::ForRole { role: waits.name.clone(), shortage });
        }
    }
    Verdict::Pass
}

impl<A: App> Proof<'_, '_, A> {
    /// Until the member says itself that it runs what is asked for, no other is touched.
    pub(super) fn go_on_restarting(&self, member: &Member) -> Verdict {
        let pod = self.assessed.snapshot.pod(&member.name);
        match &member.health {
            _ if rules::restarts(member) && pod.is_some_and(|it| !it.deleting) => {
                self.restart_member(member)
            }
            health => Verdict::wait(match health.cause() {
                Some(cause) => Waiting::ForMember { member: member.name.clone(), cause },
                None => Waiting::ForRestart { member: member.name.clone() },
            }),
        }
    }

    /// Restarts a member if the others can do without it.
    pub(super) fn restart_member(&self, member: &Member) -> Verdict {
        let pod = self.assessed.snapshot.pod(&member.name);
        if pod.is_some_and(|it| it.deleting) {
            let (member, cause) = (member.name.clone(), Cause::PodDeleting);
            return Verdict::wait(Waiting::ForPod { member, cause });
        }
        let over = || Move::default().notes(Note::Step(None));
        let stopped = matches!(member.health, Health::Stopped(_));
        // A correction waits for nobody.
        let lacks = if stopped { None } else { self.assessed.lacks_role(&member.role) };
        if let Some(wait) = lacks {
            return Verdict::Also(over().waits(wait));
        }
        // Who leads a group hands over before anything: whether it may stop is asked of one that does not.
        let led = !stopped && member.leads && self.target.is_led(&member.role);
        if let Some(transfer) = led.then(|| self.transfer(member)).flatten() {
            return Verdict::Only(over().acts(transfer));
        }
        let may = if stopped { MayStop::Yes } else { self.may_stop(member) };
        let shortage = match may {
            MayStop::NotYet(shortage) => Some(shortage),
            MayStop::Yes if stopped => None,
            MayStop::Yes => self.lacks_ready(member),
        };
        if let Some(shortage) = shortage {
            let wait = Waiting::ForRedundancy { member: member.name.clone(), shortage };
            return Verdict::Also(over().waits(wait));
        }
        if let Some(transfer) = member.leads.then(|| self.transfer(member)).flatten() {
            return Verdict::Only(over().acts(transfer));
        }
        let step = Note::Step(Some(Step::Restart { name: member.name.clone() }));
        // With the lead the mark that it votes has just moved.
        let led = self.target.is_led(&member.role);
        match pod {
            Some(pod) if led && is_marked_now(self.assessed, pod) => Verdict::Only(over()),
            Some(pod) => Verdict::Only(self.assessed.renew(pod, member).notes(step)),
            None => Verdict::Also(over()),
        }
    }

    /// Whether a member may stop, by the application's word; and where its group has a leader of its own, only while
    /// another of the group has what it has.
    pub(super) fn may_stop(&self, member: &Member) -> MayStop {
        match groups::leaves_a_copy(self.cluster, self.target, member) {
            true => self.assessed.app.may_stop(self.cluster, &[&member.name]),
            false => MayStop::NotYet(last_of_group(member)),
        }
    }

    /// What clients would lack without a member: a roll goes on when they are sent to all who were changed before, and
    /// never takes the last one from them. Those of another role that do not vote serve others.
    pub(super) fn lacks_ready(&self, member: &Member) -> Option<Shortage> {
        let beside = |it: &&Member| it.name != member.name && (it.votes || it.role == member.role);
        let mut unready = self.cluster.members.iter().filter(beside).filter(|it| !it.ready);
        let served = || self.cluster.members.iter().filter(beside).any(|it| it.ready);
        let lacks = |it: &&Member| !it.outdated || member.ready && !served();
        unready.find(lacks).map(|it| Shortage::NotReady { member: it.name.clone() })
    }

    /// A process that does not run is brought up to date first and without asking anybody: a bad
    /// change must always be followed by its fix.
    pub(super) fn restart_broken(&self) -> Option<Move> {
        let broken = |it: &&Member| it.health.is_stopped() && !it.health.is_lost();
        let members =
            self.cluster.members.iter().filter(|it| !rules::is_half_joined(self.target, it));
        let pods = members.filter(broken).filter_map(|it| self.assessed.snapshot.pod(&it.name));
        self.assessed.restart_first_outdated(pods)
    }
}

/// Nobody else has what the group has.
pub(super) fn last_of_group(member: &Member) -> Shortage {
    Shortage::LastOfGroup { role: member.role.clone(), group: member.group }
}

impl<A: App> crate::assess::Assessed<'_, A> {
    /// Another image in its pod, or another pod on its claim.
    fn renew(&self, pod: &Pod<A::Spec>, member: &Member) -> Move {
        match member.change {
            Change::Recreate => self.recreate(pod),
            _ => self.restart(pod),
        }
    }

    /// Whether a pod was made again by what members worked by before, and is only starting.
    fn is_put_back(&self, pod: &Pod<A::Spec>) -> bool {
        let role = self.recorded(&pod.name).role;
        let same = |before| {
            let made_from = pod.spec.as_ref();
            made_from.is_some_and(|it| self.app.change(&role, it, before) == Change::Nothing)
        };
        let starts = pod.trouble.is_none() && pod.exit.is_none();
        starts && self.record.proven.as_ref().is_some_and(same)
    }

    /// Brings the first of these pods up to date that can be on its data.
    pub(super) fn restart_first_outdated<'p>(
        &self,
        pods: impl Iterator<Item = &'p Pod<A::Spec>>,
    ) -> Option<Move>
    where
        A::Spec: 'p,
    {
        let wanted = self.record.in_force()?;
        let able = |it: &&Pod<A::Spec>| !it.deleting && !self.is_put_back(it);
        let mut pods = pods.filter(able).filter_map(|pod| {
            let role = self.recorded(&pod.name).role;
            match self.app.change(&role, pod.spec.as_ref()?, wanted) {
                Change::Restart => Some(self.restart(pod)),
                Change::Recreate if self.snapshot.is_durable(&pod.name) => Some(self.recreate(pod)),
                _ => None,
            }
        });
        pods.next()
    }
}
