//! The volume of a member as kinds of other operators ask for it.

#![expect(
    unreachable_pub,
    reason = "the schema derive copies each struct, visibility included, into a function"
)]

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::types::{Opaque, Volume};

/// The claim of each member's volume, in the words of a PersistentVolumeClaim, for kinds that had it before. When
/// claims are deleted is fixed here: with their member when it has left the cluster, and never with the cluster's
/// object.
///
/// ```
/// use endstate::crd::{ClaimSpec, Volume};
/// assert_eq!(Volume::from(ClaimSpec::default()).size, "10Gi");
/// ```
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = ("!has(self.accessModes) || self.accessModes == ['ReadWriteOnce']", "a volume is one member's: accessModes must be [ReadWriteOnce]"),
    validation = ("!has(self.selector) && !has(self.volumeName) && !has(self.dataSource) && !has(self.dataSourceRef)", "each member gets a new, empty volume of its class: remove selector, volumeName, dataSource and dataSourceRef"),
    validation = ("!has(self.volumeMode) || self.volumeMode == 'Filesystem'", "volumeMode must be Filesystem")
)]
pub struct ClaimSpec {
    /// `[ReadWriteOnce]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4))]
    pub access_modes: Vec<String>,
    /// How much the volume holds, as `requests.storage`; 10Gi unless it says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<ClaimResources>,
    /// The storage class. Default: the cluster's default class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub storage_class_name: Option<String>,
    /// `Filesystem`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume_mode: Option<String>,
    /// Not offered, and refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume_name: Option<String>,
    /// Not offered, and refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<Opaque>,
    /// Not offered, and refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_source: Option<Opaque>,
    /// Not offered, and refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_source_ref: Option<Opaque>,
}

/// How much a volume holds.
///
/// ```
/// assert!(endstate::crd::ClaimResources::default().requests.storage.is_none());
/// ```
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = ("!has(self.limits)", "a volume has no limit beside its size: remove limits"))]
pub struct ClaimResources {
    /// `storage` is the size, such as `10Gi` (Mi, Gi or Ti).
    #[serde(default)]
    pub requests: ClaimRequests,
    /// Not offered, and refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Opaque>,
}

/// The size of a volume.
///
/// ```
/// assert!(endstate::crd::ClaimRequests::default().storage.is_none());
/// ```
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct ClaimRequests {
    /// Such as `10Gi` (Mi, Gi or Ti).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^[1-9][0-9]{0,5}(Mi|Gi|Ti)$"))]
    pub storage: Option<String>,
}

impl From<ClaimSpec> for Volume {
    fn from(it: ClaimSpec) -> Self {
        let default = Self::default();
        let size = it.resources.and_then(|it| it.requests.storage);
        Self { size: size.unwrap_or(default.size), class: it.storage_class_name, ..default }
    }
}
