//! The custom resource: what a user may write.
//!
//! Invariants: every field of a spec takes effect or is refused; the documentation of a field says its meaning, its
//! unit and its default.

#![expect(
    unreachable_pub,
    reason = "the schema derive copies each struct, visibility included, into a function"
)]

use std::collections::BTreeMap;

use endstate::crd::{PodPolicy, Volume, only_keys};
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};
use zookeeper_plan::{DEFAULT_REPOSITORY, TUNABLE};

/// A ZooKeeper ensemble: the operator starts its servers, replaces the ones that fail, and grows and shrinks it,
/// without ever giving up a quorum it has.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "zookeeper.endstate.dev",
    version = "v1",
    kind = "ZookeeperCluster",
    plural = "zookeeperclusters",
    shortname = "zk",
    category = "all",
    category = "endstate",
    namespaced,
    doc = "A ZooKeeper ensemble: the operator starts its servers, replaces the ones that fail, and grows and shrinks it, without ever giving up a quorum it has.",
    status = "endstate::crd::Status",
    derive = "PartialEq"
)]
#[serde(rename_all = "camelCase")]
pub struct ZookeeperClusterSpec {
    /// Voting servers: 1 to 7. An ensemble of 2n+1 survives the loss of n of them, so an even size costs a server and
    /// survives no more; 1 survives nothing. Servers are added and removed one at a time by `reconfig`, always keeping
    /// a quorum. 0 lets no server run, observers included, and keeps the data on the volumes until the size is another.
    #[schemars(range(min = 0, max = 7))]
    pub size: i32,

    /// The ZooKeeper version, such as `3.9.5`: 3.8.x or 3.9.x. It is the image's tag. It may change to any patch of the
    /// same minor, and from 3.8 to 3.9; servers restart one by one, the leader last.
    #[schemars(regex(pattern = r"^3\.[89]\.[0-9]{1,3}$"))]
    #[x_kube(validation = ("self.split('.')[1] >= oldSelf.split('.')[1]", "ZooKeeper cannot go back to an earlier minor version"))]
    pub version: String,

    /// Observers, which have no vote: 0 (the default) to 20. They serve reads and add nothing to the cost of
    /// writes.
    #[serde(default)]
    #[schemars(range(min = 0, max = 20))]
    pub observers: i32,

    /// The image repository, without a tag. Default `docker.io/library/zookeeper`. The image must hold `java` on its
    /// path, ZooKeeper's jars in `/apache-zookeeper-VERSION-bin/lib` and how it logs in `/conf/logback.xml`.
    #[serde(default = "default_repository")]
    #[schemars(length(min = 1, max = 255))]
    pub repository: String,

    /// While true the operator only reports the status of this ensemble. Default false.
    #[serde(default)]
    pub paused: bool,

    /// Java's heap in MiB, initial and maximal. Default 512. The data tree must fit in it; a server takes about 100
    /// MiB more. It must be less than the limit of memory in `pod.resources`.
    #[serde(default = "endstate::crd::number::<512>")]
    #[schemars(range(min = 64, max = 32768))]
    pub heap_mib: u32,

    /// Settings of `zoo.cfg` that tune a server. Default: ZooKeeper's own (`tickTime` 2000 ms, `initLimit` 10 and
    /// `syncLimit` 5 ticks), and `autopurge.purgeInterval` 24: all but three snapshots are deleted each day. Whatever
    /// decides membership, addresses, directories or security is refused. A change restarts servers one by one.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[x_kube(validation = only_keys(&TUNABLE), validation = (
        "self.all(it, self[it] <= 2147483647 && (self[it] > 0 || !(it in ['tickTime', 'initLimit', 'syncLimit'])))",
        "tickTime, initLimit and syncLimit must be at least 1, and no setting more than 2147483647"
    ))]
    #[schemars(extend("maxProperties" = 16))]
    pub config: BTreeMap<String, u64>,

    /// The number of the operator's own password, from 1 (the default). The next number makes another, in the Secret
    /// `NAME-admin-N`, and restarts the servers one by one with it.
    #[serde(default = "endstate::crd::number::<1>")]
    #[schemars(range(min = 1))]
    pub credential: u32,

    /// The volume of each server. Default: 10Gi of the default storage class.
    #[serde(default)]
    pub storage: Volume,

    /// What the pods carry beside ZooKeeper itself. Labels and annotations change in place; for any other change the
    /// servers restart one by one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<PodPolicy>,
}

impl From<ZookeeperClusterSpec> for zookeeper_plan::ZookeeperClusterSpec {
    fn from(it: ZookeeperClusterSpec) -> Self {
        Self {
            size: it.size,
            observers: it.observers,
            version: it.version,
            repository: it.repository,
            paused: it.paused,
            credential: it.credential,
            heap_mib: it.heap_mib,
            config: it.config,
            pod: it.pod.unwrap_or_default().into(),
            storage: it.storage.into(),
        }
    }
}

fn default_repository() -> String {
    DEFAULT_REPOSITORY.to_owned()
}
