//! A cluster that begins anew with the data of a backup.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::member::MemberRecord;
use crate::facts::Facts;
use crate::id::Uid;

/// The intent to begin a cluster anew with other data, by an operation that asks for it.
///
/// The record forgets the cluster in one write, when the data is made and no pod is left; until then all is undone when
/// the operation goes. The volumes that are there at that moment are kept.
///
/// ```
/// use endstate_core::{Facts, MemberRecord, RestoreStage, Restoring};
/// let stage = RestoreStage::Preparing { member: MemberRecord::new("example-x7k2p", "member") };
/// let restoring = Restoring { by: "9b1d".into(), source: Facts::of(&"monday"), stage };
/// assert_eq!(restoring.member().unwrap().name.as_str(), "example-x7k2p");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Restoring {
    /// The operation that asks for it.
    pub by: Uid,
    /// What the data is made of, as the operation says it.
    #[schemars(schema_with = "any_object")]
    pub source: Facts,
    /// How far it is.
    pub stage: RestoreStage,
}

/// How far it is.
///
/// ```
/// assert!(endstate_core::RestoreStage::Forming {}.member().is_none(), "it is a first member by now");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RestoreStage {
    /// The launcher of this member makes the data, while the cluster goes on.
    Preparing {
        /// Who will form the cluster.
        member: MemberRecord,
    },
    /// The data is whole. All pods go: nobody serves what is about to be replaced.
    Fencing {
        /// Who will form the cluster.
        member: MemberRecord,
    },
    /// The cluster that was is forgotten, and another forms with the data.
    Forming {},
}

impl RestoreStage {
    /// Who will form the cluster, as long as it is no first member yet.
    pub fn member(&self) -> Option<&MemberRecord> {
        match self {
            Self::Preparing { member } | Self::Fencing { member } => Some(member),
            Self::Forming {} => None,
        }
    }

    pub(super) fn member_mut(&mut self) -> Option<&mut MemberRecord> {
        match self {
            Self::Preparing { member } | Self::Fencing { member } => Some(member),
            Self::Forming {} => None,
        }
    }
}

impl Restoring {
    /// Who will form the cluster, as long as it is no first member yet.
    pub fn member(&self) -> Option<&MemberRecord> {
        self.stage.member()
    }
}

pub(super) fn any_object(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true })
}
