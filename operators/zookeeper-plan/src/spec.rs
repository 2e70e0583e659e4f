//! The spec of an ensemble, as the planner sees it: every field that users may leave out has its value. What each means
//! is written where users read it, in the custom resource; `app.rs` says what a change of it means.

use std::collections::BTreeMap;

use endstate_core::{PodPolicy, VolumeSpec};
use serde::{Deserialize, Serialize};

/// Where ZooKeeper's images are taken from unless the spec says otherwise.
pub const DEFAULT_REPOSITORY: &str = "docker.io/library/zookeeper";

/// The role of servers that vote.
pub const SERVER: &str = "server";
/// The role of servers that do not.
pub const OBSERVER: &str = "observer";

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
    pub size: i32,
    pub observers: i32,
    pub version: String,
    pub repository: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub paused: bool,
    pub credential: u32,
    pub heap_mib: u32,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub config: BTreeMap<String, u64>,
    #[serde(default)]
    pub pod: PodPolicy,
    pub storage: VolumeSpec,
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
            storage: VolumeSpec::default(),
        }
    }
}
