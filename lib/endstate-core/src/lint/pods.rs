//! Pods that are made, restarted and deleted, also for a recovery.

use super::{Lint, Rule};
use crate::consent::Choice;
use crate::id::MemberName;
use crate::launch::{Launch, Peer, Start};
use crate::limits::quorum;
use crate::plan::Action;
use crate::pod::{Pod, PodPhase, PodRef};
use crate::reason::LeaveReason;
use crate::record::{RecoverStage, Step};
use crate::request::Request;
use crate::topology::Recovery;
use crate::view::{Entry, MemberStatus, Membership, Reach};

impl<'a, S> Lint<'a, S> {
    pub(super) fn create(&mut self, member: &MemberName, start: &Start) {
        let mut conflicts = self.snapshot.conflicts.iter();
        let taken = conflicts.any(|it| it.member.as_ref() == Some(member));
        self.check(Rule::DeletesOnlyWhatLeaves, !taken, || {
            format!("{member} would start without an object whose name is taken")
        });
        match start {
            Start::New { members, .. } => self.create_first(member, members),
            Start::Prepare { members, .. } => self.create_prepared(member, members),
            Start::Existing { members } => self.create_joining(member, members),
            Start::Resume { .. } => self.resume(member),
            Start::Recover { members, .. } => self.create_alone(member, members),
        }
        let asked = self.plan.status.record.everyone().find(|it| it.name == *member);
        self.check(Rule::IntentFirst, asked.is_some_and(|it| it.asked.is_some()), || {
            format!("it is not recorded that the pod of {member} is requested")
        });
        self.starts(member, start);
        if !start.may_be_blank() {
            return;
        }
        let before = self.snapshot.status.record.everyone().find(|it| it.name == *member);
        let again = before.is_some_and(|it| it.asked.is_some() || it.pod.is_some());
        self.check(Rule::OneIdentity, !again && self.find(member).is_none(), || {
            format!("{member} was started before")
        });
    }

    fn create_first(&mut self, member: &MemberName, told: &[Peer]) {
        let record = &self.plan.status.record;
        let names = record.bootstrap.iter().flat_map(|it| &it.members).map(|it| &it.name);
        let all = names.clone().all(|name| told.iter().any(|it| it.name == *name));
        self.check(Rule::NoSecondStart, record.cluster_id.is_none(), || {
            format!("{member} would start a new cluster although one exists")
        });
        self.check(Rule::IntentFirst, all && told.len() == names.count(), || {
            format!("{member} would start with members that are not recorded")
        });
    }

    /// Empty it may start only without a vote, and told of all members.
    fn create_joining(&mut self, member: &MemberName, told: &[Peer]) {
        let fits = self.proven().is_some_and(|list| {
            let known = |it: &&Entry| told.iter().any(|peer| peer.name == it.name);
            let others = told.iter().filter(|it| list.entry(&it.name).is_none());
            // A list that this very plan changes is not the one that it would be told.
            let joins = |it: &Action| matches!(it.request(), Some(Request::Join { .. }));
            !self.plan.actions.iter().any(joins)
                && list.entry(member).is_none_or(|it| !it.votes)
                && list.members.iter().filter(known).count() == list.members.len()
                && others.count() == usize::from(list.entry(member).is_none())
        });
        self.check(Rule::OneIdentity, fits, || {
            format!("{member} would start empty with a vote, or told of other members")
        });
        if let Some(list) = self.proven() {
            self.leader_is_good(list, member);
        }
        self.joins(member);
    }

    fn resume(&mut self, member: &MemberName) {
        self.create_again(member);
        let beside = match &self.plan.status.record.step {
            Some(Step::Recover { stage: RecoverStage::Resuming { .. }, .. }) => false,
            Some(Step::Recover { source, .. }) => source != member,
            _ => false,
        };
        let listed = self.proven().is_some_and(|it| it.entry(member).is_some());
        self.check(Rule::NoSecondStart, !beside || listed, || {
            format!("{member} may form a cluster beside the one that is recovered")
        });
    }

    /// On its claim it may start again whenever its pod is gone, and only then.
    fn create_again(&mut self, member: &MemberName) {
        let record = &self.plan.status.record;
        let consent = matches!(self.snapshot.consent, Some(Choice::Resume | Choice::Adopt(_)));
        let may = record.cluster_id.is_some() || record.bootstrap.is_none() && consent;
        let known = record.everyone().any(|it| it.name == *member) && may;
        let claimed = self.snapshot.is_durable(member);
        self.check(Rule::OneIdentity, known && claimed && self.find(member).is_none(), || {
            format!("{member} would resume without its claim, or while it has a pod")
        });
    }

