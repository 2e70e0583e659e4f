//! The pure half of the Endstate SDK: what was seen ([`Snapshot`]), what is done next ([`Plan`]), and
//! the one planner between them.
//!
//! A cluster is a set of members that the API runs as pods and that the application counts as voters
//! and non-voting members. [`plan()`] looks at a snapshot and says which single dangerous thing may be done
//! now, what is waited for and why, and what to publish. It is total and deterministic: no clock, no
//! randomness, no I/O. What it must know about an application it asks an [`App`]. [`lint()`] checks
//! any plan against the invariants, independently of how the plan was made.
//!
//! Vocabulary: a *member* is one process with one data directory and a name that is used once; a
//! *voter* counts for the quorum, a *non-voting member* does not; the *record* is the intent log in the
//! object's status; a *step* spans several plans and is finished or abandoned by whoever comes next.

#![warn(missing_docs)]

mod agent;
mod app;
mod assess;
pub mod backup;
mod beside;
mod certificates;
mod claim;
mod comparison;
mod consent;
mod credentials;
mod exit;
mod facts;
mod fullness;
mod id;
mod identity;
mod launch;
mod leads;
mod limits;
mod lint;
mod member;
mod objects;
mod operation;
mod permission;
mod place;
mod plan;
mod planner;
mod platform;
mod pod;
mod policy;
mod position;
mod problem;
mod progress;
mod reason;
mod record;
mod request;
mod snapshot;
mod status;
pub mod tls;
mod topology;
mod version;
mod view;
mod waiting;
mod words;

pub use agent::{AgentPlan, AgentPod, AgentSeen, AgentStep, Told, plan_agent};
pub use app::{App, CatchUp, Complaint, MayStop, Stage};
pub use assess::{Assessed, Situation, assess, targets};
pub use beside::{Beside, Password, Ready, Refused, Tended, User, Verdict};
pub use certificates::{
    AUTHORITY_DAYS, Bundle, CERTIFICATE_DAYS, Certificate, CertificateFacts, CertificateFault, Due,
    GivenFiles, IssueReason, IssuerRef, Origin, SeenCertificate, Trusted, Usage,
};
pub use claim::Claim;
pub use comparison::{Comparison, Corruption, Digest};
pub use consent::{CONSENT_ANNOTATION, Choice};
pub use credentials::Credentials;
pub use exit::{Evidence, Exit, Survey, Words};
pub use facts::Facts;
pub use fullness::{Files, FilesRoom, Fullness, Remedy};
pub use id::{ClusterId, MemberId, MemberName, ResourceVersion, RoleName, Uid};
pub use identity::Identity;
pub use launch::{
    ClaimFiles, Directory, Guard, Launch, LaunchOf, Peer, Policy, Probe, Probes, Question, Reclaim,
    Restore, Retention, SecretFiles, Seed, SeedWhen, Source, Start, Storage, VolumeSpec,
};
pub use limits::{
    CRASH_LOOP_CHANGED_SECONDS, CRASH_LOOP_RENEWALS, CRASH_LOOP_RESTARTS, CRASH_LOOP_SECONDS,
    LOSS_SECONDS, NODE_LOST_SECONDS, NODE_SILENT_SECONDS, OVERDUE_SECONDS, RESTART_SECONDS,
    STABLE_SECONDS, UNSEEN_SECONDS, quorum,
};
pub use lint::{Rule, Violation, lint};
pub use member::{Cluster, Health, Member};
pub use objects::{
    ClusterObjects, DATA, LABEL_GROUP, LABEL_ROLE, LABEL_STANDING, LABEL_UID, NON_VOTER, Ownership,
    VOTER, claim_of, client_service, peer_service,
};
pub use operation::{Operation, Operations};
pub use permission::{Access, KeyRange, Keys, Permission};
pub use place::{Place, Room};
pub use plan::{
    Action, Event, EventKind, Heartbeat, Issue, LeftClaim, MemberVolume, Plan, Surroundings,
};
pub use planner::{AT_REST_MS, member_name, plan};
pub use platform::Platform;
pub use pod::{Eviction, Marks, NodeFault, Pod, PodPhase, PodRef, Trouble};
pub use policy::{EmptyDir, PodPolicy};
pub use position::{Position, PositionError};
pub use problem::{Change, Problem, Severity};
pub use progress::{Part, Progress, State};
pub use reason::{Cause, End, LeaveReason, Shortage, VersionMismatch};
pub use record::{
    Accepted, AskedTask, Backoff, Bootstrap, MemberRecord, Record, RecoverStage, Restarted,
    RestoreStage, Restoring, SpareId, Spread, Step, Unevenness,
};
pub use request::{
    ActionKey, ActionKind, AppStep, Call, Precondition, Request, RequestKind, Roster,
};
pub use snapshot::{Blocked, Conflict, Denial, Snapshot};
pub use status::{Condition, ConditionType, MemberRow, Phase, Status, Truth, WaitRow};
pub use topology::{
    Acks, Edge, Formation, Growth, IdSource, Lead, Placement, QuorumRecovery, Recovery, Role,
    Topology, Voters,
};
pub use version::{Version, VersionError};
pub use view::{
    Entry, MemberStatus, Membership, Reach, Refusal, Standing, Starting, Target, Task, View,
};
pub use waiting::{AppointmentLack, GivenUp, RecordLack, SourceLack, Waiting};

/// The label that every object of a cluster carries: the cluster object's name.
pub const LABEL_CLUSTER: &str = "endstate.dev/cluster";
