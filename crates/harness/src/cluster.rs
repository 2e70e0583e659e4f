//! A cluster under test, seen through its object.

use std::time::Duration;

use anyhow::{Context, Result};
use kube::ResourceExt;
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams};
use kube::core::GroupVersionKind;
use kube::runtime::wait::await_condition;
use serde_json::{Value, json};

use crate::Up;

/// How long a change of a cluster may take, unless a test has more patience.
const CHANGE_MAX: Duration = Duration::from_secs(120);

/// The object of a cluster: what `examples/etcd-cluster.yaml` says, with a size.
pub fn example(name: &str, size: u32) -> String {
    format!(
        "apiVersion: etcd.endstate.dev/v1\nkind: EtcdCluster\nmetadata: {{name: {name}}}\n\
         spec: {{size: {size}, version: \"3.5.16\"}}\n"
    )
}

/// An etcd cluster, or one of another application.
pub type EtcdCluster = Cluster;

pub struct Cluster {
    api: Api<DynamicObject>,
    pub name: String,
    change_max: Duration,
}

impl Cluster {
    /// Declares a cluster in the default namespace.
    pub async fn apply(up: &Up, name: &str, size: u32) -> Result<Self> {
        up.apply(&example(name, size)).await?;
        Self::existing(up, name).await
    }

    /// Declares an etcd cluster with this spec in the default namespace.
    pub async fn etcd(up: &Up, name: &str, spec: Value) -> Result<Self> {
        let metadata = json!({ "name": name });
        let object = json!({ "apiVersion": "etcd.endstate.dev/v1", "kind": "EtcdCluster", "metadata": metadata, "spec": spec });
        up.apply(&object.to_string()).await?;
        Self::existing(up, name).await
    }

    pub async fn existing(up: &Up, name: &str) -> Result<Self> {
        let kind = GroupVersionKind::gvk("etcd.endstate.dev", "v1", "EtcdCluster");
        Self::of(up, &ApiResource::from_gvk_with_plural(&kind, "etcdclusters"), name).await
    }

    /// Declares a ZooKeeper ensemble in the default namespace; without a spec it is there already.
    pub async fn zookeeper(up: &Up, name: &str, spec: Option<Value>) -> Result<Self> {
        let kind = GroupVersionKind::gvk("zookeeper.endstate.dev", "v1", "ZookeeperCluster");
        if let Some(spec) = spec {
            let (version, metadata) = (kind.api_version(), json!({ "name": name }));
            let object = json!({ "apiVersion": version, "kind": kind.kind, "metadata": metadata, "spec": spec });
            up.apply(&object.to_string()).await?;
        }
        Self::of(up, &ApiResource::from_gvk_with_plural(&kind, "zookeeperclusters"), name).await
    }

    async fn of(up: &Up, resource: &ApiResource, name: &str) -> Result<Self> {
        let api = Api::namespaced_with(up.client().await?, "default", resource);
        Ok(Self { api, name: name.to_owned(), change_max: CHANGE_MAX })
    }

    /// The same, of which a change may take so long.
    #[must_use]
    pub fn patient(self, change_max: Duration) -> Self {
        Self { change_max, ..self }
    }

    pub async fn resize(&self, size: u32) -> Result<()> {
        self.patch(json!({"spec": {"size": size}})).await
    }

    /// Merges into its object.
    pub async fn patch(&self, patch: Value) -> Result<()> {
        self.api.patch(&self.name, &PatchParams::default(), &Patch::Merge(patch)).await?;
        Ok(())
    }

    /// Takes all away that its operator remembers.
    pub async fn forget_status(&self) -> Result<()> {
        let nothing = Patch::Merge(json!({"status": null}));
        self.api.patch_status(&self.name, &PatchParams::default(), &nothing).await?;
        Ok(())
    }

    /// Waits until its operator has looked at the spec that it has now.
    pub async fn observed(&self) -> Result<()> {
        self.until("a look at its spec", is_current).await
    }

    /// Waits until it says that it is as declared, with this many members.
    pub async fn settled(&self, size: usize) -> Result<()> {
        self.until(&format!("{size} healthy members"), move |object| {
            let members = object.data["status"]["members"].as_array().map_or(0, Vec::len);
            is_settled(object) && members == size
        })
        .await
    }

    /// Whether it says that it is as declared.
    pub async fn is_settled(&self) -> Result<bool> {
        Ok(is_settled(&self.object().await?))
    }

    /// Waits until the object is as asked; an error says what it was instead.
    pub async fn until(
        &self,
        what: &str,
        done: impl Fn(&DynamicObject) -> bool + Send,
    ) -> Result<()> {
        let done = move |object: Option<&DynamicObject>| object.is_some_and(&done);
        let wait = await_condition(self.api.clone(), &self.name, done);
        match tokio::time::timeout(self.change_max, wait).await {
            Ok(outcome) => Ok(outcome.map(|_| ())?),
            Err(_) => {
                let status = self.api.get(&self.name).await?.data["status"].take();
                anyhow::bail!("{} did not get to {what}; its status is {status:#}", self.name)
            }
        }
    }

    /// The names of its members, by its status.
    pub async fn members(&self) -> Result<Vec<String>> {
        let object = self.api.get(&self.name).await?;
        let members = object.data["status"]["members"].as_array().context("no members")?.clone();
        Ok(members.iter().filter_map(|it| Some(it["name"].as_str()?.to_owned())).collect())
    }

    /// Those of them that do not lead.
    pub async fn followers(&self) -> Result<Vec<String>> {
        let leader = self.object().await?.data["status"]["leader"].take();
        Ok(self.members().await?.into_iter().filter(|it| leader != it.as_str()).collect())
    }

    /// Waits until a member is gone.
    pub async fn without(&self, member: &str) -> Result<()> {
        let is_gone =
            |it: &DynamicObject| !it.data["status"]["members"].to_string().contains(member);
        self.until(&format!("the loss of {member}"), is_gone).await
    }

    /// Waits until its state is another than it is now, or as declared.
    pub async fn changed(&self) -> Result<()> {
        let before = self.object().await?.resource_version();
        let is_other = |it: &DynamicObject| it.resource_version() != before || is_settled(it);
        self.until("another state", is_other).await
    }

    /// Its object.
    pub async fn object(&self) -> Result<DynamicObject> {
        Ok(self.api.get(&self.name).await?)
    }
}

fn is_current(object: &DynamicObject) -> bool {
    object.data["status"]["observedGeneration"].as_i64() == object.metadata.generation
}

fn is_settled(object: &DynamicObject) -> bool {
    let is = |kind, value| condition(object, kind).is_some_and(|it| it["status"] == value);
    is_current(object) && is("Available", "True") && is("Progressing", "False")
}

/// Whether a condition of an object is `True`.
pub fn is_true(object: &DynamicObject, kind: &str) -> bool {
    condition(object, kind).is_some_and(|it| it["status"] == "True")
}

fn condition<'a>(object: &'a DynamicObject, kind: &str) -> Option<&'a Value> {
    object.data["status"]["conditions"].as_array()?.iter().find(|it| it["type"] == kind)
}
