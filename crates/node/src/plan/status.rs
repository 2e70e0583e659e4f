//! The status of a pod, from the same snapshot the decision was made on.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{
    Container as Spec, ContainerState, ContainerStateRunning, ContainerStateTerminated,
    ContainerStateWaiting, ContainerStatus, HostIP, PodCondition, PodIP, PodSpec, PodStatus,
    ResourceRequirements,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::admit::Refusal;

use super::resize::{self, Pending};
use super::steps::Ending;
use super::{Container, Hold, Sandbox, Snapshot, State, Terminated};

pub(super) struct View<'a> {
    pub(super) snapshot: &'a Snapshot<'a>,
    pub(super) holds: &'a BTreeMap<String, Hold>,
    pub(super) initialized: bool,
    pub(super) ending: Option<Ending>,
    /// Why a change of requests or limits waits.
    pub(super) pending: Option<&'a Pending>,
    /// The spec with the requests and limits that containers are given.
    pub(super) allocated: &'a PodSpec,
}

/// Whether a running container counts as started: its startup probe, or else its postStart hook, has succeeded.
pub(super) fn started(spec: &Spec, record: &Container) -> bool {
    matches!(record.state, State::Running { .. } | State::Stopping { .. })
        && record.health.hook_done
        && (spec.startup_probe.is_none() || record.health.startup)
}

fn ready(spec: &Spec, record: &Container) -> bool {
    started(spec, record) && (spec.readiness_probe.is_none() || record.health.readiness)
}

pub(super) fn render(view: &View<'_>) -> PodStatus {
    let snapshot = view.snapshot;
    let spec = snapshot.pod.spec.clone().unwrap_or_default();
    let inits: Vec<&Spec> = spec.init_containers.iter().flatten().collect();
    let mains: Vec<&Spec> = spec.containers.iter().collect();
    let phase = phase(view, &spec);
    let done = matches!(phase, "Succeeded" | "Failed");
    let container_statuses = statuses(view, &mains, !inits.is_empty());
    let init_container_statuses = statuses(view, &inits, !inits.is_empty());
    let address = match snapshot.sandbox {
        Sandbox::Ready { address } => Some(address.to_string()),
        _ if done || view.ending.is_some() => snapshot.published.pod_ip.clone(),
        _ => None,
    };
    let host = snapshot.host_address.to_string();
    let (reason, message) = explanation(view, phase);
    let mut status = PodStatus {
        phase: Some(phase.to_owned()),
        reason,
        message,
        container_statuses: Some(container_statuses),
        init_container_statuses: (!inits.is_empty()).then_some(init_container_statuses),
        host_ip: Some(host.clone()),
        host_ips: Some(vec![HostIP { ip: host }]),
        pod_ips: address.clone().map(|ip| vec![PodIP { ip }]),
        pod_ip: address,
        start_time: Some(snapshot.published.start_time.clone().unwrap_or(Time(snapshot.now))),
        observed_generation: snapshot.pod.metadata.generation,
        qos_class: snapshot.published.qos_class.clone(),
        ..PodStatus::default()
    };
    status.conditions = Some(conditions(view, &spec, &status));
    status
}

fn explanation(view: &View<'_>, phase: &str) -> (Option<String>, Option<String>) {
    let published = view.snapshot.published;
    if view.ending == Some(Ending::Deadline) && phase == "Failed" {
        let message = "Pod was active on the node longer than the specified deadline";
        return (Some("DeadlineExceeded".to_owned()), Some(message.to_owned()));
    }
    if let (Some(Ending::Refused), Some(Refusal::Failed { reason, message })) =
        (view.ending, view.snapshot.refusal)
        && phase == "Failed"
    {
        return (Some((*reason).to_owned()), Some(message.clone()));
    }
    // What others wrote (an eviction) stays.
    (published.reason.clone(), published.message.clone())
}

