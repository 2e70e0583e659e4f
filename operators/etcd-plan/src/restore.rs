//! What the data of a new cluster is made from, if it does not begin empty.
//!
//! The first member's launcher has it made before etcd starts; the others join that one as they join any cluster.

use serde::{Deserialize, Serialize};

/// What the program is told of the member whose data it makes.
///
/// ```
/// let member = etcd_plan::Made { name: "demo-a".into(), ..etcd_plan::Made::default() };
/// assert!(serde_json::to_string(&member).unwrap().contains("demo-a"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Made {
    /// Its name.
    pub name: String,
    /// Where other members find it.
    pub peer_url: String,
    /// The token of the new cluster.
    pub token: String,
    /// Where its data is to be.
    pub data_dir: String,
    /// Where its write-ahead log is to be, if that is apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wal_dir: Option<String>,
    /// The version of etcd in its image.
    pub version: String,
}
