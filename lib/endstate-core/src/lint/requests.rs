//! What the application is asked for: who joins, votes, leads and leaves.

use super::{Lint, Rule};
use crate::comparison::Corruption;
use crate::id::{MemberId, MemberName, RoleName};
use crate::limits::quorum;
use crate::pod::PodPhase;
use crate::reason::LeaveReason;
use crate::record::Step;
use crate::request::{AppStep, Call, Request};
use crate::view::{Entry, Membership, Reach};

impl<'a, S> Lint<'a, S> {
    pub(super) fn call(&mut self, call: &Call) {
        match &call.request {
            Request::Join { member, id, votes, .. } => {
                self.add(member, call);
                self.lists(member);
                self.unused(id.as_ref());
                if *votes {
                    self.vote(member);
                }
                self.joins_a_group(member);
            }
            Request::Promote { id, member, .. } => self.promote(id, member, call),
            Request::Transfer { id, .. } => self.transfer(id, call),
            Request::Appoint { member, id, heard } => {
                let Some(list) = self.change(call) else { return };
                self.appoint(list, (member, id), heard);
            }
            Request::Leave { member, id, reason } => {
                self.remove(member, id, call);
                self.give_up(member, *reason);
                if *reason == LeaveReason::Requested {
                    self.is_started("a removal", |_| true);
                }
            }
            Request::Drain { member, .. } => {
                self.change(call);
                self.leaves(member);
            }
            Request::App(step) if self.is_recorded(step) => {
                self.change(call);
                self.step(step);
            }
            Request::App(step) => self.mend(step, call),
            Request::AllClear { .. } => self.all_clear(call),
            Request::Cancel { .. } => drop(self.change(call)),
        }
    }

    /// An alarm is withdrawn when the data of all who are listed is known to be the same.
    fn all_clear(&mut self, call: &Call) {
        let Some(list) = self.change(call) else { return };
        let holds = self.snapshot.view.is_same(list);
        self.check(Rule::KeepsData, holds, || {
            "an alarm would be withdrawn, and the members may differ in their data".into()
        });
    }

    fn is_recorded(&self, step: &AppStep) -> bool {
        let recorded = &self.plan.status.record.step;
        matches!(recorded, Some(Step::App { step: it }) if it == step)
    }

    /// What is not recorded does no harm twice. Where a quorum is proven and led all else is.
    fn mend(&mut self, step: &AppStep, call: &Call) {
        let led = self.proven().is_some_and(|it| self.leads(it).is_led(self.acks()));
        self.check(Rule::IntentFirst, !led, || format!("{} is not recorded", step.name));
        let exists = self.snapshot.status.record.cluster_id.is_some();
        let harmless = exists && !step.dangerous && step.needs.is_empty();
        self.check(Rule::HarmlessFirst, harmless, || {
            format!("{} of {} is not harmless, and nothing proves a quorum", step.name, step.member)
        });
        let roster = self.list().map(Membership::roster).unwrap_or_default();
        self.check(Rule::Preconditions, call.roster == roster && call.via == step.member, || {
            format!("{} is not asked of its member, on what is known", step.name)
        });
    }

    pub(super) fn leaves(&mut self, member: &MemberName) {
        let step = &self.plan.status.record.step;
        let intended = matches!(step, Some(Step::Leave { name, .. }) if name == member);
        self.check(Rule::IntentFirst, intended, || format!("{member} is not recorded to leave"));
    }

    pub(super) fn joins(&mut self, member: &MemberName) {
        let joins = self.is_coming(member);
        self.check(Rule::IntentFirst, joins, || format!("{member} is not recorded to join"));
    }

    fn is_coming(&self, member: &str) -> bool {
        self.plan.status.record.joining().any(|it| *it.name == *member)
    }

    /// How many may be listed without their vote at once, where this one joins.
    fn at_once(&self, member: &MemberName) -> usize {
        let role = self.plan.status.record.find(member).map(|it| &it.role);
        let role = self.plan.roles.iter().find(|it| Some(&it.name) == role);
        role.map_or(1, |it| it.at_once)
    }

    fn add(&mut self, member: &MemberName, call: &Call) {
        let Some(list) = self.change(call) else { return };
        let half = || list.non_voters().filter(|it| self.is_half_joined(&it.name));
        let stray = half().filter(|it| !self.is_coming(&it.name)).count();
        let (half, most) = (half().count(), self.at_once(member));
        self.check(Rule::OneChange, stray == 0 && half < most, || {
            format!("{half} members have no vote yet")
        });
        let new = list.entry(member).is_none();
        self.check(Rule::OneIdentity, new, || format!("{member} is a member already"));
        self.joins(member);
        let known = self.plan.status.record.find(member).is_none_or(|it| !it.unrequested);
        self.check(Rule::IntentFirst, known, || {
            format!("it is not recorded that the application is asked to list {member}")
        });
    }

    /// To add an id that is listed would put another member in its place.
    fn unused(&mut self, id: Option<&MemberId>) {
        let listed = |it: &MemberId| self.list()?.members.iter().find(|entry| entry.id == *it);
        let taken = id.and_then(listed);
        self.check(Rule::OneIdentity, taken.is_none(), || {
            format!("the id of {} would be given to another", taken.map_or("", |it| &it.name))
        });
    }

