//! Custom objects whose spec and status are not parsed yet.
//!
//! A typed cache would refuse a whole list because of one object that an older or newer schema let in. So the cache
//! holds them as they are, and a reconcile parses its own: what cannot be read stops that object alone.

use std::borrow::Cow;
use std::marker::PhantomData;

use endstate_core::Identity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::Resource;
use kube::api::ObjectMeta;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// An object of the kind `K`, its spec and status as JSON.
///
/// ```
/// use endstate::operator::Declared;
/// use k8s_openapi::api::core::v1::Pod;
/// use kube::Resource;
/// let odd = serde_json::json!({ "metadata": { "name": "a" }, "spec": "no object" });
/// let object: Declared<Pod> = serde_json::from_value(odd).unwrap();
/// assert_eq!((Declared::<Pod>::kind(&()), object.spec.as_str()), ("Pod".into(), Some("no object")));
/// ```
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Declared<K> {
    /// `metadata`
    pub metadata: ObjectMeta,
    /// `spec`
    #[serde(default)]
    pub spec: Value,
    /// `status`
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub status: Value,
    #[serde(skip)]
    kind: PhantomData<fn() -> K>,
}

impl<K: Resource<DynamicType = ()>> Declared<K> {
    /// The reference to it by which what it controls goes with it.
    pub(crate) fn as_controller(&self) -> OwnerReference {
        OwnerReference {
            api_version: K::api_version(&()).into_owned(),
            kind: K::kind(&()).into_owned(),
            name: self.metadata.name.clone().unwrap_or_default(),
            uid: self.metadata.uid.clone().unwrap_or_default(),
            controller: Some(true),
            block_owner_deletion: Some(true),
        }
    }
}

impl<K> Declared<K> {
    /// Who it is, as the planner wants it.
    pub(crate) fn identity(&self) -> Identity {
        let meta = self.metadata.clone();
        let (namespace, name) = (meta.namespace.unwrap_or_default(), meta.name.unwrap_or_default());
        let mut identity = Identity::new(namespace, name, meta.uid.unwrap_or_default());
        identity.resource_version = meta.resource_version.unwrap_or_default().into();
        identity.generation = meta.generation.unwrap_or_default();
        identity.deleting = meta.deletion_timestamp.is_some();
        identity
    }
}

impl<K: Clone> Declared<K> {
    /// The same object with another status.
    #[must_use]
    pub fn with_status(&self, status: Value) -> Self {
        Self { status, ..self.clone() }
    }
}

impl<K: Resource<DynamicType = ()>> Resource for Declared<K> {
    type DynamicType = ();
    type Scope = K::Scope;

    fn kind(_: &()) -> Cow<'_, str> {
        K::kind(&())
    }

    fn group(_: &()) -> Cow<'_, str> {
        K::group(&())
    }

    fn version(_: &()) -> Cow<'_, str> {
        K::version(&())
    }

    fn plural(_: &()) -> Cow<'_, str> {
        K::plural(&())
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}
