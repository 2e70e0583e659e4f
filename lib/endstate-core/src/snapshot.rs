//! What was seen, once, before a decision: the only input of the planner.
//!
//! A snapshot is never mixed from two observations, and says of everything whether it was seen at
//! all: unknown is not absent, and unknown is not down.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    exit::{Evidence, Exit, Words},
    id::{MemberName, ResourceVersion, Uid},
    status::Status,
    view::View,
};

/// Everything the planner may look at. There is no clock, no randomness and no I/O behind it.
///
/// ```
/// use endstate_core::{Identity, Snapshot, Status, View};
/// let snapshot: Snapshot<u32> = Snapshot {
///     now: "2026-01-01T00:00:00Z".parse().unwrap(),
///     object: Identity {
///         namespace: "default".into(),
///         name: "example".into(),
///         uid: "0c5f".into(),
///         resource_version: "7".into(),
///         generation: 1,
///         deleting: false,
///     },
///     seed: 12,
///     spec: 3,
///     status: Status::default(),
///     pods: Some(vec![]),
///     view: View::default(),
///     blocked: None,
/// };
/// assert!(snapshot.status.record.cluster_id.is_none());
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Snapshot<S> {
    /// When the observation was complete.
    pub now: Timestamp,
    /// The object that declares the cluster.
    pub object: Identity,
    /// Where member names come from. The same for the whole life of the object (see
    /// [`Identity::seed`]), so that no two names of one object are ever the same.
    pub seed: u64,
    /// What the user asks for, as it was written; the planner validates it.
    pub spec: S,
    /// The status of the same version of the object, with the [`Record`](crate::Record) in it.
    pub status: Status<S>,
    /// The member pods that this object owns, by name; `None` when they could not be listed.
    pub pods: Option<Vec<Pod<S>>>,
    /// What the application says about itself.
    pub view: View,
    /// The last action of this object that the application or the API refused, if it was the last
    /// thing that happened. Shown to the user; nothing is decided on it but that pods which were not
    /// made may be asked for again.
    pub blocked: Option<Blocked>,
}

/// The identity of the object that declares the cluster.
///
/// ```
/// use endstate_core::Identity;
/// let mut object = Identity {
///     namespace: "default".into(),
///     name: "example".into(),
///     uid: "0c5f".into(),
///     resource_version: "7".into(),
///     generation: 1,
///     deleting: false,
/// };
/// let seed = object.seed();
/// object.resource_version = "8".into();
/// assert_eq!(seed, object.seed(), "a seed stays for the life of the object");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// `metadata.namespace`
    pub namespace: String,
    /// `metadata.name`
    pub name: String,
    /// `metadata.uid`; also the token that keeps two clusters of one name apart.
    pub uid: Uid,
    /// `metadata.resourceVersion`; the status is written under the condition that it is unchanged.
    pub resource_version: ResourceVersion,
    /// `metadata.generation`
    pub generation: i64,
    /// Whether `metadata.deletionTimestamp` is set.
    pub deleting: bool,
}

impl Identity {
    /// A number made from the uid (FNV-1a).
    pub fn seed(&self) -> u64 {
        let fold = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        self.uid.bytes().fold(0xcbf2_9ce4_8422_2325, fold)
    }
}

/// One member's pod as the API shows it.
///
/// ```
/// use endstate_core::{Pod, PodPhase};
/// let pod = Pod::<u32> { phase: PodPhase::Failed, ..Pod::new("example-x7k2p", "9b1d", "41") };
/// assert!(!pod.ready);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pod<S> {
    /// `metadata.name`
    pub name: MemberName,
    /// `metadata.uid`
    pub uid: Uid,
    /// `metadata.resourceVersion`
    pub resource_version: ResourceVersion,
    /// `status.phase`
    pub phase: PodPhase,
    /// Why it is not running yet, or no longer: the waiting reason of the first container that
    /// waits, or the scheduler's word.
    pub trouble: Option<Trouble>,
    /// The member's container has been started at least once.
    pub started: bool,
    /// The pod's `Ready` condition.
    pub ready: bool,
    /// Whether `metadata.deletionTimestamp` is set.
    pub deleting: bool,
    /// How often the member's container was restarted.
    pub restarts: u32,
    /// Since when the member's container runs, by the node's clock.
    pub running_since: Option<Timestamp>,
    /// How the member's container ended last; `None` while it runs.
    pub exit: Option<Exit>,
    /// How it ended before that, as far as it is known.
    pub exit_before: Option<Exit>,
    /// The node it is bound to is known to be gone or has not reported for a minute or longer.
    pub node_lost: bool,
    /// The node it is bound to.
    pub node: Option<String>,
    /// What the pod was made from: the value of [`Launch::ANNOTATION`](crate::Launch::ANNOTATION).
    pub spec: Option<S>,
}