    /// Whether a member without a vote is none that is complete: it is not recorded, nor of a role of which nobody
    /// votes.
    fn is_half_joined(&self, name: &str) -> bool {
        let status = &self.plan.status;
        let row = status.members.iter().find(|it| *it.name == *name);
        let votes = |role: &RoleName| match self.plan.roles.iter().find(|it| it.name == *role) {
            Some(role) => role.votes,
            None => {
                let mut rows = status.members.iter().filter(|it| it.role == *role);
                rows.any(|it| it.standing.is_some_and(crate::Standing::votes))
            }
        };
        let complete = row.is_some_and(|it| !it.role.is_empty() && !votes(&it.role));
        let led = row.is_some_and(|it| self.is_led(&it.role));
        !status.record.members.iter().any(|it| *it.name == *name) && (led || !complete)
    }

    /// Who joins copies from who leads, or leads its group.
    pub(super) fn leader_is_good(&mut self, list: &'a Membership, member: &MemberName) {
        let leader = match self.led_unit(member) {
            None => self.leads(list).leader(),
            Some(unit) => self.leader_of(list, unit),
        };
        let corrupt = |it: &Corruption| matches!(it, Corruption::Of(id) if Some(id) == leader);
        let holds = !self.corruption.iter().any(corrupt);
        self.check(Rule::KeepsData, holds, || {
            format!("{member} would copy the data of a leader whose data is corrupt")
        });
    }

    fn promote(&mut self, id: &MemberId, member: &MemberName, call: &Call) {
        let Some(list) = self.change(call) else { return };
        let entry = list.members.iter().find(|it| it.id == *id);
        let ready = entry.is_some_and(|it| !it.votes && self.works(it));
        self.check(Rule::KeepsQuorum, ready, || {
            format!("{id} is no member without a vote that works")
        });
        self.vote(member);
    }

    /// Who gets a vote answers, follows a leader and is marked as started, and those who work are a quorum with it.
    fn vote(&mut self, member: &MemberName) {
        let Some(list) = self.proven() else { return };
        self.leader_is_good(list, member);
        let target = self.snapshot.view.target(member);
        let target = target.filter(|it| it.reach == Reach::Reachable);
        let works = target.and_then(|it| it.status.as_ref()).is_some_and(|it| it.leader.is_some());
        self.check(Rule::KeepsQuorum, works, || {
            format!("{member} would get a vote and does not work")
        });
        let marked = self.find(member).is_none() || self.is_marked(member);
        self.check(Rule::MarksFirst, marked, || {
            format!("{member} would get a vote before its pod says that it was started")
        });
        let (working, needed) =
            (self.working(list, |_| true) + 1, quorum(list.voters().count() + 1));
        self.check(Rule::KeepsQuorum, working >= needed, || {
            format!("with {member} {working} voters would work and {needed} are needed")
        });
    }

    fn transfer(&mut self, id: &MemberId, call: &Call) {
        let Some(list) = self.change(call) else { return };
        let heir = list.members.iter().find(|it| it.id == *id);
        // Also one of a leader whose data is corrupt: that is why it hands over.
        let able = |it: &&Entry| it.votes || self.follows_its_group(list, it);
        let ready = heir.filter(able).is_some_and(|it| self.works(it));
        self.check(Rule::KeepsQuorum, ready, || format!("{id} is no voter that works"));
    }

    fn remove(&mut self, member: &MemberName, id: &MemberId, call: &Call) {
        let Some(list) = self.change(call) else { return };
        let Some(entry) = list.members.iter().find(|it| it.id == *id) else {
            return self.check(Rule::Preconditions, false, || format!("{id} is no member"));
        };
        self.check(Rule::Preconditions, entry.name == *member, || format!("{id} is not {member}"));
        self.leaves(member);
        self.leaves_a_copy(member);
        if !entry.votes {
            return;
        }
        let left = self.working(list, |it| it != member);
        let needed = quorum(list.voters().count() - 1);
        self.check(Rule::KeepsQuorum, left >= needed, || {
            format!("without {member} {left} voters would work and {needed} are needed")
        });
    }

    /// A voter is given up only if its pod shows why: it is not there to stay, or its process is not.
    fn give_up(&mut self, member: &MemberName, reason: LeaveReason) {
        if reason != LeaveReason::Dead {
            return;
        }
        let Some(pod) = self.find(member) else {
            let kept = self.snapshot.is_durable(member);
            return self.check(Rule::KeepsData, !kept, || {
                format!("{member} would be given up although its volume is kept")
            });
        };
        let kept = !pod.data_foreign() || self.plan.status.record.kept.contains(member);
        self.check(Rule::KeepsData, kept, || {
            format!("the volume of {member} holds the data of another and is not recorded as kept")
        });
        let same = self.recorded_pod(member).is_none_or(|uid| *uid == pod.uid);
        let lost = pod.is_node_lost(self.snapshot.now);
        let stays = same && !pod.deleting && pod.phase == PodPhase::Running && !lost;
        let shown = pod.data_lost() || pod.data_foreign();
        let runs = pod.started && pod.trouble.is_none() && !shown;
        let known = self.snapshot.status.record.cluster_id.as_ref();
        let elsewhere = self.snapshot.view.answer(member);
        let elsewhere = elsewhere.is_some_and(|it| known != Some(&it.cluster));
        self.check(Rule::KeepsData, !(stays && runs) || elsewhere, || {
            format!("{member} would be given up although nothing shows that it cannot come back")
        });
    }

    /// The list a change of membership is made on; a violation if it is not proven.
    pub(super) fn change(&mut self, call: &Call) -> Option<&'a Membership> {
        let proven = self.proven();
        self.check(Rule::OneChange, proven.is_some(), || "no quorum agrees on the members".into());
        let list = proven?;
        self.check(Rule::Preconditions, call.roster == list.roster(), || {
            "the call is not conditioned on the list it was decided on".into()
        });
        Some(list)
    }
}