fn statuses(view: &View<'_>, specs: &[&Spec], has_inits: bool) -> Vec<ContainerStatus> {
    specs.iter().map(|spec| container_status(view, spec, has_inits)).collect()
}

fn container_status(view: &View<'_>, spec: &Spec, has_inits: bool) -> ContainerStatus {
    let empty = Container::default();
    let record = view.snapshot.containers.get(&spec.name).unwrap_or(&empty);
    let hold = view.holds.get(&spec.name);
    let mut previous = record.previous.clone();
    let state = match &record.state {
        State::Running { since, .. } | State::Stopping { since, .. } => running(*since),
        State::Exited(ended) => match hold {
            Some(hold) => {
                previous = Some(ended.clone());
                waiting(hold.reason, hold.message.clone())
            }
            None => terminated(ended),
        },
        State::Absent | State::Failing { .. } => match hold {
            Some(hold) => waiting(hold.reason, hold.message.clone()),
            None if has_inits && !view.initialized => waiting("PodInitializing", None),
            None => waiting("ContainerCreating", None),
        },
    };
    let id = match &record.state {
        State::Running { id, .. } | State::Stopping { id, .. } => Some(id.clone()),
        State::Exited(ended) => ended.id.clone(),
        _ => None,
    };
    let is_sidecar = spec.restart_policy.as_deref() == Some("Always");
    let is_init =
        view.snapshot.pod.spec.as_ref().is_some_and(|pod| {
            pod.init_containers.iter().flatten().any(|init| init.name == spec.name)
        });
    let ready = if is_init && !is_sidecar {
        matches!(&record.state, State::Exited(ended) if ended.exit_code == 0)
    } else {
        ready(spec, record)
    };
    let (resources, allocated_resources) = amounts(view, spec, record);
    ContainerStatus {
        resources: Some(resources),
        allocated_resources,
        name: spec.name.clone(),
        state: Some(state),
        last_state: Some(previous.as_ref().map(terminated).unwrap_or_default()),
        ready,
        started: Some(started(spec, record)),
        restart_count: record.restart_count,
        image: if record.image.is_empty() {
            spec.image.clone().unwrap_or_default()
        } else {
            record.image.clone()
        },
        image_id: record.image_id.clone(),
        container_id: id,
        ..ContainerStatus::default()
    }
}

/// What the container has, and what of the node is given to it. A limit that nothing enforces is not had.
fn amounts(
    view: &View<'_>,
    spec: &Spec,
    record: &Container,
) -> (ResourceRequirements, Option<BTreeMap<String, Quantity>>) {
    let all = view.allocated.init_containers.iter().flatten().chain(&view.allocated.containers);
    let mut given = all.into_iter().filter(|it| it.name == spec.name);
    let given = given.next().and_then(|it| it.resources.clone()).unwrap_or_default();
    let requests = given.requests.clone().filter(|requests| !requests.is_empty());
    let mut has = match (&record.state, &record.resources) {
        (State::Running { .. } | State::Stopping { .. }, Some(has)) => has.clone(),
        _ => given,
    };
    if view.snapshot.room.not_enforced.is_some()
        && let Some(limits) = &mut has.limits
    {
        limits.retain(|name, _| !matches!(name.as_str(), "cpu" | "memory"));
    }
    has.limits = has.limits.filter(|limits| !limits.is_empty());
    (has, requests)
}

fn running(since: Timestamp) -> ContainerState {
    let running = ContainerStateRunning { started_at: Some(Time(since)) };
    ContainerState { running: Some(running), ..ContainerState::default() }
}

fn waiting(reason: &str, message: Option<String>) -> ContainerState {
    let waiting = ContainerStateWaiting { reason: Some(reason.to_owned()), message };
    ContainerState { waiting: Some(waiting), ..ContainerState::default() }
}

