//! A pod of the API as the planner sees it. Pure.

use endstate_core::{Exit, Launch, Marks, NodeFault, PodPhase, Trouble};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ContainerStateTerminated, ContainerStatus, Pod, PodStatus};
use kube::ResourceExt;
use serde::de::DeserializeOwned;

use crate::launcher;

/// Reads one member's pod; `container` is the one that runs the member itself.
///
/// ```
/// use k8s_openapi::api::core::v1::Pod;
/// let pod: Pod = serde_json::from_value(serde_json::json!({
///     "metadata": { "name": "example-x7k2p", "uid": "9b1d", "resourceVersion": "41" },
///     "status": { "phase": "Running", "conditions": [{ "type": "Ready", "status": "True" }] },
/// }))
/// .unwrap();
/// let member = endstate::operator::member_pod::<u32>(&pod, "etcd", None);
/// assert!(member.ready && !member.started);
/// ```
#[must_use]
pub fn member_pod<S: DeserializeOwned>(
    pod: &Pod,
    container: &str,
    node_fault: Option<NodeFault>,
) -> endstate_core::Pod<S> {
    let status = pod.status.clone().unwrap_or_default();
    let main = status.container_statuses.iter().flatten().find(|it| it.name == container);
    let mut containers = pod.spec.iter().flat_map(|it| &it.containers);
    let main_spec = containers.find(|it| it.name == container);
    let command = main_spec.and_then(|it| it.command.as_deref());
    let spec = pod.annotations().get(Launch::ANNOTATION);
    endstate_core::Pod {
        name: pod.name_any().into(),
        uid: pod.uid().unwrap_or_default().into(),
        resource_version: pod.resource_version().unwrap_or_default().into(),
        phase: phase(&status),
        trouble: trouble(&status),
        started: main.is_some_and(has_started),
        ready: condition(&status, "Ready").is_some_and(|(status, _)| status == "True"),
        deleting: pod.metadata.deletion_timestamp.is_some(),
        surveyed: command.is_some_and(launcher::surveys),
        resumes: command.is_some_and(launcher::resumes),
        restarts: main.map_or(0, |it| u32::try_from(it.restart_count).unwrap_or(0)),
        running_since: main.and_then(running_since),
        exit: main.and_then(last_end).map(exit),
        exit_before: main.and_then(end_before).map(exit),
        node_fault,
        node: pod.spec.as_ref().and_then(|it| it.node_name.clone()),
        spec: spec.and_then(|it| serde_json::from_str(it).ok()),
        marks: Marks::default(),
        eviction: None,
    }
}

fn phase(status: &PodStatus) -> PodPhase {
    match status.phase.as_deref() {
        Some("Running") => PodPhase::Running,
        Some("Succeeded") => PodPhase::Succeeded,
        Some("Failed") => PodPhase::Failed,
        Some("Unknown") => PodPhase::Unknown,
        _ => PodPhase::Pending,
    }
}

/// The first thing that holds the pod up: a container that waits, or the scheduler.
fn trouble(status: &PodStatus) -> Option<Trouble> {
    let containers = status.init_container_statuses.iter().flatten();
    let mut containers = containers.chain(status.container_statuses.iter().flatten());
    let waiting = containers.find_map(|it| {
        let waiting = it.state.as_ref()?.waiting.as_ref()?;
        let reason = waiting.reason.clone()?;
        // A container that crashed explains itself in its last state.
        let last = it.last_state.as_ref().and_then(|it| it.terminated.as_ref());
        let message = last.and_then(|it| it.message.clone()).or_else(|| waiting.message.clone());
        Some((reason, message.unwrap_or_default()))
    });
    let unscheduled = || {
        let conditions = status.conditions.iter().flatten();
        let scheduled = conditions.into_iter().find(|it| it.type_ == "PodScheduled")?;
        (scheduled.status == "False").then(|| {
            let reason = scheduled.reason.clone().unwrap_or_default();
            (reason, scheduled.message.clone().unwrap_or_default())
        })
    };
    let (reason, message) = waiting.or_else(unscheduled)?;
    Some(Trouble::from_reason(&reason, &message))
}

fn condition<'a>(status: &'a PodStatus, kind: &str) -> Option<(&'a str, Option<&'a str>)> {
    let mut conditions = status.conditions.iter().flatten();
    let it = conditions.find(|it| it.type_ == kind)?;
    Some((&it.status, it.reason.as_deref()))
}

fn has_started(container: &ContainerStatus) -> bool {
    let state = container.state.as_ref();
    let last = container.last_state.as_ref();
    state.is_some_and(|it| it.running.is_some() || it.terminated.is_some())
        || last.is_some_and(|it| it.terminated.is_some())
        || container.restart_count > 0
}

fn running_since(container: &ContainerStatus) -> Option<Timestamp> {
    Some(container.state.as_ref()?.running.as_ref()?.started_at.as_ref()?.0)
}

fn exit(end: &ContainerStateTerminated) -> Exit {
    Exit::of(end.exit_code, end.signal, end.message.as_deref().unwrap_or_default())
}

fn last_state(container: &ContainerStatus) -> Option<&ContainerStateTerminated> {
    container.last_state.as_ref()?.terminated.as_ref()
}

/// The end that came last. A container that runs again has proved an earlier refusal to start wrong.
fn last_end(container: &ContainerStatus) -> Option<&ContainerStateTerminated> {
    let state = container.state.as_ref()?;
    match (&state.running, &state.terminated) {
        (Some(_), _) => None,
        (None, Some(end)) => Some(end),
        (None, None) => last_state(container),
    }
}

/// The end before the one that [`last_end`] tells of, if there are two to tell of.
fn end_before(container: &ContainerStatus) -> Option<&ContainerStateTerminated> {
    let ended = container.state.as_ref()?.terminated.is_some();
    last_state(container).filter(|_| ended)
}

#[cfg(test)]
mod tests;
