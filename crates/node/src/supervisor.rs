//! The host's side of the node: starts the agent, maps its ids, serves what only the host can do, stops it.
//!
//! Tasks: a thread that owns the agent's process (the kernel ties the agent's life to that very thread), a task that reads
//! the agent's reports, a task that serves `host.sock` (see [`host`]). The agent never outlives this process: it dies with
//! the thread, and stops by itself when its stdin closes.

pub(crate) mod host;
mod ids;

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{oneshot, watch};

use crate::agent::{MAPPED, Report, STOP, SUBCOMMAND};
use crate::config::{AgentConfig, Ids, NODES_MAX, Paths};
use crate::images::Store;

/// How long a graceful stop may take before the agent is killed: the pods' own grace is capped below this.
const STOP_TIMEOUT: Duration = Duration::from_secs(15);

/// What the node needs to start.
#[derive(Debug, Clone)]
pub struct Options {
    /// Sockets, pod volumes and logs lie here.
    pub state_dir: PathBuf,
    /// The directory of the image store.
    pub image_store: PathBuf,
    /// How many virtual nodes to register.
    pub nodes: u16,
    /// The version in the built-in image's name, `endstate:VERSION`.
    pub version: String,
}

/// Why the node did not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot run {count} nodes, at most {NODES_MAX}")]
    TooManyNodes { count: u16 },
    #[error("no OCI runtime: install `runc` (Debian: apt install runc) or put it on the PATH")]
    NoRuntime,
    #[error("the socket path {path} is longer than the kernel allows; use a shorter --state-dir")]
    PathTooLong { path: PathBuf },
    #[error("cannot prepare {path}")]
    Prepare {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("cannot open the image store")]
    Images(#[source] crate::images::Error),
    #[error("cannot start the node's process")]
    Spawn(#[source] std::io::Error),
    #[error(
        "cannot map user ids into the node's namespace: {0}; `endstate doctor` tells how to allow it"
    )]
    MapIds(String),
    #[error("the node failed: {0}")]
    Failed(String),
    #[error("the node ended before it was ready")]
    Ended,
}

/// How far the agent has come.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Progress {
    Starting,
    NetworkUp,
    Registered,
    Failed(String),
    Ended,
}

/// The running node. Dropping it kills the node at once; [`Supervisor::stop`] is the polite way.
pub struct Supervisor {
    agent: Arc<Agent>,
    progress: watch::Receiver<Progress>,
    /// Becomes true once the agent's process is reaped.
    ended: watch::Receiver<bool>,
    host: tokio::task::JoinHandle<()>,
}

/// The agent's process, as seen from outside its thread.
struct Agent {
    pid: u32,
    stdin: std::sync::Mutex<Option<ChildStdin>>,
}

impl Supervisor {
    /// Starts the agent and returns once pods could run; the API server may come up meanwhile.
    pub async fn start(options: Options) -> Result<Self, Error> {
        if options.nodes > NODES_MAX {
            return Err(Error::TooManyNodes { count: options.nodes });
        }
        let runc = find_runtime().ok_or(Error::NoRuntime)?;
        let store = Store::open(&options.image_store).map_err(Error::Images)?;
        let config = AgentConfig {
            ids: ids::available(),
            state_dir: options.state_dir,
            image_store: options.image_store,
            nodes: options.nodes.max(1),
            version: options.version,
            runc,
        };
        let paths = config.paths();
        prepare(&paths)?;
        let host = host::serve(&paths, store)
            .map_err(|source| Error::Prepare { path: paths.host_sock(), source })?;
        let (progress_sender, progress) = watch::channel(Progress::Starting);
        let (ended_sender, ended) = watch::channel(false);
        let (started_sender, started) = oneshot::channel();
        std::thread::Builder::new()
            .name("node-supervisor".to_owned())
            .spawn(move || {
                own_agent(&config, started_sender, &progress_sender);
                ended_sender.send_replace(true);
            })
            .map_err(Error::Spawn)?;
        let agent = started.await.map_err(|_| Error::Ended)??;
        let mut supervisor = Self { agent: Arc::new(agent), progress, ended, host };
        supervisor.reached(Progress::NetworkUp).await?;
        Ok(supervisor)
    }

    /// Waits until all virtual nodes are registered with the API server.
    pub async fn registered(&mut self) -> Result<(), Error> {
        self.reached(Progress::Registered).await
    }

    /// Waits until the node ends by itself, which it should not: returns why.
    pub async fn failed(&self) -> Error {
        let mut progress = self.progress.clone();
        let seen = progress
            .wait_for(|state| matches!(state, Progress::Failed(_) | Progress::Ended))
            .await
            .map(|state| state.clone());
        match seen {
            Ok(Progress::Failed(message)) => Error::Failed(message),
            _ => Error::Ended,
        }
    }

    /// The process id of the agent's first stage, whose namespaces are those of the node.
    pub fn pid(&self) -> u32 {
        self.agent.pid
    }

    /// Stops the pods' processes (SIGTERM, then SIGKILL) and the agent. Pod objects and volumes stay.
    pub async fn stop(self) {
        self.agent.say(STOP);
        let mut ended = self.ended.clone();
        if tokio::time::timeout(STOP_TIMEOUT, ended.wait_for(|ended| *ended)).await.is_err() {
            tracing::warn!("the node did not stop in time and is killed");
            self.agent.kill();
            let _ = ended.wait_for(|ended| *ended).await;
        }
    }

