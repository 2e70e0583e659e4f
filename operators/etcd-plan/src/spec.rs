//! The spec of an etcd cluster, as users write it.
//!
//! Every field takes effect or is refused; `etcd.rs` says for each what a change of it means.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Where etcd's images are taken from unless the spec says otherwise.
pub const DEFAULT_REPOSITORY: &str = "quay.io/coreos/etcd";

/// The declared state of an etcd cluster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EtcdClusterSpec {
    /// The number of voting members, 1 to 7. Odd sizes are recommended: an even one tolerates no more
    /// failures than the odd one below it.
    #[schemars(range(min = 1, max = 7))]
    pub size: i32,
    /// The etcd version, such as "3.5.16".
    pub version: String,
    /// The image repository; the tag is "v" and the version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// Leaves the cluster alone: nothing is created, repaired, changed or removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<bool>,
    /// What the member pods look like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<PodPolicy>,
    /// Where the members keep their data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage: Option<Storage>,
}

impl EtcdClusterSpec {
    /// A spec with nothing but its two first fields.
    pub fn new(size: i32, version: impl Into<String>) -> Self {
        Self {
            size,
            version: version.into(),
            repository: None,
            paused: None,
            pod: None,
            storage: None,
        }
    }

    /// The image of a member.
    pub fn image(&self) -> String {
        let repository = self.repository.as_deref().unwrap_or(DEFAULT_REPOSITORY);
        format!("{repository}:v{}", self.version)
    }

    /// The pod policy, if any field of it is set.
    pub fn pod(&self) -> PodPolicy {
        self.pod.clone().unwrap_or_default()
    }

    /// The storage, if any field of it is set.
    pub fn storage(&self) -> Storage {
        self.storage.clone().unwrap_or_default()
    }
}

/// What the member pods look like.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PodPolicy {
    /// Labels added to the pods. Changed in place.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Annotations added to the pods. Changed in place.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// `nodeSelector` of the pods. A change moves the members one by one.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub node_selector: BTreeMap<String, String>,
    /// `affinity` of the pods, instead of the default that spreads members over nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "any_object")]
    pub affinity: Option<Value>,
    /// `tolerations` of the pods.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "any_objects")]
    pub tolerations: Vec<Value>,
    /// `resources` of the etcd container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "any_object")]
    pub resources: Option<Value>,
    /// Environment variables of the etcd container; [`env`](crate::env) says which are refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub etcd_env: Vec<EnvVar>,
}

/// An environment variable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EnvVar {
    /// Its name.
    pub name: String,
    /// Its value.
    #[serde(default)]
    pub value: String,
}

/// Where the members keep their data.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Storage {
    /// In a directory that lives as long as the pod. The default, and the only kind so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub empty_dir: Option<EmptyDir>,
}

/// A directory that lives as long as the pod.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EmptyDir {
    /// "" for the node's disk, "Memory" for memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub medium: Option<String>,
    /// The most it may hold, as a quantity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_limit: Option<String>,
}

fn any_object(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true })
}

fn any_objects(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": "array", "items": any_object(generator) })
}
