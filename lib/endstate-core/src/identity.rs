//! Who the object is that declares a cluster.

use serde::{Deserialize, Serialize};

use crate::id::{ResourceVersion, Uid};

/// The identity of the object that declares the cluster.
///
/// ```
/// use endstate_core::Identity;
/// let mut object = Identity::new("default", "example", "0c5f");
/// let seed = object.seed();
/// object.resource_version = "8".into();
/// assert_eq!(seed, object.seed(), "a seed stays for the life of the object");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Identity {
    /// `metadata.namespace`
    pub namespace: String,
    /// `metadata.name`
    pub name: String,
    /// `metadata.uid`; also the token that keeps two clusters of one name apart.
    pub uid: Uid,
    /// `metadata.resourceVersion`; the status is written under the condition that it is unchanged.
    pub resource_version: ResourceVersion,
    /// `metadata.generation`
    pub generation: i64,
    /// Whether `metadata.deletionTimestamp` is set.
    pub deleting: bool,
}

impl Identity {
    /// An object of the first generation.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>, uid: impl Into<Uid>) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
            uid: uid.into(),
            resource_version: "1".into(),
            generation: 1,
            deleting: false,
        }
    }

    /// A number made from the uid (FNV-1a).
    pub fn seed(&self) -> u64 {
        let fold = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        self.uid.bytes().fold(0xcbf2_9ce4_8422_2325, fold)
    }
}
