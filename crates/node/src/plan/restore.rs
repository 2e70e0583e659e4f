//! What a fresh agent knows about a pod: only what an earlier one published.
//!
//! Every process of the pod died with the earlier agent, so what ran has ended with code 255 and reason `Unknown`, as
//! after a reboot. Init containers run again, because the sandbox is new.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ContainerState, ContainerStateTerminated, ContainerStatus, Pod};

use super::{Container, State, Terminated};

const LOST_EXIT_CODE: i32 = 255;

pub(crate) fn restore(pod: &Pod, now: Timestamp) -> BTreeMap<String, Container> {
    let Some(status) = &pod.status else { return BTreeMap::new() };
    let terminal = matches!(status.phase.as_deref(), Some("Succeeded" | "Failed"));
    let mut containers = BTreeMap::new();
    for published in status.container_statuses.iter().flatten() {
        containers.insert(published.name.clone(), container(published, now));
    }
    for published in status.init_container_statuses.iter().flatten() {
        let mut restored = container(published, now);
        if !terminal && let State::Exited(terminated) = std::mem::take(&mut restored.state) {
            restored.previous = Some(terminated);
        }
        containers.insert(published.name.clone(), restored);
    }
    containers
}

fn container(published: &ContainerStatus, now: Timestamp) -> Container {
    let last = published.last_state.as_ref().and_then(|state| state.terminated.as_ref());
    let state = published.state.as_ref().and_then(|state| ended(state, now));
    // While a container waits for a restart its end stands in the last state.
    let state = state.or(last.map(terminated));
    Container {
        ran: state.is_some(),
        state: state.map_or(State::Absent, State::Exited),
        restart_count: published.restart_count,
        previous: last.map(terminated),
        image: published.image.clone(),
        image_id: published.image_id.clone(),
        ..Container::default()
    }
}

fn ended(state: &ContainerState, now: Timestamp) -> Option<Terminated> {
    if let Some(running) = &state.running {
        return Some(Terminated {
            exit_code: LOST_EXIT_CODE,
            reason: "Unknown".to_owned(),
            message: Some("the node was restarted".to_owned()),
            started_at: running.started_at.as_ref().map(|time| time.0),
            finished_at: Some(now),
            ..Terminated::default()
        });
    }
    state.terminated.as_ref().map(terminated)
}

fn terminated(published: &ContainerStateTerminated) -> Terminated {
    Terminated {
        exit_code: published.exit_code,
        signal: published.signal,
        reason: published.reason.clone().unwrap_or_default(),
        message: published.message.clone(),
        started_at: published.started_at.as_ref().map(|time| time.0),
        finished_at: published.finished_at.as_ref().map(|time| time.0),
        id: published.container_id.clone(),
    }
}
