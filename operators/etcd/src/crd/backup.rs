//! Backups, as they are declared.

#![expect(
    unreachable_pub,
    reason = "the schema derive copies each struct, visibility included, into a function"
)]

use endstate::crd::{Backup, BackupStatus};
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

/// Backups of an etcd cluster: one, or one after the other for as long as the object is there. What is kept stays when
/// it is deleted.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "etcd.endstate.dev",
    version = "v1",
    kind = "EtcdBackup",
    plural = "etcdbackups",
    category = "endstate",
    namespaced,
    doc = "Backups of an etcd cluster: one, or one after the other for as long as the object is there.",
    status = "BackupStatus",
    derive = "PartialEq"
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = ("self.cluster == oldSelf.cluster", "the cluster cannot be changed: declare another object"),
    validation = ("has(self.schedule) == has(oldSelf.schedule)", "one backup, or one after the other, is chosen once: declare another object"),
    validation = ("has(self.schedule) || !has(self.keep)", "one backup is kept: keep needs a schedule")
)]
pub struct EtcdBackupSpec {
    /// The `EtcdCluster`, and what is asked for.
    #[serde(flatten)]
    pub common: Backup,
}