    async fn reached(&mut self, wanted: Progress) -> Result<(), Error> {
        let seen = self
            .progress
            .wait_for(|state| match state {
                Progress::Starting => false,
                Progress::NetworkUp => wanted == Progress::NetworkUp,
                Progress::Registered | Progress::Failed(_) | Progress::Ended => true,
            })
            .await
            .map_err(|_| Error::Ended)?;
        match &*seen {
            Progress::Failed(message) => Err(Error::Failed(message.clone())),
            Progress::Ended => Err(Error::Ended),
            _ => Ok(()),
        }
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        self.host.abort();
        // A reaped process's id may belong to someone else by now.
        if !*self.ended.borrow() {
            self.agent.kill();
        }
    }
}

impl Agent {
    /// Writes one command byte; errors mean that the agent is gone, which its thread reports.
    fn say(&self, byte: u8) {
        if let Some(stdin) = self.stdin.lock().expect("no panic while held").as_mut() {
            let _ = stdin.write_all(&[byte]).and_then(|()| stdin.flush());
        }
    }

    fn kill(&self) {
        // The closed stdin alone ends the agent as well, but only once it looks.
        self.stdin.lock().expect("no panic while held").take();
        if let Ok(pid) = i32::try_from(self.pid) {
            let pid = nix::unistd::Pid::from_raw(pid);
            let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
        }
    }
}

/// The runtime on the PATH or where Debian puts it, which is not on an ordinary user's PATH.
pub(crate) fn find_runtime() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let named = std::env::split_paths(&path).map(|dir| dir.join("runc"));
    let usual = ["/usr/sbin/runc", "/usr/bin/runc", "/usr/local/sbin/runc", "/usr/local/bin/runc"];
    named.chain(usual.iter().map(PathBuf::from)).find(|candidate| candidate.is_file())
}

fn prepare(paths: &Paths) -> Result<(), Error> {
    // sockaddr_un holds 108 bytes with the final NUL.
    let longest = paths.api_tls_sock();
    if longest.as_os_str().len() > 107 {
        return Err(Error::PathTooLong { path: longest });
    }
    for path in [paths.run(), paths.pods(), paths.logs(), paths.rootfs(), paths.private()] {
        std::fs::create_dir_all(&path).map_err(|source| Error::Prepare { path, source })?;
    }
    Ok(())
}

/// The supervisor's thread: starts the agent, forwards its reports, reaps it.
fn own_agent(
    config: &AgentConfig,
    started: oneshot::Sender<Result<Agent, Error>>,
    progress: &watch::Sender<Progress>,
) {
    let (mut child, reports) = match launch(config) {
        Ok((child, agent, reports)) => {
            let _ = started.send(Ok(agent));
            (child, reports)
        }
        Err(error) => {
            let _ = started.send(Err(error));
            return;
        }
    };
    for line in reports.lines().map_while(Result::ok) {
        match serde_json::from_str(&line) {
            Ok(Report::NetworkUp) => progress.send_replace(Progress::NetworkUp),
            Ok(Report::Registered) => progress.send_replace(Progress::Registered),
            Ok(Report::Failed { message }) => progress.send_replace(Progress::Failed(message)),
            Ok(Report::Unshared { .. }) | Err(_) => continue,
        };
    }
    let status = child.wait();
    tracing::debug!(?status, "the node's process ended");
    // Why it failed says more than that it ended.
    progress.send_if_modified(|state| {
        let silent = !matches!(state, Progress::Failed(_));
        if silent {
            *state = Progress::Ended;
        }
        silent
    });
}

type Reports = BufReader<std::process::ChildStdout>;

fn launch(config: &AgentConfig) -> Result<(Child, Agent, Reports), Error> {
    let executable = std::env::current_exe().map_err(Error::Spawn)?;
    let argument = serde_json::to_string(config).expect("plain data always encodes");
    let mut child = Command::new(executable)
        .args([SUBCOMMAND, "enter", &argument])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(Error::Spawn)?;
    let stdin = child.stdin.take().expect("piped");
    let mut reports = BufReader::new(child.stdout.take().expect("piped"));
    let mut line = String::new();
    let read = reports.read_line(&mut line);
    let first = read.ok().and_then(|_| serde_json::from_str::<Report>(&line).ok());
    match first {
        Some(Report::Unshared { .. }) => {}
        Some(Report::Failed { message }) => return Err(reap(child, Error::Failed(message))),
        _ => return Err(reap(child, Error::Ended)),
    }
    if let Err(message) = ids::map(child.id(), config.ids) {
        return Err(reap(child, Error::MapIds(message)));
    }
    let agent = Agent { pid: child.id(), stdin: std::sync::Mutex::new(Some(stdin)) };
    agent.say(MAPPED);
    Ok((child, agent, reports))
}

fn reap(mut child: Child, error: Error) -> Error {
    let _ = child.kill();
    let _ = child.wait();
    error
}

/// Which ids the agent's namespace would get here; for `doctor`.
pub(crate) fn available_ids() -> Ids {
    ids::available()
}
