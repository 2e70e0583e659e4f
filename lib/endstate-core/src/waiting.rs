//! What a plan waits for, and why: the closed list, and its words.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{cluster::STABLE_SECONDS, id::MemberName, status::WaitRow};

/// What a plan waits for, and why. Closed: whatever waits has a variant here.
///
/// ```
/// use endstate_core::Waiting;
/// let wait = Waiting::ForQuorum { healthy: 1, needed: 2 };
/// assert_eq!(
///     wait.to_string(),
///     "waiting for a quorum because 1 of the 2 voters it needs work"
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Waiting {
    /// The spec is refused; what was accepted before stays in force.
    ForSpec {
        /// What is wrong with it.
        problem: String,
    },
    /// The user paused the cluster.
    ForUnpause,
    /// The object is being deleted.
    ForDeletion,
    /// The pods could not be listed.
    ForPodList,
    /// The first members have not formed the cluster yet.
    ForFormation {
        /// How many of them run.
        started: usize,
        /// How many are to be started.
        of: usize,
    },
    /// A pod does not run yet.
    ForPod {
        /// Which.
        member: MemberName,
        /// What holds it up.
        why: String,
    },
    /// A member does not work, and may come back by itself.
    ForMember {
        /// Which.
        member: MemberName,
        /// What is known of it.
        why: String,
    },
    /// A learner has not caught up.
    ForCatchUp {
        /// Which.
        member: MemberName,
        /// How far it is behind the leader, to one digit.
        behind: u64,
    },
    /// There is no leader.
    ForLeader,
    /// The members that work are too few.
    ForQuorum {
        /// Voters that work.
        healthy: usize,
        /// Voters that a quorum needs.
        needed: usize,
    },
    /// Too few voters gave the same list of members.
    ForAgreement {
        /// How many did.
        agreed: usize,
        /// How many must.
        needed: usize,
    },
    /// So many voters lost their data that no quorum can come back: only a decision of the user
    /// (restore, or consent to lose data) leads on. Nothing is ever initialised again by itself.
    ForConsent {
        /// Voters whose data may still be there.
        left: usize,
        /// Voters there were.
        of: usize,
    },
    /// The tries before it failed, so the next one is not made at once.
    ForRetry {
        /// When it is made.
        at: Timestamp,
        /// How many failed in a row.
        times: u32,
        /// What became of the last.
        why: String,
    },
    /// A voter is back so lately that it may go again, and the list of members is left as it is.
    ForStability {
        /// Which.
        member: MemberName,
        /// When it has been back for long enough.
        at: Timestamp,
    },
    /// Voters hold corrupt data, and those with good data are no majority: nobody is replaced.
    ForGoodData {
        /// How many voters hold corrupt data.
        corrupt: usize,
        /// How many work with good data.
        good: usize,
        /// How many voters there are.
        of: usize,
    },
    /// Voters hold different data, and nothing says whose is wrong.
    ForCulprit,
    /// An alarm about corrupt data stands although the member it is about has left.
    ForAllClear,
    /// A step would leave too few working voters.
    ForRedundancy {
        /// Who would stop or leave.
        member: MemberName,
        /// What would be missing.
        why: String,
    },
    /// A pod is terminating.
    ForTermination {
        /// Which.
        member: MemberName,
    },
    /// There are member pods of this object, and the status knows nothing of a cluster: it was lost.
    ForRecord {
        /// How many pods.
        pods: usize,
    },
    /// The list holds a voter that the record does not know.
    ForStranger {
        /// Which.
        member: MemberName,
    },
    /// The application refuses what the operator needs, because the operator has no user there.
    ForUser {
        /// What is refused.
        why: String,
        /// What a person can do.
        hint: String,
    },
    /// The application or the API refused the last action.
    ForAnswer {
        /// The action.
        action: String,
        /// The answer.
        why: String,
    },
}

impl Waiting {
    /// Whether only a person can lead on.
    ///
    /// ```
    /// use endstate_core::Waiting;
    /// assert!(Waiting::ForUnpause.needs_user() && !Waiting::ForLeader.needs_user());
    /// ```
    pub fn needs_user(&self) -> bool {
        matches!(
            self,
            Self::ForSpec { .. }
                | Self::ForUnpause
                | Self::ForRecord { .. }
                | Self::ForConsent { .. }
                | Self::ForStranger { .. }
                | Self::ForGoodData { .. }
                | Self::ForCulprit
                | Self::ForAllClear
                | Self::ForUser { .. }
        )
    }

    /// When this wait is over by itself, if time is all it takes.
    pub(crate) fn ends(&self) -> Option<Timestamp> {
        match self {
            Self::ForRetry { at, .. } | Self::ForStability { at, .. } => Some(*at),
            _ => None,
        }
    }

    /// Whether nothing else can go on before a person leads on.
    pub(crate) fn stops_all(&self) -> bool {
        matches!(
            self,
            Self::ForUnpause
                | Self::ForRecord { .. }
                | Self::ForConsent { .. }
                | Self::ForGoodData { .. }
                | Self::ForCulprit
                | Self::ForUser { .. }
        )
    }

