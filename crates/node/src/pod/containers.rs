//! Starting and stopping containers, and what happens when they end.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{Container as Spec, Pod};
use rustix::process::Signal;
use tokio::io::AsyncWriteExt;
use tokio::sync::{Mutex as AsyncMutex, mpsc, watch};
use tokio::task::{JoinHandle, block_in_place};
use tokio_util::sync::CancellationToken;

use super::health::Watcher;
use super::live::Input;
use super::{Change, LiveContainer, Note, Readiness, Shared, Worker, files, resources};
use crate::check::Check;
use crate::config::Limits;
use crate::doctor::not_enforced;
use crate::env;
use crate::events::Kind;
use crate::exec::Commands;
use crate::launch::{self, specification};
use crate::limits::has_limits;
use crate::logs::{self, Log, Stream};
use crate::plan::{BackOff, Health, State, StopReason, Terminated};
use crate::runtime::{self, Console, Mount, Standard, Started, Streams};
use crate::sys::{self, Ended, Overlay};
use crate::volumes::{fetch, uid};

const RETRY: SignedDuration = SignedDuration::from_secs(3);
/// How long the ends of a dead container's pipes may be awaited.
const DRAIN: Duration = Duration::from_secs(2);
const TERMINATION_BYTES_MAX: usize = 4096;
const FALLBACK_LINES: usize = 80;
const FALLBACK_BYTES: usize = 2048;
/// Exit code of a container whose command could not be started, as other runtimes have it.
const CANNOT_RUN: i32 = 128;
/// How many logs of earlier runs are kept.
const LOGS_KEPT: i32 = 1;

/// Why a container did not start.
enum Failure {
    /// Its configuration refers to what is not there.
    Configuration(String),
    /// The node could not prepare it.
    Preparation(String),
    /// The runtime refused it: counts as a run that failed.
    Run(String),
}

impl Worker {
    pub(super) async fn start(&mut self, name: &str, restart_count: i32, backoff: Option<BackOff>) {
        let Some(spec) = self.spec_of(name) else { return };
        let started_at = Timestamp::now();
        let launched = self.launch(&spec, restart_count).await;
        let reference = spec.image.clone().unwrap_or_default();
        let image_id = self.ready_images.get(&reference).map(|it| it.id.clone());
        let record = self.containers.entry(name.to_owned()).or_default();
        if let State::Exited(ended) = &record.state {
            record.previous = Some(ended.clone());
        }
        if let Err(Failure::Configuration(message) | Failure::Preparation(message)) = &launched {
            let reason = match launched {
                Err(Failure::Configuration(_)) => "CreateContainerConfigError",
                _ => "CreateContainerError",
            };
            let retry_at = Timestamp::now() + RETRY;
            record.state = State::Failing { reason, message: message.clone(), retry_at };
            let text = format!("Error: {message}");
            return self.emit(name, Kind::Warning, "Failed", text);
        }
        record.restart_count = restart_count;
        record.backoff = backoff;
        record.ran = true;
        record.image = reference;
        record.image_id = image_id.unwrap_or_default();
        record.resources = Some(spec.resources.clone().unwrap_or_default());
        record.resize_failed = None;
        record.health = Health::default();
        record.stopped_for = None;
        match launched {
            Ok(live) => {
                let id = format!("runc://{}", live.commands.container);
                record.state = State::Running { since: Timestamp::now(), id };
                self.emit(name, Kind::Normal, "Created", format!("Created container: {name}"));
                self.emit(name, Kind::Normal, "Started", format!("Started container {name}"));
                if let Limits::NotEnforced { why } = &self.shared.config.limits
                    && restart_count == 0
                    && has_limits(&spec)
                {
                    let text = format!("Limits of container {name} are {}", not_enforced(why));
                    self.emit(name, Kind::Warning, "LimitsNotEnforced", text);
                }
                self.watch(&spec, live);
            }
            Err(
                Failure::Configuration(message)
                | Failure::Preparation(message)
                | Failure::Run(message),
            ) => {
                record.state = State::Exited(Terminated {
                    exit_code: CANNOT_RUN,
                    reason: "StartError".to_owned(),
                    message: Some(message.clone()),
                    started_at: Some(started_at),
                    finished_at: Some(Timestamp::now()),
                    ..Terminated::default()
                });
                self.emit(name, Kind::Warning, "Failed", format!("Error: {message}"));
            }
        }
    }

