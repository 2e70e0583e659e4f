//! What users may say about the pods of members, for every application alike, as the planner sees it.
//!
//! The values are Kubernetes' own and were checked where they came in, so nothing looks into them here but for the
//! limit of memory, which an application must stay below.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::problem::{Change, Problem};

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

    /// What is wrong with a field of the spec that gives a member so many bytes of memory: a process that uses all that
    /// its container may have is killed.
    ///
    /// ```
    /// use endstate_core::PodPolicy;
    /// let resources = Some(serde_json::json!({"limits": {"memory": "1Gi"}}));
    /// let policy = PodPolicy { resources, ..PodPolicy::default() };
    /// assert_eq!(policy.memory_problem("spec.heapMib", 512 << 20), None);
    /// assert!(policy.memory_problem("spec.heapMib", 1 << 30).is_some());
    /// ```
    pub fn memory_problem(&self, field: &str, bytes: u64) -> Option<Problem> {
        let limit = self.resources.as_ref()?.pointer("/limits/memory")?.as_str()?;
        let is_less = (bytes as f64) < bytes_of(limit)?;
        let why = format!("must be less than spec.pod.resources.limits.memory, which is {limit}");
        (!is_less).then(|| Problem::refused(field, why))
    }
}

/// How many bytes a quantity is, such as `1.5Gi`, `512M` or `1e9`.
fn bytes_of(quantity: &str) -> Option<f64> {
    let binary =
        ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"].into_iter().zip((1..).map(|it| 1024_f64.powi(it)));
    let decimal =
        ["m", "", "k", "M", "G", "T", "P", "E"].into_iter().zip((-1..).map(|it| 1000_f64.powi(it)));
    let read = |(unit, times): (&str, f64)| {
        let number: f64 = quantity.strip_suffix(unit)?.parse().ok()?;
        Some(number * times).filter(|it| it.is_finite())
    };
    binary.chain(decimal).find_map(read)
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

impl EmptyDir {
    /// What is wrong with it, as this field of a spec.
    pub(crate) fn problem(&self, field: &str) -> Option<Problem> {
        let known = matches!(self.medium.as_deref(), None | Some("" | "Memory"));
        let why = "must be \"\" or \"Memory\"";
        (!known).then(|| Problem::refused(format!("{field}.medium"), why))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantity_is_read_as_kubernetes_reads_it() {
        let cases = [
            ("512", 512.0),
            ("1k", 1e3),
            ("1Ki", 1024.0),
            ("1.5Gi", 1.5 * 1_073_741_824.0),
            ("512M", 512e6),
            ("1e9", 1e9),
            ("1.5E3", 1500.0),
            ("2E", 2e18),
            ("1500m", 1.5),
        ];
        for (text, bytes) in cases {
            assert_eq!(bytes_of(text), Some(bytes), "{text}");
        }
        for text in ["", "ten", "1K", "1ki", "Gi", "1e", "1Gii", "inf"] {
            assert_eq!(bytes_of(text), None, "{text}");
        }
    }
}
