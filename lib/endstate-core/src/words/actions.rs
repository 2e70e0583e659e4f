//! What is done, and what is asked of the application.

use std::fmt::{Display, Formatter, Result};

use crate::comparison::Corruption;
use crate::launch::Start;
use crate::plan::Action;
use crate::request::{ActionKey, ActionKind, Request, RequestKind};

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
            Self::AllClear => "withdraw an alarm by",
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
            Self::AdoptClaim => f.write_str("take over the claim of"),
            Self::DeleteClaim => f.write_str("delete the claim of"),
            Self::ApplyObjects => f.write_str("apply the objects of"),
            Self::RequestCertificates => f.write_str("ask cert-manager for the certificates of"),
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
            Self::AllClear { alarm: Corruption::Of(id), .. } => {
                write!(f, "withdraw the alarm about corrupt data of {id}")
            }
            Self::AllClear { .. } => f.write_str("withdraw the alarm about data that differs"),
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
            Self::AdoptClaim { claim } => write!(f, "take over claim {}", claim.name),
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
            Self::Prepare { .. } => f.write_str("makes the data of a first member"),
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
            Self::AdoptClaim { .. } => "ClaimAdopted",
            Self::DeleteClaim { .. } => "ClaimDeleted",
            Self::Call(call) => match &call.request {
                Request::Join { .. } => "MemberAdded",
                Request::Promote { .. } => "MemberPromoted",
                Request::Transfer { .. } => "LeadershipTransferred",
                Request::Appoint { .. } => "LeaderAppointed",
                Request::Drain { .. } => "MemberDraining",
                Request::Leave { .. } => "MemberRemoved",
                Request::App(_) => "ApplicationStep",
                Request::AllClear { .. } => "AlarmWithdrawn",
                Request::Cancel { .. } => "TaskCancelled",
            },
        }
    }
}
