//! The next step, when none is under way: repair before change, removal of the dead before growth,
//! growth before restarts.

use super::{
    Draft,
    corrupt::is_replaced,
    steps::{may_remove, must_move},
};
use crate::{
    app::{App, Change},
    cluster::{Cluster, Member, quorum},
    plan::{Action, PodRef},
    record::{LeaveReason, MemberRecord, Step},
    snapshot::Pod,
    waiting::Waiting,
};

impl<A: App> Draft<'_, A> {
    pub(super) fn choose(&mut self, cluster: &Cluster, wanted: usize) {
        // Somebody else took them off the list; what is left of them is cleared away below.
        self.record.members.retain(|it| cluster.member(&it.name).is_some());
        self.wait_for_strangers(cluster);
        self.update_labels(cluster);
        if self.remove_stray_learner(cluster, wanted) || self.remove_given_up(cluster, wanted) {
            return;
        }
        if self.delete_stray_pod(cluster) || self.restart_broken(cluster) {
            return;
        }
        if cluster.own_voters() > wanted {
            self.shrink(cluster, wanted);
        } else if self.wants_another(cluster, wanted) {
            self.grow(cluster, wanted);
        } else {
            self.roll(cluster);
        }
    }

    /// Voters that nothing here added are counted, reported, and left alone.
    fn wait_for_strangers(&mut self, cluster: &Cluster) {
        for stranger in cluster.voters().filter(|it| !it.recorded) {
            self.wait(Waiting::ForStranger { member: stranger.name.clone() });
        }
    }

    /// Labels and annotations do no harm, so all of them are brought up to date at once.
    fn update_labels(&mut self, cluster: &Cluster) {
        for member in cluster.members.iter().filter(|it| it.change == Change::Live) {
            if let Some(pod) = member.pod.clone() {
                let launch = self.launch(&member.name, None);
                self.act(Action::UpdatePod { pod, launch });
            }
        }
    }

    fn remove_stray_learner(&mut self, cluster: &Cluster, wanted: usize) -> bool {
        let stray = cluster.members.iter().find(|it| it.learner);
        stray.is_some_and(|it| self.leave(cluster, wanted, it, LeaveReason::Stray))
    }

    fn remove_given_up(&mut self, cluster: &Cluster, wanted: usize) -> bool {
        let order = self.app.order(cluster);
        let mut gone = order.into_iter().filter(|it| it.recorded && it.health.is_given_up());
        gone.any(|it| it.votes() && self.leave(cluster, wanted, it, LeaveReason::Dead))
    }

    /// Starts a leave, unless it would leave too few.
    fn leave(
        &mut self,
        cluster: &Cluster,
        wanted: usize,
        member: &Member,
        reason: LeaveReason,
    ) -> bool {
        if !may_remove(cluster, member) {
            let others = cluster.voters().count() - 1;
            let why = format!("fewer than {} of the {others} other voters work", quorum(others));
            self.wait(Waiting::ForRedundancy { member: member.name.clone(), why });
            return false;
        }
        let pod = member.pod.as_ref().map(|it| it.uid.clone());
        let (name, id) = (member.name.clone(), Some(member.id));
        self.record.step = Some(Step::Leave { name, id, pod, reason });
        self.go_on_leaving(cluster, wanted, member, reason);
        true
    }

    /// A pod that is no member's any more.
    fn delete_stray_pod(&mut self, cluster: &Cluster) -> bool {
        let belongs = |pod: &Pod<A::Spec>| {
            cluster.member(&pod.name).is_some()
                || self.record.members.iter().any(|it| it.name == pod.name)
        };
        let pods = self.snapshot.pods.as_deref().unwrap_or_default();
        let strays = pods.iter().filter(|it| !belongs(it) && !it.deleting);
        let Some(pod) = strays.min_by_key(|it| &it.name) else { return false };
        let reason = LeaveReason::Stray;
        let (name, uid) = (pod.name.clone(), Some(pod.uid.clone()));
        self.record.step = Some(Step::Leave { name, id: None, pod: uid, reason });
        self.act(Action::DeletePod { pod: PodRef::from(pod), reason });
        true
    }

    /// A process that does not run is brought up to date first and without asking anybody: a bad
    /// change must always be followed by its fix.
    pub(super) fn restart_broken(&mut self, cluster: &Cluster) -> bool {
        let broken = cluster.voters().filter(|it| it.health.is_stopped() && !it.health.is_lost());
        let names: Vec<_> = broken.map(|it| it.name.clone()).collect();
        self.restart_first_outdated(&names);
        self.actions.iter().any(Action::is_dangerous)
    }

    fn shrink(&mut self, cluster: &Cluster, wanted: usize) {
        let order = self.app.order(cluster);
        let Some(first) = order.into_iter().find(|it| it.recorded && it.votes()) else { return };
        let reason = match first {
            it if is_replaced(cluster, it) => LeaveReason::Corrupt,
            it if it.outdated && must_move(cluster, it) => LeaveReason::Outdated,
            _ => LeaveReason::ScaleDown,
        };
        self.leave(cluster, wanted, first, reason);
    }

    fn grow(&mut self, cluster: &Cluster, wanted: usize) {
        if !self.may_try() {
            return;
        }
        let names = self.take_names(1);
        for name in names {
            self.record.step = Some(Step::Join { member: MemberRecord::new(name) });
        }
        self.go_on(cluster, wanted);
    }

    /// Restarts the next member that is not up to date, who leads last.
    fn roll(&mut self, cluster: &Cluster) {
        let order = self.app.order(cluster);
        let mut outdated = order.into_iter().filter(|it| it.change == Change::Restart);
        let ours = |it: &&Member| it.votes() && it.recorded && !it.health.is_given_up();
        let Some(member) = outdated.find(ours) else { return };
        self.restart_member(cluster, member);
    }
}
