//! Clusters that begin anew with other data.

use super::{Lint, Rule};
use crate::beside::Beside;
use crate::id::MemberName;
use crate::launch::Peer;
use crate::pod::PodRef;
use crate::record::{RestoreStage, Restoring};

impl<S> Lint<'_, S> {
    /// Each stage follows on the one before it, and on what proves that.
    pub(super) fn restores(&mut self) {
        let (old, new) = (&self.snapshot.status.record, &self.plan.status.record);
        let forms =
            matches!(&old.restoring, Some(Restoring { stage: RestoreStage::Forming {}, .. }));
        let stays = new.restoring.is_some() || new.cluster_id.is_some();
        self.check(Rule::NoSecondStart, !forms || stays, || {
            "the cluster would begin empty in place of what is restored".into()
        });
        let Some(restoring) = &new.restoring else { return };
        let before = old.restoring.as_ref().filter(|it| it.by == restoring.by);
        let stage = |it: &Restoring| std::mem::discriminant(&it.stage);
        let same = before.filter(|it| stage(it) == stage(restoring));
        let name = |it: &Restoring| it.member().map(|it| it.name.clone());
        let goes_on = same.is_some_and(|it| name(it) == name(restoring));
        let asked = goes_on || self.is_restore_asked(restoring);
        self.check(Rule::HandsOff, asked, || {
            "the cluster would begin anew, and no operation that was started asks for it".into()
        });
        let follows = goes_on
            || match (&restoring.stage, before.map(|it| &it.stage)) {
                (RestoreStage::Preparing { .. }, it) => {
                    !matches!(it, Some(RestoreStage::Forming {}))
                }
                (
                    RestoreStage::Fencing { member },
                    Some(RestoreStage::Preparing { member: before }),
                ) => member.name == before.name && self.is_prepared(&member.name),
                (RestoreStage::Forming {}, Some(RestoreStage::Fencing { .. })) => {
                    self.begins_anew()
                }
                _ => false,
            };
        self.check(Rule::KeepsData, follows, || {
            "the cluster would begin anew before its data is made, or before all pods are gone"
                .into()
        });
    }

    /// Whether the record goes from a cluster that is fenced to one that forms: no pod is left, and what is on volumes
    /// is kept.
    pub(super) fn begins_anew(&self) -> bool {
        let (old, new) = (&self.snapshot.status.record, &self.plan.status.record);
        let Some(RestoreStage::Fencing { member }) = old.restoring.as_ref().map(|it| &it.stage)
        else {
            return false;
        };
        let forming =
            matches!(&new.restoring, Some(Restoring { stage: RestoreStage::Forming {}, .. }));
        let first = new.bootstrap.as_ref().map(|it| &*it.members);
        let alone = matches!(first, Some([first]) if first.name == member.name);
        let empty = self.snapshot.pods.as_ref().is_some_and(Vec::is_empty);
        let empty = empty && !self.snapshot.is_any_name_taken();
        let kept = |it: &MemberName| *it == member.name || new.kept.contains(it);
        forming && alone && empty && self.snapshot.claims.iter().all(|it| kept(&it.member))
    }

    /// Whoever has its data made is recorded for that, and told of nobody else.
    pub(super) fn create_prepared(&mut self, member: &MemberName, told: &[Peer]) {
        let made = self.plan.status.record.is_made(member);
        let alone = told.len() == 1 && told[0].name == *member;
        self.check(Rule::IntentFirst, made && alone, || {
            format!("{member} is not recorded to have its data made")
        });
    }

    /// All pods make room once the data is made.
    pub(super) fn make_room_for_restored(&mut self, pod: &PodRef) {
        self.pod(pod);
        let fencing = |it: &Restoring| matches!(it.stage, RestoreStage::Fencing { .. });
        let (old, new) = (&self.snapshot.status.record, &self.plan.status.record);
        let recorded = [old, new].iter().all(|it| it.restoring.as_ref().is_some_and(fencing));
        let asked = new.restoring.as_ref().is_some_and(|it| self.is_restore_asked(it));
        self.check(Rule::IntentFirst, recorded && asked, || {
            format!("{} would go for data that is not made, or that nobody asks for", pod.name)
        });
    }

    fn is_restore_asked(&self, restoring: &Restoring) -> bool {
        let asks = |it: &&Beside| {
            it.uid == restoring.by
                && !it.deleting
                && it.progress.is_started()
                && !it.progress.state.is_over()
        };
        self.snapshot.beside.iter().any(|it| asks(&it))
    }

    fn is_prepared(&self, name: &MemberName) -> bool {
        self.find(name).is_some_and(|it| it.is_prepared() && !it.deleting)
    }
}
