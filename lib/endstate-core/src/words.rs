//! The one renderer of reasons, waits and actions.
//!
//! It decides nothing, and no decision reads its text.

use std::fmt::{Display, Formatter, Result};

use jiff::Timestamp;

use crate::launch::Start;
use crate::limits::STABLE_SECONDS;
use crate::plan::Action;
use crate::problem::Problem;
use crate::reason::{Cause, End, Shortage, VersionMismatch};
use crate::record::LeaveReason;
use crate::request::{ActionKey, ActionKind, Request, RequestKind};
use crate::snapshot::{Conflict, Denial};
use crate::status::WaitRow;
use crate::topology::Recovery;
use crate::waiting::{AppointmentLack, SourceLack, Waiting};

impl Display for Cause {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let text = match self {
            Self::AnotherCluster { cluster } => {
                return write!(f, "it answers as a member of cluster {cluster}");
            }
            Self::VersionMismatch { versions } => return versions.fmt(f),
            Self::Crashed { end } => return write!(f, "it crashed: {end}"),
            Self::NoImage { message } => return write!(f, "its image is not available: {message}"),
            Self::Unschedulable { message } => {
                return write!(f, "its pod cannot be scheduled: {message}");
            }
            Self::Waiting { reason, message } if message.is_empty() => {
                return write!(f, "its pod is starting: {reason}");
            }
            Self::Waiting { reason, message } => {
                return write!(f, "its pod is starting: {reason} {message}");
            }
            Self::CrashLoop { end } => return write!(f, "it keeps crashing: {end}"),
            Self::DataLost { before: Some(words) } => {
                return write!(
                    f,
                    "its data is lost; last termination message before that: \"{words}\""
                );
            }
            Self::PodRefused { message } => {
                return write!(f, "the API server refused to create its pod: {message}");
            }
            Self::PodsUnknown => "the pods could not be listed",
            Self::NotAsked => "it was not queried",
            Self::NeedsUser => "it requires authentication, and serves nothing",
            Self::Refuses => "it refuses to answer",
            Self::Silent => "it does not answer",
            Self::EmptyAnswer => "its answer is empty",
            Self::NameTaken => "the name of an object that it needs is taken",
            Self::Diverged => "it has data that the leader does not have",
            Self::AnotherMember => "it answers as another member",
            Self::AnswersWithoutPod => "it answers although its pod is gone",
            Self::NothingKnown => "nothing is known about it",
            Self::Leaderless => "it answers but does not follow the leader",
            Self::Guarded => "it serves, but does not report its state without authentication",
            Self::Corrupt => "the application reports that its data is corrupt",
            Self::NoPodYet => "its pod does not exist yet",
            Self::PodAwaited => "its pod was requested and does not exist yet",
            Self::PodStarting => "its pod is starting",
            Self::NodeLost => "its node is lost",
            Self::OutdatedAndDown => "it is not running and was created from an older spec",
            Self::PodGoneVolumeKept => "its pod is gone; its volume is kept",
            Self::PodGone => "its pod is gone",
            Self::PodReplaced => "its pod was replaced by another",
            Self::PodDeleting => "its pod is being deleted",
            Self::PodEnded => "its pod has ended",
            Self::DataLost { before: None } => "its data is lost",
            Self::Unlisted => "it was removed from the list of members",
            Self::CannotForm => "too few of the initial members are left to form a cluster",
        };
        f.write_str(text)
    }
}

impl Display for End {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self.code {
            Some(code) if self.message.is_empty() => write!(f, "exit code {code}"),
            Some(code) => write!(f, "exit code {code}, \"{}\"", self.message),
            None => self.message.fmt(f),
        }
    }
}

impl Display for VersionMismatch {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "it runs version {} instead of {}", self.runs, self.asked)
    }
}

