//! What `endstate status NAME CLUSTER` shows: cluster → members → pods → volumes, as data and as text.
//!
//! The tree is made from API objects alone, so it is as true as the operator's last look; each figure of a member is
//! from when the status was written. Building and rendering are pure; [`fetch`] and [`watch`] do the I/O.

mod read;
mod render;
mod tree;
mod watch;

use endstate_core::Condition;
use kube::ResourceExt;
use kube::api::DynamicObject;
use serde::Serialize;
use serde_json::Value;

pub use read::fetch;
pub(crate) use read::kinds;
pub use render::{Style, render};
pub use tree::{Seen, tree};
pub use watch::watch;

/// Why there is no tree.
#[derive(Debug, thiserror::Error)]
pub enum StatusError {
    /// The API failed.
    #[error("cannot read {what}")]
    Api {
        /// What was to be read.
        what: String,
        /// Why it could not.
        #[source]
        source: Box<kube::Error>,
    },
    /// There is no such cluster.
    #[error("no {kind} {namespace}/{name}; `endstate get {plural} -A` lists those that there are")]
    NotFound {
        /// The kind that declares clusters.
        kind: String,
        /// Its name in lists.
        plural: String,
        /// Where the cluster was looked for.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// Its status was written by something else.
    #[error(
        "the status of {name} cannot be read; was it written by another version of the operator?"
    )]
    Unreadable {
        /// Whose.
        name: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
}

/// What the tree shows of a cluster object that only the application can read.
///
/// ```
/// use endstate::status::Summary;
/// # use kube::api::DynamicObject;
/// let object: DynamicObject = serde_json::from_value(serde_json::json!({
///     "metadata": { "name": "demo" }, "spec": { "size": 3, "version": "3.5.16" },
/// }))
/// .unwrap();
/// assert_eq!(Summary::of(&object).size, 3);
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Summary {
    /// Voting members that are asked for.
    pub size: i64,
    /// The version that is asked for.
    pub version: String,
    /// Where clients reach the cluster once it is there.
    pub endpoint: Option<String>,
    /// The object's [`endstate_core::Status`], as JSON.
    pub status: Value,
}

impl Summary {
    /// By the usual names: `spec.size`, `spec.version` and `status`.
    #[must_use]
    pub fn of(object: &DynamicObject) -> Self {
        let spec = &object.data["spec"];
        Self {
            size: spec["size"].as_i64().unwrap_or(0),
            version: spec["version"].as_str().unwrap_or_default().to_owned(),
            endpoint: None,
            status: object.data["status"].clone(),
        }
    }

    /// The same, with the port of its [client service](endstate_core::client_service), after a scheme such as
    /// `http://`.
    #[must_use]
    pub fn served(self, object: &DynamicObject, scheme: &str, port: u16) -> Self {
        let service = endstate_core::client_service(&object.name_any());
        let namespace = object.namespace().unwrap_or_default();
        Self { endpoint: Some(format!("{scheme}{service}.{namespace}.svc:{port}")), ..self }
    }
}

/// A cluster and everything below it.
///
/// ```
/// # use endstate::status::{Style, Tree, render};
/// fn print(tree: &Tree) {
///     print!("{}", render(tree, Style::Plain));
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Tree {
    /// The application.
    pub application: String,
    /// The API version of the object that declares it.
    pub api_version: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// One word about it.
    pub phase: String,
    /// Voting members that are asked for.
    pub size: i64,
    /// Voting members that are healthy.
    pub ready: u32,
    /// The version that is asked for.
    pub version: String,
    /// The application's id of the cluster.
    pub cluster_id: Option<String>,
    /// Where clients reach it.
    pub endpoint: Option<String>,
    /// Whether the operator has looked at the spec as it is now.
    pub is_current: bool,
    /// Its conditions.
    pub conditions: Vec<Condition>,
    /// What is unfinished: "waiting for X because Y".
    pub waiting: Vec<String>,
    /// What can be done about lost data, if data was lost.
    pub rescue: Option<String>,
    /// Its members, by name.
    pub members: Vec<Member>,
}

/// A member.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Member {
    /// Its name.
    pub name: String,
    /// Its role in the application, `joining` before the application lists it, or `leaving` when it no longer does.
    pub role: String,
    /// Whether it is healthy.
    pub healthy: bool,
    /// Why not.
    pub trouble: Option<String>,
    /// The application's id of it.
    pub id: Option<String>,
    /// The version it runs.
    pub version: Option<String>,
    /// How much of the history it has.
    pub position: Option<String>,
    /// How far it is behind.
    pub lag: Option<u64>,
    /// The size of its data in bytes.
    pub data_size: Option<u64>,
    /// Its pod, if there is one.
    pub pod: Option<PodNode>,
}

/// A member's pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct PodNode {
    /// Its phase, or what holds it up.
    pub state: String,
    /// Whether it is ready.
    pub ready: bool,
    /// How often the member was restarted in it.
    pub restarts: i32,
    /// Where it runs.
    pub node: Option<String>,
    /// Its address.
    pub address: Option<String>,
    /// Its volumes that the member sees.
    pub volumes: Vec<VolumeNode>,
}

/// A volume of a pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct VolumeNode {
    /// Its name in the pod.
    pub name: String,
    /// `emptyDir`, or `claim NAME`.
    pub kind: String,
    /// How large a claim's volume is.
    pub size: Option<String>,
    /// Where the member sees it.
    pub path: String,
}

#[cfg(test)]
mod tests;
