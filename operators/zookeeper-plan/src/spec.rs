//! The spec of an ensemble, as the planner sees it: every field that users may leave out has its value.
//!
//! Every field takes effect or is refused; `app.rs` says for each what a change of it means.

use std::collections::BTreeMap;

use endstate_core::{PodPolicy, Retention};
use serde::{Deserialize, Serialize};

/// Where ZooKeeper's images are taken from unless the spec says otherwise.
pub const DEFAULT_REPOSITORY: &str = "docker.io/library/zookeeper";

/// What a user may set of `zoo.cfg`: what tunes a server, and cannot cost data or membership. All are numbers.
pub const TUNABLE: [&str; 13] = [
    "autopurge.purgeInterval",
    "autopurge.snapRetainCount",
    "commitLogCount",
    "globalOutstandingLimit",
    "initLimit",
    "maxClientCnxns",
    "maxCnxns",
    "maxSessionTimeout",
    "minSessionTimeout",
    "preAllocSize",
    "snapCount",
    "syncLimit",
    "tickTime",
];

/// The declared state of an ensemble.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ZookeeperClusterSpec {
    /// How many servers vote.
    pub size: i32,
    /// How many servers follow without a vote.
    pub observers: i32,
    /// The ZooKeeper version, such as "3.9.5".
    pub version: String,
    /// The image repository; the tag is the version.
    pub repository: String,
    /// Leaves the ensemble alone: nothing is created, repaired, changed or removed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub paused: bool,
    /// Which of the passwords that were made, counted from 1, allows to change the membership.
    pub credential: u32,
    /// Java's heap, in MiB.
    pub heap_mib: u32,
    /// Settings of `zoo.cfg`, each one of [`TUNABLE`].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub config: BTreeMap<String, u64>,
    /// What the pods look like.
    #[serde(default)]
    pub pod: PodPolicy,
    /// Where servers keep their data.
    pub storage: Storage,
}

/// The volume of a server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Storage {
    /// Its size, as a quantity.
    pub size: String,
    /// Its storage class; the default one if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// What becomes of its claim.
    #[serde(default)]
    pub retention: Retention,
}

impl ZookeeperClusterSpec {
    /// A spec with nothing but its two first fields.
    pub fn new(size: i32, version: impl Into<String>) -> Self {
        Self {
            size,
            observers: 0,
            version: version.into(),
            repository: DEFAULT_REPOSITORY.to_owned(),
            paused: false,
            credential: 1,
            heap_mib: 512,
            config: BTreeMap::new(),
            pod: PodPolicy::default(),
            storage: Storage {
                size: "10Gi".to_owned(),
                class: None,
                retention: Retention::default(),
            },
        }
    }
}

/// The bytes of a size such as `10Gi`.
pub(crate) fn bytes(size: &str) -> Option<u64> {
    let units = [("Ki", 10), ("Mi", 20), ("Gi", 30), ("Ti", 40)];
    let (number, shift) =
        units.iter().find_map(|(unit, shift)| Some((size.strip_suffix(unit)?, shift)))?;
    number.parse::<u64>().ok().filter(|it| *it > 0)?.checked_mul(1 << shift)
}