impl Display for Shortage {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::TooFewVoters { left, needed } => {
                write!(f, "{left} healthy voters would be left and {needed} are needed")
            }
            Self::AnotherIsDown { member } => write!(f, "{member} is not healthy"),
            Self::TooFewOthers { others, needed } => {
                write!(f, "fewer than {needed} of the {others} other voters are healthy")
            }
            Self::TooFewWithIt { working, needed } => {
                write!(f, "with it, {working} voters would be healthy and {needed} are needed")
            }
            Self::Outdated { member } => write!(f, "{member} does not run what is asked for yet"),
            Self::RoleDown { role } => write!(f, "too few members of role {role} are healthy"),
            Self::RoleBefore { role } => write!(f, "role {role} comes first"),
            Self::LastOfGroup { role, group } => {
                write!(f, "no other healthy member has the data of group {group} of role {role}")
            }
            Self::Application { message, .. } => f.write_str(message),
        }
    }
}

impl Display for SourceLack {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Unknown => f.write_str("there is no such member"),
            Self::Impossible => f.write_str("the application cannot be recovered from one member"),
            Self::NoVolume => {
                f.write_str("its data is not on a volume and would be deleted with its pod")
            }
            Self::DataLost => f.write_str("its own data is lost"),
            Self::Behind { other } => write!(f, "{other} has, or had, data that it lacks"),
            Self::OneGroup => f.write_str("the other groups have data that it does not have"),
            Self::NotNeeded => f.write_str("the quorum is available, or may recover by itself"),
            Self::Used => {
                f.write_str("that annotation was already used: remove it before it is set again")
            }
        }
    }
}

impl Display for AppointmentLack {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::NoHeir => f.write_str("no voter that answers could lead"),
            Self::Doubt => f.write_str("it is not certain whose data is good"),
            Self::Rivals { one, other } => {
                write!(f, "{one} and {other} both report that they lead")
            }
            Self::MayLead { member } => write!(f, "{member} does not answer and may still lead"),
            Self::MayBeAhead { member } => {
                write!(f, "{member} may have data that the others do not have")
            }
            Self::Diverged { one, other } => {
                write!(f, "{one} and {other} each have data that the other does not have")
            }
            Self::LostAhead { member, heir } => write!(
                f,
                "the data of {member} is lost, and some of it nobody else has; to go on from {heir} and give that up, name it in the annotation {}",
                crate::RECOVER_ANNOTATION
            ),
        }
    }
}

impl Display for LeaveReason {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(match self {
            Self::ScaleDown => "scaling down",
            Self::Dead => "it did not recover",
            Self::Outdated => "it was created from an older spec",
            Self::Corrupt => "its data is corrupt",
            Self::FailedJoin => "it failed to join",
            Self::Stray => "it is a leftover",
            Self::Recreated => "it is recreated on the same volume",
            Self::Recovered => "the cluster is recovered from one member",
        })
    }
}

impl Display for Conflict {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{} {}", self.kind, self.name)
    }
}

impl Display for Denial {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Api { message } | Self::Application { message } | Self::NeedsUser { message } => {
                message.fmt(f)
            }
        }
    }
}

impl Display for RequestKind {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(match self {
            Self::Join => "add member",
            Self::Promote => "promote",
            Self::Transfer => "transfer leadership to",
            Self::Appoint => "appoint",
            Self::Drain => "drain",
            Self::Leave => "remove member",
            Self::App(name) => name,
            Self::Cancel => "cancel the task of",
        })
    }
}

impl Display for ActionKind {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::CreatePod => f.write_str("create pod"),
            Self::UpdatePod => f.write_str("update labels of pod"),
            Self::MarkPod => f.write_str("mark pod"),
            Self::RestartPod => f.write_str("restart"),
            Self::DeletePod => f.write_str("delete pod"),
            Self::DeleteClaim => f.write_str("delete the claim of"),
            Self::ApplyObjects => f.write_str("apply the objects of"),
            Self::Request(kind) => kind.fmt(f),
        }
    }
}

impl Display for ActionKey {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{} {}", self.kind, self.member)
    }
}

