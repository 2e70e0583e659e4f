//! The decision itself.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{Container as Spec, PodSpec};

use crate::admit::Refusal;

use super::{
    Action, BackOff, Container, Hold, Image, Plan, PullPolicy, Sandbox, Snapshot, State,
    StopReason, Terminated, Volumes, resize, status,
};

/// How long processes of a pod that is no longer in the API get.
const GONE_GRACE: SignedDuration = SignedDuration::from_secs(1);
/// What the API's times may lack.
const CUT_OFF: SignedDuration = SignedDuration::from_secs(1);
/// How often a change is tried that only lacks room.
const DEFERRED_RETRY: SignedDuration = SignedDuration::from_secs(5);
const DEFAULT_GRACE_SECONDS: i64 = 30;
/// How long a failed pull shows as `ErrImagePull` before it is a back-off.
const FRESH_FAILURE: SignedDuration = SignedDuration::from_secs(2);

/// Why a pod ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// The object is gone.
    Gone,
    /// The object has a deletion timestamp.
    Deleted,
    /// All containers ended, an init container failed for good, or the phase is terminal already.
    Done,
    /// `activeDeadlineSeconds` is over.
    Deadline,
    /// The node rejected the pod.
    Refused,
}

pub(crate) fn plan(snapshot: &Snapshot<'_>) -> Plan {
    let mut planner = Planner::new(snapshot);
    let ending = planner.ending();
    if planner.pending.as_ref().is_some_and(|it| it.is_deferred()) {
        planner.wake(snapshot.now + DEFERRED_RETRY);
    }
    match ending {
        Some(ending) => planner.end(ending),
        None => planner.run(),
    }
    let Planner { actions, holds, wake_at, initialized, pending, spec, .. } = planner;
    let allocated = resize::allocated(snapshot, spec, pending.is_some());
    let view = status::View {
        snapshot,
        holds: &holds,
        initialized,
        ending,
        pending: pending.as_ref(),
        allocated: &allocated,
    };
    Plan { status: status::render(&view), actions, holds, wake_at, allocated }
}

struct Planner<'a> {
    snapshot: &'a Snapshot<'a>,
    spec: &'a PodSpec,
    actions: Vec<Action>,
    holds: BTreeMap<String, Hold>,
    wake_at: Option<Timestamp>,
    initialized: bool,
    /// Why a change of requests or limits waits.
    pending: Option<resize::Pending>,
}

/// What a container's place in the pod means for it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Init,
    Sidecar,
    Main,
}

impl<'a> Planner<'a> {
    fn new(snapshot: &'a Snapshot<'a>) -> Self {
        static EMPTY: std::sync::LazyLock<PodSpec> = std::sync::LazyLock::new(PodSpec::default);
        let spec = snapshot.pod.spec.as_ref().unwrap_or(&EMPTY);
        Self {
            snapshot,
            spec,
            actions: Vec::new(),
            holds: BTreeMap::new(),
            wake_at: None,
            initialized: false,
            pending: resize::pending(snapshot, spec),
        }
    }

    fn ending(&mut self) -> Option<Ending> {
        let snapshot = self.snapshot;
        if snapshot.gone {
            return Some(Ending::Gone);
        }
        if snapshot.pod.metadata.deletion_timestamp.is_some() {
            return Some(Ending::Deleted);
        }
        let published = snapshot.published;
        let over = if published.reason.as_deref() == Some("DeadlineExceeded") {
            Ending::Deadline
        } else {
            Ending::Done
        };
        if matches!(published.phase.as_deref(), Some("Succeeded" | "Failed")) {
            return Some(over);
        }
        if let Some(Refusal::Failed { .. }) = snapshot.refusal {
            return Some(Ending::Refused);
        }
        if let (Some(seconds), Some(start)) =
            (self.spec.active_deadline_seconds, published.start_time.as_ref())
        {
            let deadline = start.0 + SignedDuration::from_secs(seconds);
            if snapshot.now >= deadline {
                return Some(Ending::Deadline);
            }
            self.wake(deadline);
        }
        let failed = self.spec.init_containers.iter().flatten().any(|spec| self.failed_init(spec));
        let over = self.spec.containers.iter().all(|spec| self.over(spec));
        (failed || over).then_some(Ending::Done)
    }

