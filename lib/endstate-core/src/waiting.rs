//! What a plan waits for, and why: the closed list. How each is put in words is in `words`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::certificates::CertificateFault;
use crate::id::MemberName;
use crate::problem::Problem;
use crate::reason::{Cause, Shortage};
use crate::request::{ActionKey, RequestKind};
use crate::snapshot::{Conflict, Denial};

/// What a plan waits for, and why. Closed: whatever waits has a variant here, and the planner builds each.
///
/// ```
/// use endstate_core::Waiting;
/// let wait = Waiting::ForQuorum { healthy: 1, needed: 2 };
/// assert_eq!(
///     wait.to_string(),
///     "waiting for a quorum because 1 of the 2 voters it needs are healthy"
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Waiting {
    /// The spec is refused; what was accepted before stays in force.
    ForSpec {
        /// What is wrong with it.
        problems: Vec<Problem>,
    },
    /// The user paused the cluster.
    ForUnpause {
        /// What would be done now.
        withheld: Vec<ActionKey>,
    },
    /// No member is to run, and the data of one is not on a volume.
    ForVolume {
        /// Whose.
        member: MemberName,
    },
    /// The object is being deleted.
    ForDeletion,
    /// The pods could not be listed.
    ForPodList,
    /// Somebody else has an object of a name that the cluster needs.
    ForName {
        /// Which.
        conflict: Conflict,
    },
    /// A certificate cannot be made: its authority is gone, or is none that those who run trust.
    ForAuthority {
        /// The secret of the certificate.
        certificate: String,
    },
    /// A user's certificate cannot be used, and nobody is changed to it.
    ForCertificate {
        /// Its secret.
        certificate: String,
        /// Why.
        fault: CertificateFault,
    },
    /// The first members have not formed the cluster yet.
    ForFormation {
        /// How many of them run.
        started: usize,
        /// How many are to be started.
        of: usize,
    },
    /// The pods of a quorum have to say that their members were started before it is recorded that a cluster exists.
    ForMarks {
        /// How many do.
        marked: usize,
        /// How many must.
        needed: usize,
    },
    /// The pod of a new member has to say that it was started before the member gets a vote.
    ForMark {
        /// Which.
        member: MemberName,
    },
    /// A pod does not run yet.
    ForPod {
        /// Which.
        member: MemberName,
        /// What holds it up.
        cause: Cause,
    },
    /// A member is on a node that somebody empties, and no other takes one.
    ForRoom {
        /// Which.
        member: MemberName,
    },
    /// A member does not work, and may come back by itself.
    ForMember {
        /// Which.
        member: MemberName,
        /// What is known of it.
        cause: Cause,
    },
    /// A member was restarted and still reports what it ran before.
    ForRestart {
        /// Which.
        member: MemberName,
    },
    /// A new member has not caught up.
    ForCatchUp {
        /// Which.
        member: MemberName,
        /// How far it is behind the leader, to one digit.
        behind: u64,
    },
    /// A new member has data that the leader has not.
    ForSameHistory {
        /// Which.
        member: MemberName,
    },
    /// The application is at work on a request.
    ForTask {
        /// What was asked for.
        request: RequestKind,
        /// Of whom.
        member: MemberName,
        /// How much is done.
        done: u64,
        /// Of how much.
        of: u64,
    },
    /// An operation, which is carried out once, is under way.
    ForOperation {
        /// The kind of its object.
        kind: String,
        /// The name of its object.
        name: String,
        /// What is done for it, and how far it is, for people.
        doing: String,
    },
    /// Members have to be brought to the accepted spec in stages, and the next lacks something.
    ForStage {
        /// What, in the application's words.
        lacks: String,
    },
    /// There is no leader.
    ForLeader,
    /// Nobody leads, and nobody can be appointed yet.
    ForAppointment {
        /// Why not.
        lack: AppointmentLack,
    },
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
    /// So many voters lost their data that no quorum can come back: only a decision of the user leads on. Nothing is
    /// ever initialised again by itself.
    ForConsent {
        /// Voters whose data may still be there.
        left: usize,
        /// Voters there were.
        of: usize,
        /// The members whose data could be gone on with: good, on a volume, and as far as all others whose data may
        /// still be there by all that is known.
        sources: Vec<MemberName>,
        /// What the first of them lacks of what a member is known to have had whose data is lost.
        given_up: Option<GivenUp>,
        /// Why there is none, if the same keeps all that are left from it.
        lack: Option<SourceLack>,
    },
    /// The same, and the policy lets nobody be asked: the cluster goes on with what one member has once the loss has
    /// lasted.
    ForRecovery {
        /// Voters whose data may still be there.
        left: usize,
        /// Voters there were.
        of: usize,
        /// With whose data.
        source: MemberName,
        /// When it begins, if nothing comes back until then.
        at: Timestamp,
    },
    /// The policy lets nobody be asked, but a member does not say how far it is, or is still going.
    ForSurvivor {
        /// Which.
        member: MemberName,
    },
    /// The member that a person named cannot be the source of a recovery.
    ForSource {
        /// Whom the person named.
        member: MemberName,
        /// Why it cannot.
        lack: SourceLack,
    },
    /// The tries before it failed, so the next one is not made at once.
    ForRetry {
        /// When it is made.
        at: Timestamp,
        /// How many failed in a row.
        times: u32,
        /// What became of the last.
        cause: Cause,
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
    ForAllClear {
        /// Whether only a person can withdraw it.
        person: bool,
    },
    /// A step would leave too few working voters.
    ForRedundancy {
        /// Who would stop, join or leave.
        member: MemberName,
        /// What would be missing.
        shortage: Shortage,
    },
    /// A step of the application's own is due, and something that it needs is not so.
    ForStep {
        /// What the step is called.
        step: String,
        /// The member it is about.
        member: MemberName,
        /// What is missing.
        shortage: Shortage,
    },
    /// A role is not worked on before another.
    ForRole {
        /// Which waits.
        role: crate::RoleName,
        /// What it waits for.
        shortage: Shortage,
    },
    /// A group that has a leader of its own lacks one that works. Nobody joins it, and nothing of it is begun again.
    ForGroup {
        /// The role.
        role: crate::RoleName,
        /// The group within the role.
        group: u32,
        /// Whether the data of all its members is lost. Then only a person leads on.
        lost: bool,
    },
    /// There are member pods, or claims, of this object, and the status knows nothing of a cluster: it was lost.
    ForRecord {
        /// How many pods.
        pods: usize,
        /// How many claims.
        claims: usize,
        /// What it lacks to be made again.
        lack: RecordLack,
    },
    /// A person wants to go on with the volumes of a cluster of this name that was deleted, and it is not certain with
    /// which.
    ForFormer {
        /// The uids of the objects of all that left some; none if nothing is left.
        clusters: Vec<crate::Uid>,
    },
    /// A person decided something that is none of the choices.
    ForChoice {
        /// What the person wrote.
        text: crate::Words,
    },
    /// All ids that the application takes were given out.
    ForIds {
        /// The highest.
        max: u64,
    },
    /// The list holds a member that the record does not know.
    ForUnknownMember {
        /// Which.
        member: MemberName,
    },
    /// The list gives a vote to a member whose role has none.
    ForVote {
        /// Which.
        member: MemberName,
    },
    /// The application names nobody who can be asked for a request.
    ForAddressee {
        /// What is to be requested.
        request: RequestKind,
        /// Of whom.
        member: MemberName,
    },
    /// The application refuses what the operator needs, because the operator has no user there.
    ForUser {
        /// What was refused; nothing if members answer nobody.
        action: Option<ActionKey>,
        /// What a person can do.
        hint: String,
    },
    /// The application or the API refused the last action.
    ForAnswer {
        /// The action.
        action: ActionKey,
        /// The answer.
        denial: Denial,
        /// When it is tried again, if it is still due.
        at: Timestamp,
    },
}

/// Why a member cannot be the source of a recovery.
///
/// ```
/// assert_ne!(endstate_core::SourceLack::NoVolume, endstate_core::SourceLack::Unknown);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SourceLack {
    /// There is no such member.
    Unknown,
    /// The application cannot go on with what one member has.
    Impossible,
    /// The spec says that nothing is gone on with.
    Forbidden,
    /// Its data is not on a volume, so that its pod cannot be started anew.
    NoVolume,
    /// Its own data is lost.
    DataLost,
    /// The application reports that its data is corrupt.
    Corrupt,
    /// Another member has, or had, what it lacks.
    Behind {
        /// Which.
        other: MemberName,
    },
    /// The data is spread over groups, each with a leader of its own: what one member has is not all.
    OneGroup,
    /// A quorum is there or may come back: nothing needs to be given up.
    NotNeeded,
    /// The same consent was used before, or a quorum was there since it was given.
    Used,
}

