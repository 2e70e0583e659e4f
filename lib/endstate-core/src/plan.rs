//! What is done next, as data.
//!
//! How a plan is carried out (the executor makes no choices and does not retry in place):
//!
//! 1. If [`Plan::status`] differs from the status in the snapshot, write it, on the condition that
//!    the object still has the snapshot's resourceVersion. If that fails, stop: somebody else acted.
//! 2. Apply [`Plan::support`].
//! 3. Carry out [`Plan::actions`] in order; stop at the first that fails, and report it as
//!    [`Snapshot::blocked`](crate::Snapshot::blocked) in the next snapshot.
//! 4. Observe and plan again: at once when something was done, else at a change or after
//!    [`Plan::look_again_ms`].
//!
//! A plan that acts always has a new status, because it counts up
//! [`Record::epoch`](crate::Record::epoch); so step 1 fences every action.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    app::{Launch, Start},
    id::{MemberId, MemberName, ResourceVersion, Uid},
    record::LeaveReason,
    status::Status,
    view::Roster,
    waiting::Waiting,
};

/// What to do next.
///
/// ```
/// use endstate_core::{Plan, Status};
/// let plan = Plan::<u32>::idle(Status::default());
/// assert!(plan.actions.is_empty());
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan<S> {
    /// The status to publish first.
    pub status: Status<S>,
    /// The objects around the members that must exist.
    pub support: Support,
    /// What to do then, in order. At most one is dangerous.
    pub actions: Vec<Action>,
    /// What the rest of the way waits for. Empty when nothing is left to do.
    pub waits: Vec<Waiting>,
    /// What changed since the last status, worth telling.
    pub events: Vec<Event>,
    /// When to look again although nothing was reported.
    pub look_again_ms: Option<u32>,
}

impl<S> Plan<S> {
    /// A plan that does nothing.
    pub fn idle(status: Status<S>) -> Self {
        Self {
            status,
            support: Support::default(),
            actions: vec![],
            waits: vec![],
            events: vec![],
            look_again_ms: None,
        }
    }
}

/// The objects around the members. The executor applies what is asked for and differs, and never
/// deletes one while the cluster object exists.
///
/// ```
/// let support = endstate_core::Support::default();
/// assert!(!support.client_service, "no clients before the cluster is known to exist");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Support {
    /// The headless service that gives the members their names (not-ready addresses included).
    pub peer_service: bool,
    /// The service that clients use: ready members only. Not before the identity is recorded.
    pub client_service: bool,
    /// The disruption budget's `minAvailable`.
    pub min_available: Option<u32>,
}

/// One thing to do. Each carries the conditions under which it is still right, so that a plan that
/// is out of date fails instead of doing harm.
///
/// ```
/// use endstate_core::{Action, LeaveReason, PodRef};
/// let action = Action::DeletePod {
///     pod: PodRef {
///         name: "example-x7k2p".into(),
///         uid: "9b1d".into(),
///         resource_version: "41".into(),
///     },
///     reason: LeaveReason::Dead,
/// };
/// assert!(action.is_dangerous());
/// assert_eq!(action.to_string(), "delete pod example-x7k2p: it does not come back");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// Create a member's pod. It is right as long as no pod of that name exists.
    CreatePod {
        /// The member's name, and the pod's.
        member: MemberName,
        /// How its process starts if its data directory is empty.
        start: Start,
        /// What to run.
        launch: Box<Launch>,
    },
    /// Bring labels and annotations of a running pod up to date.
    UpdatePod {
        /// The pod, as it was seen.
        pod: PodRef,
        /// What its labels and annotations should say.
        launch: Box<Launch>,
    },
    /// Change a pod's image in place, which restarts the process on the same data.
    RestartPod {
        /// The pod, as it was seen.
        pod: PodRef,
        /// What it should run.
        launch: Box<Launch>,
    },
    /// Delete a pod, and with it its data.
    DeletePod {
        /// The pod, as it was seen.
        pod: PodRef,
        /// Why.
        reason: LeaveReason,
    },
    /// Make the application expect a new member that does not vote yet.
    AddLearner {
        /// Its name.
        member: MemberName,
        /// Where the others will find it.
        address: String,
        /// Whom to ask, and on which condition.
        call: Call,
    },
    /// Let a learner vote.
    Promote {
        /// Its name.
        member: MemberName,
        /// Its id.
        id: MemberId,
        /// Whom to ask, and on which condition.
        call: Call,
    },
    /// Hand the lead to another voter.
    MoveLead {
        /// To whom.
        to: MemberName,
        /// The id of that voter.
        id: MemberId,
        /// Whom to ask (the one who leads), and on which condition.
        call: Call,
    },
    /// Take a member off the list.
    RemoveMember {
        /// Its name.
        member: MemberName,
        /// Its id.
        id: MemberId,
        /// Why.
        reason: LeaveReason,
        /// Whom to ask, and on which condition.
        call: Call,
    },
}

