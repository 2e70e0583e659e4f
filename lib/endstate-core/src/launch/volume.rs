//! What a member's data is on.

use serde::{Deserialize, Serialize};

use crate::id::RoleName;
use crate::platform::Platform;
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
    /// What is asked for, or else what was accepted before, or else what the platform provides: a volume if claims get
    /// one by default, and a directory that goes with the pod otherwise.
    pub fn settled(asked: Option<Self>, accepted: Option<Self>, platform: &Platform) -> Self {
        let provided = || match &platform.default_storage_class {
            Some(_) => VolumeSpec::default().into(),
            None => Self::default(),
        };
        asked.or(accepted).unwrap_or_else(provided)
    }

    /// What is wrong with it.
    pub fn problem(&self, field: &str) -> Option<Problem> {
        match self {
            Self::Volume(volume) => volume.problem(&format!("{field}.volume")),
            Self::Directory(it) => it.problem(&format!("{field}.emptyDir")),
        }
    }

    /// What is wrong with what the members have their data on, as this field of a spec, and with what another directory
    /// of theirs is on that has this name, as the fields `NAMEVolume` and `NAMEEmptyDir` of that field.
    ///
    /// ```
    /// use endstate_core::{Reclaim, Retention, Storage, VolumeSpec};
    /// let (volume, directory) = (Storage::from(VolumeSpec::new("1Gi")), Storage::default());
    /// assert_eq!(Storage::problems("spec.storage", [Some(&volume), Some(&volume)], "log"), []);
    /// let mixed = Storage::problems("spec.storage", [Some(&directory), Some(&volume)], "log");
    /// assert_eq!(mixed[0].field, "spec.storage.logVolume");
    /// let kept = VolumeSpec::new("1Gi").retention(Retention::new(Reclaim::Retain, Reclaim::Retain)).into();
    /// let halves = Storage::problems("spec.storage", [Some(&volume), Some(&kept)], "log");
    /// assert_eq!(halves[0].field, "spec.storage.logVolume.retention");
    /// ```
    pub fn problems(field: &str, [data, other]: [Option<&Self>; 2], name: &str) -> Vec<Problem> {
        let by_default = Self::default();
        let data = data.unwrap_or(&by_default);
        let other = other.and_then(|it| it.problem_beside(data, &format!("{field}.{name}")));
        data.problem(field).into_iter().chain(other).collect()
    }

    /// All of a member's data outlives its pod, or none.
    fn problem_beside(&self, data: &Self, field: &str) -> Option<Problem> {
        let (volume, directory) = (format!("{field}Volume"), format!("{field}EmptyDir"));
        match (self, data) {
            (Self::Volume(it), Self::Volume(data)) => it.problem(&volume).or_else(|| {
                let why = "must be that of the other volume: half of a member's data is none";
                let differs = it.retention != data.retention;
                differs.then(|| Problem::refused(format!("{volume}.retention"), why))
            }),
            (Self::Directory(it), Self::Directory(_)) => it.problem(&directory),
            (Self::Volume(_), Self::Directory(_)) => {
                let why = "needs the data on a volume, too: without it this one is of no use";
                Some(Problem::refused(volume, why))
            }
            (Self::Directory(_), Self::Volume(_)) => {
                let why =
                    "would go with the pod, and without it the volume of the data is of no use";
                Some(Problem::refused(directory, why))
            }
        }
    }

    /// What it takes to bring a member's pod to other storage. Whether the claim that holds its data can become what is
    /// asked for is told by the claim ([`VolumeSpec::fits`]).
    pub fn change(&self, new: &Self) -> Change {
        match (self, new) {
            (old, new) if old == new => Change::Nothing,
            (Self::Volume(_), Self::Volume(_)) => Change::Live,
            _ => Change::Recreate,
        }
    }

    /// The storage of a member that has this volume: it stays what it is, whatever is asked for, until its member has
    /// moved.
    pub(crate) fn on(self, has: &VolumeSpec) -> Self {
        match self {
            Self::Volume(asked) if asked.fits(has) => Self::Volume(asked),
            Self::Volume(asked) => Self::Volume(has.clone().retention(asked.retention)),
            Self::Directory(_) => Self::Volume(has.clone()),
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

/// What the accepted spec says of the claims of one volume of the members of a role.
///
/// ```
/// use endstate_core::{Policy, Retention};
/// assert_eq!(Policy::new("member", "log", Retention::default()).volume, "log");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Policy {
    /// The role.
    pub role: RoleName,
    /// The name of the volume among those of a member.
    pub volume: String,
    /// What becomes of the claims.
    pub retention: Retention,
}

impl Policy {
    /// What becomes of the claims of this volume.
    pub fn new(role: impl Into<RoleName>, volume: &str, retention: Retention) -> Self {
        Self { role: role.into(), volume: volume.to_owned(), retention }
    }

    /// The policies that may speak of a claim: those of its role, or of all roles if none is known that any speaks of;
    /// and of these the ones of its volume, or all of them if none is about it.
    pub(crate) fn of(
        all: &[Self],
        role: Option<&RoleName>,
        volume: Option<&str>,
    ) -> Vec<Retention> {
        let of_role = |it: &&Self| Some(&it.role) == role;
        let told = all.iter().any(|it| of_role(&it));
        let of_role: Vec<_> = all.iter().filter(|it| !told || of_role(it)).collect();
        let of_volume = |it: &&&Self| Some(it.volume.as_str()) == volume;
        let told = of_role.iter().any(|it| of_volume(&it));
        of_role.iter().filter(|it| !told || of_volume(it)).map(|it| it.retention).collect()
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

impl Default for VolumeSpec {
    /// A volume of 10 GiB.
    fn default() -> Self {
        Self::new("10Gi")
    }
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

    /// What is wrong with it, as this field of a spec.
    ///
    /// ```
    /// use endstate_core::VolumeSpec;
    /// assert!(VolumeSpec::default().problem("spec.storage").is_none());
    /// assert!(VolumeSpec::new("ten").problem("spec.storage").is_some());
    /// ```
    pub fn problem(&self, field: &str) -> Option<Problem> {
        let why = "must be a number and Mi, Gi or Ti";
        self.bytes().is_none().then(|| Problem::refused(format!("{field}.size"), why))
    }

    /// Whether a volume that is there is what is asked for, or can become so: it grows, and never shrinks or changes
    /// its class.
    ///
    /// ```
    /// use endstate_core::VolumeSpec;
    /// let has = VolumeSpec::new("2Gi");
    /// assert!(VolumeSpec::new("3Gi").fits(&has) && !VolumeSpec::new("1Gi").fits(&has));
    /// assert!(!VolumeSpec::new("2Gi").class(Some("fast".into())).fits(&has));
    /// ```
    pub fn fits(&self, has: &Self) -> bool {
        let class = self.class.is_none() || self.class == has.class;
        class && self.bytes() >= has.bytes()
    }

    /// How many bytes a size such as `10Gi` is. A claim may have been edited to another unit.
    ///
    /// ```
    /// assert_eq!(endstate_core::VolumeSpec::new("2Gi").bytes(), Some(2 << 30));
    /// ```
    pub fn bytes(&self) -> Option<u64> {
        let number = self.size.trim_end_matches(|it: char| it.is_ascii_alphabetic());
        let unit = match &self.size[number.len()..] {
            "" => 1,
            "k" => 1_000,
            "M" => 1_000_000,
            "G" => 1_000_000_000,
            "T" => 1_000_000_000_000,
            "Ki" => 1 << 10,
            "Mi" => 1 << 20,
            "Gi" => 1 << 30,
            "Ti" => 1 << 40,
            _ => return None,
        };
        number.parse::<u64>().ok().filter(|it| *it > 0)?.checked_mul(unit)
    }
}
