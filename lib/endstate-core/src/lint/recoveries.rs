//! Recoveries of which nobody is asked.

use super::{Lint, Rule};
use crate::id::MemberName;
use crate::limits::quorum;
use crate::pod::{Pod, PodPhase};
use crate::record::{MemberRecord, RecoverStage, Step};
use crate::topology::Recovery;

impl<S> Lint<'_, S> {
    /// A recovery is recorded by a person's consent, or by the policy and with evidence of its own.
    pub(super) fn asks_somebody(&mut self) {
        let (old, new) = (&self.snapshot.status.record.step, &self.plan.status.record.step);
        let Some(Step::Recover { source, unasked, stage: RecoverStage::Fencing {}, .. }) = new
        else {
            return;
        };
        let goes_on = matches!(old, Some(Step::Recover { source: it, unasked: was, .. })
            if it == source && was == unasked);
        let may_begin = match unasked {
            true => self.is_policy() && self.is_loss_proven(source),
            false => self.snapshot.recover_from() == Some(source),
        };
        self.check(Rule::KeepsData, goes_on || may_begin, || {
            format!("a recovery from {source} would begin that nobody consented to")
        });
    }

    /// Until the source was asked for alone it ends with the policy by which it began.
    pub(super) fn follows_policy(&mut self, source: &MemberName) {
        let (old, new) = (&self.snapshot.status.record.step, &self.plan.status.record.step);
        let fences = matches!(old, Some(Step::Recover { stage: RecoverStage::Fencing {}, .. }));
        let unasked = matches!(new, Some(Step::Recover { unasked: true, .. }));
        self.check(Rule::KeepsData, !(fences && unasked) || self.is_policy(), || {
            format!("the cluster would go on from {source}, and somebody is to be asked")
        });
    }

    fn is_policy(&self) -> bool {
        self.plan.roles.iter().any(|it| it.votes && it.recovery == Recovery::Unasked)
    }

    /// Whether those who have certainly lost their data, and had before, are a majority, and each of the others says
    /// how far it is.
    pub(super) fn is_loss_proven(&self, source: &MemberName) -> bool {
        let says = |it: &MemberName| self.snapshot.told_position(it).is_some();
        let voters = || self.snapshot.status.record.members.iter().filter(|it| it.votes);
        let gone = |it: &&MemberRecord| it.lost_since.is_some() && self.has_lost_all(it);
        let mut pods = self.snapshot.pods.iter().flatten();
        let recorded = |it: &MemberName| self.snapshot.status.record.find(it).is_some();
        let known = voters().all(|it| gone(&it) || says(&it.name))
            && pods
                .all(|it| recorded(&it.name) || says(&it.name) || it.data_lost() && !it.deleting);
        let left = voters().filter(|it| !gone(it)).count();
        says(source) && known && left < quorum(voters().count())
    }

    /// Whether what only this member had is given up by a person: its data was gone for certain when the recovery
    /// began.
    pub(super) fn is_forgone(&self, name: &str) -> bool {
        let Some(Step::Recover { lost, unasked: false, .. }) = &self.plan.status.record.step else {
            return false;
        };
        let record = &self.snapshot.status.record;
        let before = matches!(&record.step, Some(Step::Recover { lost, unasked: false, .. })
            if lost.iter().any(|it| it.as_str() == name));
        let gone = || record.find(name).is_some_and(|it| self.has_lost_all(it));
        lost.iter().any(|it| it.as_str() == name) && (before || gone())
    }

    /// Whether a member's process is not there, and its data neither: by its pod, which is not going only, and its
    /// claims.
    fn has_lost_all(&self, member: &MemberRecord) -> bool {
        let durable = self.snapshot.is_durable(&member.name);
        let Some(pod) = self.find(&member.name) else { return !durable };
        let ended = |it: &Pod<S>| matches!(it.phase, PodPhase::Failed | PodPhase::Succeeded);
        let another = member.pod.as_ref().is_some_and(|uid| *uid != pod.uid);
        let waits = pod.resumes && !pod.started;
        let unclaimed = !durable && (ended(pod) || another || waits);
        !pod.deleting && (pod.data_lost() || unclaimed)
    }
}