    pub(super) fn spec_of(&self, name: &str) -> Option<Spec> {
        let mut spec = self.pod.spec.clone()?;
        resources::give(&mut spec, &self.allocated);
        let mut all = spec.init_containers.iter().flatten().chain(&spec.containers);
        all.find(|container| container.name == name).cloned()
    }

    /// From the specification to a running process.
    async fn launch(
        &mut self,
        spec: &Spec,
        restart_count: i32,
    ) -> Result<Arc<LiveContainer>, Failure> {
        let paths = &self.shared.paths;
        let run = format!("{}-{restart_count}", spec.name);
        let reference = spec.image.clone().unwrap_or_default();
        let image = self.ready_images.get(&reference).cloned();
        let image = image.ok_or_else(|| Failure::Preparation("its image is gone".to_owned()))?;
        let wanted = env::references(&self.pod);
        let sources = fetch(&self.shared.client, &self.pod, &wanted).await;
        let sources = sources.map_err(Failure::Preparation)?;
        let services = self.shared.view.services.all();
        let place = self.place();
        let env = env::resolve(&env::Facts {
            pod: &self.pod,
            container: spec,
            place: &place,
            sources: &sources,
            services: &services,
        })
        .map_err(Failure::Configuration)?;
        let folder = paths.pod(uid(&self.pod));
        let bundle =
            block_in_place(|| Bundle::create(&folder, &spec.name, restart_count, &image.rootfs))
                .map_err(|error| {
                    Failure::Preparation(format!("prepare its file system: {error}"))
                })?;
        let mut files = files::mounts(paths, &self.pod);
        files.push(message_mount(&bundle, spec));
        let specification = specification(launch::Input {
            pod: &self.pod,
            container: spec,
            image: &image,
            env,
            folders: &self.folders,
            files,
            pins: paths.namespaces(uid(&self.pod)),
            parts: paths.pins(uid(&self.pod)),
            rootfs: bundle.rootfs(),
            ids: self.shared.config.ids,
            bounds: self.bounds(spec, &run),
        })
        .map_err(Failure::Configuration)?;
        let text = serde_json::to_vec(&specification.to_json()).expect("plain data always encodes");
        fs::write(bundle.dir.join("config.json"), text)
            .map_err(|error| Failure::Preparation(error.to_string()))?;
        let id = format!("{}-{run}", uid(&self.pod));
        let standard =
            Standard { stdin: spec.stdin == Some(true), terminal: spec.tty == Some(true) };
        let dir = paths.container_logs(uid(&self.pod), &spec.name);
        let log = block_in_place(|| {
            remove_old_log(&dir, restart_count);
            Log::create(&dir, restart_count)
        })
        .map_err(|error| Failure::Preparation(format!("create its log: {error}")))?;
        self.shared.runtime.delete(&id).await;
        let started = self.shared.runtime.start(&id, &bundle.dir, standard).await;
        let started = started.map_err(|error| match error {
            runtime::Error::Refused(why) => Failure::Run(why),
            error => Failure::Preparation(crate::chain(&error)),
        })?;
        let commands = Commands {
            runtime: self.shared.runtime.clone(),
            container: id,
            process: Arc::new(specification.process),
            scratch: paths.private(),
        };
        Ok(self.attend(spec, (started, log), (commands, bundle)))
    }

    /// Takes the started process into care: output into the log, an eye on its end.
    fn attend(
        &mut self,
        spec: &Spec,
        process: (Started, Log),
        surroundings: (Commands, Bundle),
    ) -> Arc<LiveContainer> {
        let (started, log) = process;
        let (commands, bundle) = surroundings;
        let log_path = log.path().to_owned();
        let (input, pumps) = connect(started.streams, &log);
        self.next_run += 1;
        let live = Arc::new(LiveContainer {
            run: self.next_run,
            commands,
            process: started.process,
            log,
            done: CancellationToken::new(),
            deadline: watch::Sender::new(None),
            input,
            bundle: bundle.dir.clone(),
        });
        let end = End {
            shared: self.shared.clone(),
            pod: self.pod.clone(),
            spec: spec.clone(),
            live: live.clone(),
            log: log_path,
            started_at: Timestamp::now(),
            notes: self.notes.clone(),
        };
        // The bundle is removed by whoever sees the end.
        bundle.keep();
        tokio::spawn(end.await_it(pumps));
        live
    }