    /// Whoever has claims gets them, whatever is asked for by now, and who has data no other directory.
    pub(super) fn has_its_volumes(&mut self, member: &MemberName, launch: &Launch, start: &Start) {
        let claim = |volume: &str| self.snapshot.claim(volume, member);
        let has = |volume: &str| claim(volume).is_some_and(|it| it.volume.is_some());
        let gets = |volume: &str| launch.volumes().any(|it| it.0 == volume);
        let mut needed = self.snapshot.needed_volumes(member).into_iter();
        let kept = needed.all(|it| !has(it) || gets(it));
        self.check(Rule::OneIdentity, kept, || {
            format!("{member} would start without a volume that it has")
        });
        let known = start.may_be_blank() || launch.guard.volumes().all(|it| claim(it).is_some());
        self.check(Rule::OneIdentity, known, || {
            format!("{member} would resume with a volume that it has not")
        });
    }

    fn create_alone(&mut self, member: &MemberName, told: &[Peer]) {
        self.create_again(member);
        self.recovers(member);
        let votes = |name: &MemberName| {
            let mut rows = self.snapshot.status.members.iter();
            let row = rows.find(|it| it.name == *name).and_then(|it| it.standing);
            row.is_none_or(crate::Standing::votes)
        };
        let others = self.snapshot.pods.iter().flatten().filter(|it| votes(&it.name)).count();
        self.check(Rule::NoSecondStart, others == 0, || {
            format!("{others} other voters have a pod, and may form a cluster without {member}")
        });
        let alone = told.len() == 1 && told[0].name == *member;
        self.check(Rule::KeepsData, alone, || format!("{member} would be told of other members"));
    }

    /// A recovery has a person's consent, was recorded, and its source has all that others are known to have had.
    fn recovers(&mut self, source: &MemberName) {
        let consent = self.snapshot.recover_from() == Some(source);
        let before = matches!(&self.snapshot.status.record.step,
            Some(Step::Recover { source: it, .. }) if it == source);
        let proven = self.proven().is_some();
        self.check(Rule::KeepsQuorum, !proven, || "a quorum is there, and nothing is lost".into());
        let one = self.led_unit(source).is_some();
        self.check(Rule::KeepsData, !one, || format!("{source} has the data of one group only"));
        let step = &self.plan.status.record.step;
        let unasked = matches!(step, Some(Step::Recover { unasked: true, .. }));
        let proven = unasked && self.is_loss_proven(source);
        self.follows_policy(source);
        self.check(Rule::KeepsData, consent || before || proven, || {
            format!("nobody consented to a recovery from {source}")
        });
        let intended = matches!(step, Some(Step::Recover { source: it, .. }) if it == source);
        self.check(Rule::IntentFirst, intended, || format!("no recovery of {source} is recorded"));
        let alone = |it: &Step| matches!(it, Step::Recover { stage, .. } if *stage != RecoverStage::Fencing {});
        let begun = before && self.snapshot.status.record.step.as_ref().is_some_and(alone);
        let can = self.role(source).is_none_or(|it| match it.recovery {
            Recovery::Impossible => false,
            Recovery::Forbidden => begun,
            Recovery::FromOne | Recovery::Unasked => true,
        });
        self.check(Rule::KeepsData, can, || {
            format!("the role of {source} cannot be recovered from one member")
        });
        let rows = &self.snapshot.status.members;
        let own = self.snapshot.known_position(source).unwrap_or_default();
        let votes = |it: &&crate::MemberRow| it.standing.is_none_or(crate::Standing::votes);
        let accused = self.is_accused(source);
        self.check(Rule::KeepsData, !accused, || format!("the data of {source} is corrupt"));
        let counts = |it: &&crate::MemberRow| {
            votes(it) && !self.is_accused(&it.name) && !self.is_forgone(&it.name)
        };
        let mut others = rows.iter().filter(counts).filter_map(|it| it.position.as_ref());
        self.check(Rule::KeepsData, others.all(|it| own.dominates(it)), || {
            format!("another member had data that {source} lacks")
        });
    }

    /// Whether anything says that this one's data is corrupt, or did before and no quorum withdraws it.
    fn is_accused(&self, name: &str) -> bool {
        let known = self.snapshot.status.record.find(name).and_then(|it| it.id.clone());
        let answer = self.snapshot.view.answer(name).filter(|it| self.is_ours(it));
        let listed = || self.list()?.id_of(name).cloned();
        let id = known.or_else(listed).or_else(|| answer.map(|it| it.id.clone()));
        let cluster = self.snapshot.status.record.cluster_id.as_ref();
        let view = &self.snapshot.view;
        let now = cluster.zip(id).is_some_and(|(cluster, id)| view.accuses(cluster, &id));
        let mut rows = self.snapshot.status.members.iter();
        now || self.proven().is_none() && rows.any(|it| it.name.as_str() == name && it.corrupt)
    }

