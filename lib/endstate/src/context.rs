//! What a reconcile works with: the clock, guarded writes, events.

mod writer;

use std::any::TypeId;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use kube::Client;

use crate::cache::{AnyCache, Origin};
use crate::crash::Calls;
use crate::event::{Recorder, reference};
use crate::lease::Fence;
use crate::{Cache, Error, Metrics, Notice, Object, ObjectKey, Scope};
/// What happens to the dependents of a deleted object.
pub use kube::api::PropagationPolicy as Propagation;
pub use writer::Writer;

/// A reconcile's access to the world. Every write is bounded by a deadline, and its result is in every cache of the
/// kind before the call returns.
#[derive(Clone)]
pub struct Context {
    pub(crate) client: Client,
    pub(crate) caches: Arc<Caches>,
    pub(crate) recorder: Recorder,
    pub(crate) field_manager: Arc<str>,
    pub(crate) request_deadline: Duration,
    pub(crate) origin: Option<Origin>,
    pub(crate) fence: Fence,
    pub(crate) metrics: Metrics,
    pub(crate) calls: Calls,
}

impl Context {
    /// The current time. Pass it into the snapshot: planners have no clock.
    pub fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    /// The fence that is open while this process leads. Writes check it themselves; check it before effects outside the
    /// API.
    pub fn fence(&self) -> &Fence {
        &self.fence
    }

    /// The client, for requests that the context has no method for. Its writes are not in the caches until the watch
    /// shows them, and do not check the [`fence`](Context::fence).
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Records an event about an object, without waiting. Equal events are counted up instead of repeated.
    pub fn notice<K: Object<DynamicType: Default>>(&self, object: &K, notice: Notice) {
        self.recorder.record(reference(object, &K::DynamicType::default()), notice);
    }

    /// Makes a view of an object that only this process knows of visible in its caches, until the watch shows anything
    /// newer: for writes whose answer is not the object, such as a binding.
    pub fn assume<K: Object<DynamicType: Default>>(&self, object: K) {
        let object = Arc::new(object);
        self.caches.each(&K::DynamicType::default(), |cache: &Cache<K>| {
            cache.assumed(object.clone(), self.origin.clone());
        });
    }

    /// Reads one object from the API itself, past the caches. `None` if there is none.
    pub async fn get_live<K: Object<DynamicType: Default>>(
        &self,
        key: &ObjectKey,
    ) -> Result<Option<K>, Error> {
        self.of(K::DynamicType::default()).get_live(key).await
    }

    /// Reads all objects of a namespace from the API itself, past the caches.
    pub async fn list_live<K: Object<DynamicType: Default>>(
        &self,
        namespace: &str,
    ) -> Result<Vec<K>, Error> {
        self.of(K::DynamicType::default()).list_live(namespace).await
    }

    /// Creates an object. See [`Writer::create`].
    pub async fn create<K: Object<DynamicType: Default>>(
        &self,
        object: &K,
    ) -> Result<Arc<K>, Error> {
        self.of(K::DynamicType::default()).create(object).await
    }

    /// Asks whether an object could be created. See [`Writer::would_create`].
    pub async fn would_create<K: Object<DynamicType: Default>>(
        &self,
        object: &K,
    ) -> Result<(), Error> {
        self.of(K::DynamicType::default()).would_create(object).await
    }

    /// Applies the full intent. See [`Writer::apply`].
    pub async fn apply<K: Object<DynamicType: Default>>(
        &self,
        intent: &K,
    ) -> Result<Arc<K>, Error> {
        self.of(K::DynamicType::default()).apply(intent).await
    }

    /// Applies the full intent for the status. See [`Writer::apply_status`].
    pub async fn apply_status<K: Object<DynamicType: Default>>(
        &self,
        intent: &K,
    ) -> Result<Arc<K>, Error> {
        self.of(K::DynamicType::default()).apply_status(intent).await
    }

    /// Changes an observed object. See [`Writer::update`].
    pub async fn update<K: Object<DynamicType: Default>>(
        &self,
        observed: &K,
        wanted: &K,
    ) -> Result<Arc<K>, Error> {
        self.of(K::DynamicType::default()).update(observed, wanted).await
    }

    /// Changes an observed object's status. See [`Writer::update_status`].
    pub async fn update_status<K: Object<DynamicType: Default>>(
        &self,
        observed: &K,
        wanted: &K,
    ) -> Result<Arc<K>, Error> {
        self.of(K::DynamicType::default()).update_status(observed, wanted).await
    }

    /// Deletes an observed object. See [`Writer::delete`].
    pub async fn delete<K: Object<DynamicType: Default>>(
        &self,
        observed: &K,
        propagation: Propagation,
    ) -> Result<(), Error> {
        self.of(K::DynamicType::default()).delete(observed, propagation).await
    }
}

/// Every cache of an engine, by kind and scope.
#[derive(Default)]
pub(crate) struct Caches {
    by_type: Mutex<HashMap<TypeId, Vec<Arc<dyn AnyCache>>>>,
}

impl Caches {
    /// The cache of a kind and scope, and whether it is new.
    pub(crate) fn open<K: Object>(&self, kind: K::DynamicType, scope: Scope) -> (Cache<K>, bool) {
        let mut by_type = self.by_type.lock().unwrap_or_else(PoisonError::into_inner);
        let caches = by_type.entry(TypeId::of::<K>()).or_default();
        let found = caches
            .iter()
            .filter_map(|cache| cache.as_any().downcast_ref::<Cache<K>>())
            .find(|cache| *cache.kind() == kind && *cache.scope() == scope);
        if let Some(cache) = found {
            return (cache.clone(), false);
        }
        let cache = Cache::new(kind, scope);
        caches.push(Arc::new(cache.clone()));
        (cache, true)
    }

    /// Visits the caches of a kind, whatever their scope.
    pub(crate) fn each<K: Object>(&self, kind: &K::DynamicType, visit: impl Fn(&Cache<K>)) {
        let caches = {
            let by_type = self.by_type.lock().unwrap_or_else(PoisonError::into_inner);
            by_type.get(&TypeId::of::<K>()).cloned().unwrap_or_default()
        };
        for cache in caches.iter().filter_map(|cache| cache.as_any().downcast_ref::<Cache<K>>()) {
            if cache.kind() == kind {
                visit(cache);
            }
        }
    }
}
