//! What the platform provides that a cluster runs on.

use serde::{Deserialize, Serialize};

/// What the platform provides, for choices that a spec leaves open ([`App::settle`](crate::App::settle)).
///
/// ```
/// assert!(endstate_core::Platform::default().default_storage_class.is_none());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Platform {
    /// The storage class of claims that name none.
    pub default_storage_class: Option<String>,
    /// Whether cert-manager can be asked for certificates: its kind is installed, and the operator may list it.
    #[serde(default)]
    pub cert_manager: bool,
}
