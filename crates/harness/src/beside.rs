//! Objects beside etcd clusters: tasks and backups.

use std::time::Duration;

use anyhow::{Context, Result};
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject};
use kube::core::GroupVersionKind;
use kube::runtime::wait::await_condition;
use serde_json::{Value, json};

use crate::Up;

/// How long one may take to get somewhere.
const CHANGE_MAX: Duration = Duration::from_secs(120);

/// The objects of one kind in the default namespace.
pub struct Beside {
    api: Api<DynamicObject>,
    kind: String,
}

impl Beside {
    /// Of this kind.
    pub async fn of(up: &Up, kind: &str) -> Result<Self> {
        let of = GroupVersionKind::gvk("etcd.endstate.dev", "v1", kind);
        let api = Api::default_namespaced_with(up.client().await?, &ApiResource::from_gvk(&of));
        Ok(Self { api, kind: kind.to_owned() })
    }

    /// Declares one with this spec.
    pub async fn declare(&self, up: &Up, name: &str, spec: &Value) -> Result<()> {
        let object = json!({"apiVersion": "etcd.endstate.dev/v1", "kind": self.kind,
            "metadata": {"name": name}, "spec": spec});
        up.apply(&object.to_string()).await.map(drop)
    }

    /// Waits until its status is as asked, and gives it.
    pub async fn until(
        &self,
        name: &str,
        what: &str,
        is_so: impl Fn(&Value) -> bool + Send,
    ) -> Result<Value> {
        self.within(CHANGE_MAX, name, what, is_so).await
    }

    /// The same, of what takes longer.
    pub async fn within(
        &self,
        limit: Duration,
        name: &str,
        what: &str,
        is_so: impl Fn(&Value) -> bool + Send,
    ) -> Result<Value> {
        let is_so = |it: Option<&DynamicObject>| it.is_some_and(|it| is_so(&it.data["status"]));
        let waited = tokio::time::timeout(limit, await_condition(self.api.clone(), name, is_so));
        let waited = waited.await;
        let status = self.status(name).await?;
        waited.with_context(|| format!("{name} is not {what}: {status:#}"))??;
        Ok(status)
    }

    /// Its status as it is now.
    pub async fn status(&self, name: &str) -> Result<Value> {
        Ok(self.api.get(name).await?.data["status"].take())
    }

    /// Deletes one.
    pub async fn delete(&self, name: &str) -> Result<()> {
        self.api.delete(name, &DeleteParams::default()).await?;
        Ok(())
    }
}
