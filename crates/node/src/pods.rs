//! Which pods are ours: one worker per pod, by uid.
//!
//! Follows the pod cache; a worker exists for every pod bound to one of our nodes, and stays after the object is gone
//! until the pod's processes, mounts and files are.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{DeleteParams, Preconditions};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::nodes;
use crate::pod::{Note, Shared, Worker};
use crate::volumes::uid;

/// Notes that wait for a worker; its tasks wait when it is full.
const INBOX: usize = 256;

struct Entry {
    inbox: mpsc::Sender<Note>,
    seen: Option<Arc<Pod>>,
    task: JoinHandle<()>,
}

/// Runs until the node is told to stop, then stops every pod's processes.
pub(crate) async fn run(shared: Arc<Shared>) {
    let mut changes = shared.view.pods.changes();
    let mut entries: BTreeMap<String, Entry> = BTreeMap::new();
    loop {
        let synced = changes.borrow_and_update().synced;
        if synced {
            reconcile(&shared, &mut entries).await;
        }
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return },
            () = shared.stopping.cancelled() => break,
        }
    }
    for (_, entry) in entries {
        let _ = entry.task.await;
    }
}

async fn reconcile(shared: &Arc<Shared>, entries: &mut BTreeMap<String, Entry>) {
    let first = entries.is_empty();
    let mut present = BTreeSet::new();
    for pod in shared.view.pods.all() {
        let node = pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref());
        let Some(node) = node.and_then(nodes::index_of) else { continue };
        if node >= shared.config.nodes {
            remove_orphan(shared, &pod).await;
            continue;
        }
        present.insert(uid(&pod).to_owned());
        deliver(shared, entries, &pod, node).await;
    }
    entries.retain(|_, entry| !entry.task.is_finished());
    for (uid, entry) in entries.iter_mut().filter(|(uid, _)| !present.contains(*uid)) {
        if entry.seen.take().is_some() && entry.inbox.send(Note::Gone).await.is_err() {
            tracing::debug!(%uid, "the worker of a pod ended before its pod");
        }
    }
    if first {
        tokio::task::block_in_place(|| remove_leftovers(shared, &present));
    }
}

async fn deliver(
    shared: &Arc<Shared>,
    entries: &mut BTreeMap<String, Entry>,
    pod: &Arc<Pod>,
    node: u16,
) {
    let id = uid(pod).to_owned();
    if let Some(entry) = entries.get_mut(&id) {
        let changed = entry.seen.as_ref().is_none_or(|seen| !Arc::ptr_eq(seen, pod));
        if changed && entry.inbox.send(Note::Pod(pod.clone())).await.is_ok() {
            entry.seen = Some(pod.clone());
        }
        return;
    }
    let (inbox, outbox) = mpsc::channel(INBOX);
    let worker = Worker::new(shared.clone(), pod.clone(), node, (inbox.clone(), outbox));
    let task = tokio::spawn(worker.run());
    entries.insert(id, Entry { inbox, seen: Some(pod.clone()), task });
}

/// A pod of a node that an earlier start had: nobody will ever run or end it.
async fn remove_orphan(shared: &Shared, pod: &Pod) {
    let api: Api<Pod> = Api::namespaced(shared.client.clone(), crate::volumes::namespace(pod));
    let parameters = DeleteParams {
        grace_period_seconds: Some(0),
        preconditions: Some(Preconditions {
            uid: pod.metadata.uid.clone(),
            resource_version: None,
        }),
        ..DeleteParams::default()
    };
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    if let Err(error) = api.delete(name, &parameters).await {
        tracing::debug!(%error, pod = name, "cannot remove a pod of a removed node");
    }
}

/// Files of pods that were deleted while no node ran.
fn remove_leftovers(shared: &Shared, present: &BTreeSet<String>) {
    for folder in [shared.paths.pods(), shared.paths.logs()] {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if !present.contains(&name) {
                let _ = std::fs::remove_dir_all(entry.path());
            }
        }
    }
}