impl Display for Request {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Join { member, votes: true, .. } => write!(f, "add member {member}"),
            Self::Join { member, .. } => write!(f, "add non-voting member {member}"),
            Self::Promote { member, .. } => write!(f, "promote {member}"),
            Self::Transfer { to, .. } => write!(f, "transfer leadership to {to}"),
            Self::Appoint { member, .. } => write!(f, "appoint {member} as the leader"),
            Self::Drain { member, .. } => write!(f, "drain {member}"),
            Self::Leave { member, id, reason } => {
                write!(f, "remove member {member} ({id}): {reason}")
            }
            Self::App(step) => write!(f, "{} {}", step.name, step.member),
            Self::Cancel { request, member } => write!(f, "cancel: {request} {member}"),
        }
    }
}

impl Display for Action {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::CreatePod { member, start, .. } => write!(f, "create pod {member}: {start}"),
            Self::MarkPod { pod, .. } => write!(f, "mark pod {}", pod.name),
            Self::UpdatePod { pod, .. } => write!(f, "update labels of pod {}", pod.name),
            Self::RestartPod { pod, launch } => {
                write!(f, "restart {} in place with image {}", pod.name, launch.image)
            }
            Self::DeletePod { pod, reason } => write!(f, "delete pod {}: {reason}", pod.name),
            Self::DeleteClaim { claim } => {
                write!(f, "delete claim {}: {} has left", claim.name, claim.member)
            }
            Self::Call(call) => call.request.fmt(f),
        }
    }
}

impl Display for Start {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::New { members, .. } => write!(f, "bootstrap of {} members", members.len()),
            Self::Existing { .. } => f.write_str("joins the cluster"),
            Self::Resume { .. } => f.write_str("resumes on its volume"),
            Self::Recover { .. } => f.write_str("resumes on its volume as the only member"),
        }
    }
}

impl Action {
    /// The reason of its event.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::CreatePod { .. } => "PodCreated",
            Self::MarkPod { .. } => "PodMarked",
            Self::UpdatePod { .. } => "PodUpdated",
            Self::RestartPod { .. } => "MemberRestarted",
            Self::DeletePod { .. } => "PodDeleted",
            Self::DeleteClaim { .. } => "ClaimDeleted",
            Self::Call(call) => match &call.request {
                Request::Join { .. } => "MemberAdded",
                Request::Promote { .. } => "MemberPromoted",
                Request::Transfer { .. } => "LeadershipTransferred",
                Request::Appoint { .. } => "LeaderAppointed",
                Request::Drain { .. } => "MemberDraining",
                Request::Leave { .. } => "MemberRemoved",
                Request::App(_) => "ApplicationStep",
                Request::Cancel { .. } => "TaskCancelled",
            },
        }
    }
}

impl Waiting {
    /// What it waits for.
    pub fn what(&self) -> String {
        match self {
            Self::ForSpec { .. } => "a valid spec".into(),
            Self::ForUnpause => "spec.paused to become false".into(),
            Self::ForDeletion => "the owned objects to be deleted".into(),
            Self::ForPodList => "the list of pods".into(),
            Self::ForName { conflict } => format!("the name of {conflict} to be free"),
            Self::ForFormation { .. } => "the initial members to form the cluster".into(),
            Self::ForMarks { .. } => "the pods of a quorum to be marked as started".into(),
            Self::ForMark { member } => format!("pod {member} to be marked as started"),
            Self::ForPod { member, .. } => format!("pod {member} to run"),
            Self::ForMember { member, .. } => format!("member {member} to be healthy"),
            Self::ForRestart { member } => format!("member {member} to restart"),
            Self::ForCatchUp { member, .. } => format!("member {member} to catch up"),
            Self::ForSameHistory { member } => format!("member {member} to follow the leader"),
            Self::ForTask { request, member, .. } => format!("\"{request} {member}\" to finish"),
            Self::ForLeader => "a leader".into(),
            Self::ForAppointment { .. } => "a leader to be appointed".into(),
            Self::ForQuorum { .. } => "a quorum".into(),
            Self::ForAgreement { .. } => "the voters to agree on the list of members".into(),
            Self::ForConsent { .. } => "a decision about the lost data".into(),
            Self::ForSource { .. } => "another recovery source".into(),
            Self::ForRetry { at, .. } => format!("the next attempt at {}", to_the_second(*at)),
            Self::ForStability { member, .. } => format!("member {member} to be stable"),
            Self::ForGoodData { .. } => "a majority with good data".into(),
            Self::ForCulprit => "a decision about which data is wrong".into(),
            Self::ForAllClear => "the alarm about corrupt data to be cleared".into(),
            Self::ForRedundancy { member, .. } => format!("a safe moment to change {member}"),
            Self::ForStep { step, member, .. } => format!("a safe moment for \"{step} {member}\""),
            Self::ForRole { role, .. } => format!("the turn of role {role}"),
            Self::ForGroup { role, group, lost: true } => {
                format!("a decision about the lost data of group {group} of role {role}")
            }
            Self::ForGroup { role, group, .. } => {
                format!("a leader of group {group} of role {role}")
            }
            Self::ForRecord { .. } => "a decision about the lost status".into(),
            Self::ForIds { .. } => "an id for a new member".into(),
            Self::ForUnknownMember { member } => format!("a decision about member {member}"),
            Self::ForUser { .. } => "credentials for the operator".into(),
            Self::ForAnswer { action, .. } => format!("\"{action}\" to be accepted"),
        }
    }

