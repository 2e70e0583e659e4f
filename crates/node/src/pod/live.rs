//! Running pods and containers, for whoever must find them by name: logs, exec, attach, port-forward.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use tokio::process::ChildStdin;
use tokio::sync::{Mutex as AsyncMutex, watch};
use tokio_util::sync::CancellationToken;

use crate::exec::Commands;
use crate::logs::Log;
use crate::runtime::Console;
use crate::sys::Process;
use crate::volumes::{namespace, uid};

/// One run of a container whose process lives.
pub(crate) struct LiveContainer {
    pub(crate) run: u64,
    pub(crate) commands: Commands,
    pub(crate) process: Process,
    pub(crate) log: Log,
    /// The container's process is reaped and its mounts are gone.
    pub(crate) done: CancellationToken,
    /// When it is to be killed; set by the first stop.
    pub(crate) deadline: watch::Sender<Option<Timestamp>>,
    pub(crate) input: Input,
    pub(crate) bundle: PathBuf,
}

/// Where bytes for the container's standard input go.
pub(crate) enum Input {
    None,
    Pipe(AsyncMutex<Option<ChildStdin>>),
    Terminal(Console),
}

/// One pod with a sandbox.
#[derive(Clone)]
pub(crate) struct LivePod {
    pub(crate) uid: String,
    pub(crate) containers: BTreeMap<String, Arc<LiveContainer>>,
}

type Pods = BTreeMap<(String, String), LivePod>;

#[derive(Clone, Default)]
pub(crate) struct Live {
    pods: Arc<Mutex<Pods>>,
}

impl Live {
    pub(crate) fn get(&self, namespace: &str, name: &str) -> Option<LivePod> {
        let key = (namespace.to_owned(), name.to_owned());
        self.lock().get(&key).cloned()
    }

    /// Containers of the pod that nobody looks after.
    pub(super) fn strays(&self, pod: &Pod) -> Vec<Arc<LiveContainer>> {
        let pods = self.lock();
        let live = pods.get(&key(pod)).filter(|live| live.uid == uid(pod));
        live.map(|live| live.containers.values().cloned().collect()).unwrap_or_default()
    }

    pub(super) fn add_pod(&self, pod: &Pod) {
        let live = LivePod { uid: uid(pod).to_owned(), containers: BTreeMap::new() };
        self.lock().insert(key(pod), live);
    }

    pub(super) fn remove_pod(&self, pod: &Pod) {
        let mut pods = self.lock();
        // A pod of the same name may have come meanwhile.
        if pods.get(&key(pod)).is_some_and(|live| live.uid == uid(pod)) {
            pods.remove(&key(pod));
        }
    }

    pub(super) fn add(&self, pod: &Pod, name: &str, container: &Arc<LiveContainer>) {
        if let Some(live) = self.lock().get_mut(&key(pod)).filter(|live| live.uid == uid(pod)) {
            live.containers.insert(name.to_owned(), container.clone());
        }
    }

    pub(super) fn remove(&self, pod: &Pod, name: &str) {
        if let Some(live) = self.lock().get_mut(&key(pod)).filter(|live| live.uid == uid(pod)) {
            live.containers.remove(name);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Pods> {
        self.pods.lock().expect("no panic while held")
    }
}

fn key(pod: &Pod) -> (String, String) {
    (namespace(pod).to_owned(), pod.metadata.name.clone().unwrap_or_default())
}
