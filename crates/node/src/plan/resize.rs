//! Changes of a running container's requests and limits: whether they are taken over, and how.

use k8s_openapi::api::core::v1::{
    Container as Spec, ContainerResizePolicy, PodSpec, ResourceRequirements,
};

use super::{Container, Snapshot};
use crate::limits::{Amounts, requested};

/// What a change is held against.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Room {
    /// Why nothing enforces limits here; absent where they are enforced.
    pub(crate) not_enforced: Option<String>,
    /// What pods may have of the node: thousandths of a processor, and bytes.
    pub(crate) allocatable: (i64, i64),
    /// What the node's other pods request.
    pub(crate) others: (i64, i64),
}

/// Why what the spec asks for is not given, for now or for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pending {
    pub(crate) reason: &'static str,
    pub(crate) message: String,
}

impl Pending {
    pub(crate) fn is_deferred(&self) -> bool {
        self.reason == "Deferred"
    }

    fn infeasible(message: String) -> Self {
        Self { reason: "Infeasible", message }
    }
}

/// Whether the container runs with other amounts than the spec's.
pub(super) fn differs(spec: &Spec, record: &Container) -> bool {
    record
        .resources
        .as_ref()
        .is_some_and(|given| Amounts::of(Some(given)) != Amounts::of(spec.resources.as_ref()))
}

/// Holds the pod's changes against the room there is; nothing if none is asked for or it may be made.
pub(super) fn pending(snapshot: &Snapshot<'_>, spec: &PodSpec) -> Option<Pending> {
    let mut all = spec.init_containers.iter().flatten().chain(&spec.containers);
    let asked = all.any(|container| {
        snapshot.containers.get(&container.name).is_some_and(|it| differs(container, it))
    });
    if !asked {
        return None;
    }
    let room = snapshot.room;
    if let Some(why) = &room.not_enforced {
        return Some(Pending::infeasible(format!("limits are {why}")));
    }
    let (cpu, memory) = requested(spec);
    let parts = [
        ("memory", memory, room.allocatable.1, room.others.1),
        ("cpu", cpu, room.allocatable.0, room.others.0),
    ];
    if let Some((name, wanted, capacity, _)) = parts.iter().find(|it| it.1 > it.2) {
        return Some(Pending::infeasible(format!(
            "Node didn't have enough capacity: {name}, requested: {wanted}, capacity: {capacity}"
        )));
    }
    let short = parts
        .iter()
        .find(|(_, wanted, capacity, others)| wanted.saturating_add(*others) > *capacity)?;
    let (name, wanted, capacity, others) = short;
    let message = format!(
        "Node didn't have enough resource: {name}, requested: {wanted}, used: {others}, capacity: {capacity}"
    );
    Some(Pending { reason: "Deferred", message })
}

/// Whether the container must be started anew for what changes.
pub(super) fn restarts(spec: &Spec, given: &ResourceRequirements) -> bool {
    let (new, old) = (Amounts::of(spec.resources.as_ref()), Amounts::of(Some(given)));
    let cpu = (new.cpu_request, new.cpu_limit) != (old.cpu_request, old.cpu_limit);
    let memory = (new.memory_request, new.memory_limit) != (old.memory_request, old.memory_limit);
    let asks = |name: &str| {
        let policies = spec.resize_policy.iter().flatten();
        let wants = |it: &ContainerResizePolicy| {
            it.resource_name == name && it.restart_policy == "RestartContainer"
        };
        policies.into_iter().any(wants)
    };
    (cpu && asks("cpu")) || (memory && asks("memory"))
}

/// The spec with what its containers are given: what they run with where a change is pending.
pub(super) fn allocated(snapshot: &Snapshot<'_>, spec: &PodSpec, pending: bool) -> PodSpec {
    let mut spec = spec.clone();
    if !pending {
        return spec;
    }
    let inits = spec.init_containers.iter_mut().flatten();
    for container in inits.chain(&mut spec.containers) {
        let record = snapshot.containers.get(&container.name);
        if let Some(given) = record.and_then(|record| record.resources.clone()) {
            container.resources = Some(given);
        }
    }
    spec
}
