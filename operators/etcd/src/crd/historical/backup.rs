//! `EtcdBackup` and `EtcdRestore` of the first etcd operator, and what they ask for in the words of this one.

#![expect(
    unreachable_pub,
    reason = "the schema derive copies each struct, visibility included, into a function"
)]

use std::sync::LazyLock;

use endstate::crd::{
    Backup, BackupStatus, Keep, OperationStatus, Restore, Schedule, StorageType, Stores, one_store,
};
use endstate_core::Truth;
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Backups of an etcd cluster, as users of the first etcd operator declare them.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "etcd.database.coreos.com",
    version = "v1beta2",
    kind = "EtcdBackup",
    plural = "etcdbackups",
    category = "endstate",
    namespaced,
    doc = "Backups of an etcd cluster in the format of the first etcd operator; use etcd.endstate.dev/v1 EtcdBackup for new ones.",
    status = "EtcdBackupStatus",
    derive = "PartialEq",
    printcolumn(name = "Succeeded", type_ = "boolean", json_path = ".status.succeeded"),
    printcolumn(name = "Revision", type_ = "integer", json_path = ".status.etcdRevision"),
    printcolumn(name = "Last", type_ = "date", json_path = ".status.lastSuccessDate"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.Reason")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = one_store("storageType"),
    validation = ("self.etcdEndpoints == oldSelf.etcdEndpoints", "the cluster cannot be changed: declare another object"),
    validation = ("(has(self.backupPolicy) && self.backupPolicy.backupIntervalInSecond > 0) == (has(oldSelf.backupPolicy) && oldSelf.backupPolicy.backupIntervalInSecond > 0)", "one backup, or one after the other, is chosen once: declare another object")
)]
pub struct EtcdBackupSpec {
    /// The service for clients of an `EtcdCluster` of this group and namespace, such as
    /// `http://example-etcd-cluster-client:2379`. Members are found by it, and asked with TLS if they serve with it.
    #[schemars(length(min = 1, max = 16), inner(length(max = 512)))]
    pub etcd_endpoints: Vec<String>,
    /// `S3`, `ABS`, `GCS` or `OSS`.
    pub storage_type: StorageType,
    /// Which it is.
    #[serde(flatten)]
    pub stores: Stores,
    /// When, and how many. Default: one, now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup_policy: Option<BackupPolicy>,
    /// The secret with `etcd-client.crt`, `etcd-client.key` and `etcd-client-ca.crt` by which the cluster is asked.
    /// Default: what the operator asks it with.
    #[serde(default, rename = "clientTLSSecret", skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 253))]
    pub client_tls_secret: String,
}

/// When, and how many.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct BackupPolicy {
    /// How long an attempt may take, in seconds. Default 0: as long as it takes.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub timeout_in_second: u64,
    /// The time from one backup to the next, in seconds; the first is made at once. Default 0: there is only one.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub backup_interval_in_second: u64,
    /// How many are kept, the newest, of those that this object made on a schedule. Default 0: all.
    #[serde(default)]
    #[schemars(range(min = 0, max = 10_000))]
    pub max_backups: u32,
}

/// How backups are.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct EtcdBackupStatus {
    /// Whether what was asked for is kept.
    #[serde(default)]
    pub succeeded: bool,
    /// Why not; empty while the first is on its way.
    #[serde(default, rename = "Reason", skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// The version of the member that the newest was taken from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etcd_version: Option<String>,
    /// The revision of the newest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etcd_revision: Option<u64>,
    /// When the newest was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_success_date: Option<String>,
    /// The status of this operator, whole.
    #[serde(default)]
    pub endstate: BackupStatus,
}

/// A cluster that is to begin anew with a backup, as users of the first etcd operator declare it.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "etcd.database.coreos.com",
    version = "v1beta2",
    kind = "EtcdRestore",
    plural = "etcdrestores",
    category = "endstate",
    namespaced,
    doc = "A cluster that is to begin anew with a backup, in the format of the first etcd operator. Nothing is deleted: the data is made first, and former volumes are kept.",
    status = "EtcdRestoreStatus",
    derive = "PartialEq",
    printcolumn(name = "Succeeded", type_ = "boolean", json_path = ".status.succeeded"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.reason"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = one_store("backupStorageType"),
    validation = ("self == oldSelf", "a restore is carried out once and cannot be changed: declare another object")
)]
pub struct EtcdRestoreSpec {
    /// `S3`, `ABS`, `GCS` or `OSS`.
    pub backup_storage_type: StorageType,
    /// Which it is: the path of an `EtcdBackup`, or of one snapshot file.
    #[serde(flatten)]
    pub stores: Stores,
    /// The cluster.
    pub etcd_cluster: ClusterRef,
}

