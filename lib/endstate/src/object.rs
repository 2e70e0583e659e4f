//! What the engine can hold: objects, and the keys that name them.

use std::fmt;
use std::hash::Hash;
use std::sync::Arc;

use kube::Resource;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A Kubernetes kind that caches and writers work with. Implemented for everything that satisfies its bounds: types of
/// `k8s-openapi`, of `kube`'s derive, and `DynamicObject`.
///
/// ```
/// fn takes<K: endstate::Object>() {}
/// takes::<k8s_openapi::api::core::v1::Pod>();
/// takes::<kube::api::DynamicObject>();
/// ```
pub trait Object:
    Resource<DynamicType: Clone + Eq + Hash + fmt::Debug, Scope: 'static>
    + Clone
    + fmt::Debug
    + Serialize
    + DeserializeOwned
    + Send
    + Sync
    + 'static
{
}

impl<K> Object for K where
    K: Resource<DynamicType: Clone + Eq + Hash + fmt::Debug, Scope: 'static>
        + Clone
        + fmt::Debug
        + Serialize
        + DeserializeOwned
        + Send
        + Sync
        + 'static
{
}

/// The namespace (if it has one) and name of an object. Cheap to clone; ordered by namespace, then name.
///
/// ```
/// let key = endstate::ObjectKey::namespaced("default", "etcd");
/// assert_eq!(key.to_string(), "default/etcd");
/// assert_eq!(endstate::ObjectKey::cluster("node-1").namespace(), None);
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey {
    namespace: Option<Arc<str>>,
    name: Arc<str>,
}

impl ObjectKey {
    /// The key of an object with a namespace.
    pub fn namespaced(namespace: impl Into<Arc<str>>, name: impl Into<Arc<str>>) -> Self {
        Self { namespace: Some(namespace.into()), name: name.into() }
    }

    /// The key of an object without a namespace.
    pub fn cluster(name: impl Into<Arc<str>>) -> Self {
        Self { namespace: None, name: name.into() }
    }

    /// The key with an optional namespace.
    pub fn new(namespace: Option<&str>, name: &str) -> Self {
        Self { namespace: namespace.map(Arc::from), name: name.into() }
    }

    /// The key of an object as the API returned it; an object without a name (not yet created) has an empty one.
    pub fn of<K: Resource>(object: &K) -> Self {
        let meta = object.meta();
        Self::new(meta.namespace.as_deref(), meta.name.as_deref().unwrap_or_default())
    }

    /// The namespace, for kinds that have one.
    pub fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(namespace) = &self.namespace {
            write!(f, "{namespace}/")?;
        }
        f.write_str(&self.name)
    }
}

impl fmt::Debug for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The resource version as a number. `None` only where a server uses versions that are not numbers, which the API
/// contract has ruled out since Kubernetes 1.35; then only the watch counts.
pub(crate) fn revision<K: Resource>(object: &K) -> Option<u64> {
    object.meta().resource_version.as_deref()?.parse().ok()
}

pub(crate) fn uid<K: Resource>(object: &K) -> &str {
    object.meta().uid.as_deref().unwrap_or_default()
}
