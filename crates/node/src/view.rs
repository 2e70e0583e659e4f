//! What the agent knows of the cluster: caches of pods, services, endpoint slices and volumes, fed by watches; of
//! config maps and secrets only their metadata, which tells when to read one again.
//!
//! A cache starts empty and is only believed once its first list is complete; a watch that breaks is resumed or listed
//! again by `kube`'s watcher. Readers take a snapshot (an `Arc`); whoever must react awaits the change signal.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use futures::{Stream, StreamExt, pin_mut};
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolume, Pod, Secret, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::core::PartialObjectMeta;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use tokio::sync::watch;

use crate::env::References;

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

impl<K: Resource<DynamicType = ()>> Cache<K> {
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

    /// Takes in a watch for ever.
    async fn follow(
        self: Arc<Self>,
        events: impl Stream<Item = watcher::Result<watcher::Event<K>>>,
    ) {
        let events = events.default_backoff();
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
    pub(crate) config_maps: Arc<Cache<PartialObjectMeta<ConfigMap>>>,
    pub(crate) secrets: Arc<Cache<PartialObjectMeta<Secret>>>,
    pub(crate) volumes: Arc<Cache<PersistentVolume>>,
}

impl View {
    /// Whether names and endpoints are known, so that what is not there does not exist.
    pub(crate) fn is_synced(&self) -> bool {
        let synced = [self.services.changes(), self.slices.changes(), self.pods.changes()];
        synced.iter().all(|changes| changes.borrow().synced)
    }

    /// Starts the watches; they end with the runtime.
    pub(crate) fn start(&self, client: &Client) {
        tokio::spawn(self.pods.clone().follow(all(client)));
        tokio::spawn(self.services.clone().follow(all(client)));
        tokio::spawn(self.slices.clone().follow(all(client)));
        tokio::spawn(self.config_maps.clone().follow(all(client)));
        tokio::spawn(self.secrets.clone().follow(all(client)));
        tokio::spawn(self.volumes.clone().follow(all(client)));
    }

    /// The versions of the objects that a pod refers to; another answer means that some changed.
    pub(crate) fn versions(&self, namespace: &str, wanted: &References) -> Vec<Option<String>> {
        let maps =
            wanted.config_maps.iter().map(|name| version(&self.config_maps, namespace, name));
        let secrets = wanted.secrets.iter().map(|name| version(&self.secrets, namespace, name));
        maps.chain(secrets).collect()
    }
}

fn version<K: Resource<DynamicType = ()>>(
    cache: &Cache<K>,
    namespace: &str,
    name: &str,
) -> Option<String> {
    cache.get(namespace, name)?.meta().resource_version.clone()
}

/// What a watched kind must be able to do.
trait Watched: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static {}

impl<K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static> Watched
    for K
{
}

/// A watch of a kind; of [`PartialObjectMeta`] the server sends no more than that.
fn all<K: Watched>(
    client: &Client,
) -> impl Stream<Item = watcher::Result<watcher::Event<K>>> + use<K> {
    watcher(Api::all(client.clone()), watcher::Config::default().any_semantic())
}
