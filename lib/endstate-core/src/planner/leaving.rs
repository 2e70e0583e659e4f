//! How a member leaves: drained, its lead handed over, taken off the list; then its pod and its claim go.

use super::proof::Proof;
use super::restarting::last_of_group;
use super::verdict::{Move, Note, Verdict};
use crate::app::App;
use crate::assess::groups::leaves_a_copy;
use crate::assess::rules::{can_transfer, heir, leaves_quorum, may_remove};
use crate::limits::quorum;
use crate::member::Member;
use crate::plan::Action;
use crate::pod::PodRef;
use crate::reason::{LeaveReason, Shortage};
use crate::record::Step;
use crate::request::{Call, Request};
use crate::view::Membership;
use crate::waiting::Waiting;

impl<A: App> Proof<'_, '_, A> {
    /// Starts a leave, unless it would leave too few.
    pub(super) fn leave(&self, member: &Member, reason: LeaveReason) -> Verdict {
        if let Some(wait) = self.lacks_for_removal(member) {
            return Verdict::say([wait]);
        }
        let step = Step::Leave {
            name: member.name.clone(),
            role: member.role.clone(),
            group: member.group,
            id: Some(member.id.clone()),
            pod: member.pod.as_ref().map(|it| it.uid.clone()),
            reason,
        };
        match self.go_on_leaving(member, reason) {
            Verdict::Only(wanted) => Verdict::Only(wanted.notes(Note::Step(Some(step)))),
            other => other,
        }
    }

    /// What is lacking before a member can be taken off the list.
    pub(super) fn lacks_for_removal(&self, member: &Member) -> Option<Waiting> {
        if may_remove(self.cluster, self.target, member) {
            return None;
        }
        if leaves_quorum(self.cluster, member) {
            return Some(last_copy(member));
        }
        let others = self.cluster.voters().count() - 1;
        let shortage = Shortage::TooFewOthers { others, needed: quorum(others) };
        Some(Waiting::ForRedundancy { member: member.name.clone(), shortage })
    }

    /// Off the list first, then the pod. Until it is off the list the step can be abandoned, and is
    /// when its reason is gone or when it is not safe any more.
    pub(super) fn go_on_leaving(&self, member: &Member, reason: LeaveReason) -> Verdict {
        if self.must_drain(member) {
            return self.drain(member);
        }
        // The removal follows when another leads.
        let transfer = member.leads.then(|| self.transfer(member)).flatten();
        transfer.map_or_else(|| self.remove(member, reason), Verdict::act)
    }

    pub(super) fn must_drain(&self, member: &Member) -> bool {
        self.assessed.must_drain(self.cluster, member)
    }

    /// Whether the quorum lacks one that it lost: until it has another, nothing that takes long is waited for.
    pub(super) fn is_repairing(&self) -> bool {
        self.assessed.is_repairing(self.cluster, self.target)
    }

    fn drain(&self, member: &Member) -> Verdict {
        let (member, id) = (member.name.clone(), member.id.clone());
        self.call(Request::Drain { member, id })
    }

    pub(super) fn remove(&self, member: &Member, reason: LeaveReason) -> Verdict {
        let stay = self.cluster.voters().count() - usize::from(member.votes);
        if member.votes
            && let Err(wait) = self.settled(&member.name, quorum(stay))
        {
            return Verdict::wait(wait);
        }
        // A group that is not asked for any more was drained, and holds nothing by now.
        if !leaves_a_copy(self.cluster, self.target, member) {
            return Verdict::wait(last_copy(member));
        }
        let (member, id) = (member.name.clone(), member.id.clone());
        self.call(Request::Leave { member, id, reason })
    }

    /// Hands the lead to the voter that works and has the most, if there is one and the application can.
    pub(super) fn transfer(&self, from: &Member) -> Option<Action> {
        if !can_transfer(self.target, from) {
            return None;
        }
        let heir = heir(self.cluster, self.target, from)?;
        let request = Request::Transfer { to: heir.name.clone(), id: heir.id.clone() };
        let via = self.assessed.app.via(self.cluster, &request)?;
        Some(Action::Call(Call { request, via, roster: self.roster() }))
    }

    /// The member is off the list: its pod goes, and its claim unless that is retained, and the step is done.
    pub(super) fn clear_away(&self, name: &str, reason: LeaveReason) -> Verdict {
        if let Some(pod) = self.assessed.leftover_pod(name) {
            return Verdict::act(Action::DeletePod { pod: PodRef::from(pod), reason });
        }
        match self.assessed.leftover_claim(name, reason) {
            Some(claim) => Verdict::act(Action::DeleteClaim { claim: claim.clone() }),
            None => Verdict::Only(Move::default()),
        }
    }

    /// A request to the member that the application chooses, conditioned on the list that was decided on. It is not
    /// made again while the application is at work on it.
    pub(super) fn call(&self, request: Request) -> Verdict {
        if let Some(wait) = self.running(&request.kind(), request.member()) {
            return Verdict::wait(wait);
        }
        match self.assessed.app.via(self.cluster, &request) {
            None => {
                let (request, member) = (request.kind(), request.member().clone());
                Verdict::wait(Waiting::ForAddressee { request, member })
            }
            Some(via) => Verdict::act(Action::Call(Call { request, via, roster: self.roster() })),
        }
    }

    fn roster(&self) -> crate::Roster {
        self.assessed.list().map(Membership::roster).unwrap_or_default()
    }
}

/// The wait of a member that alone has what its group has.
fn last_copy(member: &Member) -> Waiting {
    Waiting::ForRedundancy { member: member.name.clone(), shortage: last_of_group(member) }
}
