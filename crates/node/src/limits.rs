//! What a pod's requests and limits are for the kernel, by the kubelet's arithmetic. Pure.
//!
//! What of it is enforced depends on the machine: control groups ([`crate::groups`]) enforce all of it; without them
//! there are the order in which the kernel kills when memory runs out ([`oom_score`]) and the number of processes
//! ([`Processes`]), which every user may set and which does not bind root of the machine.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, Pod, PodSpec, ResourceRequirements};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as Text;
use machinery::quantity::Quantity;
use serde::{Deserialize, Serialize};

use crate::machine::Machine;

/// How many processes and threads a pod may have. The kubelet's own default is no limit at all; this is the value that
/// distributions choose.
pub(crate) const POD_PROCESSES_MAX: u64 = 4096;

const PERIOD_MICROS: i64 = 100_000;
const QUOTA_MICROS_MIN: i64 = 1000;
const SHARES_MIN: u64 = 2;
const SHARES_MAX: u64 = 262_144;

/// The quality of service that the API server computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Quality {
    Guaranteed,
    Burstable,
    BestEffort,
}

impl Quality {
    pub(crate) fn of(pod: &Pod) -> Self {
        match pod.status.as_ref().and_then(|it| it.qos_class.as_deref()) {
            Some("Guaranteed") => Self::Guaranteed,
            Some("Burstable") => Self::Burstable,
            _ => Self::BestEffort,
        }
    }
}

/// The settings of a control group. What is absent is unlimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Settings {
    /// The weight, on the scale of 2 to 262144 on which a processor is 1024.
    pub(crate) shares: u64,
    /// Microseconds of processor time per period of 100 ms.
    pub(crate) quota: Option<i64>,
    pub(crate) memory: Option<i64>,
    pub(crate) processes: Option<u64>,
}

impl Settings {
    pub(crate) const PERIOD_MICROS: i64 = PERIOD_MICROS;

    /// Limits of processor time and memory are the container's; that of processes is the pod's.
    pub(crate) fn of_container(resources: Option<&ResourceRequirements>) -> Self {
        let amounts = Amounts::of(resources);
        Self {
            shares: shares(amounts.cpu_request.unwrap_or(0)),
            quota: amounts.cpu_limit.and_then(quota),
            memory: amounts.memory_limit.filter(|bytes| *bytes > 0),
            processes: None,
        }
    }

    /// The pod as a whole is limited in what each of its containers is limited in.
    pub(crate) fn of_pod(spec: &PodSpec) -> Self {
        let sum = |pick: fn(&Amounts) -> Option<i64>| total(spec, pick);
        Self {
            shares: shares(sum(|it| Some(it.cpu_request.unwrap_or(0))).unwrap_or(0)),
            quota: sum(|it| it.cpu_limit).and_then(quota),
            memory: sum(|it| it.memory_limit).filter(|bytes| *bytes > 0),
            processes: Some(POD_PROCESSES_MAX),
        }
    }

    /// All pods together leave room for the control plane.
    pub(crate) fn of_all_pods(machine: &Machine, processes: &Processes) -> Self {
        Self {
            shares: shares(i64::try_from(machine.cpus).unwrap_or(1).saturating_mul(1000)),
            quota: None,
            memory: Some(machine.pods_memory()),
            processes: Some(processes.namespace),
        }
    }

    /// The weight in the unified hierarchy, 1 to 10000, as the OCI runtime converts it.
    pub(crate) fn weight(&self) -> u64 {
        1 + (self.shares.clamp(SHARES_MIN, SHARES_MAX) - SHARES_MIN) * 9999
            / (SHARES_MAX - SHARES_MIN)
    }
}

/// A container's amounts: processors in thousandths, memory in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Amounts {
    pub(crate) cpu_request: Option<i64>,
    pub(crate) cpu_limit: Option<i64>,
    pub(crate) memory_request: Option<i64>,
    pub(crate) memory_limit: Option<i64>,
}

impl Amounts {
    pub(crate) fn of(resources: Option<&ResourceRequirements>) -> Self {
        let requests = resources.and_then(|it| it.requests.as_ref());
        let limits = resources.and_then(|it| it.limits.as_ref());
        let find = |list: Option<&BTreeMap<String, Text>>, name: &str| {
            // The API server took it, so it is a quantity.
            list.and_then(|it| it.get(name)).and_then(|text| Quantity::parse(&text.0).ok())
        };
        Self {
            cpu_request: find(requests, "cpu").map(Quantity::millis),
            cpu_limit: find(limits, "cpu").map(Quantity::millis),
            memory_request: find(requests, "memory").map(Quantity::units),
            memory_limit: find(limits, "memory").map(Quantity::units),
        }
    }
}

