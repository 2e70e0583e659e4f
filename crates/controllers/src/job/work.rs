//! Makes the pods that are missing, and ends those that are too many.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use k8s_openapi::api::core::v1::{EnvVar, EnvVarSource, ObjectFieldSelector, Pod};

use super::tally::{has_finalizer, index, release};
use super::verdict::{Verdict, time_left};
use super::{INDEX, TRACKING, View};
use crate::owners::{controller_reference, name};
use crate::plan::{Event, Plan, Write};
use crate::pods;

/// The first rest after a failure; doubled with each further one.
const REST: SignedDuration = SignedDuration::from_secs(10);
const REST_MAX: SignedDuration = SignedDuration::from_secs(600);

/// How many pods one plan makes at most.
const BURST_MAX: usize = 500;

pub(super) fn step(plan: &mut Plan, view: &View<'_>) {
    match view.verdict {
        Verdict::Working => {}
        // What a job that fails cuts off has failed.
        Verdict::Failed { .. } => return view.tally.active.iter().for_each(|pod| end(plan, pod)),
        Verdict::Complete | Verdict::Suspended => {
            return view.tally.active.iter().for_each(|pod| end_uncounted(plan, pod));
        }
    }
    if let Some(left) = time_left(view.snapshot, view.spec) {
        plan.look_again_in(Duration::try_from(left).unwrap_or_default());
    }
    let wanted = wanted(view);
    let active = view.tally.active.len();
    if active > wanted {
        let mut least: Vec<_> = view.tally.active.iter().collect();
        least.sort_by_key(|it| rank(it));
        return least.into_iter().take(active - wanted).for_each(|pod| end_uncounted(plan, pod));
    }
    if active < wanted && !must_rest(plan, view) {
        create(plan, view, (wanted - active).min(BURST_MAX));
    }
}

/// How many pods should run now.
fn wanted(view: &View<'_>) -> usize {
    let parallelism = view.spec.parallelism.unwrap_or(1).max(0);
    let wanted = match view.spec.completions {
        Some(completions) => parallelism.min(completions - view.tally.total.succeeded),
        // The queue is empty: nobody new is needed.
        None if view.tally.total.succeeded > 0 => return view.tally.active.len(),
        None => parallelism,
    };
    usize::try_from(wanted).unwrap_or(0)
}

fn must_rest(plan: &mut Plan, view: &View<'_>) -> bool {
    let Some(last) = view.tally.last_failure.filter(|_| view.tally.total.failed > 0) else {
        return false;
    };
    let doublings = u32::try_from(view.tally.total.failed - 1).unwrap_or(0).min(10);
    let rest = REST.saturating_mul(2_i32.saturating_pow(doublings)).min(REST_MAX);
    let left = rest - view.snapshot.now.duration_since(last);
    if left.is_positive() {
        plan.look_again_in(Duration::try_from(left).unwrap_or_default());
    }
    left.is_positive()
}

/// Pods with a smaller rank are ended first: those already let go, and those that have not begun or are younger.
fn rank(pod: &Pod) -> impl Ord + use<> {
    let age = pod.metadata.creation_timestamp.as_ref().map(|it| it.0);
    let has_begun = (has_finalizer(pod), pods::phase(pod) == "Running", pods::is_ready(pod));
    (has_begun, std::cmp::Reverse(age), pod.metadata.name.clone())
}

/// Ends a pod that shall be part of no number: it is let go, and then deleted.
fn end_uncounted(plan: &mut Plan, pod: &Arc<Pod>) {
    if has_finalizer(pod) { release(plan, pod) } else { end(plan, pod) }
}

fn end(plan: &mut Plan, pod: &Arc<Pod>) {
    let note = format!("Deleted pod: {}", name(&pod.metadata));
    plan.announce(Write::delete(pod), Event::normal("SuccessfulDelete", note), "FailedDelete");
}

fn create(plan: &mut Plan, view: &View<'_>, missing: usize) {
    let is_indexed = view.spec.completion_mode.as_deref() == Some("Indexed");
    let taken: BTreeSet<i32> = view.tally.active.iter().filter_map(|it| index(it)).collect();
    let all = 0..view.spec.completions.unwrap_or(0);
    let mut free = all.filter(|it| !taken.contains(it) && !view.tally.total.indexes.contains(it));
    for _ in 0..missing {
        let pod = match is_indexed {
            true => match free.next() {
                Some(index) => indexed(view, index),
                None => return,
            },
            false => pod(view),
        };
        let done = Event::normal("SuccessfulCreate", "Created pod: {name}");
        plan.announce(Write::create(pod), done, "FailedCreate");
    }
}

fn pod(view: &View<'_>) -> Pod {
    let job = &**view.snapshot.job;
    let mut pod = pods::from_template(
        &view.spec.template,
        job.metadata.namespace.as_deref(),
        controller_reference(job),
    );
    pod.metadata.generate_name = Some(pods::generate_name(name(&job.metadata)));
    pod.metadata.finalizers.get_or_insert_default().push(TRACKING.to_owned());
    pod
}

/// A pod that knows which part of the work is its own.
fn indexed(view: &View<'_>, index: i32) -> Pod {
    let mut pod = pod(view);
    let host = format!("{}-{index}", name(&view.snapshot.job.metadata));
    pod.metadata.generate_name = Some(pods::generate_name(&host));
    pod.metadata.annotations.get_or_insert_default().insert(INDEX.to_owned(), index.to_string());
    pod.metadata.labels.get_or_insert_default().insert(INDEX.to_owned(), index.to_string());
    let spec = pod.spec.get_or_insert_default();
    spec.hostname.get_or_insert(host);
    let field_path = format!("metadata.annotations['{INDEX}']");
    let source = EnvVarSource {
        field_ref: Some(ObjectFieldSelector { api_version: Some("v1".to_owned()), field_path }),
        ..Default::default()
    };
    let variable =
        EnvVar { name: "JOB_COMPLETION_INDEX".to_owned(), value: None, value_from: Some(source) };
    for container in spec.init_containers.iter_mut().flatten().chain(&mut spec.containers) {
        let env = container.env.get_or_insert_default();
        if !env.iter().any(|it| it.name == variable.name) {
            env.push(variable.clone());
        }
    }
    pod
}
