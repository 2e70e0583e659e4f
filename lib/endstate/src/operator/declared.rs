//! Custom objects whose spec and status are not parsed yet.
//!
//! A typed cache would refuse a whole list because of one object that an older or newer schema let in. So the cache
//! holds them as they are, and a reconcile parses its own: what cannot be read stops that object alone.

use std::borrow::Cow;
use std::marker::PhantomData;

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