/// Whether the container asks for a limit that only control groups enforce.
pub(crate) fn has_limits(container: &Container) -> bool {
    let amounts = Amounts::of(container.resources.as_ref());
    amounts.cpu_limit.is_some() || amounts.memory_limit.is_some()
}

/// What all containers of a pod have together at most, or nothing if one of them has no such amount. Init containers
/// run one at a time, each beside the sidecars before it. Users may ask for more than can be counted: sums end at the
/// largest number.
fn total(spec: &PodSpec, pick: fn(&Amounts) -> Option<i64>) -> Option<i64> {
    let amount = |container: &Container| pick(&Amounts::of(container.resources.as_ref()));
    let mut sidecars = 0i64;
    let mut peak = 0;
    for init in spec.init_containers.iter().flatten() {
        let own = amount(init)?;
        if init.restart_policy.as_deref() == Some("Always") {
            sidecars = sidecars.saturating_add(own);
            peak = peak.max(sidecars);
        } else {
            peak = peak.max(sidecars.saturating_add(own));
        }
    }
    let mut mains = sidecars;
    for container in &spec.containers {
        mains = mains.saturating_add(amount(container)?);
    }
    Some(peak.max(mains))
}

/// What the pod requests of its node: thousandths of a processor, and bytes.
pub(crate) fn requested(spec: &PodSpec) -> (i64, i64) {
    let cpu = total(spec, |it| Some(it.cpu_request.unwrap_or(0)));
    let memory = total(spec, |it| Some(it.memory_request.unwrap_or(0)));
    (cpu.unwrap_or(0), memory.unwrap_or(0))
}

fn shares(millis: i64) -> u64 {
    let shares = u64::try_from(millis).unwrap_or(0).saturating_mul(1024) / 1000;
    shares.clamp(SHARES_MIN, SHARES_MAX)
}

fn quota(millis: i64) -> Option<i64> {
    let quota = millis.saturating_mul(PERIOD_MICROS) / 1000;
    (millis > 0).then_some(quota.max(QUOTA_MICROS_MIN))
}

/// Who the kernel kills first when memory runs out, from the control plane's own score (0 unless somebody set it) to
/// 1000. The kubelet's scale starts at -999, which takes privileges; ours keeps its order above the control plane: the
/// node's agent, then pods that are Guaranteed, Burstable (by how much memory they request), BestEffort.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OomScale {
    base: i64,
}

const OOM_SCORE_MAX: i64 = 1000;

impl OomScale {
    pub(crate) fn above(control_plane: i64) -> Self {
        Self { base: control_plane.clamp(0, OOM_SCORE_MAX) }
    }

    /// The agent's: when it is killed all its pods are.
    pub(crate) fn agent(self) -> i64 {
        self.base + (OOM_SCORE_MAX - self.base) / 10
    }

    pub(crate) fn container(self, quality: Quality, memory: (i64, i64)) -> i64 {
        let (request, capacity) = memory;
        let guaranteed = self.base + (OOM_SCORE_MAX - self.base) / 5;
        match quality {
            Quality::Guaranteed => guaranteed,
            Quality::BestEffort => OOM_SCORE_MAX,
            Quality::Burstable => {
                let kubelet =
                    OOM_SCORE_MAX - OOM_SCORE_MAX.saturating_mul(request) / capacity.max(1);
                let lowest = (guaranteed + 1).min(OOM_SCORE_MAX);
                kubelet.min(OOM_SCORE_MAX - 1).max(lowest)
            }
        }
    }
}

/// How many processes pods may have where no control group counts them, of what the user may have (`RLIMIT_NPROC`).
///
/// The kernel counts the processes of one user id in one user namespace, and all of a namespace's once more for the
/// user who made it. So a container's limit bounds what all containers of one id have together, whichever of them
/// forks, and that of the namespace bounds all ids: a container's root may take any. A quarter always stays for the
/// control plane.
///
/// The kernel exempts uid 0 of the machine: as root without control groups nothing bounds pods that run as root.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Processes {
    pub(crate) container: u64,
    pub(crate) namespace: u64,
}

impl Processes {
    /// `user` is the user's own limit, `threads` that of the machine.
    pub(crate) fn of(user: Option<u64>, threads: u64) -> Self {
        // As the kernel's own default for users.
        let usual = threads / 2;
        let user = user.map_or(usual, |user| user.min(usual));
        Self { container: user / 4, namespace: user - user / 4 }
    }
}

#[cfg(test)]
mod tests;
