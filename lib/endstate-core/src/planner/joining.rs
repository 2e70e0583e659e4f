//! How a member joins: listed, started and given a vote, in the order of its role's [`Growth`].

use jiff::{SignedDuration, Timestamp};

use super::pace;
use super::proof::Proof;
use super::verdict::{Move, Note, Verdict};
use crate::app::{App, CatchUp};
use crate::assess::cluster::needs_another_pod;
use crate::assess::learn::backoff;
use crate::assess::rules::has_given_up;
use crate::assess::settle::is_begun;
use crate::id::MemberName;
use crate::launch::Start;
use crate::limits::{OVERDUE_SECONDS, quorum};
use crate::member::{Health, Member};
use crate::plan::Action;
use crate::pod::PodRef;
use crate::reason::{Cause, LeaveReason, Shortage};
use crate::record::{MemberRecord, Step};
use crate::request::Request;
use crate::waiting::Waiting;

impl<A: App> Proof<'_, '_, A> {
    pub(super) fn go_on_joining(&self, new: &MemberRecord) -> Verdict {
        self.join(new, self.assessed.is_welcome(self.cluster, self.target, new))
    }

    /// The plan that asks for it decided just now why; the record does not say so yet.
    pub(super) fn begin_joining(&self, new: &MemberRecord) -> Verdict {
        self.join(new, true)
    }

    fn join(&self, new: &MemberRecord, welcome: bool) -> Verdict {
        let directly = self.assessed.grows_directly(self.target, new);
        match self.cluster.member(&new.name) {
            // Names are ours to choose: the next one comes.
            _ if !is_begun(new) && self.assessed.snapshot.is_name_taken(&new.name) => {
                self.abandon(new, LeaveReason::FailedJoin, Cause::NameTaken)
            }
            Some(listed) if !welcome => self.give_up(listed, LeaveReason::ScaleDown, None),
            // Somebody else gave it a vote: it cannot start without data.
            Some(listed) if !is_begun(new) && listed.votes => {
                self.give_up(listed, LeaveReason::FailedJoin, Some(Cause::AnotherMember))
            }
            Some(_) if !is_begun(new) => self.ask_for_pod(new),
            Some(listed) => self.bring_up(new, listed),
            None if self.is_taken(new) => {
                self.abandon(new, LeaveReason::FailedJoin, Cause::AnotherMember)
            }
            None if !directly => self.list(new, false),
            None if !welcome => self.discard(new, LeaveReason::ScaleDown, None),
            None if self.lacks_leader(new).is_some() => self.wait_for_leader(new),
            None if !is_begun(new) => self.ask_for_pod(new),
            None => self.bring_up_unlisted(new),
        }
    }

    /// Whether somebody added another member of its id meanwhile.
    pub(super) fn is_taken(&self, new: &MemberRecord) -> bool {
        self.cluster.members.iter().any(|it| new.id.as_ref() == Some(&it.id))
    }

    /// Makes the application expect it. All voters have been well for a while then: some applications ask for that, and
    /// to ask earlier would only bring refusals.
    pub(super) fn list(&self, new: &MemberRecord, votes: bool) -> Verdict {
        // A request that was late may have listed somebody meanwhile, who is taken off the list first.
        if self.has_unexpected() {
            return self.discard(new, LeaveReason::FailedJoin, None);
        }
        let needed = self.cluster.voters().count();
        if let Err(wait) = self.settled(&new.name, needed) {
            return Verdict::wait(wait);
        }
        let (member, id) = (new.name.clone(), new.id.clone());
        let address = self.assessed.address(&member);
        self.call(Request::Join { member, id, address, votes })
    }

