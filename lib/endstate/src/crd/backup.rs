//! Backups, as users declare them and as they are told of: what is the same for every application that has revisions.

#![expect(
    unreachable_pub,
    reason = "the schema derive copies each struct, visibility included, into a function"
)]

use endstate_core::backup::{Kept, Tried};
use endstate_core::{Progress, SecretFiles};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::archive::{Archive, Encryption};
use super::types::BesideCondition;

/// What every object asks for by which a cluster is backed up.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Backup {
    /// The cluster, in this namespace.
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
pub struct BackupStatus {
    /// The generation this status was made from.
    #[serde(default)]
    pub observed_generation: i64,
    /// How far it is; of backups on a schedule `Running`.
    #[serde(flatten)]
    pub progress: Progress,
    /// Whose data it is, as its folder in the archive is called: `NAMESPACE.NAME.ID`, with the id that the application
    /// gave its cluster.
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

impl Backup {
    /// What a program is told that keeps these backups, beside what its application must say: `to`, `encrypted`,
    /// `compression` and `when`, in seconds.
    ///
    /// ```
    /// use endstate::crd::Backup;
    /// let declared = serde_json::json!({"cluster": "demo", "to": {"volume": {"claim": "backups"}},
    ///     "schedule": {"full": "6h"}, "keep": {"last": 3}});
    /// let backup: Backup = serde_json::from_value(declared).unwrap();
    /// let when = &backup.task()["when"];
    /// assert_eq!((&when["full"], &when["last"]), (&21_600.into(), &3.into()));
    /// ```
    #[must_use]
    pub fn task(&self) -> Value {
        let seconds = |it: &Option<String>| it.as_deref().and_then(seconds);
        let schedule = self.schedule.clone().unwrap_or_default();
        let keep = self.keep.clone().unwrap_or_default();
        json!({
            "to": self.to.place(),
            "encrypted": self.encryption.is_some(),
            "compression": match self.compression {
                Compression::Zstd => json!({"zstd": {"level": 1}}),
                Compression::None => json!("none"),
            },
            "when": {
                "full": self.schedule.as_ref().and_then(|it| self::seconds(&it.full)),
                "delta": seconds(&schedule.delta),
                "trial": seconds(&schedule.trial),
                "last": keep.last,
                "days": keep.days,
            },
        })
    }

    /// The secrets that this program finds as files.
    pub fn secrets(&self) -> impl Iterator<Item = SecretFiles> {
        self.to.secret().into_iter().chain(self.encryption.as_ref().map(Encryption::files))
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
