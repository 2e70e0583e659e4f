//! The worker of one pod: observe, plan, publish, execute, wait.
//!
//! It owns everything about its pod; tasks that watch containers, probe them or pull images only send it [`Note`]s. All
//! choices are [`plan`]'s; what is here only gathers facts and carries actions out.
//!
//! Work on files is announced to the runtime (`block_in_place`): deleting or writing may wait for a busy disk, and
//! names, cluster addresses and probes of every pod go through the same two threads.

mod containers;
mod files;
mod health;
mod live;
mod report;
mod resources;
mod sandbox;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{Pod, PodSpec, PodStatus};
use kube::api::{DeleteParams, Preconditions};
use kube::{Api, Client};
use tokio::sync::mpsc;
use tokio::task::block_in_place;
use tokio_util::sync::CancellationToken;

pub(crate) use self::live::{Input, Live, LiveContainer, LivePod};
pub(crate) use self::resources::Ledger;
use crate::admit::{self, Refusal};
use crate::config::{AgentConfig, Paths, node_address};
use crate::env;
use crate::events::{Events, Kind};
use crate::fields::Place;
use crate::network::Network;
use crate::plan::{
    self, Action, Image, Plan, PullPolicy, Sandbox, Snapshot, StopReason, Terminated,
};
use crate::puller::{Failure, Origin, Puller, Ready};
use crate::runtime::Runtime;
use crate::view::View;
use crate::volumes::{self, Folders, Volumes, namespace, uid};

const RETRY: SignedDuration = SignedDuration::from_secs(2);
/// How often volumes are looked at even if no object changed: tokens grow old.
const REFRESH: Duration = Duration::from_secs(60);
/// The longest grace when the whole node stops.
const NODE_STOP_GRACE: SignedDuration = SignedDuration::from_secs(5);
const PULL_RETRY_FIRST: SignedDuration = SignedDuration::from_secs(10);
const PULL_RETRY_MAX: SignedDuration = SignedDuration::from_secs(300);

/// What all workers share.
pub(crate) struct Shared {
    pub(crate) config: AgentConfig,
    pub(crate) paths: Paths,
    pub(crate) client: Client,
    pub(crate) network: Network,
    pub(crate) runtime: Runtime,
    pub(crate) puller: Puller,
    pub(crate) view: View,
    pub(crate) events: Events,
    pub(crate) live: Live,
    pub(crate) stopping: CancellationToken,
    pub(crate) ledger: Ledger,
}

/// What a worker is told.
#[derive(Debug)]
pub(crate) enum Note {
    Pod(Arc<Pod>),
    Gone,
    Exited { container: String, run: u64, ended: Terminated },
    Health { container: String, run: u64, change: Change },
    Pulled { reference: String, result: Result<(Ready, Origin), Failure> },
}

/// What a probe or hook found.
#[derive(Debug)]
pub(crate) enum Change {
    HookDone,
    Started,
    Ready(Readiness),
    Unhealthy(StopReason),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Readiness {
    Yes,
    No,
}

pub(crate) struct Worker {
    shared: Arc<Shared>,
    pod: Arc<Pod>,
    refusal: Option<Refusal>,
    node: u16,
    gone: bool,
    published: PodStatus,
    /// The version in which the API has it.
    written: u64,
    volumes: plan::Volumes,
    keeper: Volumes,
    folders: Folders,
    sandbox: Sandbox,
    containers: BTreeMap<String, plan::Container>,
    live: BTreeMap<String, Arc<LiveContainer>>,
    images: BTreeMap<String, Image>,
    ready_images: BTreeMap<String, Ready>,
    pull_failures: BTreeMap<String, u32>,
    finished: bool,
    /// The spec with the requests and limits that containers are given.
    allocated: PodSpec,
    /// The versions of the objects that the volumes were filled from.
    sources: Vec<Option<String>>,
    refresh_at: tokio::time::Instant,
    /// The next run's number; a note about an earlier run is ignored.
    next_run: u64,
    notes: mpsc::Sender<Note>,
    inbox: mpsc::Receiver<Note>,
}

#[derive(PartialEq, Eq)]
enum Outcome {
    Continue,
    Forgotten,
}

impl Worker {
    pub(crate) fn new(
        shared: Arc<Shared>,
        pod: Arc<Pod>,
        node: u16,
        channel: (mpsc::Sender<Note>, mpsc::Receiver<Note>),
    ) -> Self {
        let containers = plan::restore(&pod, Timestamp::now());
        Self {
            keeper: Volumes::new(shared.client.clone(), &shared.config),
            published: pod.status.clone().unwrap_or_default(),
            written: report::revision(&pod),
            refusal: admit::admit(&pod, &shared.config.permissions).err(),
            shared,
            pod,
            node,
            gone: false,
            volumes: plan::Volumes::Pending,
            folders: Folders::new(),
            sandbox: Sandbox::Absent,
            containers,
            live: BTreeMap::new(),
            images: BTreeMap::new(),
            ready_images: BTreeMap::new(),
            pull_failures: BTreeMap::new(),
            finished: false,
            allocated: PodSpec::default(),
            sources: Vec::new(),
            refresh_at: tokio::time::Instant::now() + REFRESH,
            next_run: 0,
            notes: channel.0,
            inbox: channel.1,
        }
    }

