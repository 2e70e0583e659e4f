//! Groups that have a leader of their own, which votes for them: what they hold stays in them.

use super::{Lint, Rule};
use crate::id::{MemberId, MemberName, RoleName};
use crate::pod::PodPhase;
use crate::view::{Entry, Membership};

/// A role and a group of it.
type Unit<'r> = (&'r RoleName, u32);

impl<'a, S> Lint<'a, S> {
    pub(super) fn is_led(&self, role: &RoleName) -> bool {
        self.plan.roles.iter().any(|it| it.name == *role && it.is_led())
    }

    /// The group of a member that is recorded, or coming, if it has a leader of its own.
    pub(super) fn led_unit(&self, name: &str) -> Option<Unit<'a>> {
        let (new, old) = (&self.plan.status.record, &self.snapshot.status.record);
        let known = new.find(name).or_else(|| old.find(name))?;
        Some((&known.role, known.group)).filter(|it| self.is_led(it.0))
    }

    fn of<'l>(&self, list: &'l Membership, unit: Unit<'_>) -> Vec<&'l Entry> {
        list.members.iter().filter(|it| self.led_unit(&it.name) == Some(unit)).collect()
    }

    pub(super) fn leader_of(&self, list: &'a Membership, unit: Unit<'_>) -> Option<&'a MemberId> {
        self.leads(list).leader_of(|it| self.led_unit(&it.name) == Some(unit))
    }

    /// Whether a member follows, or is, who leads its group.
    pub(super) fn follows_its_group(&self, list: &'a Membership, member: &Entry) -> bool {
        let leader = self.led_unit(&member.name).and_then(|it| self.leader_of(list, it));
        leader.is_some() && self.leads(list).followed(member) == leader
    }

    /// Whether a member works, and so does the voter that leads its group and that it follows, or is.
    fn is_copy(&self, list: &'a Membership, member: &Entry) -> bool {
        let leader = self.leads(list).followed(member);
        let mut voters = list.voters().filter(|it| Some(&it.id) == leader);
        let good = self.follows_its_group(list, member) && self.works(member);
        good && voters.any(|it| self.works(it))
    }

    /// Whoever stops or goes, its group keeps a copy of what it holds. One in which nobody votes holds nothing.
    pub(super) fn leaves_a_copy(&mut self, member: &MemberName) {
        let (Some(list), Some(unit)) = (self.list(), self.led_unit(member)) else { return };
        let of = self.of(list, unit);
        let holds = of.iter().any(|it| it.votes);
        let copy = of.iter().any(|it| it.name != *member && self.is_copy(list, it));
        let votes = list.entry(member).is_some_and(|it| it.votes);
        let nothing = !votes && self.is_gone(member);
        self.check(Rule::KeepsData, !holds || copy || nothing, || {
            format!(
                "without {member} nobody who works has the data of group {} of {}",
                unit.1, unit.0
            )
        });
    }

    /// Whether nothing is left of a member's data.
    fn is_gone(&self, name: &MemberName) -> bool {
        let claimed = self.snapshot.is_durable(name);
        let Some(pod) = self.find(name) else { return !claimed };
        let ended = matches!(pod.phase, PodPhase::Failed | PodPhase::Succeeded);
        let ended =
            ended || pod.deleting || self.recorded_pod(name).is_some_and(|uid| *uid != pod.uid);
        pod.data_lost() || !claimed && ended
    }

    /// Who joins a group finds its leader at work, or is its first, and may lead from then on: so it is marked.
    pub(super) fn joins_a_group(&mut self, member: &MemberName) {
        let (Some(list), Some(unit)) = (self.list(), self.led_unit(member)) else { return };
        let of = self.of(list, unit);
        let mut voters = of.iter().filter(|it| it.votes).peekable();
        let led = voters.peek().is_none() || voters.any(|it| self.is_copy(list, it));
        self.check(Rule::KeepsData, led, || {
            format!("{member} would join group {} of {}, which nobody leads", unit.1, unit.0)
        });
        let marked = self.find(member).is_none() || self.is_marked(member);
        self.check(Rule::MarksFirst, marked, || {
            format!("{member} might lead before its pod says that it was started")
        });
    }
}
