//! Roles that need others, and the application's own steps: what must be so before.

use super::{Lint, Rule};
use crate::beside::Beside;
use crate::id::{MemberName, Uid};
use crate::launch::Start;
use crate::limits::quorum;
use crate::record::MemberRecord;
use crate::request::{AppStep, Precondition, RequestKind};
use crate::view::{Entry, Membership};

impl<S> Lint<'_, S> {
    /// Who is listed already is brought up whatever becomes of the others, and the first members need nobody.
    pub(super) fn starts(&mut self, member: &MemberName, start: &Start) {
        let listed = self.list().is_some_and(|it| it.entry(member).is_some());
        match start {
            Start::Existing { .. } if !listed => self.has_roles(member),
            Start::Resume { .. } => self.has_roles(member),
            _ => {}
        }
    }

    /// Who has a pod already is listed whatever becomes of the others.
    pub(super) fn lists(&mut self, member: &MemberName) {
        if self.find(member).is_none() {
            self.has_roles(member);
        }
    }

    /// Of each role that a member's own needs a quorum of those who are listed works.
    pub(super) fn has_roles(&mut self, member: &MemberName) {
        let record = &self.plan.status.record;
        let Some(role) = self.role(member) else { return };
        for needed in role.needed() {
            let of = |it: &&MemberRecord| it.role == *needed;
            let entry = |it: &MemberRecord| self.list()?.entry(&it.name);
            let listed: Vec<_> = record.members.iter().filter(of).filter_map(entry).collect();
            let working = listed.iter().filter(|it| self.works(it)).count();
            // Of groups with leaders of their own each needs one.
            let enough = if self.is_led(needed) { 1 } else { quorum(listed.len()) };
            self.check(Rule::NeedsFirst, working >= enough, || {
                format!("{member} needs {enough} members of {needed}, and {working} would work")
            });
        }
    }

    /// A step of the application's own: alone, and with what it needs.
    pub(super) fn step(&mut self, step: &AppStep) {
        self.has_roles(&step.member);
        let own = RequestKind::App(step.name.clone());
        let mut tasks = self.snapshot.view.tasks.iter();
        let other = tasks.find(|it| it.request != own || it.member != step.member);
        self.check(Rule::OneDisruption, other.is_none(), || {
            format!("{} would begin beside another task", step.name)
        });
        if step.dangerous {
            self.spares(&step.member);
        }
        for need in &step.needs {
            self.has(step, need);
        }
        if let Some(operation) = step.operation() {
            self.is_started(&step.name, |it| it.uid == operation);
            self.begun_before(step, &operation);
        }
    }

    /// Whoever was begun at, and is not known to be done, may be at work: also for an operator that asked for nothing.
    fn begun_before(&mut self, step: &AppStep, operation: &Uid) {
        let (snapshot, list) = (self.snapshot, self.list());
        let Some(object) = snapshot.beside.iter().find(|it| it.uid == *operation) else { return };
        let recorded = snapshot.status.record.step.as_ref();
        let recorded = recorded.and_then(|it| it.of_operation(operation));
        let begun = object.progress.members.iter().map(|it| &it.name).chain(recorded);
        // An answer that only this operator has is lost with it, and the next would find two that were begun.
        let over = |it: &MemberName| object.progress.is_done(it);
        let listed = |it: &MemberName| list.is_some_and(|list| list.entry(it).is_some());
        let mut others = begun.filter(|it| **it != step.member && !over(it) && listed(it));
        let other = others.next();
        self.check(Rule::OneDisruption, other.is_none(), || {
            let other = other.map_or("", |it| it.as_str());
            format!(
                "{} of {} would begin while {other} may be at work on it",
                step.name, step.member
            )
        });
    }

    /// The status of an operation says that it was started, and not that it is over.
    pub(super) fn is_started(&mut self, what: &str, which: impl Fn(&Beside) -> bool) {
        let runs = |it: &Beside| it.progress.is_started() && !it.progress.state.is_over();
        let started = self.snapshot.beside.iter().any(|it| which(it) && runs(it));
        self.check(Rule::IntentFirst, started, || {
            format!("{what} is asked for an operation that was not started, or is over")
        });
    }

    /// Those who work are a quorum without this one.
    fn spares(&mut self, member: &MemberName) {
        let Some(list) = self.list() else { return };
        let votes = list.entry(member).is_some_and(|it| it.votes);
        let (left, needed) = (self.working(list, |it| it != member), quorum(list.voters().count()));
        self.check(Rule::KeepsQuorum, !votes || left >= needed, || {
            format!("without {member} {left} voters would work and {needed} are needed")
        });
    }

    fn has(&mut self, step: &AppStep, need: &Precondition) {
        let role = need.role();
        let record = &self.plan.status.record;
        let of = |it: &&Entry| record.find(&it.name).is_some_and(|it| it.role == *role);
        let mut members = self.list().into_iter().flat_map(|it: &Membership| &it.members);
        let holds = match need {
            Precondition::Healthy { .. } => members.all(|it| !of(&it) || self.works(it)),
            // On the way to what is asked for nobody is, as rows have it, and a stage may be waited for as long as
            // anything.
            Precondition::UpToDate { .. } => {
                let mut rows = self.plan.status.members.iter();
                record.stage.is_some() || rows.all(|it| it.role != *role || it.updated)
            }
            Precondition::CaughtUp { entries, .. } => self.keeps_up(&step.member, *entries),
        };
        self.check(Rule::NeedsFirst, holds, || {
            format!(
                "{} of {} needs what is not so of role {role}: {need:?}",
                step.name, step.member
            )
        });
    }

    /// Whether a member lacks no more than so many entries of what its leader has, by what both say.
    fn keeps_up(&self, member: &MemberName, entries: u64) -> bool {
        let Some(list) = self.list() else { return false };
        let leader = match self.led_unit(member) {
            None => self.leads(list).leader(),
            Some(unit) => self.leader_of(list, unit),
        };
        let leader = list.members.iter().find(|it| Some(&it.id) == leader);
        let position = |name: &MemberName| self.snapshot.view.answer(name)?.position.as_ref();
        let ahead = leader.and_then(|it| position(&it.name));
        position(member).zip(ahead).is_some_and(|(has, ahead)| has.keeps_up(ahead, entries))
    }
}
