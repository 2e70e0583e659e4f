//! What a look teaches, whatever is decided: pods that were seen, restarts that are over, pods that were not made.

use super::Assessed;
use super::cluster::is_restarting;
use super::spread;
use crate::app::{App, CatchUp};
use crate::exit::Words;
use crate::member::{Cluster, Member};
use crate::pod::Pod;
use crate::problem::Change;
use crate::reason::Cause;
use crate::record::{AskedTask, Backoff, MemberRecord, Record, Step};
use crate::request::RequestKind;
use crate::snapshot::Snapshot;

impl<A: App> Assessed<'_, A> {
    /// Remembers the pods that are seen for the first time.
    pub(super) fn note_pods(&mut self, pods: &[Pod<A::Spec>]) {
        for member in self.record.everyone_mut() {
            if member.pod.is_none() {
                let pod = pods.iter().find(|it| it.name == member.name);
                member.pod = pod.map(|it| it.uid.clone());
            }
            if member.pod.is_some() {
                member.asked = None;
            }
        }
    }

    /// Remembers whose volumes hold the data of others: nobody here may delete them with their member.
    pub(super) fn note_foreign(&mut self, pods: &[Pod<A::Spec>]) {
        for pod in pods.iter().filter(|it| it.data_foreign()) {
            let known = self.record.everyone().any(|it| it.name == pod.name);
            if known && !self.record.kept.contains(&pod.name) {
                self.record.kept.push(pod.name.clone());
            }
        }
        self.record.kept.sort();
    }

    /// Remembers who votes, for when nobody can be asked.
    pub(super) fn note_votes(&mut self, cluster: &Cluster) {
        for member in &mut self.record.members {
            if let Some(listed) = cluster.member(&member.name) {
                member.votes = listed.votes;
            }
        }
    }

    /// Forgets what members worked by before when one works by what is in force.
    pub(super) fn note_proven(&mut self, cluster: &Cluster) {
        let told = |name: &str| self.record.find(name).is_none_or(|it| it.restarted.is_some());
        let works = |it: &Member| !it.outdated && it.health.is_healthy() && !told(&it.name);
        if cluster.voters().any(works) {
            self.record.proven = None;
        }
    }

    /// Remembers since when the data of members is certainly lost.
    pub(super) fn note_losses(&mut self) {
        let lost = |it: &MemberRecord| self.has_lost_all(it);
        let lost: Vec<_> = self.record.members.iter().map(lost).collect();
        let now = self.snapshot.now;
        for (member, lost) in self.record.members.iter_mut().zip(lost) {
            let since = member.lost_since.map_or(now, |it| it.min(now));
            member.lost_since = lost.then_some(since);
        }
    }

    /// What is lost beside a quorum is replaced, and counts for nothing that happens later.
    pub(super) fn forget_losses(&mut self) {
        for member in &mut self.record.members {
            member.lost_since = None;
        }
    }

    /// Remembers since when who is coming has data that the leader lacks.
    pub(super) fn note_divergence(&mut self, cluster: &Cluster) {
        let Some(Step::Join { member }) = &self.record.step else { return };
        let coming = self.coming(cluster, member);
        let diverged = coming.position.is_some()
            && self
                .leader_for(cluster, member)
                .is_some_and(|it| self.app.caught_up(it, &coming) == CatchUp::Diverged);
        let now = self.snapshot.now;
        if let Some(Step::Join { member }) = &mut self.record.step {
            let since = member.diverged_since.map_or(now, |it| it.min(now));
            member.diverged_since = diverged.then_some(since);
        }
    }

    /// Forgets the last try to spread members once they are spread better, so that it counts for nothing that happens
    /// later.
    pub(super) fn note_spread(&mut self, cluster: &Cluster) {
        let now = spread::unevenness(cluster, &self.snapshot.places);
        let settled = self.record.step.is_none();
        if settled && self.record.spread.as_ref().is_some_and(|it| now < it.uneven) {
            self.record.spread = None;
        }
    }

    /// Forgets what the application was asked for and is not at work on any more.
    pub(super) fn note_tasks(&mut self) {
        let asked = match &self.record.step {
            Some(Step::Leave { name, .. }) => AskedTask::of(&RequestKind::Drain, name),
            Some(Step::App { step }) => Some(AskedTask::of_step(step)),
            _ => None,
        };
        let tasks = &self.snapshot.view.tasks;
        let runs = |it: &AskedTask| tasks.iter().any(|task| task.asked().as_ref() == Some(it));
        self.record.tasks.retain(|it| runs(it) || asked.as_ref() == Some(it));
    }

    /// Forgets restarts that are over: the member says so, or was started anew and never will.
    pub(super) fn note_restarts(&mut self) {
        let (app, snapshot) = (self.app, self.snapshot);
        let Some(spec) = self.record.in_force().cloned() else { return };
        for member in self.record.everyone_mut().filter(|it| it.restarted.is_some()) {
            if !is_restarting(snapshot, member) || runs(app, snapshot, &spec, member) {
                member.restarted = None;
            }
        }
    }

    /// Pods that the API refused to make were never there, so their names can be asked for again.
    pub(super) fn note_refusals(&mut self) -> bool {
        let mut found = None;
        for blocked in &self.snapshot.blocked {
            let refused = |it: &&mut MemberRecord| blocked.not_created.contains(&it.name);
            for member in self.record.everyone_mut().filter(refused) {
                if member.asked.is_some() && member.pod.is_none() {
                    found = Some(blocked.denial.message().clone());
                }
                member.asked = None;
            }
        }
        let Some(message) = found else { return false };
        back_off(&mut self.record, self.snapshot, Cause::PodRefused { message });
        true
    }

    /// Remembers what containers said when they ended. A launcher that refuses to start on an empty
    /// directory says so in place of what went wrong before.
    pub(super) fn note_last_words(&mut self, pods: &[Pod<A::Spec>]) {
        for member in self.record.everyone_mut() {
            let pod = pods.iter().find(|it| it.name == member.name);
            if let Some(words) = pod.and_then(last_termination_message) {
                member.last_termination_message = Some(words);
            }
        }
    }
}