/// An `EtcdCluster` of this group and namespace.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct ClusterRef {
    /// Its name.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
}

/// How far a restore is.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct EtcdRestoreStatus {
    /// Whether the cluster serves what was restored, with all its members.
    #[serde(default)]
    pub succeeded: bool,
    /// Why not; empty while it is under way.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// The status of this operator, whole.
    #[serde(default)]
    pub endstate: OperationStatus,
}

impl EtcdBackupSpec {
    /// The same in the words of this operator, or why it cannot be so.
    pub(crate) fn asked(self, cluster: String) -> Result<Backup, String> {
        let policy = self.backup_policy.unwrap_or_default();
        let seconds = Some(policy.backup_interval_in_second).filter(|it| *it > 0);
        let schedule = seconds.map(|it| Schedule { full: format!("{it}s"), ..Schedule::default() });
        let last = Some(policy.max_backups).filter(|it| *it > 0);
        if last.is_some() && schedule.is_none() {
            return Err(
                "one backup is kept: backupPolicy.maxBackups needs backupIntervalInSecond".into()
            );
        }
        let to = self.stores.archive(self.storage_type)?;
        let keep = last.map(|_| Keep { last, days: None });
        Ok(Backup { cluster, to, schedule, keep, ..Backup::default() })
    }
}

/// The status of this operator in the shape of the first one.
pub(crate) fn backup_status(status: &Value) -> EtcdBackupStatus {
    let endstate = BackupStatus::deserialize(status).unwrap_or_default();
    let full = endstate.full.clone();
    let told = endstate.conditions.first();
    let succeeded = told.is_some_and(|it| it.status == Truth::True);
    let begins = ["Starting", "NoBackupYet"];
    let why = told.filter(|it| !succeeded && !begins.contains(&it.reason.as_str()));
    EtcdBackupStatus {
        succeeded,
        reason: why.map(|it| it.message.clone()).unwrap_or_default(),
        etcd_revision: full.as_ref().map(|it| it.revision),
        last_success_date: full.as_ref().map(|it| format!("{:.0}", it.taken)),
        etcd_version: full.and_then(|it| it.version),
        endstate,
    }
}

/// What a restore asks for in the words of this operator, or why it cannot be so.
pub fn restore(spec: &Value) -> Result<Restore, String> {
    let spec = EtcdRestoreSpec::deserialize(spec).map_err(|it| it.to_string())?;
    let from = json!({"from": spec.stores.archive(spec.backup_storage_type)?});
    Restore::deserialize(from).map_err(|it| it.to_string())
}

/// The status of this operator in that of a restore. What the first one was done with is never carried out again.
pub(crate) fn restore_kept(status: &Value) -> &Value {
    static OVER: LazyLock<[Value; 2]> =
        LazyLock::new(|| [json!({"state": "Complete"}), json!({"state": "Failed"})]);
    // The API server fills in what has a default; conditions are told by this operator alone.
    match (&status["endstate"]["conditions"][0], &status["succeeded"], status["reason"].as_str()) {
        (Value::Null, Value::Bool(true), _) => &OVER[0],
        (Value::Null, _, Some(reason)) if !reason.is_empty() => &OVER[1],
        _ => &status["endstate"],
    }
}

/// The status of this operator in the shape of the first one.
pub(crate) fn restore_status(spec: &Value, status: &Value) -> EtcdRestoreStatus {
    let endstate = OperationStatus::deserialize(status).unwrap_or_default();
    let told = endstate.conditions.first();
    let succeeded = told.is_some_and(|it| it.status == Truth::True);
    let why = told.filter(|it| !succeeded && it.reason != "Running");
    let why = why.map(|it| it.message.clone()).unwrap_or_default();
    let refused = restore(spec).err().filter(|_| !succeeded);
    EtcdRestoreStatus { succeeded, reason: refused.unwrap_or(why), endstate }
}
