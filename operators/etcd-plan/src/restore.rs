//! What the data of a new cluster is made from, if it does not begin empty.
//!
//! The first member's launcher has it made before etcd starts; the others join that one as they join any cluster.

use endstate_core::{ClaimFiles, SecretFiles};
use serde::{Deserialize, Serialize};

/// A backup that a new cluster's data is made from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Restore {
    /// What is to be restored from where, as the program reads it that does so.
    pub what: String,
    /// The secrets that it needs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<SecretFiles>,
    /// The claim that it needs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<ClaimFiles>,
}

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
