//! The steps that span several plans.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::member::{MemberRecord, is_first, is_no};
use crate::id::{MemberId, MemberName, RoleName, Uid};
use crate::reason::LeaveReason;
use crate::request::AppStep;

/// A step that spans several plans. At most one is under way.
///
/// ```
/// use endstate_core::{LeaveReason, Step};
/// let step = Step::Leave {
///     name: "example-x7k2p".into(),
///     role: "server".into(),
///     group: 0,
///     id: Some("a1".into()),
///     pod: Some("9b1d".into()),
///     reason: LeaveReason::ScaleDown,
/// };
/// assert_eq!(step.member().as_str(), "example-x7k2p");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Step {
    /// A new member comes: listed, started, given a vote when it has caught up; in which order is its role's
    /// [`Growth`](crate::Growth).
    Join {
        /// Who.
        member: MemberRecord,
    },
    /// A member goes: leadership moved away, removed from the list of members, then its pod is
    /// deleted. Up to the removal it can be cancelled.
    Leave {
        /// Its name.
        name: MemberName,
        /// Its role.
        #[serde(default)]
        role: RoleName,
        /// Its group within the role.
        #[serde(default, skip_serializing_if = "is_first")]
        group: u32,
        /// Its id, when the application knows it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<MemberId>,
        /// The uid of its pod, when there is one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pod: Option<Uid>,
        /// Why it goes.
        reason: LeaveReason,
    },
    /// A member that works is restarted in place. Over when it says that it runs what is asked for:
    /// its pod may be seen as it was before, and then nothing else would tell. Over also when it was
    /// started anew and [`RESTART_SECONDS`](crate::RESTART_SECONDS) have passed: an image may hold another
    /// version than its tag says.
    Restart {
        /// Its name.
        name: MemberName,
    },
    /// A step of the application's own. Over when it is not due any more.
    App {
        /// Which.
        step: AppStep,
    },
    /// The cluster goes on with what one member has, by a person's consent or by the policy of its role.
    Recover {
        /// Whose data.
        source: MemberName,
        /// Those whose data was found lost. It stays so when their pods are gone, unless one is seen to work.
        lost: Vec<MemberName>,
        /// How far it is.
        stage: RecoverStage,
        /// Whether nobody was asked ([`Recovery::Unasked`](crate::Recovery::Unasked)).
        #[serde(default, skip_serializing_if = "is_no")]
        unasked: bool,
    },
}

impl Step {
    /// Whom it is about.
    pub fn member(&self) -> &MemberName {
        match self {
            Self::Join { member } => &member.name,
            Self::Leave { name, .. } | Self::Restart { name } => name,
            Self::App { step } => &step.member,
            Self::Recover { source, .. } => source,
        }
    }

    /// The member that it asks for something, if that is due for this operation.
    pub(crate) fn of_operation(&self, operation: &Uid) -> Option<&MemberName> {
        match self {
            Self::App { step } if step.operation().as_ref() == Some(operation) => {
                Some(&step.member)
            }
            _ => None,
        }
    }
}

/// How far a recovery is.
///
/// ```
/// assert_ne!(endstate_core::RecoverStage::Fencing {}, endstate_core::RecoverStage::Alone {});
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RecoverStage {
    /// The pods of all voters go, so that the others cannot form a cluster of their own. Until the source is asked for
    /// as the only member all of it can be abandoned, and is when the consent is taken back or the policy is another.
    Fencing {},
    /// The source was asked for as the only member.
    Alone {},
    /// It serves alone. Its pod makes room for one that resumes: no pod keeps what it was told for the recovery.
    Resuming {
        /// The uid of the pod that goes.
        pod: Uid,
    },
}
