//! The claims on which members keep their data: one for each of its directories that is on a volume.

use serde::{Deserialize, Serialize};

use crate::id::{MemberName, ResourceVersion, RoleName, Uid};
use crate::launch::VolumeSpec;

/// A claim of a volume on which a member keeps its data. It outlives the member's pod.
///
/// ```
/// use endstate_core::Claim;
/// let claim = Claim::new("data-example-x7k2p", "7d11", "52", "example-x7k2p");
/// assert!(!claim.deleting);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Claim {
    /// `metadata.name`
    pub name: String,
    /// `metadata.uid`
    pub uid: Uid,
    /// `metadata.resourceVersion`
    pub resource_version: ResourceVersion,
    /// Whose data it holds.
    pub member: MemberName,
    /// The role of that member, if the claim says it: when the member has left nothing else does.
    pub role: Option<RoleName>,
    /// The volume that it asks for; `None` where nobody looked.
    pub volume: Option<VolumeSpec>,
    /// The other volumes of its member, by name: without one of them the member has no data.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub beside: Vec<String>,
    /// Whether it is kept when its member has left the cluster.
    pub retained: bool,
    /// Whether `metadata.deletionTimestamp` is set.
    pub deleting: bool,
    /// The uid of the cluster object that it was made for, if that is another than the one that is looked at.
    #[serde(default)]
    pub of_another: Option<Uid>,
}

impl Claim {
    /// A claim that goes when its member has left.
    pub fn new(
        name: impl Into<String>,
        uid: impl Into<Uid>,
        version: impl Into<ResourceVersion>,
        member: impl Into<MemberName>,
    ) -> Self {
        Self {
            name: name.into(),
            uid: uid.into(),
            resource_version: version.into(),
            member: member.into(),
            role: None,
            volume: None,
            beside: vec![],
            retained: false,
            deleting: false,
            of_another: None,
        }
    }

    /// The same, which says of which role its member is.
    #[must_use]
    pub fn of_role(self, role: Option<RoleName>) -> Self {
        Self { role, ..self }
    }

    /// The same, which asks for this volume.
    #[must_use]
    pub fn volume(self, volume: VolumeSpec) -> Self {
        Self { volume: Some(volume), ..self }
    }

    /// The same, of a member that has these other volumes, too.
    #[must_use]
    pub fn beside(self, beside: Vec<String>) -> Self {
        Self { beside, ..self }
    }

    /// The name of its volume among those of its member; nothing if it is not named after one.
    ///
    /// ```
    /// use endstate_core::Claim;
    /// assert_eq!(Claim::new("log-demo-x7k2p", "7d11", "52", "demo-x7k2p").name_of_volume(), Some("log"));
    /// ```
    pub fn name_of_volume(&self) -> Option<&str> {
        self.name.strip_suffix(self.member.as_str())?.strip_suffix('-')
    }
}
