//! What is done next, as data.
//!
//! How a plan is carried out (the executor makes no choices and does not retry in place):
//!
//! 1. If [`Plan::status`] differs from the status in the snapshot, write it, on the condition that
//!    the object still has the snapshot's resourceVersion. If that fails, stop: somebody else acted.
//! 2. Apply the objects that the application asks for in these [`Plan::surroundings`], but those whose names are
//!    [taken](Surroundings::taken), let each claim have the owner that they say, and prune the rest. Then apply what
//!    [is asked](Surroundings::asked) of cert-manager: nothing else waits for that.
//! 3. Carry out [`Plan::actions`] in order; stop at the first that fails and is not
//!    [independent](Action::is_independent), and report it as
//!    [`Snapshot::blocked`](crate::Snapshot::blocked) in the next snapshot.
//! 4. For each of [`Plan::tended`]: see to it that the object waits for the operator before it goes, ask the
//!    application for what is due, write its status, and let it go if it has not to wait any more. What fails of one
//!    ends nothing of another.
//! 5. Write [`Plan::heartbeats`], of which none depends on another.
//! 6. Observe and plan again: at once when something was done, else at a change or after
//!    [`Plan::look_again_ms`].
//!
//! A plan that acts always has a new status, because it counts up
//! [`Record::epoch`](crate::Record::epoch); so step 1 fences every action. Marks alone are no act: they say what is so,
//! and whoever writes them writes the same.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::beside::Tended;
use crate::certificates::{Certificate, IssueReason};
use crate::claim::Claim;
use crate::exit::Words;
use crate::id::{MemberName, RoleName};
use crate::launch::{Launch, Policy, Start, VolumeSpec};
use crate::objects::{DATA, Ownership, claim_of};
use crate::pod::{Marks, PodRef};
use crate::reason::LeaveReason;
use crate::record::MemberRecord;
use crate::request::{ActionKey, ActionKind, Call, Request};
use crate::snapshot::Conflict;
use crate::status::Status;
use crate::topology::Role;
use crate::waiting::Waiting;

/// What to do next.
///
/// ```
/// use endstate_core::{Plan, Status};
/// let plan = Plan::<u32>::idle(Status::default());
/// assert!(plan.actions.is_empty());
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Plan<S> {
    /// The status to publish first.
    pub status: Status<S>,
    /// What the objects around the members depend on; `None` when they are to be left as they are.
    pub surroundings: Option<Surroundings>,
    /// The roles that are worked towards, by the application's word: what the linter judges by.
    pub roles: Vec<Role>,
    /// What becomes of the claims of each volume of each role, by the word of the accepted spec: what the linter judges
    /// the owners and the ends of claims by. Of a role that has none nothing is said, and nothing at all where there is
    /// no claim.
    pub retention: Vec<Policy>,
    /// What to do then, in order. At most one is dangerous.
    pub actions: Vec<Action>,
    /// What becomes of the objects beside the cluster, after the actions.
    pub tended: Vec<Tended>,
    /// What is told to those who ask that pods go, after that.
    pub heartbeats: Vec<Heartbeat>,
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
            surroundings: None,
            roles: vec![],
            retention: vec![],
            actions: vec![],
            tended: vec![],
            heartbeats: vec![],
            waits: vec![],
            events: vec![],
            look_again_ms: None,
        }
    }
}

/// What the objects around the members depend on, and what becomes of the claims.
///
/// ```
/// let surroundings = endstate_core::Surroundings::default();
/// assert!(!surroundings.clients, "no clients before the cluster is known to exist");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Surroundings {
    /// Whether clients may be let in: the identity of the cluster is recorded.
    pub clients: bool,
    /// How many voters must go on working: what a disruption budget guards.
    pub min_available: u32,
    /// The volumes of members that have any, or are to get one.
    pub volumes: Vec<MemberVolume>,
    /// All other claims of the cluster: of members that have left. None of them is pruned.
    pub left: Vec<LeftClaim>,
    /// What of the wanted is not written, because somebody else has its name.
    pub taken: Vec<Conflict>,
    /// The certificates that are kept.
    pub certificates: Vec<Certificate>,
    /// Those of them that are made now, authorities before what they sign.
    pub issued: Vec<Issue>,
    /// Those that cert-manager is to fill. None of the objects by which it was asked is pruned.
    pub requested: Vec<Certificate>,
    /// The secrets of those of them that it is asked for now.
    pub asked: BTreeSet<String>,
}

