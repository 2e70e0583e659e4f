//! Where a member's data is.

use serde::{Deserialize, Serialize};

use crate::policy::EmptyDir;
use crate::problem::{Change, Problem};

/// What a member's data directory is on.
///
/// ```
/// use endstate_core::{Change, Storage, VolumeSpec};
/// let volume: Storage = VolumeSpec::new("1Gi").into();
/// assert_eq!(Storage::default().change(&volume), Change::Recreate);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Storage {
    /// A directory that goes with the pod.
    Directory(EmptyDir),
    /// A volume that outlives the pod, whose claim the operator makes and grows.
    Volume(VolumeSpec),
}

impl Default for Storage {
    fn default() -> Self {
        Self::Directory(EmptyDir::default())
    }
}

impl From<EmptyDir> for Storage {
    fn from(it: EmptyDir) -> Self {
        Self::Directory(it)
    }
}

impl From<VolumeSpec> for Storage {
    fn from(it: VolumeSpec) -> Self {
        Self::Volume(it)
    }
}

impl From<Option<VolumeSpec>> for Storage {
    fn from(it: Option<VolumeSpec>) -> Self {
        it.map_or_else(Self::default, Self::Volume)
    }
}

impl Storage {
    /// What it takes to bring a member's data to other storage. Another kind of storage is another pod's. (That members
    /// would go on without the volumes that hold their data is refused by the planner.)
    pub fn change(&self, new: &Self) -> Change {
        match (self, new) {
            (old, new) if old == new => Change::Nothing,
            (Self::Volume(old), Self::Volume(new)) => old.change(new),
            _ => Change::Recreate,
        }
    }
}

/// What becomes of the claims of members, in the words of a StatefulSet. A policy that changes counts for all claims
/// of the cluster, those of members that have left included; of these what the policy of any role keeps is kept.
///
/// ```
/// use endstate_core::{Reclaim, Retention};
/// assert_eq!(Retention::default(), Retention::new(Reclaim::Retain, Reclaim::Delete));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct Retention {
    /// When the cluster object is deleted. By default they stay.
    pub when_deleted: Reclaim,
    /// When their member has left the cluster. By default they go: no member ever has its name again, and the others
    /// have its data.
    pub when_scaled: Reclaim,
}

impl Retention {
    /// What becomes of claims when the cluster object is deleted, and when their member has left.
    pub const fn new(when_deleted: Reclaim, when_scaled: Reclaim) -> Self {
        Self { when_deleted, when_scaled }
    }
}

impl Default for Retention {
    fn default() -> Self {
        Self::new(Reclaim::Retain, Reclaim::Delete)
    }
}

/// Whether a claim stays.
///
/// ```
/// assert_ne!(endstate_core::Reclaim::Retain, endstate_core::Reclaim::Delete);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reclaim {
    /// It stays.
    Retain,
    /// It is deleted.
    Delete,
}

/// A volume for a member's data.
///
/// ```
/// use endstate_core::{Retention, VolumeSpec};
/// assert_eq!(VolumeSpec::new("1Gi").retention, Retention::default());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct VolumeSpec {
    /// How much it holds, as a quantity. It may grow while it is used.
    pub size: String,
    /// Its storage class; the cluster's default if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// What becomes of its claim.
    #[serde(default)]
    pub retention: Retention,
}

impl VolumeSpec {
    /// A volume of this size, of the default class, that outlives the cluster object but not its member.
    pub fn new(size: impl Into<String>) -> Self {
        Self { size: size.into(), class: None, retention: Retention::default() }
    }

    /// The same, of another class.
    #[must_use]
    pub fn class(self, class: Option<String>) -> Self {
        Self { class, ..self }
    }

    /// The same, kept for longer or shorter.
    #[must_use]
    pub fn retention(self, retention: Retention) -> Self {
        Self { retention, ..self }
    }

    /// What is wrong with it, as `spec.storage`.
    ///
    /// ```
    /// use endstate_core::VolumeSpec;
    /// assert!(VolumeSpec::new("10Gi").problem().is_none());
    /// assert!(VolumeSpec::new("ten").problem().is_some());
    /// ```
    pub fn problem(&self) -> Option<Problem> {
        let refused = || Problem::refused("spec.storage.size", "must be a number and Mi, Gi or Ti");
        if self.bytes().is_none() { Some(refused()) } else { None }
    }

    /// What it takes to bring a member's volume, `spec.storage`, to another spec: it can grow.
    ///
    /// ```
    /// use endstate_core::{Change, VolumeSpec};
    /// let volume = VolumeSpec::new("1Gi");
    /// assert_eq!(volume.change(&VolumeSpec::new("2Gi")), Change::Live);
    /// assert!(matches!(volume.change(&VolumeSpec::new("512Mi")), Change::Refuse(_)));
    /// ```
    pub fn change(&self, new: &Self) -> Change {
        let refused = |field: &str, why: &str| Change::Refuse(Problem::refused(field, why));
        if self.class != new.class {
            refused("spec.storage.class", "a volume cannot change its class")
        } else if new.bytes() < self.bytes() {
            refused("spec.storage.size", "a volume cannot shrink")
        } else if self != new {
            Change::Live
        } else {
            Change::Nothing
        }
    }

    /// How many bytes a size such as `10Gi` is.
    fn bytes(&self) -> Option<u64> {
        let units = [("Ki", 10), ("Mi", 20), ("Gi", 30), ("Ti", 40)];
        let unit = |&(unit, shift)| Some((self.size.strip_suffix(unit)?, shift));
        let (number, shift) = units.iter().find_map(unit)?;
        number.parse::<u64>().ok().filter(|it| *it > 0)?.checked_mul(1 << shift)
    }
}
