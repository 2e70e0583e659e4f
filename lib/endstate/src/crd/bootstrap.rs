//! How a cluster begins, where it can begin with the data of a backup.

#![expect(
    unreachable_pub,
    reason = "the schema derive copies each struct, visibility included, into a function"
)]

use kube::KubeSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::archive::{Archive, Encryption};

/// How a cluster begins.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Bootstrap {
    /// With the data of a backup, users and roles included. Default: empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restore: Option<Restore>,
}

/// A backup that a new cluster begins with. Its first member restores it and checks it before it starts; the others
/// copy the data from that one. Of the moments that are kept it is the newest, unless `revision` or `time` names one.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = ("!has(self.revision) || !has(self.time)", "name a revision or a time"))]
pub struct Restore {
    /// Where it is kept.
    pub from: Archive,
    /// Whose data it is, as the name of its folder there: `NAMESPACE.NAME.ID`. Default: what is kept there is of one
    /// cluster; of several none is chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 200))]
    pub lineage: Option<String>,
    /// The key by which it is encrypted, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encryption: Option<Encryption>,
    /// The revision of the cluster that was backed up: all writes up to this one, and none after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub revision: Option<i64>,
    /// The last moment, such as `2026-01-31T12:00:00Z`: the newest that is kept and was there by then. No time
    /// is noted with a write, so a moment is known as well as backups are close together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64), extend("format" = "date-time"))]
    pub time: Option<String>,
    /// How far the revision is raised above the highest that is known of, so that clients who remember one of a later
    /// write read anew instead of going back in time; what is older counts as compacted. 0 raises none;
    /// some versions can do no more. Default one thousand million.
    #[serde(default = "bump")]
    #[schemars(range(min = 0, max = 1_000_000_000_000_i64))]
    pub bump_revision: i64,
}

fn bump() -> i64 {
    1_000_000_000
}

impl From<Restore> for endstate_core::Restore {
    fn from(it: Restore) -> Self {
        let what = json!({
            "from": it.from.place(),
            "lineage": it.lineage,
            "encrypted": it.encryption.is_some(),
            "revision": it.revision,
            "time": it.time,
            "bumpRevision": it.bump_revision,
        });
        let secrets = it.from.secret().into_iter().chain(it.encryption.map(|it| it.files()));
        Self { what: what.to_string(), secrets: secrets.collect(), claim: it.from.claim() }
    }
}
