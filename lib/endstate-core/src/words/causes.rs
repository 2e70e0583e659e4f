//! What is wrong, what is lacking, and why somebody goes.

use std::fmt::{Display, Formatter, Result};

use crate::consent::Choice;
use crate::exit::Survey;
use crate::operation::Operation;
use crate::problem::Problem;
use crate::reason::{Cause, End, LeaveReason, Shortage, VersionMismatch};
use crate::snapshot::{Conflict, Denial};
use crate::waiting::{AppointmentLack, SourceLack};

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
            Self::ForeignData { message } => {
                return write!(f, "its data is another member's: {message}");
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
            Self::Corrupt => "its data is corrupt",
            Self::NoPodYet => "its pod does not exist yet",
            Self::PodAwaited => "its pod was requested and does not exist yet",
            Self::PodStarting => "its pod is starting",
            Self::NodeLost => "its node is lost",
            Self::VolumeOnEmptied => "its volume is on a node that is being emptied",
            Self::OutdatedAndDown => "it is not running and was created from an older spec",
            Self::PodGoneVolumeKept => "its pod is gone; its volume is kept",
            Self::PodGone => "its pod is gone",
            Self::VolumeGone => "its volume is gone",
            Self::PodReplaced => "its pod was replaced by another",
            Self::PodDeleting => "its pod is being deleted",
            Self::PodEnded => "its pod has ended",
            Self::VolumeDeleting => "its volume is being deleted",
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
        }?;
        f.write_str(match self.data {
            Survey::Unknown => " (nothing is known of its data)",
            Survey::Sound => " (its launcher found its data as it should be)",
            Survey::Unreadable => " (its data cannot be read)",
        })
    }
}

impl Display for VersionMismatch {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "it runs version {} instead of {}", self.runs, self.asked)
    }
}

impl Display for Operation {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::MoveLeader { to: Some(to) } => write!(f, "{to} takes the lead"),
            Self::MoveLeader { to: None } => f.write_str("another voter takes the lead"),
            Self::ReplaceMember { member } => {
                write!(f, "another member takes the place of {member}")
            }
            Self::OnMembers { step, .. } => write!(f, "{step} of members"),
            Self::Restore { .. } => {
                f.write_str("the cluster begins anew with the data of a backup")
            }
            Self::Unknown => f.write_str("an operation that nobody knows"),
        }
    }
}

impl Display for Shortage {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::TooFewVoters { left, needed } => {
                write!(f, "{left} healthy voters would be left and {needed} are needed")
            }
            Self::AnotherIsDown { member } => write!(f, "{member} is not healthy"),
            Self::NotReady { member } => write!(f, "{member} is not ready for clients"),
            Self::TooFewOthers { others, needed } => {
                write!(f, "fewer than {needed} of the {others} other voters are healthy")
            }
            Self::TooFewWithIt { working, needed } => {
                write!(f, "with it, {working} voters would be healthy and {needed} are needed")
            }
            Self::Outdated { member } => write!(f, "{member} does not run what is asked for yet"),
            Self::Behind { member } => write!(f, "{member} has to catch up with its leader first"),
            Self::RoleDown { role } => write!(f, "too few members of role {role} are healthy"),
            Self::RoleBefore { role } => write!(f, "role {role} comes first"),
            Self::LastOfGroup { role, group } => {
                write!(f, "no other healthy member has the data of group {group} of role {role}")
            }
            Self::Application { message } => f.write_str(message),
        }
    }
}

/// Why nothing is recovered whose spec says so.
pub(super) const FORBIDDEN: &str = "the spec says that nothing is recovered from one member";

impl Display for SourceLack {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Unknown => f.write_str("there is no such member"),
            Self::Impossible => f.write_str("the application cannot be recovered from one member"),
            Self::Forbidden => f.write_str(FORBIDDEN),
            Self::NoVolume => {
                f.write_str("its data is not on a volume and would be deleted with its pod")
            }
            Self::DataLost => f.write_str("its own data is lost"),
            Self::Corrupt => f.write_str("the application reports that its data is corrupt"),
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
                "the data of {member} is lost, and some of it nobody else has; {}",
                Choice::RecoverFrom(heir.clone())
                    .asked_for(&format!("to go on from {heir} and give that up"))
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
            Self::VolumeDeleted => "its volume is being deleted",
            Self::Vacated => "somebody asks that it leaves its node",
            Self::Requested => "another is asked for in its place",
            Self::FailedJoin => "it failed to join",
            Self::Stray => "it is a leftover",
            Self::Stranger => "the operator did not add it, and a person wants it removed",
            Self::Recreated => "it is recreated on the same volume",
            Self::Hibernates => "no member is to run; its volume is kept",
            Self::Recovered => "the cluster is recovered from one member",
            Self::Restored => "the cluster begins anew with the data of a backup",
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

/// Problems in one line.
pub(crate) fn list(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

impl Display for Problem {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}
