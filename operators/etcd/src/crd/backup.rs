//! Backups, as they are declared.

#![expect(
    unreachable_pub,
    reason = "the schema derive copies each struct, visibility included, into a function"
)]

use endstate::crd::{Archive, BesideCondition, Encryption};
use endstate_core::Progress;
use etcd_plan::{Kept, Tried};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

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
    status = "EtcdBackupStatus",
    derive = "PartialEq"
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = ("self.cluster == oldSelf.cluster", "the cluster cannot be changed: declare another object"),
    validation = ("has(self.schedule) == has(oldSelf.schedule)", "one backup, or one after the other, is chosen once: declare another object"),
    validation = ("has(self.schedule) || !has(self.keep)", "one backup is kept: keep needs a schedule")
)]
pub struct EtcdBackupSpec {
    /// The `EtcdCluster` of this namespace.
    #[schemars(length(min = 1, max = 63))]
    pub cluster: String,
    /// Where backups are kept.
    pub to: Archive,
    /// When they are made. Default: once, now; then the object says `Complete`, and is done with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
    /// How long full backups are kept, with the deltas that follow on them. Default: all of them. The newest is always
    /// kept, and so is what other objects made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep: Option<Keep>,
    /// How what is kept is compressed. Default `Zstd`.
    #[serde(default)]
    pub compression: Compression,
    /// How what is kept is encrypted. Default: not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encryption: Option<Encryption>,
}

/// When backups are made.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Schedule {
    /// How often all data is backed up, such as `6h` (s, m, h or d), counted from the last.
    #[schemars(regex(pattern = "^[1-9][0-9]{0,5}[smhd]$"))]
    pub full: String,
    /// How often what was written since is backed up, such as `1m`. With it every revision between two full backups can
    /// be restored, and no more is lost with the cluster than what was written in this time. Default: not at all.
    /// Compaction must leave more history than that: what is gone before it was backed up makes a full backup
    /// necessary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^[1-9][0-9]{0,5}[smhd]$"))]
    pub delta: Option<String>,
    /// How often what is kept is restored on trial, into a member beside the cluster that is thrown away, and compared
    /// with the cluster's data at the same revision. It needs twice the room of the data on the node's disk. Default:
    /// never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^[1-9][0-9]{0,5}[smhd]$"))]
    pub trial: Option<String>,
}

/// How long full backups are kept.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = ("has(self.last) || has(self.days)", "say how many are kept (last), or for how long (days)"))]
pub struct Keep {
    /// The newest so many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_000))]
    pub last: Option<u32>,
    /// What it takes to restore any moment of the last so many days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 36_500))]
    pub days: Option<u32>,
}

/// How what is kept is compressed.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq)]
pub enum Compression {
    /// By Zstandard.
    #[default]
    Zstd,
    /// Not at all.
    None,
}

/// How backups are.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct EtcdBackupStatus {
    /// The generation this status was made from.
    #[serde(default)]
    pub observed_generation: i64,
    /// How far it is; of backups on a schedule `Running`.
    #[serde(flatten)]
    pub progress: Progress,
    /// Whose data it is, as its folder in the archive is called: `NAMESPACE.NAME.ID`, with the id of the etcd cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lineage: Option<String>,
    /// The newest full backup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub full: Option<Kept>,
    /// The newest delta.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delta: Option<Kept>,
    /// The last trial.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trial: Option<Tried>,
    /// How many backups are kept, deltas included.
    #[serde(default)]
    pub entries: u32,
    /// How many bytes they are.
    #[serde(default)]
    pub stored_bytes: u64,
    /// `Ready`: whether what was asked for is kept, and else why not.
    #[serde(default)]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<BesideCondition>,
}

impl EtcdBackupSpec {
    /// When what is done, as the agent reads it: in seconds.
    pub(crate) fn when(&self) -> Value {
        let seconds = |it: &Option<String>| it.as_deref().and_then(seconds);
        let schedule = self.schedule.clone().unwrap_or_default();
        let keep = self.keep.clone().unwrap_or_default();
        json!({
            "full": self.schedule.as_ref().and_then(|it| self::seconds(&it.full)),
            "delta": seconds(&schedule.delta),
            "trial": seconds(&schedule.trial),
            "last": keep.last,
            "days": keep.days,
        })
    }
}

/// The seconds of a duration, such as `90s` or `6h`.
fn seconds(text: &str) -> Option<u64> {
    let unit = match text.chars().last()? {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return None,
    };
    text[..text.len() - 1].parse::<u64>().ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_seconds() {
        for (text, is) in [("90s", 90), ("1m", 60), ("6h", 21_600), ("30d", 2_592_000)] {
            assert_eq!(seconds(text), Some(is), "{text}");
        }
        for text in ["", "s", "1", "1w", "-1s", "é"] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }
}