    /// Lives until the pod is forgotten or the node stops.
    pub(crate) async fn run(mut self) {
        self.end_strays().await;
        self.tell_refusal();
        loop {
            while let Ok(note) = self.inbox.try_recv() {
                self.take(note);
            }
            if self.shared.stopping.is_cancelled() {
                return self.shut_down().await;
            }
            let plan = self.plan();
            self.allocated = plan.allocated.clone();
            self.account();
            report::backoffs(&self, &plan);
            let published = self.publish(&plan.status).await;
            if plan.actions.is_empty() {
                self.wait(&plan, published).await;
                continue;
            }
            for action in plan.actions {
                if self.execute(action).await == Outcome::Forgotten {
                    return;
                }
            }
        }
    }

    /// Ends what a worker of the same pod left when it panicked: its processes must not run beside ours.
    async fn end_strays(&self) {
        let strays = self.shared.live.strays(&self.pod);
        for container in &strays {
            let _ = container.process.signal(rustix::process::Signal::KILL);
        }
        for container in strays {
            container.done.cancelled().await;
        }
        self.shared.live.remove_pod(&self.pod);
        let pins = self.shared.paths.namespaces(uid(&self.pod));
        if let Err(error) = crate::sys::PodNamespaces::remove(&pins) {
            tracing::warn!(%error, pod = uid(&self.pod), "cannot remove old namespaces");
        }
    }

    fn plan(&self) -> Plan {
        plan::plan(&Snapshot {
            now: Timestamp::now(),
            pod: &self.pod,
            refusal: self.refusal.as_ref(),
            gone: self.gone,
            published: &self.published,
            host_address: node_address(self.node),
            volumes: &self.volumes,
            sandbox: &self.sandbox,
            containers: &self.containers,
            images: &self.images,
            room: &self.room(),
            finished: self.finished,
        })
    }

    async fn wait(&mut self, plan: &Plan, published: bool) {
        let now = Timestamp::now();
        let wake = plan.wake_at.map(|at| at.duration_since(now));
        let retry = (!published).then_some(RETRY);
        let until = [wake, retry].into_iter().flatten().min();
        let timer = async {
            match until.map(|it| Duration::try_from(it).unwrap_or_default()) {
                // A little late is better than a little early, which would plan nothing new.
                Some(time) => tokio::time::sleep(time + Duration::from_millis(1)).await,
                None => std::future::pending().await,
            }
        };
        let runs = matches!(self.volumes, plan::Volumes::Ready) && !self.live.is_empty();
        let refreshes = runs && volumes::needs_refresh(&self.pod);
        let sources = Sources {
            view: self.shared.view.clone(),
            pod: self.pod.clone(),
            seen: self.sources.clone(),
        };
        let refresh_at = self.refresh_at;
        let refresh = async {
            if refreshes {
                let _ = tokio::time::timeout_at(refresh_at, sources.changed()).await;
            } else {
                std::future::pending().await
            }
        };
        let stopping = self.shared.stopping.clone();
        tokio::select! {
            note = self.inbox.recv() => if let Some(note) = note { self.take(note) },
            () = timer => {}
            () = refresh => self.refresh().await,
            () = stopping.cancelled() => {}
        }
    }