impl Action {
    /// Whether it touches membership, leadership, a running process or data. A plan holds at most
    /// one such action.
    pub fn is_dangerous(&self) -> bool {
        !matches!(self, Self::CreatePod { .. } | Self::UpdatePod { .. })
    }

    /// Whom it is about.
    pub fn member(&self) -> &MemberName {
        match self {
            Self::CreatePod { member, .. }
            | Self::AddLearner { member, .. }
            | Self::Promote { member, .. }
            | Self::RemoveMember { member, .. }
            | Self::MoveLead { to: member, .. } => member,
            Self::UpdatePod { pod, .. }
            | Self::RestartPod { pod, .. }
            | Self::DeletePod { pod, .. } => &pod.name,
        }
    }

    /// The word for its event.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::CreatePod { .. } => "PodCreated",
            Self::UpdatePod { .. } => "PodUpdated",
            Self::RestartPod { .. } => "MemberRestarted",
            Self::DeletePod { .. } => "PodDeleted",
            Self::AddLearner { .. } => "LearnerAdded",
            Self::Promote { .. } => "LearnerPromoted",
            Self::MoveLead { .. } => "LeadMoved",
            Self::RemoveMember { .. } => "MemberRemoved",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CreatePod { member, start: Start::New { members, .. }, .. } => {
                write!(f, "create pod {member}: first start of {} members", members.len())
            }
            Self::CreatePod { member, start: Start::Existing { .. }, .. } => {
                write!(f, "create pod {member}: joins the cluster")
            }
            Self::UpdatePod { pod, .. } => write!(f, "update labels of pod {}", pod.name),
            Self::RestartPod { pod, launch } => {
                write!(f, "restart {} in place with image {}", pod.name, launch.image)
            }
            Self::DeletePod { pod, reason } => write!(f, "delete pod {}: {reason}", pod.name),
            Self::AddLearner { member, .. } => write!(f, "add learner {member}"),
            Self::Promote { member, .. } => write!(f, "promote learner {member}"),
            Self::MoveLead { to, call, .. } => write!(f, "move the lead from {} to {to}", call.via),
            Self::RemoveMember { member, id, reason, .. } => {
                write!(f, "remove member {member} ({id}): {reason}")
            }
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

impl<S> From<&crate::Pod<S>> for PodRef {
    fn from(pod: &crate::Pod<S>) -> Self {
        Self {
            name: pod.name.clone(),
            uid: pod.uid.clone(),
            resource_version: pod.resource_version.clone(),
        }
    }
}

/// Whom to ask for a change of membership or leadership, and on which condition.
///
/// ```
/// use endstate_core::{Call, ClusterId, MemberId, Roster};
/// let members = Roster { cluster: ClusterId(9), voters: [MemberId(1)].into(), learners: [].into() };
/// let call = Call { via: "example-x7k2p".into(), members };
/// assert_eq!(call.members.voters.len(), 1);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// The one member to ask: the leader.
    pub via: MemberName,
    /// The list that the decision was made on. The driver lists again right before the call and fails
    /// if it differs.
    pub members: Roster,
}

/// Something worth telling in an event.
///
/// ```
/// use endstate_core::{Event, EventKind};
/// let event = Event {
///     kind: EventKind::Warning,
///     reason: "QuorumLost".into(),
///     message: "1 of 3 members works".into(),
/// };
/// assert_eq!(event.kind, EventKind::Warning);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Whether it is bad.
    pub kind: EventKind,
    /// One word, for programs.
    pub reason: String,
    /// A sentence, for people.
    pub message: String,
}

impl Event {
    /// An event of the usual course.
    pub fn normal(reason: impl Into<String>, message: impl Into<String>) -> Self {
        Self { kind: EventKind::Normal, reason: reason.into(), message: message.into() }
    }

    /// An event that somebody should look at.
    pub fn warning(reason: impl Into<String>, message: impl Into<String>) -> Self {
        Self { kind: EventKind::Warning, ..Self::normal(reason, message) }
    }
}

/// Whether an event is bad.
///
/// ```
/// assert_ne!(endstate_core::EventKind::Normal, endstate_core::EventKind::Warning);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum EventKind {
    /// As it should go.
    Normal,
    /// Somebody should look.
    Warning,
}