/// What a recovery gives up of what a member is known to have had whose data is lost.
///
/// ```
/// let given_up = endstate_core::GivenUp { of: "example-x7k2p".into(), entries: Some(2) };
/// assert_eq!(given_up.to_string(), "2 entries that example-x7k2p had");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GivenUp {
    /// The member that had most of it.
    pub of: MemberName,
    /// How many entries of its history; `None` where the two histories are not parts of one.
    pub entries: Option<u64>,
}

impl std::fmt::Display for GivenUp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { of, entries } = self;
        match entries {
            Some(1) => write!(f, "1 entry that {of} had"),
            Some(entries) => write!(f, "{entries} entries that {of} had"),
            None => write!(f, "some entries that {of} had"),
        }
    }
}

/// What a record that was lost lacks to be made again.
///
/// ```
/// assert_ne!(endstate_core::RecordLack::NoQuorum, endstate_core::RecordLack::Pods);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum RecordLack {
    /// Pods of members whose volumes are there: a person may have them started.
    Pods,
    /// A list of members that a quorum of them agrees on.
    NoQuorum,
    /// The mark on the pods of a quorum that they were started.
    NoMarks,
    /// A spec: no pod says what it was made from.
    NoSpec,
    /// Certainty about what is one cluster: members say that they belong to several.
    TwoClusters,
    /// Who is in which group, which no list of members says.
    Groups,
}

