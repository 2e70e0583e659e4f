//! The step under way: finished, carried on, or abandoned.

use jiff::SignedDuration;

use super::{Draft, corrupt::is_replaced};
use crate::{
    app::{App, Change, MayStop, Start},
    cluster::{CRASH_LOOP_SECONDS, Cluster, Health, Member, find_pod, quorum},
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
            Some(Step::Join { member }) => self.go_on_joining(cluster, wanted, member),
            Some(Step::Leave { name, pod, reason, .. }) => match cluster.member(&name) {
                Some(member) => self.go_on_leaving(cluster, wanted, member, reason),
                None => self.clear_away(&name, pod, reason),
            },
            Some(Step::Restart { name }) => match cluster.member(&name) {
                Some(member) => self.go_on_restarting(cluster, member),
                None => self.record.step = None,
            },
        }
    }

    /// Added, then started, then promoted: whoever finds a member half joined finishes it before
    /// anything else.
    fn go_on_joining(&mut self, cluster: &Cluster, wanted: usize, new: MemberRecord) {
        let welcome = self.wants_another(cluster, wanted);
        let begun = new.asked.is_some() || new.pod.is_some();
        match cluster.member(&new.name) {
            Some(member) if member.votes() => {
                self.record.members.push(MemberRecord { id: Some(member.id), ..new });
                self.record.step = None;
                self.record.setback = None;
            }
            Some(learner) if !welcome => self.give_up(cluster, learner, LeaveReason::ScaleDown),
            Some(learner) if !begun => self.ask_for_pod(cluster, learner),
            Some(learner) => self.bring_up(cluster, learner),
            None if begun => {
                self.set_back(format!("{} was taken off the list of members", new.name));
                self.clear_away(&new.name, new.pod, LeaveReason::FailedJoin);
            }
            // Before it is added nothing is lost by making room for a repair: nobody can be added
            // beside another learner, nor (up to etcd 3.5.30) while a voter is down.
            None if welcome && !needs_repair(cluster) => self.add_learner(cluster, &new.name),
            None => self.record.step = None,
        }
    }

    fn add_learner(&mut self, cluster: &Cluster, name: &MemberName) {
        let Some(leader) = cluster.leader() else { return };
        // etcd asks for all of them up to 3.5.30: to ask earlier only brings refusals.
        if !self.is_settled(cluster, name, cluster.voters().count()) {
            return;
        }
        let address = self.app.address(&self.snapshot.object, name);
        let call = self.call(leader);
        self.act(Action::AddLearner { member: name.clone(), address, call });
    }

    /// A learner that is listed gets a pod, once.
    fn ask_for_pod(&mut self, cluster: &Cluster, learner: &Member) {
        if !self.may_try() {
            return;
        }
        let members = self.peers(cluster.members.iter().map(|it| &it.name));
        let start = Start::Existing { members };
        let launch = self.launch(&learner.name, Some(&start));
        if let Some(Step::Join { member }) = &mut self.record.step {
            member.asked = Some(self.snapshot.now);
        }
        self.act(Action::CreatePod { member: learner.name.clone(), start, launch });
    }

    /// A learner that has a pod gets a vote when it has caught up.
    fn bring_up(&mut self, cluster: &Cluster, learner: &Member) {
        match (&learner.health, find_pod(self.snapshot, &learner.name)) {
            (Health::Failed(why) | Health::Dead(why), _) => {
                self.set_back(why.clone());
                self.give_up(cluster, learner, LeaveReason::FailedJoin);
            }
            (Health::Corrupt, _) => {
                self.set_back("its data is corrupt".into());
                self.give_up(cluster, learner, LeaveReason::FailedJoin);
            }
            (Health::Healthy, _) => self.promote_when_ready(cluster, learner),
            (Health::Stopped(_), Some(pod)) if learner.change == Change::Restart => {
                self.restart(pod);
            }
            // It stands in the way of a repair that does not need it.
            _ if has_given_up(cluster) && self.is_overdue() => {
                self.set_back(learner.health.why().unwrap_or_default().to_owned());
                self.give_up(cluster, learner, LeaveReason::FailedJoin);
            }
            (health, _) => {
                let why = health.why().unwrap_or_default().to_owned();
                self.wait(Waiting::ForPod { member: learner.name.clone(), why });
            }
        }
    }

    /// Whether who is coming has not worked for a long time.
    fn is_overdue(&self) -> bool {
        let Some(Step::Join { member }) = &self.record.step else { return false };
        let patience = SignedDuration::from_secs(CRASH_LOOP_SECONDS);
        let now = self.snapshot.now;
        member.failing_since.is_some_and(|since| now.duration_since(since) >= patience)
    }

    fn promote_when_ready(&mut self, cluster: &Cluster, learner: &Member) {
        let Some(leader) = cluster.leader() else { return };
        let member = learner.name.clone();
        let (ahead, has) = (leader.position.unwrap_or(0), learner.position.unwrap_or(0));
        // etcd promotes from nine tenths on; less would only be refused.
        if has.saturating_mul(10) < ahead.saturating_mul(9) {
            // One digit is enough to see it shrink; each change is a write.
            let behind = ahead.saturating_sub(has);
            let scale = 10_u64.pow(behind.checked_ilog10().unwrap_or(0));
            let behind = behind / scale * scale;
            return self.wait(Waiting::ForCatchUp { member, behind });
        }
        let (working, needed) =
            (cluster.healthy_voters() + 1, quorum(cluster.voters().count() + 1));
        if working < needed {
            let why = format!("with it {working} of the {needed} voters needed then would work");
            return self.wait(Waiting::ForRedundancy { member, why });
        }
        if !self.is_settled(cluster, &member, needed - 1) {
            return;
        }
        let call = self.call(leader);
        self.act(Action::Promote { member, id: learner.id, call });
    }

    /// Turns the join under way into a leave.
    fn give_up(&mut self, cluster: &Cluster, learner: &Member, reason: LeaveReason) {
        let pod = match self.record.step.take() {
            Some(Step::Join { member }) => member.pod,
            _ => None,
        };
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
            LeaveReason::Corrupt => surplus && is_replaced(cluster, member),
            LeaveReason::Dead => member.health.is_given_up(),
            LeaveReason::FailedJoin | LeaveReason::Stray => false,
        };
        if !holds || !may_remove(cluster, member) {
            self.stay(member);
        } else if member.leads && self.move_lead(cluster, member) {
            // The removal follows when another leads.
        } else {
            self.remove(cluster, member, reason);
        }
    }

    /// The leave is over before it began. Who votes belongs to the cluster, also one that was given
    /// up as a learner and promoted by a call that came late.
    fn stay(&mut self, member: &Member) {
        let pod = match self.record.step.take() {
            Some(Step::Leave { pod, .. }) => pod,
            _ => None,
        };
        if member.votes() && !self.record.members.iter().any(|it| it.name == member.name) {
            let (name, id) = (member.name.clone(), Some(member.id));
            self.record.members.push(MemberRecord { id, pod, ..MemberRecord::new(name) });
        }
    }

    fn remove(&mut self, cluster: &Cluster, member: &Member, reason: LeaveReason) {
        let Some(leader) = cluster.leader() else { return };
        let stay = cluster.voters().count() - usize::from(member.votes());
        if member.votes() && !self.is_settled(cluster, &member.name, quorum(stay)) {
            return;
        }
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

    /// Until the member says itself that it runs what is asked for, no other is touched.
    fn go_on_restarting(&mut self, cluster: &Cluster, member: &Member) {
        let Some(accepted) = self.record.accepted.as_ref() else { return };
        let answer = self.snapshot.view.target(&member.name).and_then(|it| it.status.as_ref());
        let runs = answer.is_some_and(|it| self.app.runs(&accepted.spec, it));
        let mut told = self.record.members.iter().filter(|it| it.name == member.name);
        let done = runs || told.all(|it| it.restarted.is_none());
        match &member.health {
            Health::Healthy | Health::Corrupt if done && member.change != Change::Restart => {
                self.record.step = None
            }
            Health::Failed(_) | Health::Dead(_) => self.record.step = None,
            // It does not come back for now, and somebody else needs help.
            health if !health.is_healthy() && has_given_up(cluster) => self.record.step = None,
            _ if member.change == Change::Restart => self.restart_member(cluster, member),
            _ if member.change == Change::Recreate => self.record.step = None,
            health => {
                let why = health.why().unwrap_or("it does not say yet that it was restarted");
                self.wait(Waiting::ForMember { member: member.name.clone(), why: why.to_owned() });
            }
        }
    }

    /// Restarts a member in place if the others can do without it.
    pub(super) fn restart_member(&mut self, cluster: &Cluster, member: &Member) {
        let name = member.name.clone();
        let may = match member.health {
            Health::Stopped(_) => MayStop::Yes,
            _ => self.app.may_stop(cluster, &[&name]),
        };
        match (may, find_pod(self.snapshot, &name)) {
            (MayStop::NotYet(why) | MayStop::Never(why), _) => {
                self.record.step = None;
                self.wait(Waiting::ForRedundancy { member: name, why });
            }
            (MayStop::Yes, _) if member.leads && self.move_lead(cluster, member) => {
                self.record.step = None;
            }
            (MayStop::Yes, Some(pod)) => {
                self.record.step = Some(Step::Restart { name });
                self.restart(pod);
            }
            (MayStop::Yes, None) => self.record.step = None,
        }
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

/// Whether a member has to be replaced: because its data is corrupt, because its pod must be another, or
/// because so few members cannot spare one for a restart.
pub(super) fn must_move(cluster: &Cluster, member: &Member) -> bool {
    let voters = cluster.voters().count();
    match member.change {
        _ if is_replaced(cluster, member) => true,
        Change::Recreate => true,
        Change::Restart => voters - 1 < quorum(voters) && member.health.is_healthy(),
        Change::Nothing | Change::Live | Change::Refuse(_) => false,
    }
}

/// Whether there is a learner that nobody waits for, or a voter given up that can be taken off the list.
fn needs_repair(cluster: &Cluster) -> bool {
    cluster.members.iter().any(|it| it.learner) || has_given_up(cluster)
}

/// Whether there is a voter given up that can be taken off the list.
fn has_given_up(cluster: &Cluster) -> bool {
    let given_up = |it: &&Member| it.recorded && it.health.is_given_up();
    cluster.voters().filter(given_up).any(|it| may_remove(cluster, it))
}

/// Whether those who stay and work are a majority of those who stay. A learner never counted.
pub(super) fn may_remove(cluster: &Cluster, member: &Member) -> bool {
    let stays = |it: &&Member| it.name != member.name;
    let working = cluster.voters().filter(stays).filter(|it| it.health.is_healthy()).count();
    member.learner || working >= quorum(cluster.voters().count() - 1)
}