    async fn refresh(&mut self) {
        let place = self.place();
        // Remembered before the objects are read: what changes meanwhile is seen again.
        let wanted = env::references(&self.pod);
        self.sources = self.shared.view.versions(namespace(&self.pod), &wanted);
        self.refresh_at = tokio::time::Instant::now() + REFRESH;
        if let Err(error) = self.keeper.refresh(&self.pod, &place).await {
            tracing::debug!(%error, pod = uid(&self.pod), "cannot refresh volumes");
        }
    }

    fn take(&mut self, note: Note) {
        match note {
            Note::Pod(pod) => {
                report::absorb(&mut self.published, &pod, self.written);
                self.pod = pod;
            }
            Note::Gone => self.gone = true,
            Note::Exited { container, run, ended } => self.exited(&container, run, ended),
            Note::Health { container, run, change } => self.health(&container, run, change),
            Note::Pulled { reference, result } => self.pulled(reference, result),
        }
    }

    /// The agent's own view of where the pod is.
    fn place(&self) -> Place {
        let pod_address = match self.sandbox {
            Sandbox::Ready { address } => address.to_string(),
            _ => String::new(),
        };
        Place {
            pod_address,
            host_address: node_address(self.node).to_string(),
            allocatable: self.shared.config.share().allocatable,
        }
    }

    fn address(&self) -> Ipv4Addr {
        match self.sandbox {
            Sandbox::Ready { address } => address,
            _ => Ipv4Addr::LOCALHOST,
        }
    }

    async fn execute(&mut self, action: Action) -> Outcome {
        match action {
            Action::MountVolumes => self.mount_volumes().await,
            Action::CreateSandbox => self.create_sandbox().await,
            Action::PullImage { reference, policy } => self.pull(reference, policy),
            Action::Start { container, restart_count, backoff } => {
                self.start(&container, restart_count, backoff).await;
            }
            Action::Stop { container, deadline, why } => self.stop(&container, deadline, why),
            Action::Resize { container } => self.resize(&container).await,
            Action::TearDown => self.tear_down().await,
            Action::Finish => self.finish().await,
            Action::Forget => {
                block_in_place(|| self.forget());
                return Outcome::Forgotten;
            }
        }
        Outcome::Continue
    }

    async fn mount_volumes(&mut self) {
        let place = self.place();
        let named = block_in_place(|| files::name_folder(&self.shared.paths, &self.pod));
        let mounted = match named {
            Ok(()) => self.keeper.mount(&self.pod, &place).await,
            Err(error) => Err(error.to_string()),
        };
        self.volumes = match mounted {
            Ok(folders) => {
                self.folders = folders;
                plan::Volumes::Ready
            }
            Err(message) => {
                let text = format!("MountVolume.SetUp failed for {message}");
                self.emit("", Kind::Warning, "FailedMount", text);
                plan::Volumes::Failed { message, retry_at: Timestamp::now() + RETRY }
            }
        };
    }

    fn pull(&mut self, reference: String, policy: PullPolicy) {
        self.images.insert(reference.clone(), Image::Pulling);
        let (shared, notes) = (self.shared.clone(), self.notes.clone());
        tokio::spawn(async move {
            let result = shared.puller.ensure(&reference, policy).await;
            // The worker may have ended.
            let _ = notes.send(Note::Pulled { reference, result }).await;
        });
    }

    fn pulled(&mut self, reference: String, result: Result<(Ready, Origin), Failure>) {
        let now = Timestamp::now();
        let image = match result {
            Ok((ready, origin)) => {
                self.pull_failures.remove(&reference);
                let id = ready.id.clone();
                let text = match origin {
                    Origin::Pulled => format!("Successfully pulled image \"{reference}\""),
                    Origin::Present => {
                        format!("Container image \"{reference}\" already present on machine")
                    }
                };
                self.emit(&self.container_of(&reference), Kind::Normal, "Pulled", text);
                self.ready_images.insert(reference.clone(), ready);
                Image::Ready { id }
            }
            Err(Failure { reason, message }) => {
                let failures = self.pull_failures.entry(reference.clone()).or_default();
                let delay = PULL_RETRY_FIRST * (1 << (*failures).min(5));
                *failures += 1;
                let text = format!("Failed to pull image \"{reference}\": {message}");
                self.emit(&self.container_of(&reference), Kind::Warning, "Failed", text);
                let retry_at = now + delay.min(PULL_RETRY_MAX);
                Image::Failed { reason, message, failed_at: now, retry_at }
            }
        };
        self.images.insert(reference, image);
    }

