//! What has ended, counted once: see the finalizer's rules in the [parent](super).

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::batch::v1::UncountedTerminatedPods;
use k8s_openapi::api::core::v1::Pod;

use super::{INDEX, Snapshot, TRACKING, indexes};
use crate::labels::{annotation, label};
use crate::owners::{is_deleting, uid};
use crate::plan::{Plan, Write};
use crate::pods;
use crate::rounding::count;

#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    /// Pods that run, or may yet.
    pub(super) active: Vec<Arc<Pod>>,
    /// Active pods that are on their way out.
    pub(super) leaving: usize,
    /// Numbers that will never change any more.
    pub(super) counted: Ended,
    /// The uids that the status must hold from now on, because their pods still carry the finalizer.
    pub(super) uncounted: UncountedTerminatedPods,
    /// Counted, and about to be.
    pub(super) total: Ended,
    /// When the last pod failed.
    pub(super) last_failure: Option<Timestamp>,
    is_indexed: bool,
    /// Pods whose uid the status has, so that their finalizer may go.
    recorded: Vec<Arc<Pod>>,
    /// Every pod with the finalizer.
    tracked: Vec<Arc<Pod>>,
}

/// Numbers of pods that ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Ended {
    pub(super) succeeded: i32,
    pub(super) failed: i32,
    pub(super) indexes: BTreeSet<i32>,
}

impl Tally {
    pub(super) fn new(snapshot: &Snapshot<'_>, pods: &[Arc<Pod>]) -> Self {
        let status = snapshot.job.status.clone().unwrap_or_default();
        let counted = Ended {
            succeeded: status.succeeded.unwrap_or(0),
            failed: status.failed.unwrap_or(0),
            indexes: indexes::parse(status.completed_indexes.as_deref().unwrap_or_default()),
        };
        let mode = snapshot.job.spec.as_ref().and_then(|it| it.completion_mode.as_deref());
        let is_indexed = mode == Some("Indexed");
        let mut tally = Self { total: counted.clone(), counted, is_indexed, ..Self::default() };
        let recorded = status.uncounted_terminated_pods.unwrap_or_default();
        tally.take_recorded(pods, recorded.succeeded.unwrap_or_default(), true);
        tally.take_recorded(pods, recorded.failed.unwrap_or_default(), false);
        for pod in pods.iter().filter(|it| has_finalizer(it)) {
            tally.tracked.push(pod.clone());
        }
        let mut rest: Vec<_> = pods.iter().filter(|it| !tally.is_recorded(it)).collect();
        rest.sort_by(|a, b| a.metadata.name.cmp(&b.metadata.name));
        for pod in rest {
            tally.take(pod);
        }
        tally.last_failure = pods
            .iter()
            .filter(|it| pods::phase(it) == "Failed")
            .filter_map(|it| ended_at(it))
            .max();
        if is_indexed {
            tally.total.succeeded = count(tally.total.indexes.len());
            tally.counted.succeeded = tally.total.succeeded;
        }
        tally
    }

    /// Pods that the status names: those whose finalizer is gone become part of the numbers.
    fn take_recorded(&mut self, pods: &[Arc<Pod>], uids: Vec<String>, has_succeeded: bool) {
        for recorded in uids {
            let pod = pods.iter().find(|it| uid(&it.metadata) == recorded);
            self.count(pod, has_succeeded, true);
            match pod.filter(|it| has_finalizer(it)) {
                Some(pod) => {
                    self.recorded.push(pod.clone());
                    self.remember(recorded, has_succeeded);
                }
                None => self.count(pod, has_succeeded, false),
            }
        }
    }

    /// Counts a pod: for good, or into the total only. Of indexed pods the indexes count, as soon as they are known.
    fn count(&mut self, pod: Option<&Arc<Pod>>, has_succeeded: bool, in_total: bool) {
        if has_succeeded && self.is_indexed {
            self.total.indexes.extend(pod.and_then(|it| index(it)));
            return;
        }
        let ended = if in_total { &mut self.total } else { &mut self.counted };
        *(if has_succeeded { &mut ended.succeeded } else { &mut ended.failed }) += 1;
    }

    fn take(&mut self, pod: &Arc<Pod>) {
        let has_succeeded = pods::phase(pod) == "Succeeded";
        let has_ended = pods::is_terminal(pod) || is_deleting(&pod.metadata);
        if !has_ended {
            return self.active.push(pod.clone());
        }
        if !pods::is_terminal(pod) {
            self.leaving += 1;
        }
        if has_finalizer(pod) {
            self.count(Some(pod), has_succeeded, true);
            self.remember(uid(&pod.metadata).to_owned(), has_succeeded);
        }
    }

    fn remember(&mut self, uid: String, has_succeeded: bool) {
        let list =
            if has_succeeded { &mut self.uncounted.succeeded } else { &mut self.uncounted.failed };
        list.get_or_insert_default().push(uid);
    }

    fn is_recorded(&self, pod: &Pod) -> bool {
        self.recorded.iter().any(|it| it.metadata.uid == pod.metadata.uid)
    }

    /// Whether every pod that ended is part of the numbers.
    pub(super) fn is_settled(&self) -> bool {
        self.uncounted.succeeded.is_none() && self.uncounted.failed.is_none() && self.leaving == 0
    }

    /// Takes the finalizer from pods that the status has.
    pub(super) fn release_recorded(&self, plan: &mut Plan) {
        self.recorded.iter().for_each(|pod| release(plan, pod));
    }

    /// Takes the finalizer from every pod.
    pub(super) fn release_all(&self, plan: &mut Plan) {
        self.tracked.iter().for_each(|pod| release(plan, pod));
    }

    pub(super) fn ready(&self) -> i32 {
        count(self.active.iter().filter(|it| pods::is_ready(it)).count())
    }

    /// How often containers of active pods were restarted in place.
    pub(super) fn restarts(&self) -> i32 {
        let statuses = self.active.iter().flat_map(|it| &it.status).flat_map(|it| {
            it.init_container_statuses
                .iter()
                .flatten()
                .chain(it.container_statuses.iter().flatten())
        });
        statuses.map(|it| it.restart_count).sum()
    }
}

pub(super) fn has_finalizer(pod: &Pod) -> bool {
    pod.metadata.finalizers.iter().flatten().any(|it| it == TRACKING)
}

pub(super) fn release(plan: &mut Plan, pod: &Arc<Pod>) {
    let mut wanted = Pod::clone(pod);
    let finalizers = &mut wanted.metadata.finalizers;
    finalizers.get_or_insert_default().retain(|it| it != TRACKING);
    if finalizers.as_ref().is_some_and(Vec::is_empty) {
        *finalizers = None;
    }
    plan.push(Write::update(pod, wanted));
}

/// Which part of the work a pod does.
pub(super) fn index(pod: &Pod) -> Option<i32> {
    annotation(&pod.metadata, INDEX).or(label(&pod.metadata, INDEX))?.parse().ok()
}

/// When the last container of a pod ended.
fn ended_at(pod: &Pod) -> Option<Timestamp> {
    let statuses = pod.status.as_ref()?.container_statuses.as_ref()?;
    statuses
        .iter()
        .filter_map(|it| it.state.as_ref()?.terminated.as_ref()?.finished_at.as_ref())
        .map(|it| it.0)
        .max()
}