fn terminated(ended: &Terminated) -> ContainerState {
    let terminated = ContainerStateTerminated {
        exit_code: ended.exit_code,
        signal: ended.signal,
        reason: Some(ended.reason.clone()).filter(|reason| !reason.is_empty()),
        message: ended.message.clone(),
        started_at: ended.started_at.map(Time),
        finished_at: ended.finished_at.map(Time),
        container_id: ended.id.clone(),
    };
    ContainerState { terminated: Some(terminated), ..ContainerState::default() }
}

/// The phase, by the kubelet's rules.
fn phase(view: &View<'_>, spec: &PodSpec) -> &'static str {
    match view.snapshot.published.phase.as_deref() {
        Some("Succeeded") => return "Succeeded",
        Some("Failed") => return "Failed",
        _ => {}
    }
    let state = |spec: &Spec| view.snapshot.containers.get(&spec.name).map(|record| &record.state);
    let all = || spec.init_containers.iter().flatten().chain(&spec.containers);
    let alive = all().any(|spec| state(spec).is_some_and(State::is_alive));
    let mains = || spec.containers.iter().map(state);
    let some_ran =
        mains().any(|it| matches!(it, Some(State::Exited(_))) || it.is_some_and(State::is_alive));
    if view.ending.is_some() && !alive {
        return ended_phase(view, spec, some_ran);
    }
    if !view.initialized || !some_ran {
        return "Pending";
    }
    let unstarted = spec.containers.iter().any(|spec| {
        let record = view.snapshot.containers.get(&spec.name);
        record.is_none_or(|it| !it.ran && matches!(it.state, State::Absent | State::Failing { .. }))
    });
    if unstarted { "Pending" } else { "Running" }
}

fn ended_phase(view: &View<'_>, spec: &PodSpec, some_ran: bool) -> &'static str {
    let exit = |spec: &Spec| match view.snapshot.containers.get(&spec.name).map(|it| &it.state) {
        Some(State::Exited(ended)) => Some(ended.exit_code),
        _ => None,
    };
    match view.ending {
        Some(Ending::Deadline | Ending::Refused) => "Failed",
        Some(Ending::Deleted | Ending::Gone) if !some_ran => "Pending",
        _ if spec.containers.iter().all(|spec| exit(spec) == Some(0)) => "Succeeded",
        _ => "Failed",
    }
}

/// The kubelet's own conditions; all others stay as they are. The last two are there only while they hold.
pub(crate) const OWN_CONDITIONS: [&str; 6] = [
    "PodReadyToStartContainers",
    "Initialized",
    "Ready",
    "ContainersReady",
    RESIZE_PENDING,
    RESIZE_IN_PROGRESS,
];
const RESIZE_PENDING: &str = "PodResizePending";
const RESIZE_IN_PROGRESS: &str = "PodResizeInProgress";

fn conditions(view: &View<'_>, spec: &PodSpec, status: &PodStatus) -> Vec<PodCondition> {
    let published = view.snapshot.published.conditions.as_deref().unwrap_or_default();
    let phase = status.phase.as_deref().unwrap_or_default();
    let sandbox = matches!(view.snapshot.sandbox, Sandbox::Ready { .. });
    let unready = names(status.container_statuses.as_deref(), |it| !it.ready);
    let sidecars_unready: Vec<String> = spec
        .init_containers
        .iter()
        .flatten()
        .filter(|init| init.restart_policy.as_deref() == Some("Always"))
        .filter(|init| {
            let statuses = status.init_container_statuses.iter().flatten();
            statuses.into_iter().any(|it| it.name == init.name && !it.ready)
        })
        .map(|init| init.name.clone())
        .collect();
    let unready: Vec<String> = sidecars_unready.into_iter().chain(unready).collect();
    let containers_ready = verdict(&unready, phase);
    let gates = spec.readiness_gates.iter().flatten().all(|gate| {
        published.iter().any(|it| it.type_ == gate.condition_type && it.status == "True")
    });
    let ready = match &containers_ready {
        Verdict { holds: true, .. } if !gates => {
            Verdict::no("ReadinessGatesNotReady", "a readiness gate is not true".to_owned())
        }
        other => other.clone(),
    };
    let initialized = if view.initialized || phase == "Succeeded" {
        Verdict::yes()
    } else {
        let waiting = names(status.init_container_statuses.as_deref(), |it| !it.ready);
        let message = format!("containers with incomplete status: [{}]", waiting.join(" "));
        Verdict::no("ContainersNotInitialized", message)
    };
    let sandbox = Verdict { holds: sandbox, ..Verdict::yes() };
    let verdicts = [sandbox, initialized, ready, containers_ready];
    let mut conditions: Vec<PodCondition> = OWN_CONDITIONS
        .iter()
        .zip(verdicts)
        .map(|(name, verdict)| verdict.condition(name, published, view.snapshot.now))
        .collect();
    if let Some((name, verdict)) = resizes(view, spec) {
        conditions.push(verdict.condition(name, published, view.snapshot.now));
    }
    let foreign = published.iter().filter(|it| !OWN_CONDITIONS.contains(&it.type_.as_str()));
    conditions.extend(foreign.cloned());
    conditions
}

/// What is said of changes of requests and limits: that they wait, or are being made.
fn resizes(view: &View<'_>, spec: &PodSpec) -> Option<(&'static str, Verdict)> {
    if view.ending.is_some() {
        return None;
    }
    if let Some(Pending { reason, message }) = view.pending {
        let message = Some(message.clone());
        return Some((RESIZE_PENDING, Verdict { holds: true, reason: Some(reason), message }));
    }
    let mut all = spec.init_containers.iter().flatten().chain(&spec.containers);
    let record = all.find_map(|spec| {
        let record = view.snapshot.containers.get(&spec.name)?;
        (record.state.is_alive() && resize::differs(spec, record)).then_some(record)
    })?;
    let failed = record.resize_failed.as_ref().map(|(message, _)| message.clone());
    let reason = failed.is_some().then_some("Error");
    Some((RESIZE_IN_PROGRESS, Verdict { holds: true, reason, message: failed }))
}

fn names(
    statuses: Option<&[ContainerStatus]>,
    keep: impl Fn(&ContainerStatus) -> bool,
) -> Vec<String> {
    statuses.into_iter().flatten().filter(|it| keep(it)).map(|it| it.name.clone()).collect()
}

fn verdict(unready: &[String], phase: &str) -> Verdict {
    match phase {
        "Succeeded" => Verdict { holds: false, reason: Some("PodCompleted"), message: None },
        "Failed" => Verdict { holds: false, reason: Some("PodFailed"), message: None },
        _ if unready.is_empty() => Verdict::yes(),
        _ => {
            let message = format!("containers with unready status: [{}]", unready.join(" "));
            Verdict::no("ContainersNotReady", message)
        }
    }
}

#[derive(Clone)]
struct Verdict {
    holds: bool,
    reason: Option<&'static str>,
    message: Option<String>,
}

impl Verdict {
    fn yes() -> Self {
        Self { holds: true, reason: None, message: None }
    }

    fn no(reason: &'static str, message: String) -> Self {
        Self { holds: false, reason: Some(reason), message: Some(message) }
    }

    /// As a condition, which keeps its transition time while its status stays.
    fn condition(self, name: &str, published: &[PodCondition], now: Timestamp) -> PodCondition {
        let status = if self.holds { "True" } else { "False" };
        let before = published.iter().find(|it| it.type_ == name && it.status == status);
        let time = before.and_then(|it| it.last_transition_time.clone()).unwrap_or(Time(now));
        PodCondition {
            type_: name.to_owned(),
            status: status.to_owned(),
            last_transition_time: Some(time),
            reason: self.reason.map(str::to_owned),
            message: self.message,
            ..PodCondition::default()
        }
    }
}
