//! The host's side of the node: starts the agent, maps its ids, serves what only the host can do, stops it.
//!
//! Tasks: a thread that owns the agent's process and starts it again when it ends by itself (see [`keeper`]), and a
//! task that serves `host.sock` (see [`host`]). The agent never outlives this process: it dies with the thread, and
//! stops by itself when its stdin closes.

pub(crate) mod delegation;
pub(crate) mod find;
pub(crate) mod host;
mod ids;
mod keeper;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{oneshot, watch};

use self::delegation::Delegation;
use self::keeper::{Progress, Slot};
use crate::config::{AgentConfig, Ids, Limits, NODES_MAX, Paths};
use crate::images::Store;
use crate::limits::{OomScale, Processes, Settings};
use crate::machine::Machine;
use crate::permissions::Permissions;
use crate::sys;

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
    /// What pods may have of the host.
    pub permissions: Permissions,
}

/// Why the node did not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot run {count} nodes, at most {NODES_MAX}")]
    TooManyNodes { count: u16 },
    #[error("no OCI runtime: install runc (Debian: sudo apt install runc); looked {places}")]
    NoRuntime { places: String },
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

/// The running node. Dropping it kills the node at once; [`Supervisor::stop`] is the polite way.
pub struct Supervisor {
    agent: Arc<Slot>,
    progress: watch::Receiver<Progress>,
    host: tokio::task::JoinHandle<()>,
}

impl Supervisor {
    /// Starts the agent and returns once pods could run; the API server may come up meanwhile.
    pub async fn start(options: Options) -> Result<Self, Error> {
        if options.nodes > NODES_MAX {
            return Err(Error::TooManyNodes { count: options.nodes });
        }
        let runc = find::runtime().ok_or_else(|| Error::NoRuntime { places: find::places() })?;
        let store = Store::open(&options.image_store).map_err(Error::Images)?;
        let paths = Paths::new(&options.state_dir);
        prepare(&paths)?;
        let machine = Machine::look(&options.state_dir);
        let processes = processes();
        let delegation = Delegation::create(&Settings::of_all_pods(&machine, &processes));
        let limits = match &delegation {
            Ok(delegation) => Limits::Enforced(delegation.groups.clone()),
            Err(why) => Limits::NotEnforced { why: why.to_string() },
        };
        let config = AgentConfig {
            ids: ids::available(),
            limits,
            processes,
            machine,
            oom: OomScale::above(sys::oom_score_adj()),
            state_dir: options.state_dir,
            image_store: options.image_store,
            nodes: options.nodes.max(1),
            version: options.version,
            runc,
            permissions: options.permissions,
        };
        let host = host::serve(&paths, store)
            .map_err(|source| Error::Prepare { path: paths.host_sock(), source })?;
        let (sender, progress) = watch::channel(Progress::Starting);
        let (started_sender, started) = oneshot::channel();
        let agent = Arc::new(Slot::default());
        let slot = agent.clone();
        std::thread::Builder::new()
            .name("node-supervisor".to_owned())
            .spawn(move || {
                keeper::keep((&config, delegation.ok()), &slot, (started_sender, &sender));
            })
            .map_err(Error::Spawn)?;
        let mut supervisor = Self { agent, progress, host };
        started.await.map_err(|_| Error::Ended)??;
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

    /// The process id of the agent's first stage, whose namespaces are those of the node; absent between two agents.
    pub fn pid(&self) -> Option<u32> {
        self.agent.pid()
    }

    /// Stops the pods' processes (SIGTERM, then SIGKILL) and the agent. Pod objects and volumes stay.
    pub async fn stop(self) {
        self.agent.stop();
        let mut progress = self.progress.clone();
        let over = |state: &Progress| matches!(state, Progress::Ended | Progress::Failed(_));
        if tokio::time::timeout(STOP_TIMEOUT, progress.wait_for(over)).await.is_err() {
            tracing::warn!("the node did not stop in time and is killed");
            self.agent.kill();
            let _ = progress.wait_for(over).await;
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
        self.agent.kill();
    }
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

/// The limits of processes, from the calling user's own.
fn processes() -> Processes {
    let user = rustix::process::getrlimit(rustix::process::Resource::Nproc).current;
    let threads = std::fs::read_to_string("/proc/sys/kernel/threads-max").unwrap_or_default();
    Processes::of(user, threads.trim().parse().unwrap_or(u64::MAX))
}

/// Which ids the agent's namespace would get here; for `doctor`.
pub(crate) fn available_ids() -> Ids {
    ids::available()
}