    /// Asks for its pod, once.
    pub(super) fn ask_for_pod(&self, new: &MemberRecord) -> Verdict {
        let assessed = self.assessed;
        if let Err(wait) = pace::may_try(&assessed.record, assessed.snapshot.now) {
            return Verdict::wait(wait);
        }
        let mut members = assessed.peers(self.cluster);
        if !members.iter().any(|it| it.name == new.name) {
            members.push(assessed.peer(new));
            members.sort_by(|a, b| a.name.cmp(&b.name));
        }
        let start = Start::Existing { members };
        // What worked before may not work any more: each second try is by what is in force.
        let tries = backoff(&assessed.record).map_or(0, |it| it.times);
        let launch = match self.is_repairing() && tries.is_multiple_of(2) {
            true => assessed.launch_again(new, &start),
            false => assessed.launch(new, Some(&start)),
        };
        let create = Action::CreatePod { member: new.name.clone(), start, launch };
        Verdict::Only(Move::default().notes(Note::Asked(vec![new.name.clone()])).acts(create))
    }

    /// A member that has a pod gets a vote when it has caught up.
    fn bring_up(&self, new: &MemberRecord, listed: &Member) -> Verdict {
        if let Some(verdict) = self.correct(new, &listed.health) {
            return verdict;
        }
        match (&listed.health, self.assessed.snapshot.pod(&listed.name)) {
            (Health::Failed(cause) | Health::Dead(cause), _) => {
                self.give_up(listed, LeaveReason::FailedJoin, Some(cause.clone()))
            }
            (Health::Corrupt, _) => {
                self.give_up(listed, LeaveReason::FailedJoin, Some(Cause::Corrupt))
            }
            (Health::Healthy, _) if self.is_diverged(new) => {
                self.give_up(listed, LeaveReason::FailedJoin, Some(Cause::Diverged))
            }
            // The leader of its group votes for it.
            (Health::Healthy, _) if self.target.is_led(&new.role) => Verdict::Pass,
            (Health::Healthy, _) => match self.list_beside(new) {
                Some(wanted) => Verdict::Only(wanted),
                None => self.promote_when_ready(new, listed),
            },
            (Health::Stopped(Cause::PodGoneVolumeKept), None) => {
                Verdict::Only(self.assessed.resume(&[new]))
            }
            // It stands in the way of a repair that does not need it.
            (health, _) if self.stands_in_the_way(new, health) => {
                self.give_up(listed, LeaveReason::FailedJoin, health.cause())
            }
            (health, _) => wait_for_pod(new, health),
        }
    }

    /// A member that is not listed yet is listed, with its vote, when it has caught up.
    fn bring_up_unlisted(&self, new: &MemberRecord) -> Verdict {
        let health = self.assessed.health(new);
        if let Some(verdict) = self.correct(new, &health) {
            return verdict;
        }
        match &health {
            Health::Failed(cause) | Health::Dead(cause) => {
                self.discard(new, LeaveReason::FailedJoin, Some(cause.clone()))
            }
            _ if health.is_alive() && self.assessed.grows_alone(self.target, new) => {
                self.list_when_marked(new)
            }
            Health::Healthy if self.is_diverged(new) => {
                self.discard(new, LeaveReason::FailedJoin, Some(Cause::Diverged))
            }
            Health::Healthy if self.target.is_led(&new.role) => {
                let lacks = self.lacks_catch_up(new, &self.assessed.coming(self.cluster, new));
                lacks.map_or_else(|| self.list_when_marked(new), Verdict::wait)
            }
            Health::Healthy => {
                let votes = self.assessed.role(self.target, new).is_some_and(|it| it.votes);
                let lacks = self.lacks_catch_up(new, &self.assessed.coming(self.cluster, new));
                match lacks.or_else(|| votes.then(|| self.lacks_for_vote(&new.name)).flatten()) {
                    Some(wait) => Verdict::wait(wait),
                    None => self.list(new, votes),
                }
            }
            Health::Stopped(Cause::PodGoneVolumeKept) => {
                Verdict::Only(self.assessed.resume(&[new]))
            }
            _ if self.stands_in_the_way(new, &health) => {
                self.discard(new, LeaveReason::FailedJoin, health.cause())
            }
            _ => wait_for_pod(new, &health),
        }
    }