    fn watch(&mut self, spec: &Spec, live: Arc<LiveContainer>) {
        self.live.insert(spec.name.clone(), live.clone());
        self.shared.live.add(&self.pod, &spec.name, &live);
        let watcher = Watcher {
            shared: self.shared.clone(),
            pod: self.pod.clone(),
            container: spec.clone(),
            address: self.address(),
            live,
            notes: self.notes.clone(),
        };
        // Without a hook the container counts as started at once, without a round through the inbox.
        let hook = spec.lifecycle.as_ref().and_then(|it| it.post_start.as_ref());
        if let (None, Some(record)) = (hook, self.containers.get_mut(&spec.name)) {
            record.health.hook_done = true;
        }
        tokio::spawn(watcher.run());
    }

    pub(super) fn stop(&mut self, name: &str, deadline: Timestamp, why: StopReason) {
        let Some(live) = self.live.get(name).cloned() else { return };
        // A deadline only ever comes nearer.
        let before = *live.deadline.borrow();
        let deadline = before.map_or(deadline, |before| before.min(deadline));
        let first = live.deadline.send_replace(Some(deadline)).is_none();
        if let Some(record) = self.containers.get_mut(name) {
            if let State::Running { since, id } | State::Stopping { since, id, .. } = &record.state
            {
                record.state = State::Stopping { since: *since, id: id.clone(), deadline };
            }
            record.stopped_for.get_or_insert(why);
        }
        if !first {
            return;
        }
        let text = match why {
            StopReason::ImageChanged | StopReason::Resized => {
                format!("Container {name} definition changed, will be restarted")
            }
            _ => format!("Stopping container {name}"),
        };
        self.emit(name, Kind::Normal, "Killing", text);
        let Some(spec) = self.spec_of(name) else { return };
        let image = self.containers.get(name).map(|it| it.image.clone()).unwrap_or_default();
        let signal = self.ready_images.get(&image).map(|it| it.stop_signal.clone());
        let stop = Stop { spec, address: self.address(), live, signal: signal.unwrap_or_default() };
        tokio::spawn(stop.run());
    }

    pub(super) fn exited(&mut self, name: &str, run: u64, ended: Terminated) {
        if self.live.get(name).is_none_or(|live| live.run != run) {
            return;
        }
        self.live.remove(name);
        self.shared.live.remove(&self.pod, name);
        if let Some(record) = self.containers.get_mut(name) {
            record.state = State::Exited(ended);
            record.health = Health::default();
        }
    }

    pub(super) fn health(&mut self, name: &str, run: u64, change: Change) {
        if self.live.get(name).is_none_or(|live| live.run != run) {
            return;
        }
        let Some(record) = self.containers.get_mut(name) else { return };
        match change {
            Change::HookDone => record.health.hook_done = true,
            Change::Started => record.health.startup = true,
            Change::Ready(ready) => record.health.readiness = ready == Readiness::Yes,
            Change::Unhealthy(why) => record.health.unhealthy = Some(why),
        }
    }
}

/// Where the container leaves its last words.
fn message_mount(bundle: &Bundle, spec: &Spec) -> Mount {
    let target = spec.termination_message_path.clone();
    let target = target.unwrap_or_else(|| "/dev/termination-log".to_owned());
    Mount { source: bundle.message(), target, read_only: false }
}

fn remove_old_log(dir: &Path, restart_count: i32) {
    let old = logs::path_of(dir, restart_count - LOGS_KEPT - 1);
    let _ = fs::remove_file(old.with_extension("log.1"));
    let _ = fs::remove_file(old);
}

/// The folder of one run: its layer, its configuration, its termination message. Removed on failure.
struct Bundle {
    dir: PathBuf,
    kept: bool,
}

