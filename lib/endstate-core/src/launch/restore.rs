//! What the data of a new cluster is made of, if it does not begin empty.

use serde::{Deserialize, Serialize};

use super::{ClaimFiles, LaunchOf, SecretFiles};

/// What a first member's data is made of, and what the program needs that makes it.
///
/// ```
/// let restore = endstate_core::Restore { what: "monday".into(), ..endstate_core::Restore::default() };
/// assert_eq!(serde_json::to_string(&restore).unwrap(), r#"{"what":"monday"}"#);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Restore {
    /// What is to be restored from where, as the program reads it that does so.
    pub what: String,
    /// The secrets that it needs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<SecretFiles>,
    /// The claim that it needs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<ClaimFiles>,
}

impl<S> LaunchOf<'_, S> {
    /// What a first member's data is made of: what an operation asks for, or else how the cluster was to begin. Of what
    /// cannot be read nothing is made, and nobody starts.
    pub fn restore(&self, declared: Option<&Restore>) -> Option<Restore> {
        let asked = self.source.map(|it| it.read().unwrap_or_default());
        asked.or_else(|| declared.cloned())
    }
}