    /// Why that has not happened yet.
    pub fn why(&self) -> String {
        match self {
            Self::ForSpec { problems } => list(problems),
            Self::ForUnpause => "the cluster is paused".into(),
            Self::ForDeletion => "the object is being deleted".into(),
            Self::ForPodList => "it could not be read".into(),
            Self::ForName { conflict } => match &conflict.member {
                Some(member) => format!("it exists and has another owner, and {member} needs it"),
                None => "it exists and has another owner: give the cluster another name".into(),
            },
            Self::ForFormation { started, of } => {
                format!("{started} of {of} have started and there is no leader yet")
            }
            Self::ForMarks { marked, needed } => format!("{marked} of {needed} are marked"),
            Self::ForMark { .. } => "its member gets a vote only after that".into(),
            Self::ForPod { cause, .. } | Self::ForMember { cause, .. } => cause.to_string(),
            Self::ForRestart { .. } => "it has not reported the restart yet".into(),
            Self::ForCatchUp { behind, .. } => format!("it is about {behind} entries behind"),
            Self::ForSameHistory { .. } => "it has data that the leader does not have".into(),
            Self::ForTask { done, of, .. } => format!("{done} of {of} are done"),
            Self::ForLeader => "no member reports a leader".into(),
            Self::ForAppointment { lack } => lack.to_string(),
            Self::ForQuorum { healthy, needed } => {
                format!("{healthy} of the {needed} voters it needs are healthy")
            }
            Self::ForAgreement { agreed, needed } => {
                format!("{agreed} of the {needed} voters needed returned the same list")
            }
            Self::ForConsent { left, of, sources, recovery } => {
                consent((*left, *of), sources, *recovery)
            }
            Self::ForSource { member, lack } => {
                format!("{member} is named in {}, but {lack}", crate::RECOVER_ANNOTATION)
            }
            Self::ForRetry { times: 1, cause, .. } => format!("an attempt failed: {cause}"),
            Self::ForRetry { times, cause, .. } => {
                format!("{times} attempts failed in a row, the last with: {cause}")
            }
            Self::ForStability { .. } => {
                format!("it has been back for less than {STABLE_SECONDS} seconds")
            }
            Self::ForGoodData { corrupt, good, of } => {
                format!(
                    "{corrupt} of {of} voters have corrupt data and {good} are healthy with good data"
                )
            }
            Self::ForCulprit => {
                "the data of the members differs and the alarm names none of them".into()
            }
            Self::ForAllClear => {
                "the member it names has left, and the application restricts service until then"
                    .into()
            }
            Self::ForRedundancy { shortage, .. }
            | Self::ForStep { shortage, .. }
            | Self::ForRole { shortage, .. } => shortage.to_string(),
            Self::ForGroup { lost: true, .. } => "the data of all its members is lost".into(),
            Self::ForGroup { .. } => "none of its members reports that it leads".into(),
            Self::ForRecord { pods, claims } => record(*pods, *claims),
            Self::ForIds { max } => format!("all ids up to {max} have been used"),
            Self::ForUser { action: None, hint } => {
                format!("members require authentication: {hint}")
            }
            Self::ForUser { action: Some(action), hint } => {
                format!("\"{action}\" is refused without authentication: {hint}")
            }
            Self::ForUnknownMember { .. } => "it is listed, and the operator did not add it".into(),
            Self::ForAnswer { denial, .. } => denial.to_string(),
        }
    }

