//! The pods and volume claims of members, as the API shows them.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::exit::{Evidence, Exit, Survey, Words};
use crate::id::{MemberId, MemberName, ResourceVersion, Uid};
use crate::limits::NODE_SILENT_SECONDS;

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
    /// Whether its launcher surveys the data before each start, as those of earlier releases did not.
    pub surveyed: bool,
    /// Whether it was made to go on with data that its member has: without it, it never starts.
    pub resumes: bool,
    /// How often the member's container was restarted.
    pub restarts: u32,
    /// Since when the member's container runs, by the node's clock.
    pub running_since: Option<Timestamp>,
    /// How the member's container ended last; `None` while it runs.
    pub exit: Option<Exit>,
    /// How it ended before that, as far as it is known.
    pub exit_before: Option<Exit>,
    /// What is wrong with the node it is bound to.
    pub node_fault: Option<NodeFault>,
    /// The node it is bound to.
    pub node: Option<String>,
    /// What the pod was made from: the value of [`Launch::ANNOTATION`](crate::Launch::ANNOTATION).
    pub spec: Option<S>,
    /// What the operator wrote on it.
    pub marks: Marks,
    /// Somebody asks that it goes, and it is its operator's turn to see to that.
    pub eviction: Option<Eviction>,
}

/// An `Eviction` of `lifecycle.k8s.io` that is about a pod, while the operator is its active responder
/// ([KEP-4563](https://kep.k8s.io/4563)).
///
/// ```
/// use endstate_core::Eviction;
/// assert!(Eviction::new("example-x7k2p").heartbeat.is_none(), "nobody has answered yet");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Eviction {
    /// Its name.
    pub name: String,
    /// When the operator said last that it is at work on it.
    pub heartbeat: Option<Timestamp>,
}

impl Eviction {
    /// One that was not answered yet.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), heartbeat: None }
    }
}

/// What a pod carries of what its operator knows.
///
/// ```
/// use endstate_core::Marks;
/// assert!(Marks::default().started.is_none(), "nobody has seen it work");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marks {
    /// The member's id, once it has answered. Whatever starts the member in that pod must never start it empty again:
    /// the node may lose the pod's directories while the pod goes on.
    pub started: Option<MemberId>,
    /// Whether its member votes: the client service selects those who do.
    pub votes: bool,
    /// Whether it has the labels by which it is found, and the owner with whom it goes. Somebody may take them away.
    pub owned: bool,
}

impl Default for Marks {
    fn default() -> Self {
        Self { started: None, votes: false, owned: true }
    }
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
            surveyed: false,
            resumes: false,
            restarts: 0,
            running_since: None,
            exit: None,
            exit_before: None,
            node_fault: None,
            node: None,
            spec: None,
            marks: Marks::default(),
            eviction: None,
        }
    }

    /// Whether its node is gone, or has been silent for too long to be waited for.
    ///
    /// ```
    /// use endstate_core::{NodeFault, Pod};
    /// let (mut pod, now) = (Pod::<u32>::new("example-x7k2p", "9b1d", "41"), jiff::Timestamp::UNIX_EPOCH);
    /// assert!(!pod.is_node_lost(now));
    /// pod.node_fault = Some(NodeFault::Silent { since: now });
    /// assert!(!pod.is_node_lost(now));
    /// pod.node_fault = Some(NodeFault::Gone);
    /// assert!(pod.is_node_lost(now));
    /// ```
    pub fn is_node_lost(&self, now: Timestamp) -> bool {
        let patience = SignedDuration::from_secs(NODE_SILENT_SECONDS);
        self.node_fault.is_some_and(|it| match it {
            NodeFault::Gone => true,
            NodeFault::Silent { since } => now.duration_since(since) >= patience,
        })
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
        self.shows(Evidence::DataLost)
    }

    /// Whether the launcher found another member's data in the data directory, and therefore refuses to start.
    pub fn data_foreign(&self) -> bool {
        self.shows(Evidence::DataForeign)
    }

    /// Whether the launcher made the data of a member that is to start later, and all of it is there.
    pub fn is_prepared(&self) -> bool {
        self.shows(Evidence::Prepared)
    }

    fn shows(&self, evidence: Evidence) -> bool {
        self.exit.as_ref().is_some_and(|it| it.evidence == Some(evidence))
    }

    /// What is known of its data, by how its container ended.
    pub(crate) fn survey(&self) -> Survey {
        self.exit.as_ref().filter(|_| self.surveyed).map(Exit::survey).unwrap_or_default()
    }
}

/// What is wrong with a node.
///
/// ```
/// use endstate_core::NodeFault;
/// assert_ne!(NodeFault::Gone, NodeFault::Silent { since: jiff::Timestamp::UNIX_EPOCH });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NodeFault {
    /// The API has no such node.
    Gone,
    /// It does not report.
    Silent {
        /// Since when, by the control plane's clock.
        since: Timestamp,
    },
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

/// Which pod, exactly. Deletes and updates carry uid and resourceVersion as preconditions.
///
/// ```
/// use endstate_core::{Pod, PodRef};
/// let pod = Pod::<u32>::new("example-x7k2p", "9b1d", "41");
/// assert_eq!(PodRef::from(&pod).uid.as_str(), "9b1d");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodRef {
    /// Its name.
    pub name: MemberName,
    /// Its uid.
    pub uid: Uid,
    /// The version that was looked at.
    pub resource_version: ResourceVersion,
}

impl<S> From<&Pod<S>> for PodRef {
    fn from(pod: &Pod<S>) -> Self {
        Self {
            name: pod.name.clone(),
            uid: pod.uid.clone(),
            resource_version: pod.resource_version.clone(),
        }
    }
}