    /// A process that does not run is given what is asked for now. One that never ran, or has no claim, has nothing to
    /// go on with in another pod: another member comes.
    fn correct(&self, new: &MemberRecord, health: &Health) -> Option<Verdict> {
        let assessed = self.assessed;
        let pod = assessed.snapshot.pod(&new.name)?;
        let change = assessed.change(new);
        let ran = pod.started || pod.marks.started.is_some();
        let has_data = ran && assessed.snapshot.is_durable(&new.name);
        if change.takes_another(has_data) && needs_another_pod(&change, Some(pod), health) {
            return Some(self.abandon(new, LeaveReason::FailedJoin, Cause::OutdatedAndDown));
        }
        let stopped = matches!(health, Health::Stopped(_));
        let renewed = assessed.restart_first_outdated(stopped.then_some(pod).into_iter());
        renewed.map(Verdict::Only)
    }

    /// Whether a repair waits for who is coming, and does not need it: something keeps its process from running, or it
    /// has not worked for a long time.
    fn stands_in_the_way(&self, new: &MemberRecord, health: &Health) -> bool {
        let starts = matches!(
            health,
            Health::Stopped(Cause::NoPodYet | Cause::PodAwaited | Cause::PodStarting)
        );
        let idle = matches!(health, Health::Stopped(_)) && !starts || self.is_overdue(new);
        idle && has_given_up(self.cluster, self.target)
    }

    /// Whether who is coming has not worked for a long time.
    fn is_overdue(&self, new: &MemberRecord) -> bool {
        self.is_long_ago(new.failing_since)
    }

    /// Whether who is coming has had data that the leader lacks for a long time: it is not the leader's answer that is
    /// older.
    fn is_diverged(&self, new: &MemberRecord) -> bool {
        self.is_long_ago(new.diverged_since)
    }

    fn is_long_ago(&self, since: Option<Timestamp>) -> bool {
        let patience = SignedDuration::from_secs(OVERDUE_SECONDS);
        let now = self.assessed.snapshot.now;
        since.is_some_and(|since| now.duration_since(since) >= patience)
    }

    /// One that may lead its group, and vote, from the moment it is listed, is marked before.
    fn list_when_marked(&self, new: &MemberRecord) -> Verdict {
        let votes = self.assessed.role(self.target, new).is_some_and(|it| it.votes);
        let mark = if votes { self.lacks_mark(&new.name) } else { None };
        mark.map_or_else(|| self.list(new, false), Verdict::wait)
    }

    /// The wait for the leader of the group that a member joins, unless it is the first of the group.
    fn lacks_leader(&self, new: &MemberRecord) -> Option<Waiting> {
        self.assessed.lacks_leader(self.cluster, &new.role, new.group)
    }

    /// It may stand in the way of a repair that does not need it, and of what other groups need.
    fn wait_for_leader(&self, new: &MemberRecord) -> Verdict {
        let lost = self.assessed.is_group_lost(&new.role, new.group);
        match lost || has_given_up(self.cluster, self.target) || self.is_overdue(new) {
            true => self.discard(new, LeaveReason::FailedJoin, None),
            false => self.lacks_leader(new).map_or(Verdict::Pass, Verdict::wait),
        }
    }

    fn promote_when_ready(&self, new: &MemberRecord, listed: &Member) -> Verdict {
        if let Some(wait) = self.lacks_catch_up(new, listed) {
            return Verdict::wait(wait);
        }
        let member = listed.name.clone();
        if let Some(wait) = self.lacks_for_vote(&member) {
            return Verdict::wait(wait);
        }
        let voters = self.cluster.voters().count();
        if let Err(wait) = self.settled(&member, quorum(voters + 1) - 1) {
            return Verdict::wait(wait);
        }
        let address = self.assessed.address(&member);
        self.call(Request::Promote { member, id: listed.id.clone(), address })
    }

