//! How a member is run: what its pod is made from.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::id::{MemberId, MemberName, RoleName};
use crate::problem::{Change, Problem};
use crate::record::MemberRecord;
use crate::snapshot::Identity;

/// How a member's process starts.
///
/// ```
/// use endstate_core::{Peer, Start};
/// let peer = Peer::new("example-x7k2p", "http://a:2380", "member").voting(true);
/// let start = Start::Existing { members: vec![peer] };
/// assert_eq!(start.members().len(), 1);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Start {
    /// It helps to form a new cluster of exactly these members, on an empty data directory.
    New {
        /// Unique for this attempt of this object.
        token: String,
        /// All of them, itself included.
        members: Vec<Peer>,
    },
    /// It joins a cluster that exists, on an empty data directory.
    Existing {
        /// The list of members at this moment, itself included.
        members: Vec<Peer>,
    },
    /// It goes on with the data on its volume, and never without.
    Resume {
        /// The list of members as far as it is known, itself included.
        members: Vec<Peer>,
    },
    /// It goes on with the data on its volume as the only member: the others' data is lost, and a person consented.
    Recover {
        /// Unique for this recovery: it is done once, however often the container starts.
        token: String,
        /// Itself alone.
        members: Vec<Peer>,
    },
}

impl Start {
    /// The members it is told about.
    pub fn members(&self) -> &[Peer] {
        match self {
            Self::New { members, .. }
            | Self::Existing { members }
            | Self::Resume { members }
            | Self::Recover { members, .. } => members,
        }
    }

    /// Whether it may begin without data.
    pub fn may_be_blank(&self) -> bool {
        matches!(self, Self::New { .. } | Self::Existing { .. })
    }
}

/// A member and where it is found.
///
/// ```
/// let peer = endstate_core::Peer::new("example-x7k2p", "http://a:2380", "member");
/// assert!(peer.address.ends_with(":2380") && !peer.votes);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Peer {
    /// Its name.
    pub name: MemberName,
    /// Its peer address.
    pub address: String,
    /// Its role.
    pub role: RoleName,
    /// Its id, where it is known before the start.
    pub id: Option<MemberId>,
    /// Whether it votes.
    pub votes: bool,
}

impl Peer {
    /// A member without a vote and of unknown id.
    pub fn new(
        name: impl Into<MemberName>,
        address: impl Into<String>,
        role: impl Into<RoleName>,
    ) -> Self {
        let (name, address, role) = (name.into(), address.into(), role.into());
        Self { name, address, role, id: None, votes: false }
    }

    /// The same, with or without a vote.
    #[must_use]
    pub fn voting(self, votes: bool) -> Self {
        Self { votes, ..self }
    }

    /// The same, with an id.
    #[must_use]
    pub fn id(self, id: Option<MemberId>) -> Self {
        Self { id, ..self }
    }
}

/// For whom a launch is asked.
///
/// ```
/// use endstate_core::*;
/// let (object, member) = (Identity::new("default", "example", "0c5f"), MemberRecord::new("example-x7k2p", "member"));
/// let of = LaunchOf::new(&object, &3, &member);
/// assert!(of.start.is_none(), "a process that restarts in its pod needs no start");
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct LaunchOf<'a, S> {
    /// The cluster object.
    pub object: &'a Identity,
    /// The accepted spec.
    pub spec: &'a S,
    /// The member: its name, its role, its id if it is known.
    pub member: &'a MemberRecord,
    /// How it starts; `None` for a pod that is there and is changed in place.
    pub start: Option<&'a Start>,
}

impl<'a, S> LaunchOf<'a, S> {
    /// A member whose pod is there.
    pub fn new(object: &'a Identity, spec: &'a S, member: &'a MemberRecord) -> Self {
        Self { object, spec, member, start: None }
    }

    /// The same, of a pod that is made for this start.
    #[must_use]
    pub fn start(self, start: &'a Start) -> Self {
        Self { start: Some(start), ..self }
    }
}

/// How a member is run: what the pod is made from.
///
/// ```
/// use endstate_core::*;
/// # let object = Identity::new("default", "example", "0c5f");
/// # let member = MemberRecord::new("example-x7k2p", "member");
/// let of = LaunchOf::new(&object, &3, &member);
/// let launch = Launch::new("toy:1", &of);
/// assert_eq!(launch.spec, "3");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Launch {
    /// The image of the main container.
    pub image: String,
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Environment variables, in order.
    pub env: Vec<(String, String)>,
    /// Ports by name.
    pub ports: Vec<(String, u16)>,
    /// The volume that its data is on, whose claim the operator makes and grows; `None` if its data goes with its pod.
    pub volume: Option<VolumeSpec>,
    /// The role of the member.
    pub role: RoleName,
    /// Its group within the role.
    pub group: u32,
    /// The spec it was made from, as JSON: the value of [`Launch::ANNOTATION`].
    pub spec: String,
}

impl Launch {
    /// The pod annotation that holds [`Launch::spec`]; read back into
    /// [`Pod::spec`](crate::Pod::spec).
    pub const ANNOTATION: &'static str = "endstate.dev/spec";

    /// A launch of an image with nothing else.
    pub fn new<S: Serialize>(image: impl Into<String>, of: &LaunchOf<'_, S>) -> Self {
        Self {
            image: image.into(),
            command: vec![],
            env: vec![],
            ports: vec![],
            volume: None,
            role: of.member.role.clone(),
            group: of.member.group,
            spec: serde_json::to_string(of.spec)
                .expect("a spec is a tree with text keys, as JSON is"),
        }
    }

    /// The spec that it was made from.
    pub fn made_from<S: DeserializeOwned>(&self) -> S {
        serde_json::from_str(&self.spec).expect("a launch carries the spec it was made from")
    }

    /// The same, with a program and its arguments.
    #[must_use]
    pub fn command(self, command: Vec<String>) -> Self {
        Self { command, ..self }
    }

    /// The same, with environment variables.
    #[must_use]
    pub fn env(self, env: Vec<(String, String)>) -> Self {
        Self { env, ..self }
    }

    /// The same, with these ports.
    #[must_use]
    pub fn ports<'a>(self, ports: impl IntoIterator<Item = (&'a str, u16)>) -> Self {
        let ports = ports.into_iter().map(|(name, port)| (name.to_owned(), port)).collect();
        Self { ports, ..self }
    }

    /// The same, with its data on a volume that outlives its pod.
    #[must_use]
    pub fn volume(self, volume: Option<VolumeSpec>) -> Self {
        Self { volume, ..self }
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
