//! The pure half of the Endstate SDK: what was seen ([`Snapshot`]), what is done next ([`Plan`]), and
//! the one planner between them.
//!
//! A cluster is a set of members that the API runs as pods and that the application counts as voters
//! and learners. [`plan()`] looks at a snapshot and says which single dangerous thing may be done
//! now, what is waited for and why, and what to publish. It is total and deterministic: no clock, no
//! randomness, no I/O. What it must know about an application it asks an [`App`]. [`lint()`] checks
//! any plan against the invariants, independently of how the plan was made.
//!
//! Vocabulary: a *member* is one process with one data directory and a name that is used once; a
//! *voter* counts for the quorum, a *learner* does not; the *record* is the intent log in the
//! object's status; a *step* spans several plans and is finished or abandoned by whoever comes next.

#![warn(missing_docs)]

mod app;
mod cluster;
mod exit;
mod id;
mod lint;
mod objects;
mod plan;
mod planner;
mod policy;
mod record;
mod snapshot;
mod status;
mod view;
mod waiting;

pub use app::{App, Change, Launch, LaunchOf, MayStop, Peer, Problem, Severity, Start, Topology};
pub use cluster::{
    CRASH_LOOP_RESTARTS, CRASH_LOOP_SECONDS, Cluster, Health, Member, RESTART_SECONDS,
    STABLE_SECONDS, UNSEEN_SECONDS, quorum, targets,
};
pub use exit::{Evidence, Exit, Words};
pub use id::{ClusterId, MemberId, MemberName, ResourceVersion, Uid};
pub use lint::{Rule, Violation, lint};
pub use objects::{ClusterObjects, LABEL_ROLE, LABEL_UID, VOTER};
pub use plan::{Action, Call, Event, EventKind, Plan, PodRef, Support};
pub use planner::{member_name, plan};
pub use policy::{EmptyDir, PodPolicy};
pub use record::{
    Accepted, Bootstrap, LeaveReason, MemberRecord, Record, Restarted, Setback, Step,
};
pub use snapshot::{Blocked, Identity, Pod, PodPhase, Snapshot, Trouble};
pub use status::{Condition, ConditionType, MemberRow, Phase, Status, Truth, WaitRow};
pub use view::{Entry, MemberStatus, Membership, Reach, Refusal, Role, Roster, Target, View};
pub use waiting::Waiting;

/// The label that every object of a cluster carries: the cluster object's name.
pub const LABEL_CLUSTER: &str = "endstate.dev/cluster";