    pub(super) fn restart(&mut self, pod: &PodRef) {
        self.pod(pod);
        let Some(list) = self.list() else { return };
        let runs = self.runs(list, &pod.name);
        let votes = list.entry(&pod.name).is_some_and(|it| it.votes);
        let left = self.working(list, |it| *it != pod.name);
        let needed = quorum(list.voters().count());
        let resumes = matches!(&self.plan.status.record.step,
            Some(Step::Recover { source, stage: RecoverStage::Resuming { .. }, .. })
                if *source == pod.name);
        // Who serves alone after a recovery resumes once.
        if resumes && list.voters().count() == 1 {
            return;
        }
        if runs {
            self.has_roles(&pod.name);
        }
        self.check(Rule::KeepsQuorum, !runs || !votes || left >= needed, || {
            format!("without {} {left} voters would work and {needed} are needed", pod.name)
        });
        if runs {
            self.leaves_a_copy(&pod.name);
            self.leaves_one_ready(list, &pod.name);
        }
        let votes = votes || self.led_unit(&pod.name).is_some();
        let step = &self.plan.status.record.step;
        let restarts = matches!(step, Some(Step::Restart { name }) if *name == pod.name);
        self.check(Rule::IntentFirst, !runs || !votes || restarts || resumes, || {
            format!("{} is not recorded to be restarted", pod.name)
        });
    }

    /// Whoever serves clients is not stopped while no other voter does.
    fn leaves_one_ready(&mut self, list: &Membership, name: &MemberName) {
        let ready = |it: &MemberName| self.find(it).is_some_and(|it| it.ready);
        let mut others = list.voters().map(|it| &it.name).filter(|it| *it != name);
        let alone = list.voters().all(|it| it.name == *name);
        let fits = !ready(name) || alone || others.any(ready);
        self.check(Rule::KeepsQuorum, fits, || format!("clients are sent to {name} alone"));
    }

    /// Whether a member answered for itself, and its pod has not ended since.
    fn runs(&self, list: &Membership, name: &MemberName) -> bool {
        let ended = |it: &Pod<S>| matches!(it.phase, PodPhase::Failed | PodPhase::Succeeded);
        let target = self.snapshot.view.target(name).filter(|it| it.reach == Reach::Reachable);
        let itself =
            |it: &MemberStatus| list.id_of(name) == Some(&it.id) && it.cluster == list.cluster;
        target.is_some_and(|it| it.status.as_ref().is_none_or(itself))
            && !self.find(name).is_some_and(ended)
    }

    pub(super) fn delete(&mut self, pod: &PodRef, reason: LeaveReason) {
        match reason {
            // Only its data was made.
            LeaveReason::Stray if self.snapshot.status.record.is_made(&pod.name) => {
                return self.pod(pod);
            }
            LeaveReason::Recreated => return self.recreate(pod),
            LeaveReason::Recovered => return self.make_room(pod),
            LeaveReason::Hibernates => return self.hibernate(pod),
            LeaveReason::Restored => return self.make_room_for_restored(pod),
            _ => self.pod(pod),
        }
        let record = &self.plan.status.record;
        if record.cluster_id.is_none() {
            let first = record.bootstrap.iter().flat_map(|it| &it.members);
            let belongs = first.clone().any(|it| it.name == pod.name);
            self.check(Rule::DeletesOnlyWhatLeaves, record.bootstrap.is_some() && !belongs, || {
                format!("{} belongs to the start under way", pod.name)
            });
            return;
        }
        let listed = self.proven().is_none_or(|list| self.is_listed(list, &pod.name));
        self.check(Rule::KeepsData, !listed, || {
            format!("{} may still be a member, and would be deleted: {reason}", pod.name)
        });
        let recorded = record.members.iter().any(|it| it.name == pod.name);
        self.check(Rule::DeletesOnlyWhatLeaves, !recorded, || format!("{} is recorded", pod.name));
        self.leaves(&pod.name);
    }

    /// A pod that makes room for another on the same claim is restarted, as far as its member is concerned.
    fn recreate(&mut self, pod: &PodRef) {
        self.restart(pod);
        let claimed = self.snapshot.is_durable(&pod.name);
        self.check(Rule::KeepsData, claimed, || format!("{} has no claim to resume on", pod.name));
    }

    /// By a size of 0, and only who keeps its data.
    fn hibernate(&mut self, pod: &PodRef) {
        self.pod(pod);
        let asked = self.plan.roles.iter().any(|it| it.votes && it.size == 0);
        self.check(Rule::KeepsQuorum, asked, || {
            format!("{} would stop for a size that nobody asks for", pod.name)
        });
        let record = &self.plan.status.record;
        let belongs = record.find(&pod.name).is_some();
        let claimed = self.snapshot.is_durable(&pod.name);
        self.check(Rule::KeepsData, claimed || !belongs, || {
            format!("the data of {} would go with its pod", pod.name)
        });
    }

    /// For a recovery the source makes room for its successor on the same claim, and the others for nobody.
    fn make_room(&mut self, pod: &PodRef) {
        self.pod(pod);
        let Some(Step::Recover { source, .. }) = &self.plan.status.record.step else {
            return self.check(Rule::IntentFirst, false, || "no recovery is recorded".into());
        };
        self.recovers(source);
        let claimed = self.snapshot.is_durable(source);
        self.check(Rule::KeepsData, claimed, || format!("{source} has no claim to resume on"));
    }
}