/// Why no leader can be appointed.
///
/// ```
/// use endstate_core::AppointmentLack;
/// let lack = AppointmentLack::MayLead { member: "example-x7k2p".into() };
/// assert_eq!(lack.to_string(), "example-x7k2p does not answer and may still lead");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum AppointmentLack {
    /// No voter that answers could lead.
    NoHeir,
    /// Data is corrupt, and nobody can say whose is good.
    Doubt,
    /// Two members lead, and each acknowledges writes by itself.
    Rivals {
        /// One of them.
        one: MemberName,
        /// Another.
        other: MemberName,
    },
    /// One that does not answer may lead.
    MayLead {
        /// Which.
        member: MemberName,
    },
    /// One may have what nobody else has, and may come back with it.
    MayBeAhead {
        /// Which.
        member: MemberName,
    },
    /// Two that answer have each what the other lacks.
    Diverged {
        /// One of them.
        one: MemberName,
        /// The other.
        other: MemberName,
    },
    /// One that lost its data was known to have what nobody else has. A person may give that up.
    LostAhead {
        /// Which.
        member: MemberName,
        /// Who would be appointed.
        heir: MemberName,
    },
}

impl AppointmentLack {
    /// Whether only a person can lead on.
    fn needs_user(&self) -> bool {
        matches!(self, Self::Rivals { .. } | Self::Diverged { .. } | Self::LostAhead { .. })
    }
}

impl Waiting {
    /// Whether only a person can lead on.
    ///
    /// ```
    /// use endstate_core::Waiting;
    /// let paused = Waiting::ForUnpause { withheld: vec![] };
    /// assert!(paused.needs_user() && !Waiting::ForLeader.needs_user());
    /// ```
    pub fn needs_user(&self) -> bool {
        self.stops_all()
            || matches!(
                self,
                Self::ForSpec { .. }
                    | Self::ForName { .. }
                    | Self::ForVolume { .. }
                    | Self::ForAuthority { .. }
                    | Self::ForCertificate { .. }
                    | Self::ForUnknownMember { .. }
                    | Self::ForChoice { .. }
                    | Self::ForFormer { .. }
                    | Self::ForVote { .. }
                    | Self::ForAllClear { person: true }
                    | Self::ForIds { .. }
                    | Self::ForGroup { lost: true, .. }
            )
            || matches!(self, Self::ForSource { lack, .. } if *lack != SourceLack::NotNeeded)
    }

    /// When this wait is over by itself, if time is all it takes.
    pub(crate) fn ends(&self) -> Option<Timestamp> {
        match self {
            Self::ForRetry { at, .. }
            | Self::ForStability { at, .. }
            | Self::ForAnswer { at, .. } => Some(*at),
            _ => None,
        }
    }

    /// Whether nothing else can go on before a person leads on.
    pub(crate) fn stops_all(&self) -> bool {
        matches!(self, Self::ForAppointment { lack } if lack.needs_user())
            || matches!(
                self,
                Self::ForUnpause { .. }
                    | Self::ForRecord { .. }
                    | Self::ForConsent { .. }
                    | Self::ForGoodData { .. }
                    | Self::ForCulprit
                    | Self::ForUser { .. }
            )
    }
}
