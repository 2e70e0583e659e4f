//! What to do about one pod: pure, total, deterministic.
//!
//! [`plan`] looks at a [`Snapshot`] (the pod object and what the runtime knows) and says which [`Action`]s bring the
//! one closer to the other, which status to publish, and when to look again even if nothing happens. It follows the
//! kubelet: volumes, sandbox, init containers in order (sidecars stay), then all containers; restarts by policy with a
//! back-off; termination of containers, then of sidecars in reverse order, then of the sandbox, then the object's
//! removal.
//!
//! Invariants: a container is started only if no process of it may be alive; a pod that is ending starts nothing; a
//! terminal phase is never left; the object is removed only when no process of the pod is alive.

mod backoff;
mod resize;
mod restore;
mod status;
mod steps;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Pod, PodSpec, PodStatus, ResourceRequirements};

use crate::admit::Refusal;

pub(crate) use self::backoff::BackOff;
pub(crate) use self::resize::Room;
pub(crate) use self::restore::restore;
pub(crate) use self::status::OWN_CONDITIONS;
pub(crate) use self::steps::plan;

/// Everything a decision depends on.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot<'a> {
    pub(crate) now: Timestamp,
    pub(crate) pod: &'a Pod,
    /// Why the node does not run the pod, if so.
    pub(crate) refusal: Option<&'a Refusal>,
    /// The object is no longer in the API: force-deleted, or replaced by one of another uid.
    pub(crate) gone: bool,
    /// The status published last, by this or an earlier agent.
    pub(crate) published: &'a PodStatus,
    pub(crate) host_address: Ipv4Addr,
    pub(crate) volumes: &'a Volumes,
    pub(crate) sandbox: &'a Sandbox,
    pub(crate) containers: &'a BTreeMap<String, Container>,
    pub(crate) images: &'a BTreeMap<String, Image>,
    pub(crate) room: &'a Room,
    /// Removing the object was asked for and not refused.
    pub(crate) finished: bool,
}

/// The pod's volumes as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Volumes {
    #[default]
    Pending,
    Ready,
    Failed {
        message: String,
        retry_at: Timestamp,
    },
}

/// The pod's namespaces and network.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Sandbox {
    #[default]
    Absent,
    Ready {
        address: Ipv4Addr,
    },
    Failed {
        message: String,
        retry_at: Timestamp,
    },
}

/// An image, by the reference that the pod's spec uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Image {
    Pulling,
    Ready { id: String },
    Failed { reason: &'static str, message: String, failed_at: Timestamp, retry_at: Timestamp },
}

/// What the runtime knows about one container.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Container {
    pub(crate) state: State,
    /// How often it was started again.
    pub(crate) restart_count: i32,
    /// It ran at least once, in this or an earlier sandbox.
    pub(crate) ran: bool,
    /// How the run before the present one ended.
    pub(crate) previous: Option<Terminated>,
    pub(crate) backoff: Option<BackOff>,
    /// The reference and id of the image it runs or ran with.
    pub(crate) image: String,
    pub(crate) image_id: String,
    pub(crate) health: Health,
    /// The requests and limits it runs or ran with.
    pub(crate) resources: Option<ResourceRequirements>,
    /// Why the last change of these failed.
    pub(crate) resize_failed: Option<(String, Timestamp)>,
    /// Why it was or is being stopped, if we did it.
    pub(crate) stopped_for: Option<StopReason>,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) enum State {
    /// Not yet started in this sandbox.
    #[default]
    Absent,
    /// The start failed before there was a process.
    Failing {
        reason: &'static str,
        message: String,
        retry_at: Timestamp,
    },
    Running {
        since: Timestamp,
        id: String,
    },
    /// Told to stop; its process lives until `deadline` at most.
    Stopping {
        since: Timestamp,
        id: String,
        deadline: Timestamp,
    },
    Exited(Terminated),
}

impl State {
    pub(crate) fn is_alive(&self) -> bool {
        matches!(self, Self::Running { .. } | Self::Stopping { .. })
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Terminated {
    pub(crate) exit_code: i32,
    pub(crate) signal: Option<i32>,
    pub(crate) reason: String,
    pub(crate) message: Option<String>,
    pub(crate) started_at: Option<Timestamp>,
    pub(crate) finished_at: Option<Timestamp>,
    pub(crate) id: Option<String>,
}

/// What probes and hooks say about the present run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Health {
    /// The postStart hook has ended well, or there is none.
    pub(crate) hook_done: bool,
    /// The startup probe has succeeded; false until then, also without such a probe.
    pub(crate) startup: bool,
    /// The readiness probe's verdict.
    pub(crate) readiness: bool,
    /// Why the container must be restarted.
    pub(crate) unhealthy: Option<StopReason>,
}

/// Why we stop a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StopReason {
    PodEnds,
    ImageChanged,
    /// Other requests or limits, which the container is to be started anew for.
    Resized,
    LivenessFailed,
    StartupFailed,
    PostStartFailed,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Action {
    /// Makes the volumes ready.
    MountVolumes,
    /// Makes namespaces and network.
    CreateSandbox,
    /// Fetches an image in the background, once.
    PullImage { reference: String, policy: PullPolicy },
    /// Starts a container, which has no process now.
    Start { container: String, restart_count: i32, backoff: Option<BackOff> },
    /// Stops a container in the background; a second one may bring the deadline forward.
    Stop { container: String, deadline: Timestamp, why: StopReason },
    /// Gives a running container other requests and limits.
    Resize { container: String },
    /// Takes the sandbox away. No process is alive.
    TearDown,
    /// Removes the object from the API, guarded by its uid.
    Finish,
    /// Forgets the pod and removes its files. The object is gone.
    Forget,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PullPolicy {
    Always,
    IfNotPresent,
    Never,
}

/// Why a container that should run does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hold {
    pub(crate) reason: &'static str,
    pub(crate) message: Option<String>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Plan {
    pub(crate) actions: Vec<Action>,
    pub(crate) status: PodStatus,
    /// What keeps containers from running, by name.
    pub(crate) holds: BTreeMap<String, Hold>,
    pub(crate) wake_at: Option<Timestamp>,
    /// The spec with the requests and limits that containers are given.
    pub(crate) allocated: PodSpec,
}