    /// What is lacking beside its data before it may vote: those who work must be a quorum with it, and its pod must
    /// say that it was started.
    fn lacks_for_vote(&self, member: &MemberName) -> Option<Waiting> {
        let voters = self.cluster.voters().count();
        let (working, needed) = (self.cluster.healthy_voters() + 1, quorum(voters + 1));
        if working < needed {
            let (member, shortage) = (member.clone(), Shortage::TooFewWithIt { working, needed });
            return Some(Waiting::ForRedundancy { member, shortage });
        }
        self.lacks_mark(member)
    }

    fn lacks_mark(&self, member: &MemberName) -> Option<Waiting> {
        let pod = self.assessed.snapshot.pod(member);
        let unmarked = pod.is_some_and(|it| it.marks.started.is_none());
        unmarked.then(|| Waiting::ForMark { member: member.clone() })
    }

    /// What it lacks of what the leader has, by the application's answer.
    fn lacks_catch_up(&self, coming: &MemberRecord, new: &Member) -> Option<Waiting> {
        let member = new.name.clone();
        let leader = self.assessed.leader_for(self.cluster, coming)?;
        match self.assessed.app.caught_up(leader, new) {
            CatchUp::Yes => None,
            CatchUp::Diverged => Some(Waiting::ForSameHistory { member }),
            CatchUp::Behind(entries) => {
                // One digit is enough to see it shrink; each change is a write.
                let scale = 10_u64.pow(entries.checked_ilog10().unwrap_or(0));
                Some(Waiting::ForCatchUp { member, behind: entries / scale * scale })
            }
        }
    }

    /// Ends the join under way, however far it is.
    pub(super) fn abandon(&self, new: &MemberRecord, reason: LeaveReason, cause: Cause) -> Verdict {
        match self.cluster.member(&new.name) {
            Some(listed) => self.give_up(listed, reason, Some(cause)),
            None => self.discard(new, reason, Some(cause)),
        }
    }

    /// Turns the join under way into a leave.
    pub(super) fn give_up(
        &self,
        listed: &Member,
        reason: LeaveReason,
        failed: Option<Cause>,
    ) -> Verdict {
        if let Some(wait) = self.lacks_for_removal(listed) {
            return Verdict::wait(wait);
        }
        let pod = match &self.assessed.record.step {
            Some(Step::Join { member }) => member.pod.clone(),
            _ => None,
        };
        let step = Step::Leave {
            name: listed.name.clone(),
            role: listed.role.clone(),
            group: listed.group,
            id: Some(listed.id.clone()),
            pod,
            reason,
        };
        self.also_note(failed, Note::Step(Some(step)), self.go_on_leaving(listed, reason))
    }

    /// A member that was never listed: only its pod goes.
    fn discard(&self, new: &MemberRecord, reason: LeaveReason, failed: Option<Cause>) -> Verdict {
        let step = Step::Leave {
            name: new.name.clone(),
            role: new.role.clone(),
            group: new.group,
            id: None,
            pod: new.pod.clone(),
            reason,
        };
        let wanted = match self.assessed.leftover_pod(&new.name) {
            Some(pod) => Verdict::act(Action::DeletePod { pod: PodRef::from(pod), reason }),
            None => Verdict::Only(Move::default()),
        };
        self.also_note(failed, Note::Step(Some(step)), wanted)
    }

    fn also_note(&self, failed: Option<Cause>, note: Note, verdict: Verdict) -> Verdict {
        let failed = failed.map(Note::Failed);
        match verdict {
            Verdict::Only(mut wanted) => {
                wanted.notes = failed.into_iter().chain([note]).chain(wanted.notes).collect();
                Verdict::Only(wanted)
            }
            other => other,
        }
    }
}

fn wait_for_pod(new: &MemberRecord, health: &Health) -> Verdict {
    let cause = health.cause().unwrap_or(Cause::Silent);
    Verdict::wait(Waiting::ForPod { member: new.name.clone(), cause })
}
