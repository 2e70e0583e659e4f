//! The step under way: finished, carried on, or abandoned.

use super::Draft;
use crate::{
    app::{App, Change, Start},
    cluster::{Cluster, Health, Member, find_pod, quorum},
    id::{MemberName, Uid},
    plan::{Action, PodRef},
    record::{LeaveReason, MemberRecord, Step},
    snapshot::Pod,
    waiting::Waiting,
};

impl<A: App> Draft<'_, A> {
    pub(super) fn go_on(&mut self, cluster: &Cluster, wanted: usize) {
        match self.record.step.clone() {
            None => {}
            Some(Step::Join { name, pod, .. }) => self.go_on_joining(cluster, wanted, &name, pod),
            Some(Step::Leave { name, pod, reason, .. }) => match cluster.member(&name) {
                Some(member) => self.go_on_leaving(cluster, wanted, member, reason),
                None => self.clear_away(&name, pod, reason),
            },
        }
    }

    /// Added, then started, then promoted: whoever finds a member half joined finishes it before
    /// anything else.
    fn go_on_joining(
        &mut self,
        cluster: &Cluster,
        wanted: usize,
        name: &MemberName,
        pod: Option<Uid>,
    ) {
        let welcome = self.wants_another(cluster, wanted);
        match cluster.member(name) {
            Some(member) if member.votes() => {
                let record =
                    MemberRecord { id: Some(member.id), pod, ..MemberRecord::new(name.clone()) };
                self.record.members.push(record);
                self.record.step = None;
            }
            Some(learner) if !welcome => self.give_up(cluster, learner, LeaveReason::ScaleDown),
            Some(learner) => self.bring_up(cluster, learner, pod),
            None if pod.is_some() => self.clear_away(name, pod, LeaveReason::FailedJoin),
            // Before it is added nothing is lost by making room for a repair, and up to etcd 3.5.30
            // nothing can be added while a voter is down.
            None if welcome && !needs_repair(cluster) => self.add_learner(cluster, name),
            None => self.record.step = None,
        }
    }

    fn add_learner(&mut self, cluster: &Cluster, name: &MemberName) {
        let Some(leader) = cluster.leader() else { return };
        let address = self.app.address(&self.snapshot.object, name);
        let call = self.call(leader);
        self.act(Action::AddLearner { member: name.clone(), address, call });
    }

    /// A learner that is listed: gets a pod once, and a vote when it has caught up.
    fn bring_up(&mut self, cluster: &Cluster, learner: &Member, pod: Option<Uid>) {
        let name = &learner.name;
        let seen = find_pod(self.snapshot, name);
        match (&learner.health, seen) {
            (_, None) if pod.is_none() => {
                let members = self.peers(cluster.members.iter().map(|it| &it.name));
                let start = Start::Existing { members };
                let launch = self.launch(name, Some(&start));
                self.act(Action::CreatePod { member: name.clone(), start, launch });
            }
            (Health::Dead(_), _) => self.give_up(cluster, learner, LeaveReason::FailedJoin),
            (Health::Healthy, _) => self.promote_when_ready(cluster, learner),
            (Health::Stopped(_), Some(pod)) if learner.change == Change::Restart => {
                self.restart(pod);
            }
            (Health::Stopped(why) | Health::Unwell(why), _) => {
                let (member, why) = (name.clone(), why.clone());
                self.wait(Waiting::ForPod { member, why });
            }
        }
    }

    fn promote_when_ready(&mut self, cluster: &Cluster, learner: &Member) {
        let Some(leader) = cluster.leader() else { return };
        let member = learner.name.clone();
        let (ahead, has) = (leader.position.unwrap_or(0), learner.position.unwrap_or(0));
        // etcd promotes from nine tenths on; less would only be refused.
        if has.saturating_mul(10) < ahead.saturating_mul(9) {
            let behind = ahead.saturating_sub(has);
            return self.wait(Waiting::ForCatchUp { member, behind });
        }
        let (working, needed) =
            (cluster.healthy_voters() + 1, quorum(cluster.voters().count() + 1));
        if working < needed {
            let why = format!("with it {working} of the {needed} voters needed then would work");
            return self.wait(Waiting::ForRedundancy { member, why });
        }
        let call = self.call(leader);
        self.act(Action::Promote { member, id: learner.id, call });
    }

    /// Turns the join under way into a leave.
    fn give_up(&mut self, cluster: &Cluster, learner: &Member, reason: LeaveReason) {
        let pod = find_pod(self.snapshot, &learner.name).map(|it| it.uid.clone());
        let (name, id) = (learner.name.clone(), Some(learner.id));
        self.record.step = Some(Step::Leave { name, id, pod, reason });
        self.remove(cluster, learner, reason);
    }

    /// Off the list first, then the pod. Until it is off the list the step can be abandoned, and is
    /// when its reason is gone or when it is not safe any more.
    pub(super) fn go_on_leaving(
        &mut self,
        cluster: &Cluster,
        wanted: usize,
        member: &Member,
        reason: LeaveReason,
    ) {
        let surplus = cluster.own_voters() > wanted;
        let holds = match reason {
            _ if member.learner => true,
            LeaveReason::ScaleDown => surplus,
            LeaveReason::Outdated => surplus && member.outdated,
            LeaveReason::Dead => member.health.is_dead(),
            LeaveReason::FailedJoin | LeaveReason::Stray => false,
        };
        if !holds || !may_remove(cluster, member) {
            self.record.step = None;
        } else if member.leads && self.move_lead(cluster, member) {
            // The removal follows when another leads.
        } else {
            self.remove(cluster, member, reason);
        }
    }

    fn remove(&mut self, cluster: &Cluster, member: &Member, reason: LeaveReason) {
        let Some(leader) = cluster.leader() else { return };
        let (name, id, call) = (member.name.clone(), member.id, self.call(leader));
        self.act(Action::RemoveMember { member: name, id, reason, call });
    }

    /// Hands the lead to the voter that works and has the most; says whether there is one.
    pub(super) fn move_lead(&mut self, cluster: &Cluster, from: &Member) -> bool {
        let able = |it: &&Member| it.name != from.name && it.health.is_healthy();
        let heir = cluster.voters().filter(able).max_by_key(|it| (!it.outdated, it.position));
        let Some(heir) = heir else { return false };
        let (to, id, call) = (heir.name.clone(), heir.id, self.call(from));
        self.act(Action::MoveLead { to, id, call });
        true
    }

    /// The member is off the list: its pod goes, and the step is done.
    fn clear_away(&mut self, name: &MemberName, pod: Option<Uid>, reason: LeaveReason) {
        self.record.members.retain(|it| it.name != *name);
        let seen = find_pod(self.snapshot, name).filter(|it| !it.deleting);
        let ours = |it: &&Pod<A::Spec>| pod.as_ref().is_none_or(|uid| *uid == it.uid);
        match seen.filter(ours) {
            Some(found) => {
                let (name, pod) = (name.clone(), Some(found.uid.clone()));
                self.record.step = Some(Step::Leave { name, id: None, pod, reason });
                self.act(Action::DeletePod { pod: PodRef::from(found), reason });
            }
            None => self.record.step = None,
        }
    }

    /// Whether another voter is wanted: to make up the number, or as the successor of a member that
    /// cannot be brought up to date in place.
    pub(super) fn wants_another(&self, cluster: &Cluster, wanted: usize) -> bool {
        let voters = cluster.own_voters();
        voters < wanted || voters == wanted && cluster.voters().any(|it| must_move(cluster, it))
    }
}

/// Whether a member has to be replaced to be brought up to date: because its pod must be another, or
/// because so few members cannot spare one for a restart.
pub(super) fn must_move(cluster: &Cluster, member: &Member) -> bool {
    let voters = cluster.voters().count();
    match member.change {
        Change::Recreate => true,
        Change::Restart => voters - 1 < quorum(voters) && member.health.is_healthy(),
        Change::Nothing | Change::Live | Change::Refuse(_) => false,
    }
}

/// Whether a dead voter can be taken off the list.
fn needs_repair(cluster: &Cluster) -> bool {
    let dead = |it: &&Member| it.recorded && it.health.is_dead();
    cluster.voters().filter(dead).any(|it| may_remove(cluster, it))
}

/// Whether those who stay and work are a majority of those who stay. A learner never counted.
pub(super) fn may_remove(cluster: &Cluster, member: &Member) -> bool {
    let stays = |it: &&Member| it.name != member.name;
    let working = cluster.voters().filter(stays).filter(|it| it.health.is_healthy()).count();
    member.learner || working >= quorum(cluster.voters().count() - 1)
}