/// A certificate that is made, or made anew.
///
/// ```
/// use endstate_core::{Certificate, Issue, IssueReason};
/// let issue = Issue::new(Certificate::authority("demo-ca"), IssueReason::Missing);
/// assert_eq!(issue.certificate.secret, "demo-ca");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Issue {
    /// Which.
    pub certificate: Certificate,
    /// Why.
    pub reason: IssueReason,
}

impl Issue {
    /// This certificate, for this reason.
    pub fn new(certificate: Certificate, reason: IssueReason) -> Self {
        Self { certificate, reason }
    }
}

/// A claim of the cluster that is no member's any more, or not by the accepted spec.
///
/// ```
/// use endstate_core::{Claim, LeftClaim, Ownership};
/// let claim = Claim::new("data-example-x7k2p", "7d11", "52", "example-x7k2p");
/// assert_eq!(LeftClaim::new(claim, Ownership::Kept).ownership, Ownership::Kept);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LeftClaim {
    /// The claim, as it was seen.
    pub claim: Claim,
    /// Whether it goes with the cluster object.
    pub ownership: Ownership,
}

impl LeftClaim {
    /// What becomes of this claim when the cluster object is deleted.
    pub fn new(claim: Claim, ownership: Ownership) -> Self {
        Self { claim, ownership }
    }
}

/// A volume of a member, as its claim is to ask for it.
///
/// ```
/// use endstate_core::{MemberVolume, Ownership, VolumeSpec};
/// let volume = MemberVolume::new("example-x7k2p", ("shard", 2), VolumeSpec::new("1Gi"));
/// assert_eq!((volume.role.as_str(), volume.group), ("shard", 2));
/// assert_eq!(volume.ownership, Ownership::Kept, "unless somebody says otherwise");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct MemberVolume {
    /// The member's name.
    pub member: MemberName,
    /// Its role.
    pub role: RoleName,
    /// Its group within the role.
    pub group: u32,
    /// Which of the member's volumes it is.
    pub name: String,
    /// The others of the member, by name.
    pub beside: Vec<String>,
    /// How much it holds, and of which class. That of a member that has one is its own until the member has moved,
    /// whatever is asked for.
    pub volume: VolumeSpec,
    /// Whether its claim goes with the cluster object.
    pub ownership: Ownership,
}

impl MemberVolume {
    /// The only volume of a member of this group of a role. It is kept.
    pub fn new(
        member: impl Into<MemberName>,
        (role, group): (impl Into<RoleName>, u32),
        volume: VolumeSpec,
    ) -> Self {
        let (member, role, name) = (member.into(), role.into(), DATA.to_owned());
        Self { member, role, group, name, beside: vec![], volume, ownership: Ownership::Kept }
    }

    /// The same, of this name among those of its member, which has others beside.
    #[must_use]
    pub fn named(self, name: &str, beside: Vec<String>) -> Self {
        Self { name: name.to_owned(), beside, ..self }
    }

    /// The volumes of a member, which are all that its launch asks for.
    pub fn all_of(member: &MemberRecord, launch: &Launch) -> Vec<Self> {
        let unit = || (member.role.clone(), member.group);
        let volume = |(name, volume): (&str, &VolumeSpec)| {
            let others = launch.guard.volumes().filter(|it| *it != name);
            let beside = others.map(str::to_owned).collect();
            Self::new(member.name.clone(), unit(), volume.clone()).named(name, beside)
        };
        launch.volumes().map(volume).collect()
    }

    /// The name of its claim.
    pub fn claim(&self) -> String {
        claim_of(&self.name, &self.member)
    }

