//! The fold: verdicts, one after the other, become one decision.

use super::pace;
use super::proof::Step;
use super::verdict::{Move, Note, Verdict};
use crate::app::App;
use crate::assess::Assessed;
use crate::assess::learn::back_off;
use crate::consent::Choice;
use crate::member::Cluster;
use crate::plan::Action;
use crate::record::{AskedTask, Record, RecoverStage, Spread, Step as RecordedStep};
use crate::request::Request;
use crate::snapshot::Snapshot;
use crate::waiting::Waiting;

/// What is recorded, done and waited for.
pub(super) struct Decision<S> {
    pub(super) record: Record<S>,
    pub(super) actions: Vec<Action>,
    pub(super) waits: Vec<Waiting>,
}

impl<S: Clone> Decision<S> {
    /// Nothing but what the look taught.
    pub(super) fn new<A: App<Spec = S>>(assessed: &Assessed<'_, A>) -> Self {
        Self { record: assessed.record.clone(), actions: vec![], waits: vec![] }
    }

    /// Asks steps in order, up to the first that wants nothing beside it.
    pub(super) fn ask<A: App<Spec = S>>(&mut self, assessed: &Assessed<'_, A>, steps: &[Step<A>]) {
        for step in steps {
            if self.take(assessed, step(assessed)) {
                break;
            }
        }
    }

    /// Takes a verdict in; says whether it wants nothing beside it.
    pub(super) fn take<A: App<Spec = S>>(
        &mut self,
        assessed: &Assessed<'_, A>,
        verdict: Verdict,
    ) -> bool {
        let (wanted, only) = match verdict {
            Verdict::Pass => return false,
            Verdict::Also(wanted) => (wanted, false),
            Verdict::Only(wanted) => (wanted, true),
        };
        self.merge(assessed, pace::hold(assessed, wanted));
        only
    }

    fn merge<A: App<Spec = S>>(&mut self, assessed: &Assessed<'_, A>, wanted: Move) {
        for note in wanted.notes {
            self.note(assessed.snapshot, note);
        }
        // What is asked for without proof is over at once.
        let proven = assessed.cluster.is_some();
        let calls = wanted.actions.iter().filter_map(Action::request).filter(|_| proven);
        for task in calls.filter_map(|it| AskedTask::of(&it.kind(), it.member())) {
            if !self.record.tasks.contains(&task) {
                self.record.tasks.push(task);
            }
        }
        for request in wanted.actions.iter().filter_map(Action::request) {
            if let Request::Join { member, .. } = request {
                let coming = self.record.everyone_mut().filter(|it| it.name == *member);
                coming.for_each(|it| it.unrequested = false);
            }
        }
        self.actions.extend(wanted.actions);
        for wait in wanted.waits {
            self.wait(wait);
        }
    }

    fn note(&mut self, snapshot: &Snapshot<S>, note: Note) {
        let record = &mut self.record;
        match note {
            Note::Step(step) => {
                if let Some(RecordedStep::Recover {
                    stage: RecoverStage::Alone {},
                    source,
                    unasked: false,
                    ..
                }) = &step
                {
                    record.consent = Some(Choice::RecoverFrom(source.clone()));
                }
                record.go_on(step);
            }
            Note::Attempt { first, names, ids } => {
                record.bootstrap = Some(first);
                (record.names, record.ids) = (names, ids);
            }
            Note::Coming { member, names, ids } => {
                record.spare.retain(|it| member.id.as_ref() != Some(&it.id));
                record.step = Some(RecordedStep::Join { member });
                (record.names, record.ids) = (names, ids);
            }
            Note::Another { member, names } => {
                record.coming.push(member);
                record.names = names;
            }
            Note::Found(members) => {
                record.found.retain(|it| members.iter().all(|new| new.name != it.name));
                record.found.extend(members);
            }
            Note::Kept(names) => {
                let new = names.into_iter().filter(|it| !record.kept.contains(it));
                let new: Vec<_> = new.collect();
                record.kept.extend(new);
                record.kept.sort();
            }
            Note::Restoring(restoring) => record.restoring = restoring,
            Note::Named { names, ids } => (record.names, record.ids) = (names, ids),
            Note::BeginAnew => record.begin_anew(&snapshot.claims),
            Note::Asked(names) => {
                for member in record.everyone_mut().filter(|it| names.contains(&it.name)) {
                    (member.asked, member.pod) = (Some(snapshot.now), None);
                    // The new pod has what is asked for, and its node's clock may be behind that of the last.
                    member.restarted = None;
                }
            }
            Note::Restarted { member, told } => {
                for it in record.everyone_mut().filter(|it| it.name == member) {
                    it.restarted = Some(told.clone());
                }
            }
            Note::Renewed(name) => {
                for it in record.everyone_mut().filter(|it| it.name == name) {
                    it.renewals += 1;
                }
            }
            Note::Spread(spread) => {
                let by = record.step.as_ref().map(|it| it.member().clone());
                record.spread = Some(Spread { by, ..spread });
            }
            Note::Failed(cause) => back_off(record, snapshot, cause),
        }
    }

    pub(super) fn wait(&mut self, wait: Waiting) {
        if !self.waits.contains(&wait) {
            self.waits.push(wait);
        }
    }

    /// Says of every member that does not work why it is waited for.
    pub(super) fn wait_for_members(&mut self, cluster: &Cluster) {
        let busy = self.record.step.as_ref().map(|it| it.member().clone());
        for member in cluster.members.iter().filter(|it| busy.as_ref() != Some(&it.name)) {
            if let Some(cause) = member.health.cause() {
                self.wait(Waiting::ForMember { member: member.name.clone(), cause });
            }
        }
    }
}