impl Bundle {
    fn create(pod: &Path, name: &str, restart_count: i32, lower: &Path) -> std::io::Result<Self> {
        let container = pod.join("containers").join(name);
        // What an earlier agent left: its mounts are gone with it.
        let _ = fs::remove_dir_all(&container);
        let bundle = Self { dir: container.join(restart_count.to_string()), kept: false };
        let (upper, work) = (bundle.dir.join("upper"), bundle.dir.join("work"));
        for dir in [&upper, &work, &bundle.rootfs()] {
            fs::create_dir_all(dir)?;
        }
        // The root folder's mode comes from the image, not from the empty layer above it.
        fs::set_permissions(&upper, lower.metadata()?.permissions())?;
        fs::write(bundle.message(), "")?;
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(bundle.message(), fs::Permissions::from_mode(0o666))?;
        sys::mount_overlay(&Overlay { lower: lower.to_owned(), upper, work }, &bundle.rootfs())?;
        Ok(bundle)
    }

    fn rootfs(&self) -> PathBuf {
        self.dir.join("rootfs")
    }

    fn message(&self) -> PathBuf {
        self.dir.join("termination-log")
    }

    fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Bundle {
    fn drop(&mut self) {
        if !self.kept {
            remove_bundle(&self.dir);
        }
    }
}

fn remove_bundle(dir: &Path) {
    let _ = sys::unmount(&dir.join("rootfs"));
    let _ = fs::remove_dir_all(dir);
}

type Pumps = Vec<JoinHandle<()>>;

/// Leads a container's output into its log.
fn connect(streams: Streams, log: &Log) -> (Input, Pumps) {
    match streams {
        Streams::Pipes { stdin, stdout, stderr } => {
            let pumps = vec![
                tokio::spawn(log.clone().pump(Stream::Stdout, stdout)),
                tokio::spawn(log.clone().pump(Stream::Stderr, stderr)),
            ];
            let input = match stdin {
                Some(stdin) => Input::Pipe(AsyncMutex::new(Some(stdin))),
                None => Input::None,
            };
            (input, pumps)
        }
        Streams::Terminal(console) => {
            let (reader, log) = (console.clone(), log.clone());
            let pump = tokio::task::spawn_blocking(move || pump_terminal(&reader, &log));
            (Input::Terminal(console), vec![pump])
        }
    }
}

fn pump_terminal(console: &Console, log: &Log) {
    let mut framer = log.framer();
    let mut buffer = vec![0; 8 * 1024];
    loop {
        let count = console.read(&mut buffer).unwrap_or(0);
        log.feed(&mut framer, &buffer[..count]);
        if count == 0 {
            return;
        }
    }
}

/// Sees a container's end.
struct End {
    shared: Arc<Shared>,
    pod: Arc<Pod>,
    spec: Spec,
    live: Arc<LiveContainer>,
    log: PathBuf,
    started_at: Timestamp,
    notes: mpsc::Sender<Note>,
}

impl End {
    async fn await_it(self, pumps: Pumps) {
        let ended = self.live.process.wait().await.unwrap_or_else(|error| {
            tracing::error!(%error, "cannot wait for a container");
            Ended { exit_code: -1, signal: None }
        });
        let finished_at = Timestamp::now();
        for pump in pumps {
            // A process that escaped into another session could hold the pipe open.
            let _ = tokio::time::timeout(DRAIN, pump).await;
        }
        let message = self.message(ended);
        let starved = resources::leave_group(&self.shared, &self.pod, &self.live).await
            && ended.signal == Some(Signal::KILL.as_raw());
        let bundle = self.live.bundle.clone();
        let _ = tokio::task::spawn_blocking(move || remove_bundle(&bundle)).await;
        self.shared.runtime.delete(&self.live.commands.container).await;
        self.live.done.cancel();
        let reason = match ended.exit_code {
            0 => "Completed",
            _ if starved => "OOMKilled",
            _ => "Error",
        };
        let terminated = Terminated {
            exit_code: ended.exit_code,
            // As the kubelet's runtimes, which report the code only.
            signal: None,
            reason: reason.to_owned(),
            message,
            started_at: Some(self.started_at),
            finished_at: Some(finished_at),
            id: Some(format!("runc://{}", self.live.commands.container)),
        };
        let (container, run) = (self.spec.name.clone(), self.live.run);
        // The worker may have ended.
        let _ = self.notes.send(Note::Exited { container, run, ended: terminated }).await;
        tracing::debug!(pod = uid(&self.pod), container = self.spec.name, "a container ended");
    }

