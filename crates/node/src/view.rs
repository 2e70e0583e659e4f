//! What the agent knows of the cluster: caches of pods, services and endpoint slices, fed by watches.
//!
//! A cache starts empty and is only believed once its first list is complete; a watch that breaks is resumed or listed
//! again by `kube`'s watcher. Readers take a snapshot (an `Arc`); whoever must react awaits the change signal.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use futures::{StreamExt, pin_mut};
use k8s_openapi::api::core::v1::{Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use tokio::sync::watch;

/// Namespace and name.
pub(crate) type Key = (String, String);

/// One kind's objects.
pub(crate) struct Cache<K> {
    objects: Mutex<BTreeMap<Key, Arc<K>>>,
    changes: watch::Sender<Changes>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    /// The first list is complete.
    pub(crate) synced: bool,
    count: u64,
}

impl<K> Default for Cache<K> {
    fn default() -> Self {
        Self { objects: Mutex::default(), changes: watch::Sender::new(Changes::default()) }
    }
}

impl<K> Cache<K>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
{
    pub(crate) fn all(&self) -> Vec<Arc<K>> {
        self.objects.lock().expect("no panic while held").values().cloned().collect()
    }

    pub(crate) fn get(&self, namespace: &str, name: &str) -> Option<Arc<K>> {
        let key = (namespace.to_owned(), name.to_owned());
        self.objects.lock().expect("no panic while held").get(&key).cloned()
    }

    pub(crate) fn changes(&self) -> watch::Receiver<Changes> {
        self.changes.subscribe()
    }

    /// Watches for ever.
    async fn follow(self: Arc<Self>, api: Api<K>) {
        let events = watcher(api, watcher::Config::default().any_semantic()).default_backoff();
        pin_mut!(events);
        let mut listed = BTreeMap::new();
        while let Some(event) = events.next().await {
            match event {
                Ok(event) => self.apply(event, &mut listed),
                Err(error) => tracing::debug!(%error, kind = %K::kind(&()), "a watch broke"),
            }
        }
    }

    fn apply(&self, event: watcher::Event<K>, listed: &mut BTreeMap<Key, Arc<K>>) {
        let mut objects = self.objects.lock().expect("no panic while held");
        let mut synced = false;
        match event {
            watcher::Event::Init => {
                listed.clear();
                return;
            }
            watcher::Event::InitApply(object) => {
                listed.insert(key_of(&object), Arc::new(object));
                return;
            }
            watcher::Event::InitDone => {
                *objects = std::mem::take(listed);
                synced = true;
            }
            watcher::Event::Apply(object) => {
                objects.insert(key_of(&object), Arc::new(object));
            }
            watcher::Event::Delete(object) => {
                objects.remove(&key_of(&object));
            }
        }
        drop(objects);
        self.changes.send_modify(|changes| {
            changes.synced |= synced;
            changes.count += 1;
        });
    }
}

fn key_of<K: Resource>(object: &K) -> Key {
    let meta = object.meta();
    (meta.namespace.clone().unwrap_or_default(), meta.name.clone().unwrap_or_default())
}

/// All caches.
#[derive(Clone, Default)]
pub(crate) struct View {
    pub(crate) pods: Arc<Cache<Pod>>,
    pub(crate) services: Arc<Cache<Service>>,
    pub(crate) slices: Arc<Cache<EndpointSlice>>,
}

impl View {
    /// Whether names and endpoints are known, so that what is not there does not exist.
    pub(crate) fn is_synced(&self) -> bool {
        let synced = [self.services.changes(), self.slices.changes(), self.pods.changes()];
        synced.iter().all(|changes| changes.borrow().synced)
    }

    /// Starts the watches; they end with the runtime.
    pub(crate) fn start(&self, client: &Client) {
        tokio::spawn(self.pods.clone().follow(Api::all(client.clone())));
        tokio::spawn(self.services.clone().follow(Api::all(client.clone())));
        tokio::spawn(self.slices.clone().follow(Api::all(client.clone())));
    }
}