/// Whether a member says that it runs what is asked for, and its pod asks for nothing else.
fn runs<A: App>(
    app: &A,
    snapshot: &Snapshot<A::Spec>,
    spec: &A::Spec,
    member: &MemberRecord,
) -> bool {
    let made_from = snapshot.pod(&member.name).and_then(|it| it.spec.as_ref());
    let runs =
        snapshot.view.answer(&member.name).is_some_and(|it| app.runs(&member.role, spec, it));
    runs && made_from.is_some_and(|it| app.change(&member.role, it, spec) == Change::Nothing)
}

/// What was said at the last end that says what went wrong.
fn last_termination_message<S>(pod: &Pod<S>) -> Option<Words> {
    let ends = [&pod.exit, &pod.exit_before].into_iter().flatten();
    let mut own = ends.filter(|it| it.evidence.is_none() && !it.words.is_empty());
    own.next().map(|it| it.words.clone())
}

/// Notes that a try came to nothing.
pub(crate) fn back_off<S>(record: &mut Record<S>, snapshot: &Snapshot<S>, cause: Cause) {
    record.backoff = Some(next_backoff(record, snapshot, cause));
}

/// The back-off after one more try.
pub(crate) fn next_backoff<S>(record: &Record<S>, snapshot: &Snapshot<S>, cause: Cause) -> Backoff {
    let times = backoff(record).map_or(0, |it| it.times).saturating_add(1);
    Backoff { times, at: snapshot.now, cause, members: record.members.len() }
}

/// The tries in a row that failed at what is tried now: with fewer members than then it is a repair,
/// which does not wait for the growth, or the move, that failed before.
pub(crate) fn backoff<S>(record: &Record<S>) -> Option<&Backoff> {
    record.backoff.as_ref().filter(|it| it.members <= record.members.len())
}