    /// What the container left as its message, or the end of its log where that is asked for.
    fn message(&self, ended: Ended) -> Option<String> {
        let text = fs::read(self.live.bundle.join("termination-log")).unwrap_or_default();
        let text =
            String::from_utf8_lossy(&text[..text.len().min(TERMINATION_BYTES_MAX)]).into_owned();
        if !text.is_empty() {
            return Some(text);
        }
        let falls_back =
            self.spec.termination_message_policy.as_deref() == Some("FallbackToLogsOnError");
        if !falls_back || ended.exit_code == 0 {
            return None;
        }
        Some(logs::tail(&self.log, FALLBACK_LINES, FALLBACK_BYTES)).filter(|text| !text.is_empty())
    }
}

/// Stops one container: the hook, the polite signal, at the deadline the other one.
struct Stop {
    spec: Spec,
    address: std::net::Ipv4Addr,
    live: Arc<LiveContainer>,
    signal: String,
}

impl Stop {
    async fn run(self) {
        let done = self.live.done.clone();
        tokio::select! {
            () = self.stop() => {}
            () = done.cancelled() => {}
        }
    }

    async fn stop(&self) {
        let hook = self.spec.lifecycle.as_ref().and_then(|it| it.pre_stop.as_ref());
        if let Some(hook) = hook {
            tokio::select! {
                () = self.pre_stop(hook) => {}
                () = self.deadline() => {}
            }
        }
        self.send(signal_by_name(&self.signal));
        self.deadline().await;
        self.send(Signal::KILL);
        self.live.done.cancelled().await;
    }

    async fn pre_stop(&self, hook: &k8s_openapi::api::core::v1::LifecycleHandler) {
        let result = match Check::of_hook(hook, &self.spec, self.address) {
            Ok(check) => check.run(&self.live.commands).await,
            Err(why) => Err(why),
        };
        if let Err(error) = result {
            tracing::debug!(%error, container = self.spec.name, "a preStop hook failed");
        }
    }

    /// Waits for the deadline, which may be brought forward meanwhile.
    async fn deadline(&self) {
        let mut deadline = self.live.deadline.subscribe();
        loop {
            let at = deadline.borrow_and_update().unwrap_or_else(Timestamp::now);
            let left = Duration::try_from(at.duration_since(Timestamp::now())).unwrap_or_default();
            tokio::select! {
                () = tokio::time::sleep(left) => return,
                changed = deadline.changed() => if changed.is_err() { return },
            }
        }
    }

    fn send(&self, signal: Signal) {
        if let Err(error) = self.live.process.signal(signal) {
            tracing::warn!(%error, container = self.spec.name, "cannot signal a container");
        }
    }
}

/// The signal an image asks to be stopped with.
fn signal_by_name(name: &str) -> Signal {
    match name.trim_start_matches("SIG") {
        "INT" | "2" => Signal::INT,
        "QUIT" | "3" => Signal::QUIT,
        "HUP" | "1" => Signal::HUP,
        "USR1" | "10" => Signal::USR1,
        "USR2" | "12" => Signal::USR2,
        "KILL" | "9" => Signal::KILL,
        "WINCH" | "28" => Signal::WINCH,
        _ => Signal::TERM,
    }
}

impl Input {
    /// Writes to the container's standard input; false when it takes no more.
    pub(crate) async fn write(&self, bytes: &[u8]) -> bool {
        match self {
            Self::None => false,
            Self::Pipe(pipe) => match pipe.lock().await.as_mut() {
                Some(pipe) => pipe.write_all(bytes).await.is_ok() && pipe.flush().await.is_ok(),
                None => false,
            },
            Self::Terminal(console) => {
                let (console, bytes) = (console.clone(), bytes.to_vec());
                let written = tokio::task::spawn_blocking(move || console.write(&bytes)).await;
                matches!(written, Ok(Ok(())))
            }
        }
    }

    /// Ends the container's standard input.
    pub(crate) async fn close(&self) {
        if let Self::Pipe(pipe) = self {
            pipe.lock().await.take();
        }
    }
}