    /// The same, kept or going with the cluster object.
    #[must_use]
    pub fn ownership(self, ownership: Ownership) -> Self {
        Self { ownership, ..self }
    }
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
/// assert_eq!(action.to_string(), "delete pod example-x7k2p: it did not recover");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// Create a member's pod. It is right as long as no pod of that name exists.
    CreatePod {
        /// The member's name, and the pod's.
        member: MemberName,
        /// How its process starts.
        start: Start,
        /// What to run.
        launch: Box<Launch>,
    },
    /// Write on a pod what is known of its member.
    MarkPod {
        /// The pod, as it was seen.
        pod: PodRef,
        /// What it should carry.
        marks: Marks,
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
    /// Delete a pod, and with it its data unless that is on a claim.
    DeletePod {
        /// The pod, as it was seen.
        pod: PodRef,
        /// Why.
        reason: LeaveReason,
    },
    /// Make a claim of a cluster of this name that was deleted one of this cluster.
    AdoptClaim {
        /// The claim, as it was seen.
        claim: Claim,
    },
    /// Delete the claim of a member that has left, and with it its data.
    DeleteClaim {
        /// The claim, as it was seen.
        claim: Claim,
    },
    /// Ask the application for a change.
    Call(Call),
}

impl Action {
    /// Whether it touches membership, leadership, a running process or data. A plan holds at most
    /// one such action.
    pub fn is_dangerous(&self) -> bool {
        match self {
            Self::CreatePod { .. }
            | Self::UpdatePod { .. }
            | Self::MarkPod { .. }
            | Self::AdoptClaim { .. } => false,
            Self::RestartPod { .. } | Self::DeletePod { .. } | Self::DeleteClaim { .. } => true,
            Self::Call(call) => call.request.is_dangerous(),
        }
    }

    /// Whether it only says what is so. Such an action needs no record.
    pub fn is_mark(&self) -> bool {
        matches!(self, Self::MarkPod { .. })
    }

    /// Whether the actions after it do not depend on it: it says what is so, or changes labels alone.
    pub fn is_independent(&self) -> bool {
        matches!(self, Self::MarkPod { .. } | Self::UpdatePod { .. })
    }

    /// Whom it is about.
    pub fn member(&self) -> &MemberName {
        match self {
            Self::CreatePod { member, .. } => member,
            Self::MarkPod { pod, .. }
            | Self::UpdatePod { pod, .. }
            | Self::RestartPod { pod, .. }
            | Self::DeletePod { pod, .. } => &pod.name,
            Self::DeleteClaim { claim } | Self::AdoptClaim { claim } => &claim.member,
            Self::Call(call) => call.request.member(),
        }
    }

    /// Which action it is, in this plan and in others.
    pub fn key(&self) -> ActionKey {
        let kind = match self {
            Self::CreatePod { .. } => ActionKind::CreatePod,
            Self::MarkPod { .. } => ActionKind::MarkPod,
            Self::UpdatePod { .. } => ActionKind::UpdatePod,
            Self::RestartPod { .. } => ActionKind::RestartPod,
            Self::DeletePod { .. } => ActionKind::DeletePod,
            Self::AdoptClaim { .. } => ActionKind::AdoptClaim,
            Self::DeleteClaim { .. } => ActionKind::DeleteClaim,
            Self::Call(call) => ActionKind::Request(call.request.kind()),
        };
        ActionKey { kind, member: self.member().clone() }
    }

    /// The request, if it is one.
    pub fn request(&self) -> Option<&Request> {
        match self {
            Self::Call(call) => Some(&call.request),
            _ => None,
        }
    }
}

/// That the operator is at work on an [`Eviction`](crate::Eviction): unless it says so for 20 minutes, Kubernetes
/// evicts the pod itself, as its disruption budget allows.
///
/// ```
/// use endstate_core::{Heartbeat, Words};
/// let beat = Heartbeat { eviction: "example-x7k2p".into(), message: Words::of("another joins") };
/// assert_eq!(beat.message.to_string(), "another joins");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// The name of the eviction.
    pub eviction: String,
    /// How far it is, for people.
    pub message: Words,
}

/// Something worth telling in an event.
///
/// ```
/// use endstate_core::{Event, EventKind};
/// let event = Event {
///     kind: EventKind::Warning,
///     reason: "QuorumLost".into(),
///     message: "1 of 3 voters are healthy".into(),
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