    /// An init container that failed for good.
    fn failed_init(&self, spec: &Spec) -> bool {
        let never = self.spec.restart_policy.as_deref() == Some("Never");
        role(spec) == Role::Init
            && never
            && matches!(self.state(spec), State::Exited(ended) if ended.exit_code != 0)
    }

    /// A container that ended and is not to be restarted.
    fn over(&self, spec: &Spec) -> bool {
        match self.state(spec) {
            State::Exited(ended) => !self.restarts(spec, ended),
            _ => false,
        }
    }

    fn restarts(&self, spec: &Spec, ended: &Terminated) -> bool {
        let changed = self.record(spec).is_some_and(|record| is_change(record.stopped_for));
        changed
            || match self.spec.restart_policy.as_deref() {
                Some("Never") => false,
                Some("OnFailure") => ended.exit_code != 0,
                _ => true,
            }
    }

    fn record(&self, spec: &Spec) -> Option<&'a Container> {
        self.snapshot.containers.get(&spec.name)
    }

    fn state(&self, spec: &Spec) -> &'a State {
        self.record(spec).map_or(&State::Absent, |record| &record.state)
    }

    fn wake(&mut self, at: Timestamp) {
        self.wake_at = Some(self.wake_at.map_or(at, |earlier| earlier.min(at)));
    }

    /// The pod should run.
    fn run(&mut self) {
        if let Some(Refusal::Waiting { message }) = self.snapshot.refusal {
            return self.hold_all(message);
        }
        self.initialized = self.spec.containers.iter().any(|spec| {
            !matches!(self.state(spec), State::Absent)
                && matches!(self.snapshot.sandbox, Sandbox::Ready { .. })
                && self.inits_done()
        });
        self.pull_images();
        if !self.prepared() {
            return;
        }
        let spec = self.spec;
        for container in spec.init_containers.iter().flatten() {
            let proceed = match role(container) {
                Role::Sidecar => self.sidecar(container),
                _ => self.init(container),
            };
            if !proceed && !self.initialized {
                return;
            }
        }
        self.initialized = true;
        for container in &spec.containers {
            self.keep_running(container, Role::Main);
        }
    }

    /// Nothing of the pod is made, not even its volumes.
    fn hold_all(&mut self, message: &str) {
        let spec = self.spec;
        for container in spec.init_containers.iter().flatten().chain(&spec.containers) {
            let message = Some(message.to_owned());
            let hold = Hold { reason: "CreateContainerConfigError", message };
            self.holds.insert(container.name.clone(), hold);
        }
    }

    /// Whether no init container stands in the way: those that ran to their end stay ended.
    fn inits_done(&self) -> bool {
        self.spec.init_containers.iter().flatten().all(|spec| match role(spec) {
            Role::Init => matches!(self.state(spec), State::Exited(ended) if ended.exit_code == 0),
            _ => !matches!(self.state(spec), State::Absent),
        })
    }

    /// Asks early for images, so that pulls overlap with everything else.
    fn pull_images(&mut self) {
        let spec = self.spec;
        for container in spec.init_containers.iter().flatten().chain(&spec.containers) {
            let reference = container.image.clone().unwrap_or_default();
            let wanted = match self.snapshot.images.get(&reference) {
                None => true,
                Some(Image::Failed { retry_at, .. }) => *retry_at <= self.snapshot.now,
                Some(Image::Pulling | Image::Ready { .. }) => false,
            };
            let pull = Action::PullImage { reference, policy: pull_policy(container) };
            if wanted && !self.actions.contains(&pull) && !self.over(container) {
                self.actions.push(pull);
            }
        }
    }

    /// Volumes, then the sandbox. True when both are ready.
    fn prepared(&mut self) -> bool {
        let now = self.snapshot.now;
        match self.snapshot.volumes {
            Volumes::Ready => {}
            Volumes::Failed { retry_at, .. } if *retry_at > now => {
                self.wake(*retry_at);
                return false;
            }
            Volumes::Pending | Volumes::Failed { .. } => {
                self.actions.push(Action::MountVolumes);
                return false;
            }
        }
        match self.snapshot.sandbox {
            Sandbox::Ready { .. } => true,
            Sandbox::Failed { retry_at, .. } if *retry_at > now => {
                self.wake(*retry_at);
                false
            }
            Sandbox::Absent | Sandbox::Failed { .. } => {
                self.actions.push(Action::CreateSandbox);
                false
            }
        }
    }

    /// Returns whether the next init container may go.
    fn init(&mut self, spec: &Spec) -> bool {
        match self.state(spec) {
            State::Exited(ended) if ended.exit_code == 0 => return true,
            _ => self.keep_running(spec, Role::Init),
        }
        false
    }

    fn sidecar(&mut self, spec: &Spec) -> bool {
        self.keep_running(spec, Role::Sidecar);
        let started = self.record(spec).is_some_and(|record| status::started(spec, record));
        started && matches!(self.state(spec), State::Running { .. })
    }

    /// Brings one container up, or down to come up again.
    fn keep_running(&mut self, spec: &Spec, role: Role) {
        match self.state(spec) {
            State::Running { .. } => self.check_running(spec),
            State::Stopping { .. } => {}
            State::Absent => self.start(spec),
            State::Failing { reason, message, retry_at } => {
                if *retry_at <= self.snapshot.now {
                    return self.start(spec);
                }
                self.wake(*retry_at);
                let hold = Hold { reason, message: Some(message.clone()) };
                self.holds.insert(spec.name.clone(), hold);
            }
            State::Exited(ended) => {
                if role == Role::Main && !self.restarts(spec, ended) {
                    return;
                }
                self.restart(spec, ended);
            }
        }
    }

    fn check_running(&mut self, spec: &Spec) {
        let Some(record) = self.record(spec) else { return };
        let why = if spec.image.as_ref().is_some_and(|image| *image != record.image) {
            StopReason::ImageChanged
        } else if let Some(why) = record.health.unhealthy {
            why
        } else if self.resizes(spec, record) {
            StopReason::Resized
        } else {
            return;
        };
        // The new image must be there before the old container goes.
        let reference = spec.image.clone().unwrap_or_default();
        if why == StopReason::ImageChanged
            && !matches!(self.snapshot.images.get(&reference), Some(Image::Ready { .. }))
        {
            return self.hold_for_image(spec);
        }
        let grace = match why {
            StopReason::LivenessFailed => probe_grace(spec.liveness_probe.as_ref()),
            StopReason::StartupFailed => probe_grace(spec.startup_probe.as_ref()),
            _ => None,
        };
        let deadline = self.snapshot.now + grace.unwrap_or_else(|| self.grace());
        self.actions.push(Action::Stop { container: spec.name.clone(), deadline, why });
    }

    /// Asks for other requests or limits where they differ; true if only a restart makes them.
    fn resizes(&mut self, spec: &Spec, record: &Container) -> bool {
        let Some(given) = &record.resources else { return false };
        if self.pending.is_some() || !resize::differs(spec, record) {
            return false;
        }
        if resize::restarts(spec, given) {
            return true;
        }
        match &record.resize_failed {
            Some((_, retry_at)) if *retry_at > self.snapshot.now => self.wake(*retry_at),
            _ => self.actions.push(Action::Resize { container: spec.name.clone() }),
        }
        false
    }

    fn restart(&mut self, spec: &Spec, ended: &Terminated) {
        let record = self.record(spec);
        let changed = record.is_some_and(|record| is_change(record.stopped_for));
        let finished_at = ended.finished_at.unwrap_or(self.snapshot.now);
        let due = BackOff::due(record.and_then(|record| record.backoff), finished_at);
        if changed || due <= self.snapshot.now {
            return self.start(spec);
        }
        self.wake(due);
        let delay = due.duration_since(finished_at).as_secs();
        let pod = &self.snapshot.pod.metadata;
        let message = format!(
            "back-off {delay}s restarting failed container={} pod={}_{}({})",
            spec.name,
            pod.name.as_deref().unwrap_or_default(),
            pod.namespace.as_deref().unwrap_or_default(),
            pod.uid.as_deref().unwrap_or_default(),
        );
        let hold = Hold { reason: "CrashLoopBackOff", message: Some(message) };
        self.holds.insert(spec.name.clone(), hold);
    }

    fn start(&mut self, spec: &Spec) {
        let reference = spec.image.clone().unwrap_or_default();
        if !matches!(self.snapshot.images.get(&reference), Some(Image::Ready { .. })) {
            return self.hold_for_image(spec);
        }
        let record = self.record(spec);
        let ran = record.is_some_and(|record| record.ran);
        let count = record.map_or(0, |record| record.restart_count);
        let before = record.and_then(|record| record.backoff);
        let backoff = if ran { Some(BackOff::after(before, self.snapshot.now)) } else { before };
        self.actions.push(Action::Start {
            container: spec.name.clone(),
            restart_count: if ran { count + 1 } else { count },
            backoff,
        });
    }

    fn hold_for_image(&mut self, spec: &Spec) {
        let reference = spec.image.clone().unwrap_or_default();
        let Some(Image::Failed { reason, message, failed_at, retry_at }) =
            self.snapshot.images.get(&reference)
        else {
            return;
        };
        let fresh = *failed_at + FRESH_FAILURE;
        let hold = if *reason != "ErrImagePull" || self.snapshot.now < fresh {
            Hold { reason, message: Some(message.clone()) }
        } else {
            let message = format!("Back-off pulling image \"{reference}\": {message}");
            Hold { reason: "ImagePullBackOff", message: Some(message) }
        };
        self.wake(if self.snapshot.now < fresh { fresh } else { *retry_at });
        self.holds.insert(spec.name.clone(), hold);
    }

    fn grace(&self) -> SignedDuration {
        let seconds = self.spec.termination_grace_period_seconds.unwrap_or(DEFAULT_GRACE_SECONDS);
        SignedDuration::from_secs(seconds.max(0))
    }

    /// The pod should not run.
    fn end(&mut self, ending: Ending) {
        self.initialized = self.inits_done();
        let deadline = self.deadline(ending);
        let spec = self.spec;
        let inits: Vec<&Spec> = spec.init_containers.iter().flatten().collect();
        let plain = inits.iter().copied().filter(|spec| role(spec) == Role::Init);
        let first: Vec<&Spec> = spec.containers.iter().chain(plain).collect();
        if self.stop_all(&first, deadline) {
            return;
        }
        // Sidecars serve the others to the end, so they go after them, the last one first.
        for sidecar in inits.iter().rev().filter(|spec| role(spec) == Role::Sidecar) {
            if self.stop_all(&[*sidecar], deadline) {
                return;
            }
        }
        if !matches!(self.snapshot.sandbox, Sandbox::Absent) {
            self.actions.push(Action::TearDown);
            return;
        }
        match ending {
            Ending::Gone => self.actions.push(Action::Forget),
            Ending::Deleted if !self.snapshot.finished => self.actions.push(Action::Finish),
            Ending::Deleted | Ending::Done | Ending::Deadline | Ending::Refused => {}
        }
    }

    fn deadline(&self, ending: Ending) -> Timestamp {
        let now = self.snapshot.now;
        match ending {
            Ending::Gone => now + GONE_GRACE,
            // The API counts the grace from the request, and shortens it by another request. Its times are cut to
            // seconds, but nobody may be killed before the grace is over.
            Ending::Deleted => {
                let at = self.snapshot.pod.metadata.deletion_timestamp.as_ref();
                at.map_or(now, |time| (time.0 + CUT_OFF).max(now))
            }
            Ending::Done | Ending::Deadline | Ending::Refused => now + self.grace(),
        }
    }

    /// Returns whether any of them is still alive.
    fn stop_all(&mut self, specs: &[&Spec], deadline: Timestamp) -> bool {
        let mut alive = false;
        for spec in specs {
            let state = self.state(spec);
            alive |= state.is_alive();
            let stop = match state {
                State::Running { .. } => true,
                State::Stopping { deadline: present, .. } => {
                    deadline + SignedDuration::from_secs(1) < *present
                }
                _ => false,
            };
            if stop {
                let why = StopReason::PodEnds;
                self.actions.push(Action::Stop { container: spec.name.clone(), deadline, why });
            }
        }
        alive
    }
}

/// Whether a container was stopped only to be started as the spec now wants it.
fn is_change(why: Option<StopReason>) -> bool {
    matches!(why, Some(StopReason::ImageChanged | StopReason::Resized))
}

fn role(spec: &Spec) -> Role {
    // Only asked of init containers, whose restart policy can be nothing else.
    if spec.restart_policy.as_deref() == Some("Always") { Role::Sidecar } else { Role::Init }
}

fn probe_grace(probe: Option<&k8s_openapi::api::core::v1::Probe>) -> Option<SignedDuration> {
    probe?.termination_grace_period_seconds.map(SignedDuration::from_secs)
}

fn pull_policy(spec: &Spec) -> PullPolicy {
    match spec.image_pull_policy.as_deref() {
        Some("Always") => PullPolicy::Always,
        Some("Never") => PullPolicy::Never,
        _ => PullPolicy::IfNotPresent,
    }
}
