//! What users may say about the pods of members, for every application alike, as the planner sees it.
//!
//! The values are Kubernetes' own and were checked where they came in, so nothing looks into them here.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::problem::Change;

/// What a member's pod carries beside the application itself.
///
/// ```
/// use endstate_core::{Change, PodPolicy};
/// let plain = PodPolicy::default();
/// let labelled = PodPolicy { labels: [("team".into(), "a".into())].into(), ..PodPolicy::default() };
/// let pinned = PodPolicy { node_selector: [("disk".into(), "ssd".into())].into(), ..labelled.clone() };
/// assert_eq!(plain.change(&plain), Change::Nothing);
/// assert_eq!(plain.change(&labelled), Change::Live);
/// assert_eq!(labelled.change(&pinned), Change::Recreate);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodPolicy {
    /// Labels added to every pod.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Annotations added to every pod.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// The labels that a node must have.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub node_selector: BTreeMap<String, String>,
    /// Where members may run; `None` for the default that spreads them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub affinity: Option<Value>,
    /// The taints that members tolerate.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tolerations: Vec<Value>,
    /// Requests and limits of the member's container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<Value>,
}

impl PodPolicy {
    /// What it takes to bring a running pod from this policy to another: only labels and annotations change in place.
    pub fn change(&self, new: &Self) -> Change {
        let fixed = |it: &Self| Self {
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
            ..it.clone()
        };
        if self == new {
            Change::Nothing
        } else if fixed(self) == fixed(new) {
            Change::Live
        } else {
            Change::Recreate
        }
    }
}

/// A directory that lives as long as its pod.
///
/// ```
/// assert_eq!(endstate_core::EmptyDir::default().medium, None, "the node's disk");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EmptyDir {
    /// "" or `None` for the node's disk, "Memory" for memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub medium: Option<String>,
    /// The most it may hold, as a quantity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_limit: Option<String>,
}