    /// One word, for programs.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::ForSpec { .. } => "SpecRefused",
            Self::ForUnpause => "Paused",
            Self::ForDeletion => "Deleting",
            Self::ForPodList => "PodsUnknown",
            Self::ForName { .. } => "NameTaken",
            Self::ForFormation { .. } => "Forming",
            Self::ForMarks { .. } | Self::ForMark { .. } => "PodNotMarked",
            Self::ForPod { .. } => "PodNotRunning",
            Self::ForMember { .. } => "MemberUnhealthy",
            Self::ForRestart { .. } => "MemberRestarting",
            Self::ForCatchUp { .. } => "MemberBehind",
            Self::ForSameHistory { .. } => "MemberDiverged",
            Self::ForTask { .. } => "TaskRunning",
            Self::ForLeader => "NoLeader",
            Self::ForAppointment { lack: AppointmentLack::Rivals { .. } } => "TwoLeaders",
            Self::ForAppointment { .. } => "NoAppointment",
            Self::ForQuorum { .. } => "NoQuorum",
            Self::ForAgreement { .. } => "NoAgreement",
            Self::ForConsent { .. } => "DataLost",
            Self::ForSource { .. } => "SourceRefused",
            Self::ForRetry { .. } => "BackOff",
            Self::ForStability { .. } => "MemberNotStable",
            Self::ForGoodData { .. } => "DataCorrupt",
            Self::ForCulprit => "DataDiffers",
            Self::ForAllClear => "AlarmActive",
            Self::ForRedundancy { .. } => "TooFewMembers",
            Self::ForStep { .. } => "StepPutOff",
            Self::ForRole { .. } => "RoleNotReady",
            Self::ForGroup { lost: true, .. } => "GroupLost",
            Self::ForGroup { .. } => "NoGroupLeader",
            Self::ForRecord { .. } => "RecordLost",
            Self::ForIds { .. } => "IdsExhausted",
            Self::ForUnknownMember { .. } => "UnknownMember",
            Self::ForUser { .. } => "CredentialsNeeded",
            Self::ForAnswer { .. } => "ActionRefused",
        }
    }
}

fn record(pods: usize, claims: usize) -> String {
    let claims = if claims == 0 { String::new() } else { format!(", {claims} volume claims") };
    format!("there are {pods} member pods{claims} and no record of a cluster")
}

fn consent((left, of): (usize, usize), sources: &[crate::MemberName], able: Recovery) -> String {
    let lost = format!("the data of {left} of {of} voters is left, which is not a majority");
    if able == Recovery::Impossible {
        return format!(
            "{lost}, and the application cannot be recovered from one member: restore a backup into another cluster"
        );
    }
    if sources.is_empty() {
        return lost;
    }
    let names: Vec<_> = sources.iter().map(|it| it.as_str()).collect();
    format!(
        "{lost}; to go on from {} and give up what only the lost members had, name it in the annotation {}",
        names.join(" or "),
        crate::RECOVER_ANNOTATION
    )
}

/// Problems in one line.
pub(crate) fn list(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// A time to the second, as Kubernetes writes it.
fn to_the_second(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

impl Display for Problem {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

impl Display for Waiting {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        WaitRow::from(self).fmt(f)
    }
}

impl From<&Waiting> for WaitRow {
    fn from(wait: &Waiting) -> Self {
        Self { what: wait.what(), because: wait.why() }
    }
}