impl<S> Pod<S> {
    /// A pod that was just created: pending, nothing started.
    pub fn new(
        name: impl Into<MemberName>,
        uid: impl Into<Uid>,
        version: impl Into<ResourceVersion>,
    ) -> Self {
        Self {
            name: name.into(),
            uid: uid.into(),
            resource_version: version.into(),
            phase: PodPhase::Pending,
            trouble: None,
            started: false,
            ready: false,
            deleting: false,
            restarts: 0,
            running_since: None,
            exit: None,
            exit_before: None,
            node_lost: false,
            node: None,
            spec: None,
        }
    }

    /// Whether the launcher found the data directory empty although it had been filled before, and
    /// therefore refuses to start.
    ///
    /// ```
    /// use endstate_core::{Evidence, Exit, Pod};
    /// let (mut pod, lost) = (Pod::<u32>::new("example-x7k2p", "9b1d", "41"), Evidence::DataLost);
    /// pod.exit = Some(Exit::of(1, None, "data lost"));
    /// assert!(!pod.data_lost());
    /// pod.exit = Some(Exit::of(lost.exit_code().into(), None, &lost.message("it is empty")));
    /// assert!(pod.data_lost());
    /// ```
    pub fn data_lost(&self) -> bool {
        self.exit.as_ref().is_some_and(|it| it.evidence == Some(Evidence::DataLost))
    }
}

/// `status.phase` of a pod.
///
/// ```
/// assert_ne!(endstate_core::PodPhase::Unknown, endstate_core::PodPhase::Failed);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PodPhase {
    /// Not all containers run yet.
    Pending,
    /// At least one container runs or restarts.
    Running,
    /// All containers ended, none will be restarted.
    Succeeded,
    /// All containers ended, one badly; none will be restarted.
    Failed,
    /// The node does not report.
    Unknown,
}

/// Why a pod does not run.
///
/// ```
/// use endstate_core::Trouble;
/// let trouble = Trouble::from_reason("ImagePullBackOff", "no such tag");
/// assert!(matches!(trouble, Trouble::Image { message } if message.to_string() == "no such tag"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Trouble {
    /// The scheduler found no place.
    Unschedulable {
        /// The scheduler's message.
        message: Words,
    },
    /// The image cannot be had. A replacement would fare no better.
    Image {
        /// The node's message.
        message: Words,
    },
    /// The container ends again and again, and is started again with growing delay.
    CrashLoop {
        /// What it said last, or the node's message.
        message: Words,
    },
    /// Anything else the node waits for: volumes, configuration, the sandbox.
    Starting {
        /// The reason word of the node.
        reason: String,
        /// The node's message.
        message: Words,
    },
}

impl Trouble {
    /// From the reason and message of a container that waits or a pod that is not scheduled.
    pub fn from_reason(reason: &str, message: &str) -> Self {
        let message = Words::of(message);
        match reason {
            "Unschedulable" => Self::Unschedulable { message },
            "ErrImagePull"
            | "ImagePullBackOff"
            | "InvalidImageName"
            | "ErrImageNeverPull"
            | "ImageInspectError"
            | "RegistryUnavailable" => Self::Image { message },
            "CrashLoopBackOff" => Self::CrashLoop { message },
            other => Self::Starting { reason: other.to_owned(), message },
        }
    }
}

/// An action that was refused, as the executor reported it.
///
/// ```
/// let blocked = endstate_core::Blocked {
///     action: "add learner example-x7k2p".into(),
///     why: "unhealthy cluster".into(),
///     needs_user: false,
///     not_created: vec![],
/// };
/// assert!(blocked.why.contains("unhealthy"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blocked {
    /// The action, as it displays.
    pub action: String,
    /// The answer.
    pub why: String,
    /// Whether it was refused because the operator has no user there.
    pub needs_user: bool,
    /// The members whose pods the API refused to make: they are not there, and will not come. One whose
    /// creation was not answered is not among them.
    pub not_created: Vec<MemberName>,
}