    fn container_of(&self, reference: &str) -> String {
        let spec = self.pod.spec.as_ref();
        let mut all = spec
            .iter()
            .flat_map(|spec| spec.init_containers.iter().flatten().chain(&spec.containers));
        let found = all.find(|container| container.image.as_deref() == Some(reference));
        found.map(|container| container.name.clone()).unwrap_or_default()
    }

    async fn tear_down(&mut self) {
        let pins = self.shared.paths.namespaces(uid(&self.pod));
        if let Sandbox::Ready { address } = self.sandbox
            && let Err(error) = self.shared.network.remove_pod(pins, address).await
        {
            tracing::warn!(error = crate::chain(&error), "cannot remove a pod's namespaces");
        }
        if let Some(groups) = self.shared.config.limits.groups()
            && let Err(error) = groups.remove_pod(uid(&self.pod)).await
        {
            tracing::warn!(%error, pod = uid(&self.pod), "cannot remove a pod's control group");
        }
        self.shared.live.remove_pod(&self.pod);
        self.sandbox = Sandbox::Absent;
    }

    /// The last word about a deleted pod.
    async fn finish(&mut self) {
        let api: Api<Pod> = Api::namespaced(self.shared.client.clone(), namespace(&self.pod));
        let parameters = DeleteParams {
            grace_period_seconds: Some(0),
            preconditions: Some(Preconditions {
                uid: self.pod.metadata.uid.clone(),
                resource_version: None,
            }),
            ..DeleteParams::default()
        };
        let name = self.pod.metadata.name.as_deref().unwrap_or_default();
        match api.delete(name, &parameters).await {
            Ok(_) => self.finished = true,
            // Gone already, or another pod has the name: the watch tells.
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => {
                self.finished = true;
            }
            Err(error) => {
                tracing::debug!(%error, pod = name, "cannot remove a pod's object yet");
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
        }
    }

    fn forget(&self) {
        self.shared.ledger.remove(uid(&self.pod));
        volumes::unmount(&self.shared.paths, uid(&self.pod));
        for folder in
            [self.shared.paths.pod(uid(&self.pod)), self.shared.paths.pod_logs(uid(&self.pod))]
        {
            if let Err(error) = std::fs::remove_dir_all(&folder)
                && error.kind() != std::io::ErrorKind::NotFound
            {
                tracing::warn!(%error, path = %folder.display(), "cannot remove a pod's files");
            }
        }
    }

    /// The node stops: processes end, everything else stays as it is.
    async fn shut_down(mut self) {
        let spec = self.pod.spec.as_ref();
        let grace = spec.and_then(|spec| spec.termination_grace_period_seconds).unwrap_or(30);
        let grace = SignedDuration::from_secs(grace.max(0)).min(NODE_STOP_GRACE);
        let names: Vec<String> = self.live.keys().cloned().collect();
        for name in names {
            self.stop(&name, Timestamp::now() + grace, StopReason::PodEnds);
        }
        let live = std::mem::take(&mut self.live);
        for container in live.values() {
            container.done.cancelled().await;
        }
    }

    fn emit(&self, container: &str, kind: Kind, reason: &'static str, message: String) {
        self.shared.events.emit((&self.pod, container), kind, reason, message);
    }
}

/// The objects that a pod's volumes hold, and the versions that they were filled from.
struct Sources {
    view: View,
    pod: Arc<Pod>,
    seen: Vec<Option<String>>,
}

impl Sources {
    /// Waits until one of them is another.
    async fn changed(&self) {
        let wanted = env::references(&self.pod);
        let (mut maps, mut secrets) =
            (self.view.config_maps.changes(), self.view.secrets.changes());
        loop {
            maps.borrow_and_update();
            secrets.borrow_and_update();
            if self.view.versions(namespace(&self.pod), &wanted) != self.seen {
                return;
            }
            tokio::select! {
                _ = maps.changed() => {}
                _ = secrets.changed() => {}
            }
        }
    }
}