    /// What is awaited.
    pub fn what(&self) -> String {
        match self {
            Self::ForSpec { .. } => "a valid spec".into(),
            Self::ForUnpause => "spec.paused to become false".into(),
            Self::ForDeletion => "the owned objects to be deleted".into(),
            Self::ForPodList => "the list of pods".into(),
            Self::ForFormation { .. } => "the first members to form the cluster".into(),
            Self::ForPod { member, .. } => format!("pod {member} to run"),
            Self::ForMember { member, .. } => format!("member {member} to work"),
            Self::ForCatchUp { member, .. } => format!("learner {member} to catch up"),
            Self::ForLeader => "a leader".into(),
            Self::ForQuorum { .. } => "a quorum".into(),
            Self::ForAgreement { .. } => "the voters to agree on the list of members".into(),
            Self::ForConsent { .. } => "a decision about the lost data".into(),
            Self::ForRetry { at, .. } => format!("the next try at {}", to_the_second(*at)),
            Self::ForStability { member, .. } => format!("member {member} to have settled"),
            Self::ForGoodData { .. } => "a majority with good data".into(),
            Self::ForCulprit => "a decision whose data is wrong".into(),
            Self::ForAllClear => "the alarm about corrupt data to be cleared".into(),
            Self::ForRedundancy { member, .. } => format!("a safe moment to stop {member}"),
            Self::ForTermination { member } => format!("pod {member} to end"),
            Self::ForRecord { .. } => "a decision about the lost status".into(),
            Self::ForStranger { member } => format!("a decision about member {member}"),
            Self::ForUser { .. } => "a user for the operator".into(),
            Self::ForAnswer { action, .. } => format!("a better answer to \"{action}\""),
        }
    }

    /// Why it has not come.
    pub fn why(&self) -> String {
        match self {
            Self::ForSpec { problem } => problem.clone(),
            Self::ForUnpause => "the cluster is paused".into(),
            Self::ForDeletion => "the object is being deleted".into(),
            Self::ForPodList => "it could not be read".into(),
            Self::ForFormation { started, of } => {
                format!("{started} of {of} have started and none leads yet")
            }
            Self::ForPod { why, .. }
            | Self::ForMember { why, .. }
            | Self::ForRedundancy { why, .. }
            | Self::ForAnswer { why, .. } => why.clone(),
            Self::ForCatchUp { behind, .. } => format!("it is about {behind} entries behind"),
            Self::ForLeader => "no member says who leads".into(),
            Self::ForQuorum { healthy, needed } => {
                format!("{healthy} of the {needed} voters it needs work")
            }
            Self::ForAgreement { agreed, needed } => {
                format!("{agreed} of the {needed} voters it needs gave the same list")
            }
            Self::ForConsent { left, of } => {
                format!("the data of {left} of {of} voters is left, which is no majority")
            }
            Self::ForRetry { times: 1, why, .. } => format!("a try failed: {why}"),
            Self::ForRetry { times, why, .. } => {
                format!("{times} tries failed in a row, the last one so: {why}")
            }
            Self::ForStability { .. } => {
                format!("it is back for less than {STABLE_SECONDS} seconds")
            }
            Self::ForGoodData { corrupt, good, of } => {
                format!("{corrupt} of {of} voters hold corrupt data and {good} work with good data")
            }
            Self::ForCulprit => "members differ, and the alarm names none of them".into(),
            Self::ForAllClear => {
                "whom it is about has left, and the application serves little until then".into()
            }
            Self::ForTermination { .. } => "it is still terminating".into(),
            Self::ForRecord { pods } => {
                format!("there are {pods} member pods and no record of a cluster")
            }
            Self::ForUser { why, hint } => format!("{why}: {hint}"),
            Self::ForStranger { .. } => "it votes and nothing here added it".into(),
        }
    }

    /// One word, for programs.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::ForSpec { .. } => "SpecRefused",
            Self::ForUnpause => "Paused",
            Self::ForDeletion => "Deleting",
            Self::ForPodList => "PodsUnknown",
            Self::ForFormation { .. } => "Forming",
            Self::ForPod { .. } => "PodNotRunning",
            Self::ForMember { .. } => "MemberNotWorking",
            Self::ForCatchUp { .. } => "LearnerBehind",
            Self::ForLeader => "NoLeader",
            Self::ForQuorum { .. } => "NoQuorum",
            Self::ForAgreement { .. } => "NoAgreement",
            Self::ForConsent { .. } => "DataLost",
            Self::ForRetry { .. } => "TriesFailed",
            Self::ForStability { .. } => "MemberNotSettled",
            Self::ForGoodData { .. } => "DataCorrupt",
            Self::ForCulprit => "DataDiffers",
            Self::ForAllClear => "AlarmStands",
            Self::ForRedundancy { .. } => "TooFewMembers",
            Self::ForTermination { .. } => "PodTerminating",
            Self::ForRecord { .. } => "RecordLost",
            Self::ForStranger { .. } => "UnknownMember",
            Self::ForUser { .. } => "CredentialsNeeded",
            Self::ForAnswer { .. } => "ActionRefused",
        }
    }
}

/// A time to the second, as Kubernetes writes it.
fn to_the_second(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        WaitRow::from(self).fmt(f)
    }
}

impl From<&Waiting> for WaitRow {
    fn from(it: &Waiting) -> Self {
        Self { what: it.what(), because: it.why() }
    }
}
